// `handler.middleware()` in Express 5 and Connect, over real sockets.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import { after, before, describe, mock, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import connect from 'connect'
import express from 'express'
import { bytes, callJson, makeHandler, rawExchange, serve, sha256, temporaryFolder, until } from '../node/support.mjs'

/** A server for a whole `describe`; `build` gets the app of Express. */
function site(build) {
  const here = { url: '', port: 0, fetch: (path, init) => fetch(here.url + path, { signal: AbortSignal.timeout(30_000), ...init }) }
  const app = express()
  // The default is 'development', where the error handler of Express sends stacks to the client.
  app.set('env', 'production')
  const server = createServer(app)
  before(async () => {
    build(app)
    await once(server.listen(0, '127.0.0.1'), 'listening')
    here.port = server.address().port
    here.url = `http://127.0.0.1:${here.port}`
  })
  after(() => {
    server.closeAllConnections()
    server.close()
  })
  return here
}

const pass = (_req, _res, next) => next()
const json = async (response) => (await response).json()
const postJson = (value, headers) => ({ method: 'POST', body: JSON.stringify(value), headers: { 'content-type': 'application/json', ...headers } })

/** Whatever `run` writes to the console as an error. */
async function logged(run) {
  const spy = mock.method(console, 'error', () => {})
  try {
    await run()
    return spy.mock.calls.map(({ arguments: [value] }) => String(value?.stack ?? value)).join('\n')
  } finally {
    spy.mock.restore()
  }
}

describe('Express 5', { timeout: 40_000 }, () => {
  const python = makeHandler({ after }, 'mounted_app:app')
  const flow = makeHandler({ after }, 'flow_app:app')
  const errors = makeHandler({ after }, 'error_app:app')
  const scope = makeHandler({ after }, 'scope_app:app')
  // Python's start is not what the time limits of the requests are about.
  before(() => Promise.all([python, flow, errors, scope].map((handler) => handler.ready())))
  /** @type {unknown[]} what error handlers were given */
  const passed = []

  const here = site((app) => {
    app.use('/static', express.static(new URL('../../fixtures/apps/', import.meta.url).pathname))
    app.use('/py', python.middleware())
    app.use('/scope', scope.middleware())
    // These look at the path as it is, so they are not mounted anywhere.
    const others = { flow: flow.middleware(), errors: errors.middleware() }
    app.use((req, res, next) => (others[req.headers['x-app']] ?? pass)(req, res, next))
    const router = express.Router()
    router.use('/deep%20er', python.middleware())
    app.use('/outer', router)
    app.use('/first', python.middleware({ fallthrough: true }), (req, res) => res.json({ fell: req.url, base: req.baseUrl }))
    app.use('/set', (req, res, next) => {
      res.setHeader('x-before', 'kept')
      next()
    }, python.middleware())
    app.get('/js', (req, res) => res.json({ js: true }))
    app.use((error, req, res, next) => {
      passed.push(error)
      next(error)
    })
  })

  test('JSON, JavaScript routes and static files side by side', async () => {
    assert.deepEqual(await json(here.fetch('/py/json', postJson({ a: 'ü' }))), { got: { a: 'ü' } })
    assert.deepEqual(await json(here.fetch('/js')), { js: true })
    assert.match(await (await here.fetch('/static/mounted_app.py')).text(), /as it stands beside JavaScript routes/)
    // Without fall-through the app's own 404 is the answer.
    const missing = await here.fetch('/py/missing')
    assert.deepEqual([missing.status, await missing.json()], [404, { detail: 'Not Found' }])
    assert.equal((await here.fetch('/py/teapot')).status, 418)
    assert.equal((await here.fetch('/set/teapot')).headers.get('x-before'), 'kept')
  })

  test('where it is mounted is root_path, and the path is whole', async () => {
    const item = await json(here.fetch('/py/items/tea%20pot?q=1'))
    assert.deepEqual([item.root_path, item.path, item.raw_path, item.query], ['/py', '/py/items/tea pot', '/py/items/tea%20pot', 'q=1'])
    assert.equal((await json(here.fetch('/py/items/tea'))).url, `${here.url}/py/items/tea`)
    assert.deepEqual(item.client[0], '127.0.0.1')
    const deep = await json(here.fetch('/outer/deep%20er/items/x'))
    assert.deepEqual([deep.root_path, deep.path, deep.raw_path], ['/outer/deep er', '/outer/deep er/items/x', '/outer/deep%20er/items/x'])
    const { scope: atRoot } = await json(here.fetch('/scope'))
    assert.deepEqual([atRoot.root_path, atRoot.path], ['/scope', '/scope'])
    const { scope: withQuery } = await json(here.fetch('/scope/?a=/b'))
    assert.deepEqual([withQuery.root_path, withQuery.path, withQuery.query_string.bytes], ['/scope', '/scope/', 'a=/b'])
  })

  test('streams both ways, one chunk at a time', async () => {
    const large = bytes(5_000_000)
    const seen = await json(here.fetch('/py/digest', { method: 'POST', body: large }))
    assert.deepEqual([seen.size, seen.sha256], [large.length, sha256(large)])

    const req = request(`${here.url}/py/shout`, { method: 'POST' })
    req.write('one ')
    const [res] = await once(req, 'response')
    assert.equal(String((await once(res, 'data'))[0]), 'ONE ')
    req.write('two')
    assert.equal(String((await once(res, 'data'))[0]), 'TWO')
    req.end()
    await once(res.resume(), 'end')
    assert.equal(await (await here.fetch('/py/ticks?count=4')).text(), 'tick 0\ntick 1\ntick 2\ntick 3\n')
  })

  test('cookies are kept apart', async () => {
    const { headers } = await here.fetch('/py/cookies')
    assert.deepEqual(headers.getSetCookie(), ['a=1; Path=/; SameSite=lax', 'b=2; Expires=Wed, 21 Oct 2037 07:28:00 GMT'])
  })

  test('a client that leaves disconnects the app', async () => {
    const controller = new AbortController()
    const response = await here.fetch('/wait?id=express', { signal: controller.signal, headers: { 'x-app': 'flow' } })
    await response.body.getReader().read()
    controller.abort()
    await until(async () => (await callJson(flow, '/state?id=express')).ended === 'disconnect', 'the disconnect')
  })

  test('an error before the response goes to next, with code, status and traceback', async () => {
    passed.length = 0
    const log = await logged(async () => {
      const response = await here.fetch('/error', { headers: { 'x-app': 'errors' } })
      assert.equal(response.status, 500)
      assert.doesNotMatch(await response.text(), /secret/)
    })
    const [error] = passed
    assert.deepEqual([error.name, error.code, error.status], ['PythonError', 'APP_ERROR', 500])
    assert.match(error.traceback, /ValueError: Test error: secret détail/)
    // It is Express that logs it; we have told Express.
    assert.doesNotMatch(log, /Exception in ASGI application/)
    await logged(() => here.fetch('/nothing', { headers: { 'x-app': 'errors' } }))
    assert.equal(passed[1].code, 'APP_NO_RESPONSE')
    // FastAPI answers first and raises then: its answer is sent, and the exception is the log's.
    const answered = await here.fetch('/py/crash')
    assert.deepEqual([answered.status, await answered.text()], [500, 'Internal Server Error'])
    assert.equal(passed.length, 2)
    // The connection goes on.
    assert.equal((await here.fetch('/js')).status, 200)
  })

  test('an error in the middle destroys the connection, and next is not called', async (t) => {
    passed.length = 0
    const log = await logged(async () => {
      const received = await rawExchange(t, here.port, 'GET /mid-body HTTP/1.1\r\nHost: x\r\nX-App: errors\r\nConnection: close\r\n\r\n')
      assert.match(received, /^HTTP\/1\.1 200 OK[^]*first /)
      assert.doesNotMatch(received, /0\r\n\r\n$/)
    })
    assert.deepEqual(passed, [])
    assert.match(log, /Exception in ASGI application: GET \/mid-body \(request \d+\)\n[^]*ValueError/)
  })

  test('fallthrough: a 404 of the app goes to the next handler, anything else is the answer', async () => {
    assert.deepEqual(await json(here.fetch('/first/missing')), { fell: '/missing', base: '/first' })
    assert.equal((await json(here.fetch('/first/items/x'))).name, 'x')
    assert.equal((await here.fetch('/first/items/x', { method: 'DELETE' })).status, 405)
    assert.equal((await here.fetch('/first/missing', { method: 'HEAD' })).status, 200)
    assert.deepEqual(await json(here.fetch('/first/missing', { method: 'POST', body: bytes(200_000) })), { fell: '/missing', base: '/first' })
  })

  test('options are checked', () => {
    assert.throws(() => python.middleware({ fallThrough: true }), { name: 'TypeError', message: /Unknown option "fallThrough"/ })
    assert.throws(() => python.middleware({ fallthrough: 1 }), { name: 'TypeError', message: /fallthrough must be a boolean/ })
    assert.throws(() => python.middleware(null), TypeError)
  })

  test('a handler that is closed, full or did not start says so through next', async (t) => {
    const gone = makeHandler(t, 'echo_app:app')
    await gone.close()
    const broken = makeHandler(t, 'import_failing:app')
    const small = makeHandler(t, 'flow_app:app', { maxConcurrency: 1 })
    const app = express()
    app.use('/gone', gone.middleware())
    app.use('/broken', broken.middleware())
    app.use(small.middleware())
    app.use((error, req, res, _next) => res.status(error.status).json(error.code))
    const { url } = await serve(t, app)
    const ask = async (path) => {
      const response = await fetch(url + path)
      return [response.status, await response.json()]
    }
    assert.deepEqual(await ask('/gone'), [503, 'HANDLER_CLOSED'])
    assert.deepEqual(await ask('/broken'), [500, 'APP_IMPORT_FAILED'])
    assert.deepEqual(await ask('/broken'), [500, 'APP_IMPORT_FAILED'])
    const busy = await fetch(`${url}/wait?id=express-small`)
    assert.deepEqual(await ask('/state?id=x'), [503, 'OVERLOADED'])
    await busy.body.cancel()
  })
})

describe('Express with body parsers', { timeout: 40_000 }, () => {
  const python = makeHandler({ after }, 'mounted_app:app')
  const echo = makeHandler({ after }, 'echo_app:app')
  before(() => Promise.all([python.ready(), echo.ready()]))
  const keep = (req, _res, body) => {
    req.rawBody = body
  }
  const keepAll = async (req, _res, next) => {
    req.rawBody = Buffer.concat(await req.toArray())
    next()
  }
  const here = site((app) => {
    app.use('/parsed', express.json(), python.middleware())
    app.use('/raw', keepAll, echo.middleware())
    app.use('/kept', express.json({ verify: keep }), express.urlencoded({ verify: keep }), echo.middleware())
    app.use((error, req, res, _next) => res.status(error.status).json({ code: error.code, message: error.message }))
  })

  test('a body that a parser has read is one clear error', async () => {
    const response = await here.fetch('/parsed/json', postJson({ a: 1 }))
    assert.equal(response.status, 500)
    const { code, message } = await response.json()
    assert.equal(code, 'BODY_ALREADY_READ')
    assert.match(message, /in front of the parser[^]*req\.rawBody/)
    // Nothing was read: no error.
    assert.equal((await here.fetch('/parsed/items/x')).status, 200)
    const large = bytes(300_000)
    assert.equal((await json(here.fetch('/parsed/digest', { method: 'POST', body: large }))).sha256, sha256(large))
    assert.equal((await here.fetch('/parsed/digest', { method: 'POST', body: '', headers: { 'content-type': 'application/json' } })).status, 200)
  })

  test('rawBody is sent in its place, with headers that fit', async () => {
    const seen = await json(here.fetch('/kept/a?b', postJson({ a: 'ü' })))
    assert.deepEqual([seen.body, seen.path, seen.query_string], ['{"a":"ü"}', '/kept/a', 'b'])
    const form = await json(here.fetch('/kept/', { method: 'POST', body: new URLSearchParams({ a: '1' }) }))
    assert.equal(form.body, 'a=1')
    // Parsers hand out what they have decompressed.
    const zipped = await json(here.fetch('/kept/', { ...postJson(null), body: gzipSync('[1, 2, 3]'), headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' } }))
    const headers = Object.fromEntries(zipped.headers)
    assert.deepEqual([zipped.body, headers['content-length'], headers['content-encoding']], ['[1, 2, 3]', '9', undefined])
    const chunked = await json(
      here.fetch('/kept/', { ...postJson(null), body: new Blob(['{"b":2}']).stream(), duplex: 'half' })
    )
    assert.equal(chunked.body, '{"b":2}')
    assert.deepEqual(chunked.headers.filter(([name]) => /^(content-length|transfer-encoding)$/.test(name)), [['content-length', '7']])
  })

  test('field_31 a rawBody that is still compressed keeps its coding', async () => {
    const compressed = gzipSync('[1, 2, 3]')
    const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' }
    // Chunked, so that the length does not tell whether these are the bytes that came.
    const init = { method: 'POST', headers, body: new Blob([compressed]).stream(), duplex: 'half' }
    const seen = Object.fromEntries((await json(here.fetch('/raw/', init))).headers)
    assert.deepEqual([seen['content-length'], seen['content-encoding']], [String(compressed.length), 'gzip'])
  })
})

describe('Connect', { timeout: 30_000 }, () => {
  test('mounted, falling through, failing', async (t) => {
    const python = makeHandler(t, 'mounted_app:app')
    const folder = temporaryFolder(t, { 'page.html': '<p>static</p>' })
    const app = connect()
    const failing = makeHandler(t, 'error_app:app')
    app.use('/py', python.middleware())
    app.use(python.middleware({ fallthrough: true }))
    app.use(express.static(folder))
    app.use(failing.middleware())
    app.use((error, req, res, _next) => {
      res.statusCode = error.status
      res.end(error.code)
    })
    const { url } = await serve(t, app)
    assert.equal((await json(fetch(`${url}/items/x`))).name, 'x')
    assert.equal(await (await fetch(`${url}/page.html`)).text(), '<p>static</p>')
    const failed = await fetch(`${url}/nothing`)
    assert.deepEqual([failed.status, await failed.text()], [500, 'APP_NO_RESPONSE'])
    const mounted = await json(fetch(`${url}/py/items/x`))
    assert.deepEqual([mounted.root_path, mounted.path], ['/py', '/py/items/x'])
    const scope = connect().use('/deep', connect().use('/er', makeHandler(t, 'scope_app:app').middleware()))
    const { url: other } = await serve(t, scope)
    for (const [path, seen] of [['', ''], ['?a=/b', ''], ['/', '/'], ['/?a=/deep/er', '/'], ['/deep/er', '/deep/er']]) {
      const { scope: here } = await json(fetch(`${other}/deep/er${path}`))
      assert.deepEqual([here.root_path, here.path], ['/deep/er', `/deep/er${seen}`], path)
    }
  })
})
