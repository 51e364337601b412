// Checklist 79 to 87, 97, 101, 109 to 111: from the upgrade to the answer.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeHandler, until } from '../node/support.mjs'
import { frame, handshake, open, serveWebSockets } from './websockets.mjs'

// Of a whole `describe`, on a busy machine.
const limits = { timeout: 60_000 }
const connect = { type: 'websocket.connect' }
const lost = { type: 'websocket.disconnect', code: 1006, reason: '' }

/** Runs with console.error recorded: failures of the app belong into the log, and nowhere else. */
function recordErrors(t) {
  const lines = []
  t.mock.method(console, 'error', (...parts) => lines.push(parts.join(' ')))
  return lines
}

describe('the handshake', limits, () => {
  const site = serveWebSockets({ before, after }, 'websocket_app:app', { rootPath: '/api' })

  test('asgi_79 sub-protocols come from all lines in their order', async (t) => {
    const raw = await site.handshake(t, {
      line: 'GET /report HTTP/1.1',
      headers: { 'Sec-WebSocket-Protocol': 'a, b\r\nSec-WebSocket-Protocol: c' },
    })
    await until(() => raw.received.includes('subprotocols'))
    assert.match(raw.received, /"subprotocols": \["a", "b", "c"\]/)
  })

  test('asgi_80 asgi_131 the scope is that of the request, without a method', async () => {
    const client = await site.open('/a%20b/report?q=%20x', [], { headers: { 'X-One': 'é' } })
    const scope = JSON.parse(await client.next())
    assert.equal(scope.type, 'websocket')
    assert.deepEqual(scope.asgi, { version: '3.0', spec_version: '2.5' })
    assert.ok(!('method' in scope))
    assert.deepEqual(
      [scope.scheme, scope.http_version, scope.path, scope.raw_path, scope.query_string, scope.root_path],
      ['ws', '1.1', '/api/a b/report', '/api/a%20b/report', 'q=%20x', '/api']
    )
    assert.deepEqual(scope.extensions, { 'websocket.http.response': {} })
    assert.ok(scope.headers.some(([name, value]) => name === 'x-one' && value === 'é'))
    assert.deepEqual([scope.server, scope.client[0], scope.subprotocols], [['127.0.0.1', site.port], '127.0.0.1', []])
    client.ws.close()
  })

  test('asgi_81 the handshake waits for the app', async (t) => {
    const key = site.key()
    const raw = await site.handshake(t, { line: `GET /wait?log=${key} HTTP/1.1` })
    assert.deepEqual(await site.logged(key, 1), [connect])
    assert.equal(raw.received, '')
    raw.socket.destroy()
  })

  test('asgi_82_83 accept before receive(), with headers in their order, as bytes', async () => {
    const key = site.key()
    const client = await site.open(`/early?log=${key}`)
    const own = client.headers.flatMap((name, i) => (i % 2 === 0 && name.startsWith('x-') ? [[name, client.headers[i + 1]]] : []))
    assert.deepEqual(own, [['x-a', '1'], ['x-a', '2'], ['x-latin', 'caf\xe9']])
    assert.deepEqual(await site.logged(key, 1), [connect])
    client.ws.close(1000)
    assert.deepEqual(await site.logged(key, 2), [connect, { type: 'websocket.disconnect', code: 1000, reason: '' }])
  })

  test('asgi_84 the chosen sub-protocol is announced', async () => {
    const client = await site.open('/echo?pick=b', ['a', 'b'])
    assert.equal(client.ws.protocol, 'b')
    client.ws.close()
  })

  test('asgi_84_91_92_99_101_104 what is wrong raises, and the socket works afterwards', async () => {
    const client = await site.open('/wrong')
    const raised = JSON.parse(await client.next())
    assert.equal(raised.length, 28)
    assert.deepEqual(raised.filter((line) => !/ (?:RuntimeError|TypeError|ValueError|UnicodeEncodeError)$/.test(line)), [])
    assert.deepEqual(await client.closed, { code: 4000, reason: 'x'.repeat(123) })
  })

  test('asgi_85 close before accept is 403, and a disconnect with 1006', async () => {
    const key = site.key()
    const { refused } = await site.open(`/refuse?log=${key}`)
    const { status, headers, body } = await refused
    assert.deepEqual([status, body, headers.upgrade], [403, '', undefined])
    assert.deepEqual(await site.logged(key, 3), [connect, lost, lost])
  })

  test('asgi_85 whatever its code and reason are: no close frame holds them', async (t) => {
    const errors = recordErrors(t)
    const reasons = ['x'.repeat(200), [{ loc: ['query', 'name'] }], 7, null]
    const events = [...[403, 1005, 1006, 99_999, -1, '1008', null].map((code) => ({ code })), ...reasons.map((reason) => ({ code: 1008, reason }))]
    for (const event of events) {
      const text = JSON.stringify(event)
      const { refused } = await site.open(`/refuse?close=${encodeURIComponent(text)}`)
      assert.equal((await refused).status, 403, text)
    }
    assert.deepEqual(errors, [])
  })

  test('asgi_86 the denial response, in pieces', async () => {
    const key = site.key()
    const { refused } = await site.open(`/deny?log=${key}`)
    const { status, headers, body } = await refused
    assert.deepEqual([status, body, headers['x-why'], headers['set-cookie']], [418, 'I am a teapot', 'tea', ['a=1', 'b=2']])
    assert.deepEqual([headers.connection, headers.upgrade], ['close', undefined])
    assert.deepEqual(await site.logged(key, 2), [connect, lost])
  })

  for (const [path, why] of [['nothing', 'returns'], ['fail', 'raises']]) {
    test(`asgi_87 an app that ${why} before accept is 500, and its text stays in the log`, async (t) => {
      const errors = recordErrors(t)
      const { refused } = await site.open(`/${path}`)
      const { status, body } = await refused
      assert.deepEqual([status, body], [500, 'Internal Server Error'])
      assert.equal(errors.length, 1)
      assert.match(errors[0], why === 'raises' ? /ValueError: secret before/ : /APP_NO_RESPONSE.*websocket\.accept/)
    })
  }

  for (const how of ['end', 'destroy', 'resetAndDestroy']) {
    test(`asgi_97 a client that leaves (${how}) before accept is a disconnect with 1006`, async (t) => {
      const key = site.key()
      const raw = await site.handshake(t, { line: `GET /wait?log=${key} HTTP/1.1` })
      await site.logged(key, 1)
      raw.socket[how]()
      assert.deepEqual(await site.logged(key, 2), [connect, lost])
    })
  }

  test('asgi_109 bad handshakes get their status', async (t) => {
    const cases = [
      [{ headers: { 'Sec-WebSocket-Key': undefined } }, 400],
      [{ headers: { 'Sec-WebSocket-Key': 'short' } }, 400],
      [{ headers: { 'Sec-WebSocket-Version': '8' } }, 426],
      [{ headers: { 'Sec-WebSocket-Version': undefined } }, 426],
      [{ headers: { 'Sec-WebSocket-Protocol': 'a,,b' } }, 400],
      [{ headers: { 'Sec-WebSocket-Extensions': '=' } }, 400],
      [{ line: 'POST /echo HTTP/1.1' }, 405],
      [{ line: 'GET /echo HTTP/1.0' }, 400],
    ]
    for (const [change, status] of cases) {
      const raw = await site.handshake(t, change)
      await raw.ended
      assert.match(raw.received, new RegExp(`^HTTP/1.1 ${status} `), JSON.stringify(change))
      if (status === 426) assert.match(raw.received, /sec-websocket-version: 13\r\n/)
    }
  })

  test('asgi_110 what comes with the handshake, or before accept, is not lost', async (t) => {
    for (const later of [false, true]) {
      const more = frame(1, 'one') + frame(1, 'two')
      const raw = await site.handshake(t, later ? {} : { more })
      if (later) raw.write(more)
      await until(() => raw.received.endsWith('\x81\x03one\x81\x03two'))
    }
  })

  test('asgi_111 an upgrade to something else is an ordinary request', async (t) => {
    const raw = await site.handshake(t, {
      line: 'POST /body HTTP/1.1',
      headers: { Upgrade: 'h2c', Connection: 'Upgrade, HTTP2-Settings', 'HTTP2-Settings': 'x', 'Content-Length': '4' },
      more: 'bodyGET /log HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    })
    await raw.ended
    assert.match(raw.received, /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n4\r\nbody\r\n|^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nbody/)
    assert.equal(raw.received.match(/HTTP\/1\.1 200 OK/g).length, 2)
  })

  test('asgi_111 what else Connection says of such a request counts', async (t) => {
    for (const Connection of ['Upgrade, close', 'HTTP2-Settings,close , upgrade']) {
      const raw = await site.handshake(t, { line: 'GET /log HTTP/1.1', headers: { Upgrade: 'h2c', Connection } })
      await raw.ended
      assert.match(raw.received, /^HTTP\/1\.1 200 OK\r\n[^]*connection: close\r\n/i)
    }
  })
})

describe('upgrades that are not ours', limits, () => {
  test('another listener gets them, by path and by protocol', async (t) => {
    const handler = makeHandler(t, 'websocket_app:app', { upgrade: { match: '/ws' } })
    const others = []
    const server = createServer(handler.listener).on('upgrade', handler.upgrade)
    server.on('upgrade', (req, socket) => {
      if (req.url.startsWith('/ws/') && req.headers.upgrade === 'websocket') return
      others.push(`${req.url} ${req.headers.upgrade}`)
      socket.end('HTTP/1.1 101 Mine\r\n\r\n')
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => server.close())
    const { port } = server.address()
    for (const change of [{ line: 'GET /wsx HTTP/1.1' }, { line: 'GET /ws/echo HTTP/1.1', headers: { Upgrade: 'h2c' } }]) {
      const raw = await handshake(t, port, change)
      assert.match(await raw.head(), /101 Mine/)
    }
    assert.deepEqual(others, ['/wsx websocket', '/ws/echo h2c'])
    const client = await open(`ws://127.0.0.1:${port}/ws/echo`)
    client.ws.send('mine')
    assert.equal(await client.next(), 'mine')
    client.ws.close()
  })

  test('a listener that calls ours later, when it has asked somebody', async (t) => {
    const handler = makeHandler(t, 'websocket_app:app', { upgrade: { match: '/echo' } })
    const server = createServer(handler.listener).listen(0, '127.0.0.1')
    server.on('upgrade', async (req, socket, head) => {
      socket.pause()
      await sleep(50)
      handler.upgrade(req, socket, head)
    })
    server.on('upgrade', () => {})
    await once(server, 'listening')
    t.after(() => server.close())
    const { port } = server.address()
    const raw = await handshake(t, port, { more: frame(1, 'one') })
    raw.write(frame(1, 'two'))
    await until(() => raw.received.endsWith('\x81\x03one\x81\x03two'))
    raw.socket.destroy()
    server.removeAllListeners('upgrade').on('upgrade', async (...args) => {
      await sleep(50)
      handler.upgrade(...args)
    })
    assert.equal((await (await open(`ws://127.0.0.1:${port}/zz`)).refused).status, 404)
  })

  test('a path that does not match is 404 where nobody else listens', async (t) => {
    for (const match of ['/ws', /^\/ws\//, (path) => path.startsWith('/ws/')]) {
      const handler = makeHandler(t, 'websocket_app:app', { upgrade: { match } })
      const server = createServer(handler.listener).on('upgrade', handler.upgrade).listen(0, '127.0.0.1')
      await once(server, 'listening')
      t.after(() => server.close())
      const url = `ws://127.0.0.1:${server.address().port}`
      assert.equal((await (await open(`${url}/echo`)).refused).status, 404)
      const client = await open(`${url}/ws/echo?x=/`)
      client.ws.close()
      assert.equal((await client.closed).code, 1005)
    }
  })
})

describe('upgrade.match', limits, () => {
  /** The status of a handshake, and what the log was told. */
  async function ask(t, match, lines) {
    const told = []
    const note = (object, message) => void told.push(`${message}: ${object.err?.message}`)
    const logger = { debug() {}, info() {}, warn: note, error: note }
    const handler = makeHandler(t, 'websocket_app:app', { upgrade: { match }, logger })
    const server = createServer(handler.listener).on('upgrade', handler.upgrade).listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => server.close())
    const statuses = []
    for (const line of lines) {
      const raw = await handshake(t, server.address().port, { line })
      statuses.push(Number((await raw.head()).split(' ')[1]))
      raw.socket.destroy()
    }
    return { statuses, told }
  }

  test('any value that is true counts', async (t) => {
    const { statuses, told } = await ask(t, (path) => path.match(/echo/), ['GET /echo HTTP/1.1', 'GET /other HTTP/1.1'])
    assert.deepEqual([statuses, told], [[101, 404], []])
  })

  test('a promise, which is always true, is refused, and the log told why, once', async (t) => {
    for (const match of [async () => true, async () => { throw new Error('later') }]) {
      const { statuses, told } = await ask(t, match, ['GET /echo HTTP/1.1', 'GET /echo HTTP/1.1'])
      assert.deepEqual([statuses, told.length], [[500, 500], 1])
      assert.match(told[0], /upgrade\.match.*must return a boolean, not a promise/)
    }
  })

  test('a function that throws is 500 for that client, and in the log', async (t) => {
    const match = (path) => decodeURIComponent(path) === '/echo'
    const { statuses, told } = await ask(t, match, ['GET /%zz HTTP/1.1', 'GET /ech%6f HTTP/1.1', 'GET /%zz HTTP/1.1', 'GET /no HTTP/1.1'])
    assert.deepEqual(statuses, [500, 101, 500, 404])
    assert.deepEqual(told.filter((line) => line.includes('upgrade.match')), Array(2).fill('The function of option upgrade.match has thrown: URI malformed'))
  })

  test('an absolute target is its path (RFC 9112, 3.2.2)', async (t) => {
    const { statuses } = await ask(t, '/echo', ['GET http://x/echo HTTP/1.1', 'GET http://x/echo?a HTTP/1.1', 'GET http://x HTTP/1.1'])
    assert.deepEqual(statuses, [101, 101, 404])
  })
})

test('acceptTimeout: 503, and the app is told', limits, async (t) => {
  const handler = makeHandler(t, 'websocket_app:app', { websocket: { acceptTimeout: 200 } })
  const server = createServer(handler.listener).on('upgrade', handler.upgrade).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address()
  const { refused } = await open(`ws://127.0.0.1:${port}/wait?log=late`)
  const { status, body } = await refused
  assert.deepEqual([status, body], [503, 'Service Unavailable'])
  const log = async () => (await fetch(`http://127.0.0.1:${port}/log?log=late`)).json()
  await until(async () => (await log()).length === 2)
  assert.deepEqual(await log(), [connect, lost])
})

test('a handshake waits for a handler that starts, and gets 503 from one that is closed', limits, async (t) => {
  const handler = makeHandler(t, 'websocket_app:app')
  const server = createServer(handler.listener).on('upgrade', handler.upgrade).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const url = `ws://127.0.0.1:${server.address().port}/echo`
  const client = await open(url)
  await handler.close()
  assert.equal((await client.closed).code, 1012)
  assert.equal((await (await open(url)).refused).status, 503)
})
