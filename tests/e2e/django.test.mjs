// Django's get_asgi_application through a real node:http server: the admin's login, a form with CSRF, an async stream.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { apps, bytes, pythonExecutable, run, serveApp } from '../node/support.mjs'

/** A browser as far as Django needs one: it keeps cookies, and follows no redirects by itself. */
class Browser {
  /** @type {Map<string, string>} */
  cookies = new Map()

  constructor(site) {
    this.site = site
  }

  async open(path, init = {}) {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const headers = { ...init.headers, ...(cookie && { cookie }) }
    const response = await this.site.fetch(path, { redirect: 'manual', ...init, headers })
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)
      this.cookies.set(name, value)
    }
    return { status: response.status, headers: response.headers, text: await response.text() }
  }

  /** The hidden token of the form on a page. */
  async token(path) {
    const { text } = await this.open(path)
    return /name="?csrfmiddlewaretoken"? value="?([A-Za-z0-9]+)/.exec(text)[1]
  }
}

describe('Django', { timeout: 60_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'asgi-node-django-'))
  // Python takes its environment from the process when it starts, so this has to be here before the handler is.
  process.env.DJANGO_APP_DATABASE = join(folder, 'db.sqlite3')
  before(async () => {
    const args = ['-m', 'django_app.prepare', 'admin', 's3cret-pässword']
    const { code, stderr } = await run(pythonExecutable(), args, { cwd: apps, timeout: 50_000 })
    assert.equal(code, 0, stderr)
  })
  after(() => rmSync(folder, { recursive: true, force: true }))
  const site = serveApp({ before, after }, 'django_app.asgi:application')

  test('the admin asks for a login and shows its page', async () => {
    const browser = new Browser(site)
    const asked = await browser.open('/admin/')
    assert.deepEqual([asked.status, asked.headers.get('location')], [302, '/admin/login/?next=/admin/'])
    const page = await browser.open('/admin/login/')
    assert.equal(page.status, 200)
    assert.match(page.text, /Django administration|Site administration|Log in/)
    assert.ok(browser.cookies.has('csrftoken'))
  })

  test('logging in: refused without the token or with the wrong password, then a session', async () => {
    const browser = new Browser(site)
    const login = (fields) =>
      browser.open('/admin/login/?next=/admin/', { method: 'POST', body: new URLSearchParams(fields) })
    const token = await browser.token('/admin/login/')
    const user = { username: 'admin', password: 's3cret-pässword', next: '/admin/' }
    assert.equal((await login(user)).status, 403)
    const wrong = await login({ ...user, password: 'guess', csrfmiddlewaretoken: token })
    assert.equal(wrong.status, 200)
    assert.match(wrong.text, /Please enter the correct/)
    const right = await login({ ...user, csrfmiddlewaretoken: token })
    assert.deepEqual([right.status, right.headers.get('location')], [302, '/admin/'])
    assert.ok(browser.cookies.has('sessionid'))
    const index = await browser.open('/admin/')
    assert.equal(index.status, 200)
    assert.match(index.text, /<strong>admin<\/strong>/)
    assert.match((await browser.open('/admin/auth/user/')).text, /admin@example\.org/)
  })

  test('a form with CSRF: fields, validation, a file', async () => {
    const browser = new Browser(site)
    const csrfmiddlewaretoken = await browser.token('/guestbook/')
    const post = (body) => browser.open('/guestbook/', { method: 'POST', body })
    const plain = await post(new URLSearchParams({ csrfmiddlewaretoken, name: 'Zoë' }))
    assert.deepEqual(JSON.parse(plain.text), { name: 'Zoë', size: null })
    const invalid = await post(new URLSearchParams({ csrfmiddlewaretoken, name: 'x'.repeat(21) }))
    assert.equal(invalid.status, 400)
    assert.ok('name' in JSON.parse(invalid.text))
    const form = new FormData()
    form.set('csrfmiddlewaretoken', csrfmiddlewaretoken)
    form.set('name', 'with a picture')
    // Above Django's limit for keeping an upload in memory.
    form.set('picture', new Blob([bytes(5_000_000, 41)]), 'picture.bin')
    assert.deepEqual(JSON.parse((await post(form)).text), { name: 'with a picture', size: 5_000_000 })
    const stranger = new Browser(site)
    const forged = new URLSearchParams({ csrfmiddlewaretoken, name: 'x' })
    assert.equal((await stranger.open('/guestbook/', { method: 'POST', body: forged })).status, 403)
  })

  test('an async view streams', async () => {
    const { text } = await new Browser(site).open('/numbers/')
    assert.equal(text, '0\n1\n2\n3\n4\n')
  })

  test('sync views run side by side with everything else', async () => {
    const pages = await Promise.all(Array.from({ length: 30 }, () => new Browser(site).open('/admin/login/')))
    assert.ok(pages.every(({ status }) => status === 200))
  })
})
