// The access log: once per request, whatever becomes of it, written by JavaScript.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { after, describe, test } from 'node:test'
import express from 'express'
import { WebSocket } from 'ws'
import { forClf, forJson, forUvicorn } from '../../npm/asgi-node/lib/log/access-formats.js'
import { handshake } from '../asgi/websockets.mjs'
import { call, makeHandler, openSocket, rawExchange, runNode, serve, until } from '../node/support.mjs'

const limits = { timeout: 110_000 }

/** A handler whose access log is a list. */
function watched(scope, app, options = {}) {
  const entries = []
  const handler = makeHandler(scope, app, { accessLog: (entry) => void entries.push(entry), ...options })
  /** Those that `action` causes: `count` of them, and no more within a turn of this and one further request. */
  async function during(count, action) {
    const from = entries.length
    await action()
    await until(() => entries.length >= from + count, `${count} entries`)
    await call(handler, '/last?of=these').catch(() => {})
    await until(() => entries.at(-1).url === '/last?of=these')
    const found = entries.slice(from, -1)
    assert.equal(found.length, count, JSON.stringify(found))
    return found
  }
  return { handler, entries, during }
}

describe('once per request (asgi_76)', limits, () => {
  const { handler, during } = watched({ after }, 'asgi_server:app')

  test('asgi_76 a response: who, what, its status, how long', async (t) => {
    const site = await serve(t, handler.listener)
    const [entry] = await during(1, () => rawExchange(t, site.port, 'GET /?x=1 HTTP/1.1\r\nHost: h\r\nUser-Agent: me\r\nReferer: there\r\nConnection: close\r\n\r\n'))
    const { time, clientPort, durationMs, ...rest } = entry
    assert.deepEqual(rest, {
      type: 'http', method: 'GET', url: '/?x=1', protocol: 'HTTP/1.1', clientAddress: '127.0.0.1', referer: 'there', userAgent: 'me',
      status: 200, bytes: 5, aborted: false,
    })
    assert.ok(Math.abs(Date.now() - time.getTime()) < 10_000 && clientPort > 0 && durationMs > 0)
  })

  test('asgi_76 a client that leaves before the response is 499, in its middle aborted', async (t) => {
    const site = await serve(t, handler.listener)
    const leave = async (path, sign) => {
      const client = await openSocket(t, site.port)
      client.write(`GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`)
      if (sign) await until(() => client.received.includes(sign))
      else await until(() => handler.health().inFlight > 0)
      client.socket.resetAndDestroy()
    }
    const [early] = await during(1, () => leave('/sleeping?seconds=0.3'))
    assert.deepEqual([early.status, early.aborted], [499, true])
    const [middle] = await during(1, () => leave('/until-left', 'data: open'))
    assert.deepEqual([middle.status, middle.aborted, middle.bytes > 0], [200, true, true])
  })

  test('asgi_76 a client that only stops sending may still read, unless cancelOnDisconnect says that it has left', async (t) => {
    for (const [cancelOnDisconnect, status, aborted] of [[false, 200, false], [true, 499, true]]) {
      const other = watched(t, 'asgi_server:app', { cancelOnDisconnect })
      await other.handler.ready()
      const site = await serve(t, other.handler.listener)
      const [entry] = await other.during(1, async () => {
        const client = await openSocket(t, site.port)
        client.socket.end('GET /sleeping?seconds=0.3 HTTP/1.1\r\nHost: h\r\n\r\n')
        await client.ended
      })
      assert.deepEqual([entry.status, entry.aborted], [status, aborted])
    }
  })

  test('asgi_76 a client that has left before the app has started is told of too', async (t) => {
    const site = await serve(t, (req, res) => {
      res.once('close', () => handler.listener(req, res))
      req.socket.destroy()
    })
    const [entry] = await during(1, () => fetch(site.url).catch(() => {}))
    assert.deepEqual([entry.status, entry.aborted], [499, true])
  })

  test('asgi_76 what does not reach the app: a request that is refused, and one after the end', async (t) => {
    const small = watched(t, 'asgi_server:app', { maxBodySize: 3 })
    const { port } = await serve(t, small.handler.listener)
    const [entry] = await small.during(1, () => rawExchange(t, port, 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody'))
    assert.deepEqual([entry.status, entry.method], [413, 'POST'])
    await small.handler.close()
    await rawExchange(t, port, 'GET /late HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n')
    await until(() => small.entries.at(-1).url === '/late')
    assert.equal(small.entries.at(-1).status, 503)
  })

  test('asgi_76 calls from JavaScript: whole, streamed, blocking, given up, failed', async () => {
    const entries = await during(5, async () => {
      await call(handler, '/?a')
      for await (const _ of await handler.handleStream({ url: '/?b', headers: { 'user-agent': 'js' }, socket: { remoteAddress: '10.0.0.9', remotePort: 7 } }));
      handler.handleRequestSync({ url: '/?c' })
      const signal = AbortSignal.timeout(50)
      await call(handler, '/sleeping?seconds=0.3', {}, { signal }).catch(() => {})
      const response = await handler.fetch(new Request('http://h/?e'))
      await response.text()
    })
    assert.deepEqual(entries.map(({ url, status, bytes, aborted, clientAddress, userAgent }) => [url, status, bytes, aborted, clientAddress, userAgent]), [
      ['/?a', 200, 5, false, null, null],
      ['/?b', 200, 5, false, '10.0.0.9', 'js'],
      ['/?c', 200, 5, false, null, null],
      ['/sleeping?seconds=0.3', 499, 0, true, null, null],
      ['/?e', 200, 5, false, null, null],
    ])
  })

  test('asgi_76 a request that a middleware passes on', async (t) => {
    const app = express().use(handler.middleware()).use((_error, _req, res, _next) => res.status(418).end('no'))
    const { url } = await serve(t, app)
    for (const [path, status] of [['/', 200], ['/not-there', 418]]) {
      const [entry] = await during(1, async () => void (await (await fetch(url + path)).text()))
      assert.deepEqual([entry.url, entry.status], [path, status])
    }
  })
})

describe('WebSockets', limits, () => {
  test('asgi_76 each handshake once, whoever answers it, with the bytes of its answer', async (t) => {
    const logger = { debug() {}, info() {}, warn() {}, error() {} }
    const match = (path) => path !== '/other' && (path !== '/throws' || decodeURIComponent('%zz'))
    const { handler, entries } = watched(t, 'websocket_app:app', { upgrade: { match }, logger })
    const server = createServer(handler.listener).on('upgrade', handler.upgrade).listen(0, '127.0.0.1')
    t.after(() => server.close())
    await once(server, 'listening')
    const { port } = server.address()
    const cases = [
      [{ line: 'GET /echo HTTP/1.1', headers: { 'Sec-WebSocket-Key': 'x' } }, 400, 'Bad Request'.length],
      [{ line: 'POST /echo HTTP/1.1' }, 405, 'Method Not Allowed'.length],
      [{ line: 'HEAD /echo HTTP/1.1' }, 405, 0],
      [{ line: 'GET /echo HTTP/1.1', headers: { 'Sec-WebSocket-Version': '8' } }, 426, 'Upgrade Required'.length],
      [{ line: 'GET /other HTTP/1.1' }, 404, 'Not Found'.length],
      [{ line: 'GET /throws HTTP/1.1' }, 500, 'Internal Server Error'.length],
      [{ line: 'GET /fail HTTP/1.1' }, 500, 'Internal Server Error'.length],
      [{ line: 'GET /refuse HTTP/1.1' }, 403, 0],
      [{ line: 'GET /deny HTTP/1.1' }, 418, 'I am a teapot'.length],
    ]
    for (const [lines, status, bytes] of cases) {
      const before = entries.length
      const raw = await handshake(t, port, lines)
      await raw.ended
      await until(() => entries.length > before, `an entry for ${status}`)
      const [{ type, method, url }, ...more] = entries.slice(before)
      assert.deepEqual([type, `${method} ${url} HTTP/1.1`, more], ['websocket', lines.line, []])
      assert.deepEqual([entries[before].status, entries[before].bytes, entries[before].aborted], [status, bytes, false])
    }
    const ordinary = await handshake(t, port, { line: 'GET /log HTTP/1.1', headers: { Upgrade: 'h2c', Connection: 'Upgrade, close' } })
    await ordinary.ended
    await until(() => entries.length > cases.length)
    assert.deepEqual(entries.slice(cases.length).map(({ type, status }) => [type, status]), [['http', 200]])
  })

  test('asgi_76 accepted, and closed by either side; refused; lost', async (t) => {
    const { handler, entries } = watched(t, 'websocket_app:app')
    const server = createServer(handler.listener).on('upgrade', handler.upgrade).listen(0, '127.0.0.1')
    t.after(() => server.close())
    await once(server, 'listening')
    const url = `ws://127.0.0.1:${server.address().port}`
    const open = async (path) => {
      const socket = new WebSocket(url + path)
      await once(socket, 'open')
      return socket
    }
    const next = async (count) => {
      await until(() => entries.length >= count, `${count} entries`)
      const { type, status, code, aborted } = entries[count - 1]
      return { type, status, code, aborted }
    }
    const polite = await open('/echo')
    polite.close(4001, 'enough')
    assert.deepEqual(await next(1), { type: 'websocket', status: 101, code: 4001, aborted: false })
    const rude = await open('/echo')
    rude.terminate()
    assert.deepEqual(await next(2), { type: 'websocket', status: 101, code: 1006, aborted: true })
    const refused = new WebSocket(`${url}/refuse`)
    await once(refused, 'error')
    assert.deepEqual(await next(3), { type: 'websocket', status: 403, code: undefined, aborted: false })
    assert.equal(entries.length, 3)
  })
})

describe('formats', limits, () => {
  const entry = {
    time: new Date(Date.UTC(2026, 10, 6, 7, 8, 9)), type: 'http', method: 'GET', url: '/a?b="\\\u001b[2J', protocol: 'HTTP/1.1',
    clientAddress: '::1', clientPort: 99, referer: null, userAgent: 'x"y\u00e9', status: 200, bytes: 0, durationMs: 7.12345, aborted: false,
  }

  test('uvicorn: its line, with the duration behind it', () => {
    assert.equal(forUvicorn(entry), 'INFO:     [::1]:99 - "GET /a?b=\\"\\\\\\x1b[2J HTTP/1.1" 200 OK 7.1ms')
    assert.equal(forUvicorn({ ...entry, url: '/', status: 499, aborted: true, clientAddress: null, clientPort: null }), 'INFO:     - - "GET / HTTP/1.1" 499 Client Closed Request 7.1ms aborted')
    const socket = { ...entry, type: 'websocket', url: '/ws', clientAddress: '1.2.3.4' }
    assert.equal(forUvicorn({ ...socket, status: 101, code: 1000 }), 'INFO:     1.2.3.4:99 - "WebSocket /ws" [accepted] 1000 7.1ms')
    assert.equal(forUvicorn({ ...socket, status: 403 }), 'INFO:     1.2.3.4:99 - "WebSocket /ws" 403 7.1ms')
    for (const [durationMs, shown] of [[0, '0.0'], [0.04, '0.0'], [0.06, '0.1'], [9.96, '10.0'], [1234.56, '1234.6'], [3_600_000, '3600000.0']]) {
      assert.ok(forUvicorn({ ...entry, durationMs }).endsWith(` ${shown}ms`), String(durationMs))
    }
  })

  test('combined: a line that Apache\'s pattern matches, and nothing of the client\'s ends it', () => {
    const line = forClf(entry)
    assert.equal(line, '::1 - - [06/Nov/2026:07:08:09 +0000] "GET /a?b=\\"\\\\\\x1b[2J HTTP/1.1" 200 - "-" "x\\"y\\xc3\\xa9" 0.007')
    assert.match(line, /^\S+ \S+ \S+ \[[^\]]+\] "(?:[^"\\]|\\.)*" \d{3} (?:\d+|-) "(?:[^"\\]|\\.)*" "(?:[^"\\]|\\.)*" \d+\.\d{3}$/)
  })

  test('combined: the time of each second, in any order', () => {
    for (const [time, shown] of [['2026-01-02T03:04:05.999Z', '02/Jan/2026:03:04:05'], ['2026-01-02T03:04:05Z', '02/Jan/2026:03:04:05'], ['2026-12-31T23:59:59Z', '31/Dec/2026:23:59:59'], ['2026-01-02T03:04:05.001Z', '02/Jan/2026:03:04:05']]) {
      assert.match(forClf({ ...entry, time: new Date(time) }), new RegExp(`\\[${shown} \\+0000\\]`))
    }
  })

  test('field_31 combined: no field of the client\'s ends its quotes or the line', () => {
    const hostile = 'a" 200 1 "b\\\n127.0.0.1 - - \u001b[2J\u00e9'
    const shown = 'a\\" 200 1 \\"b\\\\\\x0a127.0.0.1 - - \\x1b[2J\\xc3\\xa9'
    for (const name of ['url', 'referer', 'userAgent']) {
      const line = forClf({ ...entry, url: '/', userAgent: null, [name]: hostile })
      const fields = { url: '/', referer: '-', userAgent: '-', [name]: shown }
      assert.equal(line, `::1 - - [06/Nov/2026:07:08:09 +0000] "GET ${fields.url} HTTP/1.1" 200 - "${fields.referer}" "${fields.userAgent}" 0.007`)
    }
  })

  test('json: the entry', () => {
    assert.deepEqual(JSON.parse(forJson(entry)), { ...entry, time: '2026-11-06T07:08:09.000Z', durationMs: 7.123 })
  })

  test('lines go to stdout, never through Python\'s logging, and the last ones before the end', async () => {
    for (const [format, pattern] of Object.entries({
      uvicorn: /^INFO: {5}- - "GET \/\?number=\d HTTP\/1\.1" 200 OK \d+\.\dms$/,
      combined: /^- - - \[.*\] "GET \/\?number=\d HTTP\/1\.1" 200 1 "-" "-" \d\.\d{3}$/,
      json: /^\{"time":.*"url":"\/\?number=\d".*\}$/,
    })) {
      const outcome = await runNode(`
        const log = []
        const note = (...args) => log.push(args)
        const logger = { level: 'trace', debug: note, info: note, warn: note, error: note }
        const handler = new PythonHandler({ app: 'slow_app:app', docroot: apps, accessLog: '${format}', logger, loop: 'asyncio' })
        await handler.ready()
        for (let number = 0; number < 3; number++) handler.handleRequestSync({ url: '/?number=' + number })
        process.exitCode = log.filter(([object]) => object.logger !== 'asyncio').length
        process.exit()`)
      const lines = outcome.stdout.trimEnd().split('\n')
      assert.deepEqual([outcome.code, outcome.stderr, lines.length], [0, '', 3])
      for (const line of lines) assert.match(line, pattern)
    }
  })

  test('more lines at once than one write takes are no leak of listeners', async () => {
    const outcome = await runNode(`
      const { Lines } = await import('./npm/asgi-node/lib/log/access-lines.js')
      const lines = new Lines(null)
      for (let i = 0; i < 40_000; i++) lines.add('x'.repeat(50))
      await new Promise((resolve) => setTimeout(resolve, 200))
      process.stderr.write(String(process.stdout.listenerCount('error')))`)
    const own = await runNode(`process.stderr.write(String(process.stdout.listenerCount('error')))`)
    assert.deepEqual([outcome.code, outcome.stderr, outcome.stdout.length], [0, own.stderr, 40_000 * 51])
  })

  test('a function that throws is told to the log, and hurts no request', async (t) => {
    const told = []
    const note = (object, message) => void told.push([object.err?.message, message])
    const accessLog = () => {
      throw new Error('of the function')
    }
    const handler = makeHandler(t, 'main:app', { accessLog, logger: { debug: note, info: note, warn: note, error: note } })
    assert.equal((await call(handler)).status, 200)
    await until(() => told.length > 0)
    assert.deepEqual(told, [['of the function', 'The function of option accessLog has thrown']])
  })
})
