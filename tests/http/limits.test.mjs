// Connections at their limits: dropped headers, too many requests, clients that leave or close one side only, clients that
// wait for "100 Continue" (asgi_43, asgi_46, asgi_49, asgi_136, asgi_137).
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { callJson, makeHandler, openPolitely, serve, until } from '../node/support.mjs'

const limits = { timeout: 20_000 }

/** A handler behind a server whose other routes are Node's own. */
async function setUp(t, app = 'limits_app:app', options = {}, route = undefined) {
  const handler = makeHandler(t, app, options)
  await handler.ready()
  const { server, port } = await serve(t, (req, res) => (route?.(req, res) ? undefined : handler.listener(req, res)))
  const ended = (id) =>
    until(async () => {
      const state = await callJson(handler, `/seen?id=${id}`)
      return state.ended?.length > 0 && state
    }, `the end of ${id}`)
  return { handler, server, port, ended, open: () => openPolitely(t, port) }
}

const host = 'Host: h\r\n'

describe('header fields', limits, () => {
  /** The status of a request with so many fields, Host included. */
  async function statusOf(open, count) {
    const client = await open()
    client.write(`GET /status/200 HTTP/1.1\r\n${host}${'a:b\r\n'.repeat(count - 1)}\r\n`)
    await until(() => /HTTP\/1\.1 \d+/.test(client.received))
    client.socket.destroy()
    return Number(/HTTP\/1\.1 (\d+)/.exec(client.received)[1])
  }

  test('a request that has lost some is 431, never a request with fewer', async (t) => {
    const { open } = await setUp(t)
    for (const count of [2, 31, 32, 33, 64, 999, 1000]) assert.equal(await statusOf(open, count), 200, String(count))
    for (const count of [1001, 1024, 1025, 1056, 2000, 3000]) assert.equal(await statusOf(open, count), 431, String(count))
  })

  test("the server's own limit counts", async (t) => {
    for (const [maxHeadersCount, fine, refused] of [[10, 10, 11], [64, 63, 65], [50, 50, 51], [0, 1500, undefined]]) {
      const { server, open } = await setUp(t)
      server.maxHeadersCount = maxHeadersCount
      assert.equal(await statusOf(open, fine), 200, `${fine} of ${maxHeadersCount}`)
      if (refused) assert.equal(await statusOf(open, refused), 431, `${refused} of ${maxHeadersCount}`)
    }
  })

  test("bytes over Node's limit are 431 by Node (asgi_137)", async (t) => {
    const { open } = await setUp(t)
    const client = await open()
    client.write(`GET / HTTP/1.1\r\n${host}x: ${'y'.repeat(20_000)}\r\n\r\n`)
    await client.ended
    assert.match(client.received, /^HTTP\/1\.1 431 /)
  })
})

describe('maxConcurrency', limits, () => {
  test('above it 503 and the end of the connection; below it again all is well (asgi_136)', async (t) => {
    const { open } = await setUp(t, 'slow_app:app', { maxConcurrency: 2 })
    const get = async (seconds) => {
      const client = await open()
      client.write(`GET /await?seconds=${seconds}&number=7 HTTP/1.1\r\n${host}\r\n`)
      return client
    }
    const held = [await get(0.4), await get(0.4)]
    await sleep(100)
    const refused = await get(0)
    await refused.ended
    assert.match(refused.received, /^HTTP\/1\.1 503 Service Unavailable\r\n[^]*connection: close\r\n/i)
    for (const client of held) await until(() => client.received.endsWith('7'))
    const later = await get(0)
    await until(() => later.received.endsWith('7'))
  })
})

describe('a client that closes its side', limits, () => {
  test('still gets its whole response, while receive() gives http.disconnect (asgi_49, asgi_43)', async (t) => {
    const { open, ended } = await setUp(t)
    const client = await open()
    client.socket.end(`GET /slow?id=half HTTP/1.1\r\n${host}\r\n`)
    await client.ended
    assert.match(client.received, /^HTTP\/1\.1 200 OK[^]*part 0\n[^]*part 4\n[^]*end\r\n0\r\n\r\n$/)
    const { events, ended: outcome } = await ended('half')
    assert.deepEqual([events, outcome], [[['http.request', 0, false], ['http.disconnect']], ['returned']])
  })

  test('with a body, and with several requests: all are answered, in order', async (t) => {
    const { open } = await setUp(t)
    const client = await open()
    const post = (id) => `POST /slow?id=${id} HTTP/1.1\r\n${host}Content-Length: 3\r\n\r\nabc`
    client.socket.end(`${post('p1')}GET /status/201 HTTP/1.1\r\n${host}\r\n${post('p2')}`)
    await client.ended
    assert.deepEqual([...client.received.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status), ['200', '201', '200'])
    assert.equal(client.received.split('end\r\n0\r\n\r\n').length, 3)
  })

  test('an app that stops at the disconnect is not reported, and the connection ends', async (t) => {
    const { open, ended } = await setUp(t)
    const log = t.mock.method(console, 'error', () => {})
    const client = await open()
    client.socket.end(`GET /stopping?id=stopping HTTP/1.1\r\n${host}\r\n`)
    await client.ended
    assert.deepEqual((await ended('stopping')).events.at(-1), ['http.disconnect'])
    assert.equal(log.mock.callCount(), 0)
  })

  test('in the middle of its body it has left', async (t) => {
    const { open, ended } = await setUp(t)
    for (const framing of ['Content-Length: 10\r\n\r\nabc', 'Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n']) {
      const client = await open()
      client.write(`POST /events?id=cut HTTP/1.1\r\n${host}${framing}`)
      await sleep(30)
      client.socket.end()
      const { events } = await ended('cut')
      assert.deepEqual(events, [['http.request', 3, true], ['http.disconnect']])
      await client.ended
    }
  })

  test("other routes of the server keep Node's own way", async (t) => {
    const left = []
    const { server, port, open } = await setUp(t, undefined, {}, (req, res) => {
      if (req.url !== '/node') return false
      res.on('close', () => left.push(res.writableFinished))
      return true
    })
    const first = await open()
    first.write(`GET /status/200 HTTP/1.1\r\n${host}\r\n`)
    await until(() => first.received.endsWith('body'))
    // The same connection, so that all our listeners are on it.
    first.socket.end(`GET /node HTTP/1.1\r\n${host}\r\n`)
    await until(() => left.length === 1, 'the close of a response that Node has cut')
    assert.deepEqual(left, [false])
    assert.equal(server.httpAllowHalfOpen, false)
    assert.ok(port > 0)
  })

  test('with cancelOnDisconnect a FIN is taken for what it mostly is', async (t) => {
    const { open, ended } = await setUp(t, undefined, { cancelOnDisconnect: true })
    const client = await open()
    client.write(`GET /slow?id=cancelled HTTP/1.1\r\n${host}\r\n`)
    await until(() => client.received.includes('part 0'))
    client.socket.end()
    assert.deepEqual((await ended('cancelled')).ended, ['CancelledError'])
    await client.ended
  })
})

describe('a client that leaves', limits, () => {
  for (const way of ['destroy', 'resetAndDestroy']) {
    test(`by ${way}: requests that are pipelined behind the first hear of it, too (asgi_43, asgi_73)`, async (t) => {
      const { open, handler } = await setUp(t, 'flow_app:app')
      const client = await open()
      const ids = [1, 2, 3].map((number) => `${way}-${number}`)
      client.write(ids.map((id) => `GET /silent?id=${id} HTTP/1.1\r\n${host}\r\n`).join(''))
      const states = () => Promise.all(ids.map((id) => callJson(handler, `/state?id=${id}`)))
      await until(async () => (await states()).every(({ started }) => started))
      client.socket[way]()
      await until(async () => (await states()).every(({ ended }) => ended === 'disconnect'))
    })
  }

  test('while the app sends, by FIN: the next writes find out, and send raises (asgi_70)', async (t) => {
    const { open, handler } = await setUp(t, 'flow_app:app')
    const client = await open()
    client.write(`GET /flood?id=leaving HTTP/1.1\r\n${host}\r\n`)
    await until(() => client.received.length > 100_000)
    client.socket.destroy()
    await until(async () => (await callJson(handler, '/state?id=leaving')).ended === 'OSError')
  })
})

describe('Expect: 100-continue, with nothing registered by the user', limits, () => {
  const post = (path) => `POST ${path} HTTP/1.1\r\n${host}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n`
  /** A server that has served its first request. */
  async function warm(t, route) {
    const site = await setUp(t, undefined, {}, route)
    const client = await site.open()
    client.write(`GET /status/200 HTTP/1.1\r\n${host}\r\n`)
    await until(() => client.received.endsWith('body'))
    return site
  }

  test('sent when the app receives, not before (asgi_46)', async (t) => {
    const { open } = await warm(t)
    const client = await open()
    client.write(post('/events'))
    await until(() => client.received === 'HTTP/1.1 100 Continue\r\n\r\n')
    client.write('hello')
    await until(() => client.received.endsWith('[["http.request", 5, false]]'))
    assert.match(client.received, /connection: keep-alive/i)
    client.write(`GET /status/204 HTTP/1.1\r\n${host}\r\n`)
    await until(() => client.received.includes(' 204 '))
  })

  test('never sent when the app answers without the body; such a connection ends', async (t) => {
    const { open } = await warm(t)
    const client = await open()
    client.write(post('/status/200'))
    await client.ended
    assert.match(client.received, /^HTTP\/1\.1 200 OK\r\n[^]*connection: close\r\n/i)
  })

  test('the very first request of a server is answered by Node', async (t) => {
    const { open } = await setUp(t)
    const client = await open()
    client.write(post('/events'))
    await until(() => client.received === 'HTTP/1.1 100 Continue\r\n\r\n')
    client.write('hello')
    await until(() => client.received.endsWith('[["http.request", 5, false]]'))
    assert.equal(client.received.split('100 Continue').length, 2)
  })

  test('a route of Node that reads gets it sent, one that answers at once does not', async (t) => {
    const { open } = await warm(t, (req, res) => {
      if (req.url === '/read') req.on('data', (chunk) => res.end(`read ${chunk}`))
      else if (req.url === '/late') setTimeout(() => req.on('data', (chunk) => res.end(`late ${chunk}`)), 30)
      else if (req.url === '/ignore') res.end('ignored')
      else return false
      return true
    })
    for (const name of ['read', 'late']) {
      const client = await open()
      client.write(post(`/${name}`))
      await until(() => client.received === 'HTTP/1.1 100 Continue\r\n\r\n')
      client.write('hello')
      await until(() => client.received.includes(`${name} hello`))
      assert.match(client.received, /connection: keep-alive/i)
    }
    const ignored = await open()
    ignored.write(post('/ignore'))
    await ignored.ended
    assert.match(ignored.received, /^HTTP\/1\.1 200 OK\r\n[^]*connection: close[^]*ignored/i)
    assert.equal(ignored.received.includes('100 Continue'), false)
  })

  test("a listener of the user's own comes first, whenever it is added", async (t) => {
    const { server, open, handler } = await warm(t)
    const calls = []
    server.on('checkContinue', (req, res) => {
      calls.push(req.url)
      handler.listener(req, res)
    })
    const client = await open()
    client.write(post('/events'))
    await until(() => client.received === 'HTTP/1.1 100 Continue\r\n\r\n')
    client.write('hello')
    await until(() => client.received.endsWith('[["http.request", 5, false]]'))
    assert.deepEqual(calls, ['/events'])
    assert.equal(client.received.split('HTTP/1.1 200').length, 2)
  })

  test('over maxBodySize: 413 at once, and nothing is asked for', async (t) => {
    const { open } = await setUp(t, undefined, { maxBodySize: 4 })
    const first = await open()
    first.write(`GET /status/200 HTTP/1.1\r\n${host}\r\n`)
    await until(() => first.received.endsWith('body'))
    const client = await open()
    client.write(post('/events'))
    await client.ended
    assert.match(client.received, /^HTTP\/1\.1 413 /)
  })
})
