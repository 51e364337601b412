// handler.listener under node:http, byte by byte over a socket: the scope that a request becomes (asgi_15 to asgi_38),
// and what a client sees.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { allHoldings, assertReturnsTo, bytes, callJson, makeHandler, openSocket, serve, serveApp, sha256, until } from './support.mjs'

const limits = { timeout: 20_000 }
const close = 'Host: h\r\nConnection: close\r\n'

const served = (app) => serveApp({ before, after }, app)

/** Head and body of a raw response. */
function parse(response) {
  const end = response.indexOf('\r\n\r\n')
  const [line, ...headers] = response.slice(0, end).split('\r\n')
  return { line, headers: headers.map((header) => header.toLowerCase()), body: response.slice(end + 4) }
}

describe('the scope', limits, () => {
  const site = served('scope_app:app')

  /** A request as written, the scope as the app got it. */
  async function scopeOf(t, request) {
    const { body } = parse(await site.raw(t, request))
    const json = body.slice(body.indexOf('{'), body.lastIndexOf('}') + 1)
    return JSON.parse(json)
  }

  test('every key has the type that the specification gives it', async (t) => {
    const { type, scope } = await scopeOf(t, `GET /a%20b/%E2%82%AC%2Fx?y=%20&z HTTP/1.1\r\n${close}\r\n`)
    assert.equal(type, 'dict')
    assert.equal(scope.type, 'http')
    assert.deepEqual([scope.asgi.version, scope.asgi.spec_version], ['3.0', '2.5'])
    assert.equal(scope.http_version, '1.1')
    assert.equal(scope.method, 'GET')
    assert.equal(scope.scheme, 'http')
    assert.equal(scope.path, '/a b/€/x')
    assert.deepEqual(scope.raw_path, { bytes: '/a%20b/%E2%82%AC%2Fx' })
    assert.deepEqual(scope.query_string, { bytes: 'y=%20&z' })
    assert.equal(scope.root_path, '')
    const endpoint = (value) => (Array.isArray(value) ? value : value.tuple)
    const [clientHost, clientPort] = endpoint(scope.client)
    assert.equal(clientHost, '127.0.0.1')
    assert.ok(Number.isInteger(clientPort) && clientPort > 0, String(clientPort))
    assert.deepEqual(endpoint(scope.server), ['127.0.0.1', site.port])
    assert.equal(typeof scope.extensions, 'object')
    assert.equal('tls' in scope.extensions, false)
  })

  test('targets as they were received (asgi_20 to asgi_26)', async (t) => {
    const expected = {
      '/%ff': ['/\ufffd', '/%ff', ''],
      '//p/../q': ['//p/../q', '//p/../q', ''],
      '/p?': ['/p', '/p', ''],
      'http://other:81/p/q?x': ['/p/q', '/p/q', 'x'],
    }
    for (const [target, [path, rawPath, query]] of Object.entries(expected)) {
      const { scope } = await scopeOf(t, `GET ${target} HTTP/1.1\r\n${close}\r\n`)
      assert.deepEqual([scope.path, scope.raw_path.bytes, scope.query_string.bytes], [path, rawPath, query], target)
    }
    const { scope } = await scopeOf(t, `OPTIONS * HTTP/1.1\r\n${close}\r\n`)
    assert.deepEqual([scope.method, scope.path], ['OPTIONS', '*'])
  })

  test('headers: pairs of bytes, lower-case names, order and duplicates kept, obs-text untouched (asgi_29, asgi_30)', async (t) => {
    const headers = 'X-B: 1\r\nX-A:   padded  \r\nx-b: 2\r\nX-Latin: caf\xe9\r\nX-Empty:\r\nX-B: 1\r\n'
    const { scope } = await scopeOf(t, `GET / HTTP/1.1\r\n${close}${headers}\r\n`)
    const pairs = scope.headers.map((pair) => (Array.isArray(pair) ? pair : pair.tuple).map(({ bytes: value }) => value))
    assert.deepEqual(pairs, [
      ['host', 'h'],
      ['connection', 'close'],
      ['x-b', '1'],
      ['x-a', 'padded'],
      ['x-b', '2'],
      ['x-latin', 'caf\xe9'],
      ['x-empty', ''],
      ['x-b', '1'],
    ])
  })

  test('HTTP/1.0 is "1.0" (asgi_16)', async (t) => {
    const { scope } = await scopeOf(t, 'GET / HTTP/1.0\r\n\r\n')
    assert.equal(scope.http_version, '1.0')
    assert.deepEqual(scope.headers, [])
  })

  test('what one app does to its scope the next request never sees (asgi_37)', async (t) => {
    for (let round = 0; round < 3; round += 1) {
      const { scope } = await scopeOf(t, `GET /${round} HTTP/1.1\r\n${close}\r\n`)
      assert.equal(JSON.stringify(scope).includes('spoilt'), false)
    }
  })
})

describe('responses', limits, () => {
  const status = served('status_app:app')
  const stream = served('stream_app:app')
  const echo = served('echo_app:app')

  test('status, order and duplicates of headers, obs-text (asgi_61)', async (t) => {
    const { line, headers } = parse(await status.raw(t, `GET /headers HTTP/1.1\r\n${close}\r\n`))
    assert.equal(line, 'HTTP/1.1 200 OK')
    const own = headers.filter((header) => /^(x-|set-cookie)/.test(header))
    assert.deepEqual(own, ['x-first: 1', 'set-cookie: a=1; path=/', 'x-latin: caf\xe9', 'set-cookie: b=2; path=/', 'x-empty: '])
  })

  test('every status, and no body where HTTP forbids one (asgi_60)', async () => {
    for (const code of [200, 201, 204, 304, 404, 418, 500, 503]) {
      const response = await status.fetch(`/status/${code}`)
      assert.equal(response.status, code)
      assert.equal(await response.text(), [204, 304].includes(code) ? '' : String(code))
    }
  })

  test('a body of unknown length is chunked for HTTP/1.1 and ends with the connection for HTTP/1.0 (asgi_56)', async (t) => {
    const modern = parse(await stream.raw(t, `GET /?count=2 HTTP/1.1\r\n${close}\r\n`))
    assert.ok(modern.headers.includes('transfer-encoding: chunked'))
    assert.match(modern.body, /Chunk 1\n[^]*Chunk 2\n[^]*0\r\n\r\n$/)
    const old = parse(await stream.raw(t, 'GET /?count=2 HTTP/1.0\r\n\r\n'))
    assert.equal(old.headers.some((header) => header.startsWith('transfer-encoding')), false)
    assert.equal(old.body, 'Chunk 1\nChunk 2\n')
  })

  test('parts reach the client as the app sends them (asgi_54)', async (t) => {
    const client = await openSocket(t, stream.port)
    client.write(`GET /?count=3&delay=0.1 HTTP/1.1\r\n${close}\r\n`)
    await until(() => client.received.includes('Chunk 1'), 'the first chunk')
    assert.equal(client.received.includes('Chunk 3'), false)
    await until(() => client.received.endsWith('0\r\n\r\n'), 'the end')
  })

  test('HEAD keeps the headers, sends no body, and the connection goes on (asgi_59)', async (t) => {
    const client = await openSocket(t, echo.port)
    client.write('HEAD / HTTP/1.1\r\nHost: h\r\n\r\n')
    await until(() => client.received.includes('\r\n\r\n'), 'the head')
    assert.match(client.received, /content-length: [1-9]/i)
    assert.ok(client.received.endsWith('\r\n\r\n'))
    client.write(`GET /next HTTP/1.1\r\n${close}\r\n`)
    await until(() => client.received.includes('"path": "/next"'), 'the next response')
  })

  test('pipelined requests are answered in order (asgi_73)', async (t) => {
    const requests = [1, 2, 3].map((number) => `GET /${number} HTTP/1.1\r\nHost: h\r\n\r\n`)
    const received = await echo.raw(t, `${requests.join('')}GET /4 HTTP/1.1\r\n${close}\r\n`)
    assert.deepEqual([...received.matchAll(/"path": "\/(\d)"/g)].map(([, number]) => number), ['1', '2', '3', '4'])
  })
})

describe('request bodies', limits, () => {
  const echo = served('echo_app:app')
  const digest = served('digest_app:app')

  test('with a length and chunked; chunk extensions and trailers are not in the body (asgi_39)', async (t) => {
    const sized = await echo.raw(t, `POST / HTTP/1.1\r\n${close}Content-Length: 5\r\n\r\nhello`)
    assert.match(sized, /"body": "hello"/)
    const chunks = '3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nX-Trailer: 1\r\n\r\n'
    const chunked = await echo.raw(t, `POST / HTTP/1.1\r\n${close}Transfer-Encoding: chunked\r\n\r\n${chunks}`)
    assert.match(chunked, /"body": "hello"/)
  })

  test('20 MB up and 20 MB down keep their digests', async () => {
    const body = bytes(20_000_000, 11)
    const up = await (await digest.fetch('/digest', { method: 'POST', body })).json()
    assert.deepEqual([up.length, up.sha256], [body.length, sha256(body)])
    const down = await digest.fetch('/bytes?count=20000000')
    assert.equal(sha256(Buffer.from(await down.arrayBuffer())), down.headers.get('x-sha256'))
  })

  test('a body that the app leaves unread does not disturb the next request (asgi_48)', async (t) => {
    const hello = makeHandler(t)
    const { port } = await serve(t, hello.listener)
    const client = await openSocket(t, port)
    for (let round = 1; round <= 2; round += 1) {
      client.write(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 30000\r\n\r\n${'GET /x HTTP/1.1\r\n'.repeat(2000).slice(0, 30_000)}`)
      await until(() => client.received.split('Hello, world!').length === round + 1, `response ${round}`)
    }
    assert.equal(client.received.split('HTTP/1.1 ').length, 3)
  })
})

describe('failures', limits, () => {
  const broken = served('error_app:app')
  const flow = served('flow_app:app')

  test('an app that raises before start: 500 without the text (asgi_67)', async (t) => {
    for (const path of ['/error', '/nothing', '/group', '/system-exit', '/unprintable']) {
      const response = parse(await broken.raw(t, `GET ${path} HTTP/1.1\r\n${close}\r\n`))
      assert.equal(response.line, 'HTTP/1.1 500 Internal Server Error', path)
      assert.doesNotMatch(response.headers.join('\n') + response.body, /secret|Error:|Traceback|\.py/, path)
      assert.match(response.body, /Internal Server Error/)
    }
  })

  test('an app that fails in the middle: the client can tell that the body is cut (asgi_67, asgi_68)', async (t) => {
    for (const path of ['/mid-body', '/unfinished']) {
      const response = await broken.raw(t, `GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`)
      assert.match(response, /^HTTP\/1\.1 200 OK/)
      assert.equal(response.endsWith('0\r\n\r\n'), false, path)
      assert.doesNotMatch(response, /Test error|Traceback/)
    }
    assert.equal(await (await broken.fetch('/')).text(), 'first last')
  })

  test('a handler that cannot start answers 500 without saying why', async (t) => {
    const { url } = await serve(t, makeHandler(t, 'import_failing:app').listener)
    const response = await fetch(url)
    assert.equal(response.status, 500)
    assert.doesNotMatch(await response.text(), /database|import_failing|Traceback/)
  })

  test('a client that leaves, by FIN or by RST: the app receives http.disconnect (asgi_43)', async (t) => {
    const leave = { fin: (socket) => socket.destroy(), rst: (socket) => socket.resetAndDestroy() }
    for (const [way, go] of Object.entries(leave)) {
      const client = await openSocket(t, flow.port)
      client.write(`GET /wait?id=${way} HTTP/1.1\r\nHost: h\r\n\r\n`)
      await until(() => client.received.includes('waiting'), 'the first chunk')
      go(client.socket)
      const seen = await until(async () => {
        const state = await callJson(flow.handler, `/state?id=${way}`)
        return state.ended && state
      }, `the disconnect after ${way}`)
      assert.deepEqual(seen.events, ['http.disconnect', 'http.disconnect'])
    }
  })

  test('after all this nothing is left over', async (t) => {
    const watcher = makeHandler(t, 'facts_app:app')
    const { url } = await serve(t, watcher.listener)
    const round = async () => {
      const agent = { headers: { connection: 'close' } }
      await (await fetch(`${url}/threads`, agent)).json()
      await (await broken.fetch('/error', agent)).text()
      await broken.fetch('/mid-body', agent).then((response) => response.text()).catch(() => {})
      await (await broken.fetch('/', agent)).text()
    }
    await round()
    const held = await allHoldings(watcher)
    for (let number = 0; number < 30; number += 1) await round()
    await assertReturnsTo(held, { watcher })
  })
})
