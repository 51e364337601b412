// `handler.fetch` where servers call it: @hono/node-server, Hono's mounts and routes, srvx; over real sockets.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import { connect as openHttp2, createServer as createHttp2Server } from 'node:http2'
import { after, before, describe, mock, test } from 'node:test'
import { createAdaptorServer } from '@hono/node-server'
import { serveStatic } from '@hono/node-server/serve-static'
import { Hono } from 'hono'
import { serve as serveSrvx } from 'srvx'
import { bytes, callJson, makeHandler, openSocket, rawExchange, sha256, until } from '../node/support.mjs'

/** A server of Hono's for a whole `describe`. */
function site(fetchFunction, options) {
  const here = { url: '', port: 0, fetch: (path, init) => fetch(here.url + path, { signal: AbortSignal.timeout(30_000), ...init }) }
  const server = createAdaptorServer({ fetch: fetchFunction, ...options })
  before(async () => {
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

const json = async (response) => (await response).json()
const postJson = (value) => ({ method: 'POST', body: JSON.stringify(value), headers: { 'content-type': 'application/json' } })
const body = (received) => received.slice(received.indexOf('\r\n\r\n') + 4)

/** Clients that leave while others of their requests, in all states, are queued behind the one that is answered. */
async function assertQueuedEnd(t, port, handler, id) {
  const state = (name) => callJson(handler, `/state?id=${name}`)
  for (const end of ['resetAndDestroy', 'end']) {
    const ids = ['ahead', 'silent', 'wait', 'upload'].map((name) => `${id}-${end}-${name}`)
    const [ahead, silent, wait, upload] = ids
    const client = await openSocket(t, port)
    client.socket.on('error', () => {})
    const get = (path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`
    const post = (path) => `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe`
    client.write(get(`/silent?id=${ahead}`) + get(`/silent?id=${silent}`) + get(`/wait?id=${wait}`) + post(`/silent?id=${upload}`))
    await until(async () => (await state(upload)).started, 'the apps')
    client.socket[end]()
    for (const name of ids) await until(async () => (await state(name)).ended === 'disconnect', `the disconnect of ${name}`)
    await until(() => handler.health().inFlight === 0, 'the end of the requests')
  }
}

/** Whatever `run` writes to the console as an error. */
async function logged(run) {
  const spy = mock.method(console, 'error', () => {})
  try {
    await run()
    return spy.mock.calls.map(({ arguments: values }) => values.map((value) => String(value?.stack ?? value)).join(' ')).join('\n')
  } finally {
    spy.mock.restore()
  }
}

for (const [name, options] of [
  ['with its own Request and Response', {}],
  ['with those of Node', { overrideGlobalObjects: false }]
]) {
  describe(`{ fetch: python.fetch } in Hono's node-server, ${name}`, { timeout: 40_000 }, () => {
    const handlers = ['echo', 'scope', 'mounted', 'error', 'status', 'flow'].map((app) => makeHandler({ after }, `${app}_app:app`))
    // Python's start is not what the time limits of the requests are about.
    before(() => Promise.all(handlers.map((handler) => handler.ready())))
    const [echo, scope, app, errors, statuses, flow] = handlers.map((handler) => site(handler.fetch, options))
    const flowHandler = handlers.at(-1)
    const state = (id) => callJson(flowHandler, `/state?id=${id}`)

    test('target and headers as the client sent them', async (t) => {
      const received = await rawExchange(
        t,
        echo.port,
        'GET /a/%7Eb/%2F?q=%41 HTTP/1.1\r\nHost: x\r\nX-Two: 1\r\nx-two: 2\r\nAccept: */*\r\nConnection: close\r\n\r\n'
      )
      const seen = JSON.parse(body(received))
      assert.deepEqual([seen.raw_path, seen.path, seen.query_string, seen.root_path], ['/a/%7Eb/%2F', '/a/~b//', 'q=%41', ''])
      assert.deepEqual(seen.headers, [['host', 'x'], ['x-two', '1'], ['x-two', '2'], ['accept', '*/*'], ['connection', 'close']])
    })

    test('both ends of the connection', async (t) => {
      const client = await openSocket(t, scope.port)
      client.socket.on('end', () => client.socket.end())
      client.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
      const { localPort } = client.socket
      await client.ended
      const { scope: seen } = JSON.parse(body(client.received))
      assert.deepEqual([seen.client, seen.server], [{ tuple: ['127.0.0.1', localPort] }, { tuple: ['127.0.0.1', scope.port] }])
      assert.deepEqual([seen.scheme, seen.http_version, seen.extensions], ['http', '1.1', {}])
    })

    test('JSON, cookies, HEAD, an upload, a stream each way', async () => {
      assert.deepEqual(await json(app.fetch('/json', postJson({ a: 'ü' }))), { got: { a: 'ü' } })
      assert.equal((await app.fetch('/cookies')).headers.getSetCookie().length, 2)
      const head = await statuses.fetch('/status/200', { method: 'HEAD' })
      assert.deepEqual([head.status, await head.text()], [200, ''])
      const large = bytes(5_000_000)
      const seen = await json(app.fetch('/digest', { method: 'POST', body: large }))
      assert.deepEqual([seen.size, seen.sha256], [large.length, sha256(large)])
      assert.equal(await (await app.fetch('/ticks?count=4')).text(), 'tick 0\ntick 1\ntick 2\ntick 3\n')
      const req = request(`${app.url}/shout`, { method: 'POST' })
      req.write('one ')
      const [res] = await once(req, 'response')
      assert.equal(String((await once(res, 'data'))[0]), 'ONE ')
      req.write('two')
      assert.equal(String((await once(res, 'data'))[0]), 'TWO')
      req.end()
      await once(res.resume(), 'end')
    })

    test('statuses that a Response cannot have', async () => {
      for (const [sent, seen] of [[204, 204], [205, 205], [304, 304], [299, 299], [600, 500], [999, 500]]) {
        assert.equal((await statuses.fetch(`/status/${sent}`)).status, seen)
      }
      await logged(async () => assert.equal((await statuses.fetch('/status/101')).status, 500))
    })

    test("an app's text never reaches the client", async (t) => {
      const log = await logged(async () => {
        const response = await errors.fetch('/error')
        assert.deepEqual([response.status, await response.text()], [500, 'Internal Server Error'])
        for (const path of ['/mid-body', '/after-start']) {
          const received = await rawExchange(t, errors.port, `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
          assert.doesNotMatch(received, /Test error|Traceback/)
          assert.doesNotMatch(received, /\r\n0\r\n\r\n$/)
        }
      })
      assert.match(log, /ValueError: Test error: secret détail/)
    })

    test('a client that leaves disconnects the app, and is no error', async () => {
      const log = await logged(async () => {
        for (const [path, chunk] of [['wait', true], ['silent', false]]) {
          const id = `hono-${path}-${name}`
          const controller = new AbortController()
          const answer = flow.fetch(`/${path}?id=${encodeURIComponent(id)}`, { signal: controller.signal })
          if (chunk) await (await answer).body.getReader().read()
          else await until(async () => (await state(encodeURIComponent(id))).started, 'the app')
          controller.abort()
          await answer.catch(() => {})
          await until(async () => (await state(encodeURIComponent(id))).ended === 'disconnect', 'the disconnect')
        }
      })
      assert.equal(log, '')
    })

    test('a client that leaves takes the requests with it that are queued', async (t) => {
      const log = await logged(() => assertQueuedEnd(t, flow.port, flowHandler, `hono-${options.overrideGlobalObjects ?? ''}`))
      assert.equal(log, '')
    })

    test('a client that does not read holds the app back', async (t) => {
      const id = encodeURIComponent(`hono-flood-${name}`)
      const client = await openSocket(t, flow.port)
      client.socket.pause()
      client.write(`GET /flood?id=${id} HTTP/1.1\r\nHost: x\r\n\r\n`)
      let latest = -1
      await until(async () => {
        const { sent = 0 } = await state(id)
        const settled = sent === latest && sent > 0
        latest = sent
        await new Promise((resolve) => setTimeout(resolve, 100))
        return settled
      }, 'the app to wait')
      assert.ok(latest < 12_000_000, `${latest} bytes were sent ahead`)
      client.socket.destroy()
      await until(async () => (await state(id)).ended === 'OSError', 'the disconnect')
    })
  })
}

test("limits are the listener's", { timeout: 20_000 }, async (t) => {
  const small = makeHandler(t, 'echo_app:app', { maxBodySize: 1000 })
  const server = createAdaptorServer({ fetch: small.fetch })
  server.maxHeadersCount = 40
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => server.close())
  const url = `http://127.0.0.1:${server.address().port}`
  const large = await fetch(url, { method: 'POST', body: bytes(5000), headers: { connection: 'close' } })
  assert.deepEqual([large.status, await large.text()], [413, 'Content Too Large'])
  const headers = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`x-${i}`, '1']))
  const many = await fetch(url, { headers: { ...headers, connection: 'close' } })
  // Node 22 and later refuse it themselves, with nothing to read.
  assert.equal(many.status, 431)
  assert.match(await many.text(), /^(Request Header Fields Too Large)?$/)
  const good = await fetch(url, { method: 'POST', body: bytes(1000), headers: { connection: 'close' } })
  assert.equal((await good.json()).length, 1000)
})

test('HTTP/2 through Hono', { timeout: 20_000 }, async (t) => {
  const hono = new Hono()
  hono.mount('/same', makeHandler(t, 'scope_app:app').fetch)
  hono.all('/changed', (c) => scope.fetch(new Request(c.req.raw, { headers: { a: '1' } }), c.env))
  const scope = makeHandler(t, 'scope_app:app')
  const server = createAdaptorServer({ fetch: hono.fetch, createServer: createHttp2Server })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => server.close())
  const authority = `127.0.0.1:${server.address().port}`
  const session = openHttp2(`http://${authority}`)
  t.after(() => session.destroy())
  const get = async (headers) => {
    const stream = session.request(headers).setEncoding('utf8')
    let received = ''
    for await (const chunk of stream) received += chunk
    return JSON.parse(received).scope
  }
  const seen = await get({ ':path': '/same/a%2Fb?q', 'x-a': '1' })
  assert.deepEqual([seen.http_version, seen.root_path, seen.raw_path.bytes], ['2', '/same', '/same/a%2Fb'])
  const headers = (scope) => scope.headers.map(({ tuple }) => tuple.map(({ bytes }) => bytes))
  assert.deepEqual(headers(seen), [['host', authority], ['x-a', '1']])
  assert.equal(seen.client.tuple[0], '127.0.0.1')
  assert.deepEqual(headers(await get({ ':path': '/changed', 'x-a': '1' })), [['host', authority], ['a', '1']])
})

describe('in a Hono app', { timeout: 30_000 }, () => {
  const python = makeHandler({ after }, 'mounted_app:app')
  before(() => python.ready())
  const hono = new Hono()
  hono.get('/js', (c) => c.json({ js: true }))
  hono.use('/static/*', serveStatic({ root: './fixtures', rewriteRequestPath: (path) => path.replace('/static', '/apps') }))
  hono.use('*', async (c, next) => {
    await next()
    c.header('x-after', 'hono')
  })
  hono.mount('/mount', python.fetch)
  hono.mount('/scope', makeHandler({ after }, 'scope_app:app').fetch)
  hono.basePath('/v1').mount('/deep', python.fetch)
  hono.all('/all/*', (c) => python.fetch(c.req.raw, { ...c.env, rootPath: '/all' }))
  hono.all('/changed/*', (c) => {
    const changed = new Request(c.req.raw, { headers: { 'x-user': 'me' } })
    return python.fetch(changed, { ...c.env, rootPath: '/changed', client: ['192.0.2.1', 9] })
  })
  hono.post('/read/*', async (c) => {
    await c.req.text()
    return python.fetch(c.req.raw, c.env)
  })
  const here = site(hono.fetch)
  const place = ({ root_path: root, path, raw_path: raw, query }) => [root, path, raw, query]

  test('JavaScript, static files and Python side by side', async () => {
    assert.deepEqual(await json(here.fetch('/js')), { js: true })
    assert.match(await (await here.fetch('/static/mounted_app.py')).text(), /as it stands beside JavaScript routes/)
    const response = await here.fetch('/mount/json', postJson({ a: 1 }))
    assert.deepEqual([response.headers.get('x-after'), await response.json()], ['hono', { got: { a: 1 } }])
    assert.equal((await here.fetch('/mount/cookies')).headers.getSetCookie().length, 2)
    assert.equal((await here.fetch('/mount/missing')).status, 404)
    const large = bytes(2_000_000)
    assert.equal((await json(here.fetch('/mount/digest', { method: 'POST', body: large }))).sha256, sha256(large))
  })

  test('a mount is the root path, the path is whole', async () => {
    const item = await json(here.fetch('/mount/items/tea?q=%41'))
    assert.deepEqual(place(item), ['/mount', '/mount/items/tea', '/mount/items/tea', 'q=%41'])
    assert.equal(item.url, `${here.url}/mount/items/tea`)
    // Hono decodes what it mounts; the client's own spelling is what the app gets.
    assert.deepEqual(place(await json(here.fetch('/mount/items/%74ea%20pot'))).slice(0, 3), [
      '/mount',
      '/mount/items/tea pot',
      '/mount/items/%74ea%20pot'
    ])
    // Nothing below the mount: the app sees what the client asked for (FastAPI redirects it to the path with a slash).
    assert.equal((await here.fetch('/scope')).status, 200)
    for (const [path, seen] of [['/scope', '/scope'], ['/scope/', '/scope/'], ['/scope?q', '/scope']]) {
      const { scope } = await json(here.fetch(path))
      assert.deepEqual([scope.root_path, scope.path], ['/scope', seen], path)
    }
    assert.deepEqual(place(await json(here.fetch('/v1/deep/items/x'))), ['/v1/deep', '/v1/deep/items/x', '/v1/deep/items/x', ''])
    assert.deepEqual(place(await json(here.fetch('/all/items/%78?z'))), ['/all', '/all/items/x', '/all/items/%78', 'z'])
  })

  test('what a route has changed counts', async () => {
    const item = await json(here.fetch('/changed/items/x', { headers: { 'x-user': 'somebody', 'x-other': '1' } }))
    assert.deepEqual(place(item), ['/changed', '/changed/items/x', '/changed/items/x', ''])
    assert.deepEqual(item.headers.filter(([name]) => name.startsWith('x-')), [['x-user', 'me']])
    assert.deepEqual(item.client, ['192.0.2.1', 9])
  })

  test('a body that has been read is an error of the route', async () => {
    const log = await logged(async () => assert.equal((await here.fetch('/read/json', postJson({}))).status, 500))
    assert.match(log, /BODY_ALREADY_READ|has been read: pass the Request to Python first/)
  })
})

describe('srvx', { timeout: 30_000 }, () => {
  const scope = makeHandler({ after }, 'scope_app:app')
  const app = makeHandler({ after }, 'mounted_app:app')
  const flow = makeHandler({ after }, 'flow_app:app')

  async function start(t, fetchFunction, options) {
    // It greets its user, in characters that the runner of Node 20 chokes on; `silent` would silence its errors too.
    const greeting = mock.method(console, 'log', () => {})
    const server = serveSrvx({ fetch: fetchFunction, port: 0, hostname: '127.0.0.1', gracefulShutdown: false, ...options })
    await server.ready()
    greeting.mock.restore()
    t.after(() => server.close(true))
    return server.url.replace(/\/$/, '')
  }

  test('target, headers, client, bodies and cookies', async (t) => {
    const url = await start(t, scope.fetch)
    const { scope: seen } = await json(fetch(`${url}/a%2Fb?q=1`, { headers: { 'x-one': '1' } }))
    assert.deepEqual([seen.path, seen.raw_path.bytes, seen.query_string.bytes], ['/a/b', '/a%2Fb', 'q=1'])
    assert.equal(seen.client.tuple[0], '127.0.0.1')
    assert.ok(seen.client.tuple[1] > 0)
    const other = await start(t, app.fetch)
    assert.deepEqual(await json(fetch(`${other}/json`, postJson({ a: 1 }))), { got: { a: 1 } })
    const large = bytes(3_000_000)
    assert.equal((await json(fetch(`${other}/digest`, { method: 'POST', body: large }))).sha256, sha256(large))
    assert.equal((await fetch(`${other}/cookies`)).headers.getSetCookie().length, 2)
    assert.equal(await (await fetch(`${other}/ticks`)).text(), 'tick 0\ntick 1\ntick 2\n')
  })

  test('what it knows of a proxy counts', async (t) => {
    const url = await start(t, scope.fetch, { trustProxy: 'loopback' })
    const { scope: seen } = await json(fetch(url, { headers: { 'x-forwarded-for': '198.51.100.4', 'x-forwarded-proto': 'https' } }))
    assert.deepEqual([seen.client, seen.scheme], [{ tuple: ['198.51.100.4', 0] }, 'https'])
  })

  test('a client that leaves', async (t) => {
    const url = await start(t, flow.fetch)
    const log = await logged(async () => {
      for (const path of ['wait', 'silent']) {
        const controller = new AbortController()
        const answer = fetch(`${url}/${path}?id=srvx-${path}`, { signal: controller.signal })
        if (path === 'wait') await (await answer).body.getReader().read()
        else await until(async () => (await callJson(flow, `/state?id=srvx-${path}`)).started, 'the app')
        controller.abort()
        await answer.catch(() => {})
        await until(async () => (await callJson(flow, `/state?id=srvx-${path}`)).ended === 'disconnect', 'the disconnect')
      }
    })
    assert.equal(log, '')
  })

  test('a client that leaves takes the requests with it that are queued', async (t) => {
    const { port } = new URL(await start(t, flow.fetch))
    const log = await logged(() => assertQueuedEnd(t, Number(port), flow, 'srvx-queued'))
    assert.equal(log, '')
  })

  test('a connection is left as it was found, however many requests it brings', async (t) => {
    const warnings = []
    const onWarning = (warning) => warnings.push(String(warning))
    process.on('warning', onWarning)
    t.after(() => process.off('warning', onWarning))
    let socket
    const { port } = new URL(
      await start(t, (request) => {
        socket = request.runtime.node.req.socket
        return request.url.endsWith('/js') ? new Response('js') : scope.fetch(request)
      })
    )
    const client = await openSocket(t, Number(port))
    let count = 0
    const answered = async (path, more) => {
      count += more
      client.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`.repeat(more))
      await until(() => client.received.split('HTTP/1.1 200').length === count + 1, 'the responses')
    }
    await answered('/js', 1)
    const before = socket.listenerCount('close')
    for (const more of [30, 30, 1]) await answered('/', more)
    assert.equal(socket.listenerCount('close'), before)
    assert.deepEqual(warnings, [])
  })
})
