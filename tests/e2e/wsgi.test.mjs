// WSGI through a real node:http server: Flask, Django's WSGI handler, and applications without a framework that use what
// PEP 3333 allows, or break it.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { serveApart } from '../hostile/wire.mjs'
import { freePort, startServer, succeed } from '../repository/documents.mjs'
import {
  assertReturnsTo, bytes, call, callJson, holdings, makeHandler, openSocket, plainPython, repository, run, runNode, serveApp, sha256,
  temporaryFolder, text, until,
} from '../node/support.mjs'

const limits = { timeout: 60_000 }

describe('Flask', limits, () => {
  const site = serveApp({ before, after }, 'flask_app:app')
  // Importing a framework takes seconds where the machine is busy: no request has to wait for that.
  before(() => site.handler.ready())
  const json = async (path, init) => (await site.fetch(path, init)).json()
  const post = (path, body, headers) => site.fetch(path, { method: 'POST', body, headers, duplex: 'half' })

  test('JSON, valid and not; what is not there; the wrong method', async () => {
    const headers = { 'content-type': 'application/json' }
    const response = await post('/items', JSON.stringify({ name: 'é', price: 2.5 }), headers)
    assert.deepEqual([response.status, await response.json()], [200, { name: 'é', price: 2.5 }])
    assert.equal((await post('/items', '{"name": "x", "price": "much"}', headers)).status, 400)
    assert.equal((await post('/items', '{', headers)).status, 400)
    assert.equal((await site.fetch('/nowhere')).status, 404)
    assert.equal((await site.fetch('/items')).status, 405)
  })

  test('environ: the path by its bytes, the query, who asks whom', async () => {
    const seen = await json('/environ/a%20b/%C3%A9/c%2Fd?x=1&x=%C3%A9')
    assert.equal(seen.PATH_INFO, '/environ/a b/\u00c3\u00a9/c/d')
    assert.deepEqual([seen.rest, seen.args, seen.QUERY_STRING], ['a b/é/c/d', { x: '1' }, 'x=1&x=%C3%A9'])
    assert.deepEqual([seen.REQUEST_METHOD, seen.SCRIPT_NAME, seen.SERVER_PROTOCOL], ['GET', '', 'HTTP/1.1'])
    assert.deepEqual([seen.REMOTE_ADDR, seen['wsgi.url_scheme'], seen['wsgi.multithread']], ['127.0.0.1', 'http', true])
    assert.equal(seen.SERVER_PORT, String(site.port))
    assert.match(seen.REMOTE_PORT, /^\d+$/)
    assert.equal(decodeURI(seen.url), `${site.url}/environ/a b/é/c/d?x=1&x=é`)
    // No UTF-8: the bytes arrive all the same.
    assert.equal((await json('/environ/%ff%fe')).PATH_INFO, '/environ/\u00ff\u00fe')
  })

  test('rootPath is SCRIPT_NAME, which ends where a segment ends', async (t) => {
    const mounted = makeHandler(t, 'flask_app:app', { rootPath: '/möunt' })
    const seen = await callJson(mounted, '/environ/x', { headers: { host: 'example.org' } })
    assert.deepEqual([seen.SCRIPT_NAME, seen.PATH_INFO], ['/m\u00c3\u00b6unt', '/environ/x'])
    assert.equal(seen.url, 'http://example.org/möunt/environ/x')
    const other = makeHandler(t, 'flask_app:app', { rootPath: '/env', rootPathStripped: true })
    const near = await callJson(other, '/environ/x')
    assert.deepEqual([near.SCRIPT_NAME, near.PATH_INFO], ['', '/environ/x'])
  })

  test('headers: names that would pass for others are dropped, cookies are one', async (t) => {
    const lines = ['X-User: true', 'X_User: forged', 'Content_Length: 9', 'Cookie: a=1', 'Cookie: b=2', 'X-Two: 1', 'X-Two: 2']
    const head = `GET /environ/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n${lines.join('\r\n')}\r\n\r\n`
    const { headers } = JSON.parse((await site.raw(t, head)).split('\r\n\r\n')[1])
    assert.deepEqual(headers, {
      HTTP_HOST: 'h', HTTP_CONNECTION: 'close', HTTP_X_USER: 'true', HTTP_COOKIE: 'a=1; b=2', HTTP_X_TWO: '1,2',
    })
  })

  test('cookies both ways', async () => {
    const response = await site.fetch('/cookie', { headers: { cookie: 'x=1; y=2' } })
    assert.deepEqual(await response.json(), { x: '1', y: '2' })
    assert.deepEqual(response.headers.getSetCookie().map((cookie) => cookie.split(';')[0]), ['one=1', 'two=2'])
  })

  test('uploads: with a length, in chunks of unknown number, as a form', async () => {
    const content = bytes(5_000_000, 51)
    const expected = { size: content.length, sha256: sha256(content) }
    assert.deepEqual(await (await post('/upload', content)).json(), expected)
    async function* parts() {
      for (let at = 0; at < content.length; at += 100_003) yield content.subarray(at, at + 100_003)
    }
    assert.deepEqual(await (await post('/upload', ReadableStream.from(parts()))).json(), expected)
    assert.deepEqual(await (await post('/upload', '')).json(), { size: 0, sha256: sha256('') })
    const form = new FormData()
    form.set('name', 'Zoë')
    form.set('picture', new Blob([content]), 'p.bin')
    assert.deepEqual(await (await post('/form', form)).json(), { name: 'Zoë', filename: 'p.bin', size: content.length })
  })

  test('a streamed response arrives while it is made', async () => {
    const response = await site.handler.handleStream({ url: '/stream' })
    assert.equal(String(await response.next()), 'line 0\n')
    let rest = ''
    for await (const chunk of response) rest += chunk
    assert.equal(rest, 'line 1\nline 2\nline 3\nline 4\n')
    assert.equal((await site.fetch('/stream', { method: 'HEAD' })).status, 200)
  })

  test('an error is 500 without its text', async () => {
    const response = await site.fetch('/error')
    assert.equal(response.status, 500)
    assert.ok(!(await response.text()).includes('secret'))
  })

  test('handleRequestSync', () => {
    assert.match(text(site.handler.handleRequestSync({ url: '/stream' })), /line 4\n$/)
  })

  test('clients that leave: their responses are closed, and no thread waits for them', async (t) => {
    const clients = 25
    const before = (await json('/seen')).closed
    for (let number = 0; number < clients; number += 1) {
      const client = await openSocket(t, site.port)
      client.write('GET /events HTTP/1.1\r\nHost: h\r\n\r\n')
      await until(() => client.received.includes('tick'), 'the first event')
      client.socket.destroy()
    }
    await until(async () => (await json('/seen')).closed === before + clients, 'every response to be closed', 10_000)
  })

  test('a slow reader holds the application back', async (t) => {
    const handler = makeHandler(t, 'flask_app:app', { highWaterMark: 64 })
    const response = await handler.handleStream({ url: '/events' })
    await response.next()
    const chunks = async () => (await callJson(handler, '/seen')).chunks
    const settled = async () => {
      const first = await chunks()
      await new Promise((resolve) => setTimeout(resolve, 100))
      return (await chunks()) === first
    }
    await until(settled, 'the application to wait')
    await response.return()
  })

  test('a client that leaves in the middle of its upload: reading raises', async (t) => {
    const client = await openSocket(t, site.port)
    client.write('POST /upload HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n')
    client.socket.destroySoon()
    await until(async () => (await json('/seen')).upload === 'ClientDisconnected', 'the exception')
  })
})

describe('threads', limits, () => {
  test('wsgiThreads is how many requests run at once', async (t) => {
    const handler = makeHandler(t, 'flask_app:app', { wsgiThreads: 2 })
    const answers = await Promise.all(Array.from({ length: 6 }, () => call(handler, '/busy')))
    assert.equal(new Set(answers.map(text)).size, 2)
  })

  test('they end with the handler', async (t) => {
    await call(makeHandler(t, 'flask_app:app'), '/seen')
    const before = holdings()
    const handler = makeHandler(t, 'flask_app:app', { lifespan: 'off' })
    await Promise.all(Array.from({ length: 6 }, () => call(handler, '/busy')))
    assert.ok(holdings().threads > before.threads)
    await handler.close()
    await assertReturnsTo(before)
  })

  test('closing cancels what waits: for a body, or for its turn', async (t) => {
    const handler = makeHandler(t, 'wsgi_app:app', { wsgiThreads: 1 })
    const body = new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(5)) })
    const waiting = ['/stuck', '/lines'].map((url) => handler.handleRequest({ url, method: 'POST', body: url === '/stuck' ? body : 'x' }))
    const ends = Promise.allSettled(waiting)
    await call(makeHandler(t), '/')
    await handler.close({ timeout: 50 })
    assert.deepEqual((await ends).map(({ status }) => status), ['rejected', 'rejected'])
  })
})

describe('WSGI without a framework', limits, () => {
  const site = serveApart({ before, after }, 'wsgi_app:app')
  const answer = async (path, init) => {
    const response = await fetch(`http://127.0.0.1:${site.port}${path}`, { signal: AbortSignal.timeout(10_000), ...init })
    return [response.status, await response.text()]
  }

  test('wsgi.input is a file: lines, pieces of lines, the rest', async () => {
    const body = 'one two\nthree\nfour'
    assert.deepEqual(await answer('/lines', { method: 'POST', body }), [200, 'one |two\n|three\n|four|'])
  })

  test('write, an empty first chunk, a start that is replaced, a status without a reason', async () => {
    assert.deepEqual(await answer('/writing'), [200, 'one two three'])
    assert.deepEqual(await answer('/replacing'), [503, 'busy'])
    assert.deepEqual(await answer('/no_reason'), [204, ''])
  })

  test('what breaks the rules is 500 without its text, and the next request is served', async () => {
    for (const path of ['/raising', '/leaving', '/twice', '/silent', '/text', '/bad_header']) {
      const [status, body] = await answer(path)
      assert.equal(status, 500, path)
      assert.ok(!body.includes('secret'), path)
    }
    assert.match(site.log, /ValueError: the secret of raising/)
    assert.match(site.log, /without calling start_response \(PEP 3333\)/)
    assert.match(site.log, /start_response was called twice/)
  })

  test('failing in the middle cuts the connection', async () => {
    for (const path of ['/breaking', '/too_late']) await assert.rejects(answer(path), path)
    assert.match(site.log, /ValueError: the secret of too_late/)
  })

  test('what hides that it is WSGI needs the option, and the log says so', async (t) => {
    const handler = makeHandler(t, 'wsgi_app:hidden', { interface: 'wsgi' })
    assert.equal(text(await call(handler, '/writing')), 'one two three')
    const error = await call(makeHandler(t, 'wsgi_app:hidden'), '/writing').catch((reason) => reason)
    assert.match(error.traceback, /set the option `interface` to/)
  })

  test('a WebSocket is refused', async (t) => {
    const handler = makeHandler(t, 'wsgi_app:app')
    const error = await handler.handleStream({ url: 'ws://h/' }).catch((reason) => reason)
    assert.deepEqual([error.code, error.status], ['WEBSOCKET_REJECTED', 403])
  })
})

describe('Django', limits, () => {
  const folder = temporaryFolder({ after })
  process.env.DJANGO_APP_DATABASE = `${folder}/db.sqlite3`
  const site = serveApp({ before, after }, 'django_app.wsgi:application')
  before(() => site.handler.ready())

  test('a page, a form with CSRF and a file', async () => {
    const page = await site.fetch('/guestbook/')
    const [, token] = /value=(\w+)/.exec(await page.text())
    const [cookie] = page.headers.getSetCookie()[0].split(';')
    const form = new FormData()
    form.set('csrfmiddlewaretoken', token)
    form.set('name', 'Zoë')
    form.set('picture', new Blob([bytes(5_000_000, 61)]), 'p.bin')
    const posted = await site.fetch('/guestbook/', { method: 'POST', body: form, headers: { cookie } })
    assert.deepEqual(await posted.json(), { name: 'Zoë', size: 5_000_000 })
    assert.equal((await site.fetch('/guestbook/', { method: 'POST', body: new URLSearchParams({ name: 'x' }) })).status, 403)
    assert.equal((await site.fetch('/nowhere/')).status, 404)
  })
})

describe('examples/flask', limits, () => {
  test('each command that it prints does what it says', async (t) => {
    const port = await freePort()
    const running = await startServer(t, process.execPath, ['examples/flask/server.mjs'], { port, cwd: repository, env: { PORT: port } })
    await until(() => running.output().includes('Ctrl-C'), 'the end of what it prints')
    const curls = running.output().match(/^ +curl .*$/gm)
    const [hello, upload, countdown, own] = await Promise.all(curls.map((curl) => succeed(`${curl} --silent --show-error`, { cwd: repository })))
    assert.deepEqual(JSON.parse(hello), { message: 'Hello, Flask!', mounted_at: '/legacy' })
    assert.deepEqual(JSON.parse(upload), { size: readFileSync(`${repository}/package.json`).length })
    assert.match(countdown, /^data: 3\n\n[^]*data: lift-off\n\n$/)
    assert.equal(own, "This page is Node's.\n")
    const missing = await fetch(`http://127.0.0.1:${port}/legacy/nowhere`)
    assert.deepEqual([missing.status, await missing.json()], [404, { detail: 'nothing at /nowhere' }])
    await running.stop('SIGINT')
    await assert.rejects(fetch(`http://127.0.0.1:${port}/`))
  })
})

describe('without a2wsgi', limits, () => {
  test('WSGI_NOT_AVAILABLE has the command for that environment', async (t) => {
    const venv = temporaryFolder(t)
    const made = await run(await plainPython('import json, sys; print(json.dumps(sys.executable))'), ['-m', 'venv', '--without-pip', venv])
    assert.equal(made.code, 0, made.stderr)
    const { result } = await runNode(
      `const python = new PythonHandler({ app: 'wsgi_app:app', docroot: apps })
       console.log(JSON.stringify(await python.ready().catch(({ code, message }) => ({ code, message }))))`,
      { env: { ASGI_NODE_PYTHON: `${venv}/bin/python` } },
    )
    assert.equal(result.code, 'WSGI_NOT_AVAILABLE')
    assert.ok(result.message.includes(`a2wsgi is not installed in ${venv}`), result.message)
    assert.ok(result.message.includes(`${venv}/bin/python -m pip install a2wsgi`), result.message)
  })
})
