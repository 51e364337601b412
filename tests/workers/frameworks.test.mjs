// Frameworks in workers: Django, Channels, FastAPI with sockets in groups, numpy.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { serveWebSockets } from '../asgi/websockets.mjs'
import { call, makeHandler, temporaryFolder, until } from '../node/support.mjs'

const workers = 1

test('Django: a token of one worker is one of the other, too', async (t) => {
  process.env.DJANGO_APP_DATABASE = join(temporaryFolder(t), 'db.sqlite3')
  t.after(() => delete process.env.DJANGO_APP_DATABASE)
  const handler = makeHandler(t, 'django_app.asgi:application', { workers: 2 })
  await handler.ready()
  const page = await call(handler, '/guestbook/', { headers: { host: 'localhost' } })
  const token = /value=(\w+)/.exec(page.body.toString())[1]
  const [cookie] = /^csrftoken=\w+/.exec(page.headers.get('set-cookie'))
  const headers = { host: 'localhost', cookie, 'content-type': 'application/x-www-form-urlencoded' }
  const post = (name, csrfmiddlewaretoken) => call(handler, '/guestbook/', { method: 'POST', headers, body: new URLSearchParams({ name, csrfmiddlewaretoken }).toString() })
  const answers = await Promise.all(Array.from({ length: 6 }, (_, n) => post(`name ${n}`, token)))
  assert.deepEqual(answers.map(({ body }) => JSON.parse(body.toString()).name), Array.from({ length: 6 }, (_, n) => `name ${n}`))
  assert.equal((await post('name', 'x'.repeat(64))).status, 403)
  assert.ok(handler.health().workers.every(({ requestsTotal }) => requestsTotal >= 3))
  const { body } = await call(handler, '/numbers/', { headers: { host: 'localhost' } })
  assert.equal(body.toString(), '0\n1\n2\n3\n4\n')
})

describe('Django Channels', () => {
  const site = serveWebSockets({ before, after }, 'channels_app:app', { workers })
  const open = (path, protocols = []) => site.open(path, protocols, { origin: site.http })

  test('consumers of a room hear each other, by a channel layer', async () => {
    const [ann, bob, eve] = await Promise.all([open('/room/a'), open('/room/a'), open('/room/b')])
    ann.ws.send('{"text":"hällo"}')
    for (const client of [ann, bob]) assert.deepEqual(JSON.parse(await client.next()), { room: 'a', text: 'hällo' })
    eve.ws.send('{"text":"alone"}')
    assert.deepEqual(JSON.parse(await eve.next()), { room: 'b', text: 'alone' })
    bob.ws.close(4001)
    await until(async () => (await (await fetch(`${site.http}/ends`)).json()).includes('a 4001'))
    for (const { ws } of [ann, eve]) ws.terminate()
  })

  test('a synchronous consumer, on a thread of Django', async () => {
    const client = await open('/upper')
    client.ws.send('text')
    assert.equal(await client.next(), 'TEXT')
    client.ws.send('bye')
    assert.deepEqual(await client.closed, { code: 4000, reason: 'bye' })
  })
})

describe('FastAPI', () => {
  const site = serveWebSockets({ before, after }, 'worker_frameworks_app:app', { workers })

  test('sockets of a group get what anybody says, joins or leaves, and what a request announces', async () => {
    const ann = await site.open('/room/a')
    const { joined, pid } = JSON.parse(await ann.next())
    assert.equal(joined, 1)
    assert.notEqual(pid, process.pid)
    const bob = await site.open('/room/a')
    for (const client of [ann, bob]) assert.deepEqual(JSON.parse(await client.next()), { joined: 2, pid })
    for (let n = 0; n < 200; n += 1) (n % 2 === 0 ? ann : bob).ws.send(`${n}`)
    for (const client of [ann, bob]) {
      const said = []
      while (said.length < 200) said.push(Number(JSON.parse(await client.next()).said))
      assert.deepEqual(said.filter((n) => n % 2 === 0), Array.from({ length: 100 }, (_, n) => 2 * n))
      assert.deepEqual(said.filter((n) => n % 2 === 1), Array.from({ length: 100 }, (_, n) => 2 * n + 1))
    }
    const response = await fetch(`${site.http}/room/a`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '"news"' })
    assert.equal(await response.json(), 2)
    for (const client of [ann, bob]) assert.deepEqual(JSON.parse(await client.next()), { announced: 'news' })
    bob.ws.close(4002)
    assert.deepEqual(JSON.parse(await ann.next()), { left: 4002 })
    ann.ws.close()
  })

  test('numpy: arrays as bodies', async () => {
    const numbers = Float64Array.from({ length: 500_000 }, (_, n) => n / 3)
    const headers = { 'content-type': 'application/octet-stream' }
    const { status, body } = await call(site.handler, '/double', { method: 'POST', headers, body: Buffer.from(numbers.buffer) })
    assert.equal(status, 200)
    const doubled = new Float64Array(new Uint8Array(body).buffer)
    assert.deepEqual(doubled, numbers.map((n) => n * 2))
  })
})

test('numpy: two workers compute at the same time, and both keep answering', async (t) => {
  const handler = makeHandler(t, 'worker_frameworks_app:app', { workers: 2 })
  await handler.ready()
  const answers = await Promise.all(Array.from({ length: 8 }, (_, n) => call(handler, `/solve?size=${400 + n}`)))
  const solved = answers.map(({ body }) => JSON.parse(body.toString()))
  assert.equal(new Set(solved.map(({ pid }) => pid)).size, 2)
  for (const { error } of solved) assert.ok(error < 1e-6, `${error}`)
})
