// What users rely on around requests (asgi_133 to asgi_142). Limits are in tests/http/limits and body-limits, proxies in
// tests/http/proxy, lifespan in lifespan.test.mjs.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { assertReturnsTo, call, callJson, holdings, makeHandler, openSocket, rawExchange, serve, serveApp, until } from '../node/support.mjs'
import { ask, keepAlive, parse, request } from './wire.mjs'

const limits = { timeout: 30_000 }

describe('closing', limits, () => {
  test('asgi_133 a response under way is finished and ends its connection; requests that come later are 503', async (t) => {
    const handler = makeHandler(t, 'asgi_server:app')
    const { port } = await serve(t, handler.listener)
    await handler.ready()
    const under = await openSocket(t, port)
    under.socket.on('end', () => under.socket.end())
    under.write(request('/sleeping?seconds=0.3', { close: false }))
    const idle = await keepAlive(t, port)
    assert.equal((await idle.ask('/')).body, 'hello')
    const closed = handler.close()
    const refused = await idle.ask('/')
    assert.deepEqual([refused.status, refused.body, refused.header('connection')], [503, 'Service Unavailable', 'close'])
    await closed
    await under.ended
    const { status, body, header } = parse(under.received)
    assert.deepEqual([status, body, header('connection')], [200, 'seconds=0.3', 'close'])
  })

  test('asgi_134 an event stream gets http.disconnect at once, and can say goodbye', async (t) => {
    const handler = makeHandler(t, 'asgi_server:app')
    const { port } = await serve(t, handler.listener)
    const client = await openSocket(t, port)
    client.write(request('/until-left', { close: false }))
    await until(() => client.received.includes('data: open'))
    const begun = performance.now()
    await handler.close()
    assert.ok(performance.now() - begun < 1000)
    await until(() => client.received.endsWith('0\r\n\r\n'))
    assert.equal(parse(client.received).body, 'data: open\n\ndata: closed\n\n')
  })

  test('asgi_135 with a timeout of 0 nothing is waited for: what is under way is cancelled', async (t) => {
    const handler = makeHandler(t, 'asgi_server:app')
    const { port } = await serve(t, handler.listener)
    await handler.ready()
    const client = await openSocket(t, port)
    client.write(request('/sleeping?seconds=20', { close: false }))
    const direct = assert.rejects(call(handler, '/sleeping?seconds=20'), { name: 'PythonError' })
    await sleep(100)
    const begun = performance.now()
    await handler.close({ timeout: 0 })
    assert.ok(performance.now() - begun < 1000)
    await direct
    await until(() => client.received.length > 0)
    assert.notEqual(parse(client.received).status, 200)
  })
})

describe('limits', limits, () => {
  test('asgi_136 above maxConcurrency 503, and below it again 200', async (t) => {
    const handler = makeHandler(t, 'asgi_server:app', { maxConcurrency: 2 })
    const { port } = await serve(t, handler.listener)
    await handler.ready()
    const slow = [0, 1].map(() => rawExchange(t, port, request('/sleeping?seconds=0.3')))
    await sleep(100)
    const { status, body, header } = parse(await rawExchange(t, port, request('/', { close: false })))
    assert.deepEqual([status, body, header('connection')], [503, 'Service Unavailable', 'close'])
    for (const response of await Promise.all(slow)) assert.equal(parse(response).status, 200)
    assert.equal(parse(await rawExchange(t, port, request('/'))).body, 'hello')
  })

  test('asgi_137 a head over 16 KiB is 431, a body over maxBodySize 413', async (t) => {
    const handler = makeHandler(t, 'asgi_server:app', { maxBodySize: 1000 })
    const { port } = await serve(t, handler.listener)
    const head = await rawExchange(t, port, request('/', { headers: `X-Large: ${'x'.repeat(17_000)}\r\n` }))
    assert.match(head, /^HTTP\/1\.1 431 Request Header Fields Too Large\r\n/)
    const many = await rawExchange(t, port, request('/', { headers: 'a:b\r\n'.repeat(1100) }))
    assert.match(many, /^HTTP\/1\.1 431 /)
    const body = await rawExchange(t, port, request('/', { method: 'POST', headers: 'Content-Length: 1001\r\n', body: 'x'.repeat(1001) }))
    assert.match(body, /^HTTP\/1\.1 413 /)
  })

  test("asgi_138 a head that does not end in time is Node's 408, and others are served meanwhile", async (t) => {
    const handler = makeHandler(t, 'asgi_server:app')
    const server = createServer({ headersTimeout: 300, connectionsCheckingInterval: 50 }, handler.listener).listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => server.close())
    const { port } = server.address()
    const slow = await openSocket(t, port)
    slow.write('GET / HTTP/1.1\r\nHost: h\r\nX-Slow: ')
    const drip = setInterval(() => slow.write('x'), 50)
    t.after(() => clearInterval(drip))
    assert.equal(parse(await rawExchange(t, port, request('/'))).body, 'hello')
    await until(() => slow.received.includes('\r\n\r\n'))
    assert.match(slow.received, /^HTTP\/1\.1 408 Request Timeout\r\n/)
  })
})

describe('two parsers', limits, () => {
  const site = serveApp({ before, after }, 'asgi_receive:app')
  const post = (headers, body) => `POST /body HTTP/1.1\r\nHost: h\r\n${headers}\r\n${body}`
  const CHUNKED = 'Transfer-Encoding: chunked\r\n'

  const refused = {
    'lengths that differ': post('Content-Length: 5\r\nContent-Length: 4\r\n', 'hello'),
    'a length beside chunked': post(`Content-Length: 5\r\n${CHUNKED}`, '0\r\n\r\n'),
    'chunked twice': post(`Transfer-Encoding: chunked, chunked\r\n`, '0\r\n\r\n'),
    'another coding': post('Transfer-Encoding: identity\r\n', 'hello'),
    'chunked not last': post('Transfer-Encoding: chunked, identity\r\n', '0\r\n\r\n'),
    'a bare LF behind the request line': 'GET /body HTTP/1.1\nHost: h\r\n\r\n',
    'a bare LF behind a field': 'GET /body HTTP/1.1\r\nHost: h\nX-A: a\r\n\r\n',
    'a bare CR in a value': 'GET /body HTTP/1.1\r\nHost: h\r\nX-A: a\rX-B: b\r\n\r\n',
    'a space before the colon': 'GET /body HTTP/1.1\r\nHost: h\r\nX-A : a\r\n\r\n',
    'a space before the colon of Transfer-Encoding': post('Transfer-Encoding : chunked\r\n', '0\r\n\r\n'),
    'a space before the colon of Content-Length': post('Content-Length : 5\r\n', 'hello'),
    'a space in Transfer-Encoding': post('Transfer Encoding: chunked\r\n', '0\r\n\r\n'),
    'a folded line': 'GET /body HTTP/1.1\r\nHost: h\r\nX-A: a\r\n folded\r\n\r\n',
    'a folded first line': 'GET /body HTTP/1.1\r\n X-A: a\r\nHost: h\r\n\r\n',
    'two Hosts': 'GET /body HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n',
    'no version': 'GET /body\r\nHost: h\r\n\r\n',
    'HTTP/0.9': 'GET /body HTTP/0.9\r\nHost: h\r\n\r\n',
    'HTTP/3.0': 'GET /body HTTP/3.0\r\nHost: h\r\n\r\n',
    'a lower-case method': 'get /body HTTP/1.1\r\nHost: h\r\n\r\n',
  }
  const cut = {
    'a size that is no number': post(CHUNKED, 'xyz\r\nhello\r\n0\r\n\r\n'),
    'a size with a sign': post(CHUNKED, '+5\r\nhello\r\n0\r\n\r\n'),
    'a size in 0x': post(CHUNKED, '0x5\r\nhello\r\n0\r\n\r\n'),
    'a size that overflows': post(CHUNKED, '10000000000000005\r\nhello\r\n0\r\n\r\n'),
    'a bare LF behind the size': post(CHUNKED, '5\nhello\r\n0\r\n\r\n'),
    'a chunk that is longer than its size': post(CHUNKED, '4\r\nhello\r\n0\r\n\r\n'),
  }
  const NEXT = 'GET /log HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n'

  for (const [name, data] of Object.entries(refused)) {
    test(`asgi_140 ${name}: 400, and nothing behind it is served`, async (t) => {
      const received = await site.raw(t, data + NEXT)
      assert.match(received, /^HTTP\/1\.1 400 Bad Request\r\n/)
      assert.equal(received.split('HTTP/1.1 ').length, 2)
    })
  }

  for (const [name, data] of Object.entries(cut)) {
    test(`asgi_140 in a chunked body, ${name}: no response but 400, and nothing behind it is served`, async (t) => {
      const received = await site.raw(t, data + NEXT)
      assert.match(received, /^(HTTP\/1\.1 400 Bad Request\r\n[^]*)?$/)
      assert.equal(received.split('HTTP/1.1 ').length, received === '' ? 1 : 2)
    })
  }
})

describe('nothing is left', limits, () => {
  test('asgi_141 400 requests of all sorts leave no cycles for the collector, no objects, no tasks', async (t) => {
    const handler = makeHandler(t, 'asgi_server:app')
    const { port } = await serve(t, handler.listener)
    const one = async (path) => (await fetch(`http://127.0.0.1:${port}${path}`)).arrayBuffer()
    const rounds = async (count) => {
      for (let round = 0; round < count; round += 1) {
        await Promise.all([...['/', '/sleeping?seconds=0', '/large?count=4000&pieces=10'].map(one), call(handler, '/')])
      }
    }
    await rounds(20)
    const first = await callJson(handler, '/garbage?what=settle')
    await rounds(100)
    const last = await callJson(handler, '/garbage?what=collect')
    assert.ok(last.found < 100, `${last.found} objects were in cycles`)
    assert.ok(last.objects - first.objects < 200, `${last.objects - first.objects} objects more`)
    assert.ok(last.tasks <= first.tasks)
  })

  test('asgi_142 connections that are reset leave no timer, handle or descriptor', async (t) => {
    const handler = makeHandler(t, 'asgi_server:app', { requestTimeout: 60_000 })
    const { port } = await serve(t, handler.listener)
    await handler.ready()
    await ask(t, { raw: (context, data) => rawExchange(context, port, data) }, '/')
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
    const held = { ...holdings(), timers: timers() }
    const clients = await Promise.all(Array.from({ length: 30 }, () => openSocket(t, port)))
    for (const [index, client] of clients.entries()) {
      client.write(request(['/until-left', '/sleeping?seconds=0.2', '/large?count=4000000&pieces=100'][index % 3], { close: false }))
    }
    await sleep(100)
    for (const { socket } of clients) socket.resetAndDestroy()
    await assertReturnsTo(held)
    await until(() => timers() <= held.timers, 'the timers to go')
  })
})
