// The scope of a request (asgi_15 to asgi_38). Proxies, HTTP/2 and TLS have tests of their own: tests/http/proxy, http2, tls.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { callJson, makeHandler, rawExchange, serve, serveApp, temporaryFolder } from '../node/support.mjs'
import { parse, request } from './wire.mjs'

const limits = { timeout: 20_000 }
const site = serveApp({ before, after }, 'scope_app:app')

/** The scope that this request becomes, as scope_app describes it. */
const wireScope = async (t, target, options) => JSON.parse(parse(await site.raw(t, request(target, options))).body)
const scopeOf = async (t, target, options) => (await wireScope(t, target, options)).scope
const directScope = async (url, init) => (await callJson(site.handler, url, init)).scope
/** Lists and tuples alike. */
const items = (value) => value.tuple ?? value
const pairs = (scope) => scope.headers.map((pair) => items(pair).map(({ bytes }) => bytes))
const paths = ({ path, raw_path: raw, query_string: query }) => [path, raw.bytes, query.bytes]
/** What Node answers when it is not asked to listen for errors. */
const refused = async (t, data) => assert.match(await site.raw(t, data), /^HTTP\/1\.1 400 Bad Request\r\n/)

describe('the request line', limits, () => {
  test('asgi_15 every key of the specification, and no other', async (t) => {
    const keys = ['type', 'asgi', 'http_version', 'method', 'scheme', 'path', 'raw_path', 'query_string', 'root_path', 'headers']
    const { type, scope } = await wireScope(t, '/')
    assert.equal(type, 'dict')
    assert.deepEqual(Object.keys(scope).toSorted(), [...keys, 'client', 'server', 'state', 'extensions'].toSorted())
    assert.deepEqual(Object.keys(await directScope('/')).toSorted(), Object.keys(scope).toSorted())
  })

  test('asgi_16 http_version is "1.0" or "1.1"', async (t) => {
    assert.equal((await scopeOf(t, '/')).http_version, '1.1')
    const old = await scopeOf(t, '/', { version: '1.0' })
    assert.deepEqual([old.http_version, old.headers], ['1.0', []])
    assert.equal((await directScope('/')).http_version, '1.1')
  })

  test('asgi_17 the method as it was sent, also one that few know', async (t) => {
    for (const method of ['GET', 'DELETE', 'PATCH', 'PURGE', 'PROPFIND', 'M-SEARCH']) {
      assert.equal((await scopeOf(t, '/', { method })).method, method)
    }
  })

  test('asgi_18 scheme is http without TLS', async (t) => {
    assert.equal((await scopeOf(t, '/')).scheme, 'http')
    assert.equal((await directScope('https://h/')).scheme, 'https')
    assert.equal((await directScope('/')).scheme, 'http')
  })

  test('asgi_19 asgi_21 path is percent-decoded UTF-8, raw_path the bytes as they came', async (t) => {
    const expected = ['/a b/€/x', '/a%20b/%E2%82%AC%2Fx', 'y=%20&z']
    assert.deepEqual(paths(await scopeOf(t, '/a%20b/%E2%82%AC%2Fx?y=%20&z')), expected)
    assert.deepEqual(paths(await directScope('/a%20b/%E2%82%AC%2Fx?y=%20&z')), expected)
  })

  test('asgi_19 an escape that is none stays', async (t) => {
    assert.deepEqual(paths(await scopeOf(t, '/%zz/%4')), ['/%zz/%4', '/%zz/%4', ''])
    assert.deepEqual(paths(await scopeOf(t, '/%2541')), ['/%41', '/%2541', ''])
  })

  test('asgi_20 what is no UTF-8 becomes U+FFFD', async (t) => {
    assert.deepEqual(paths(await scopeOf(t, '/%ff/x')), ['/\ufffd/x', '/%ff/x', ''])
    assert.deepEqual(paths(await directScope('/%ff/x')), ['/\ufffd/x', '/%ff/x', ''])
  })

  test('asgi_22 nothing is normalised', async (t) => {
    for (const target of ['//p/../q', '/./a//b/', '/a;b=c', '/~x', '/a+b']) {
      assert.deepEqual(paths(await scopeOf(t, target)), [target, target, ''])
      assert.deepEqual(paths(await directScope(target)), [target, target, ''])
    }
  })

  test('asgi_23 query_string: the bytes behind the first question mark', async (t) => {
    const queries = { '/p?': '', '/p?a?b': 'a?b', '/p?%20=%ff&a=1;b': '%20=%ff&a=1;b', '/p?q=/x#f': 'q=/x' }
    for (const [target, query] of Object.entries(queries)) assert.deepEqual(paths(await scopeOf(t, target)).slice(1), ['/p', query], target)
  })

  test('asgi_24 a fragment is stripped', async (t) => {
    assert.deepEqual(paths(await scopeOf(t, '/p#frag?x')), ['/p', '/p', ''])
    assert.deepEqual(paths(await scopeOf(t, '/p?x#frag')), ['/p', '/p', 'x'])
  })

  test('asgi_25 an absolute-form target is reduced to its path; Host stays what it was', async (t) => {
    const scope = await scopeOf(t, 'http://other:81/p/q?x')
    assert.deepEqual([...paths(scope), pairs(scope)[0]], ['/p/q', '/p/q', 'x', ['host', 'h']])
    assert.deepEqual(paths(await scopeOf(t, 'http://other')), ['/', '/', ''])
    assert.deepEqual(paths(await scopeOf(t, 'http://other?x=/y')), ['/', '/', 'x=/y'])
  })

  test('asgi_26 OPTIONS * has the path "*"', async (t) => {
    const scope = await scopeOf(t, '*', { method: 'OPTIONS' })
    assert.deepEqual([scope.method, ...paths(scope)], ['OPTIONS', '*', '*', ''])
  })

  test('asgi_27 raw bytes outside ASCII in the target are 400', async (t) => {
    await refused(t, request('/caf\xe9'))
    await refused(t, request('/?q=\xe2\x82\xac'))
  })

  test('asgi_28 rootPath is put in front of path and raw_path, or is in them already', async (t) => {
    const options = [[{ rootPath: '/a b' }, ['/a b/x', '/a%20b/x']], [{ rootPath: '/a b', rootPathStripped: true }, ['/x', '/x']]]
    for (const [option, expected] of options) {
      const handler = makeHandler(t, 'scope_app:app', option)
      const { port } = await serve(t, handler.listener)
      const { scope } = JSON.parse(parse(await rawExchange(t, port, request('/x'))).body)
      assert.deepEqual([scope.root_path, ...paths(scope).slice(0, 2)], ['/a b', ...expected])
    }
    assert.equal((await scopeOf(t, '/')).root_path, '')
  })
})

describe('headers', limits, () => {
  const headers = 'X-B: 1\r\nX-A:   padded \t\r\nx-b: 2, 3\r\nX-Empty:\r\nX-B: 1\r\n'

  test('asgi_29 a list of pairs of bytes: names in lower case, order and duplicates kept, nothing joined', async (t) => {
    const scope = await scopeOf(t, '/', { headers })
    assert.ok(Array.isArray(scope.headers))
    const expected = [['x-b', '1'], ['x-a', 'padded'], ['x-b', '2, 3'], ['x-empty', ''], ['x-b', '1']]
    assert.deepEqual(pairs(scope), [['host', 'h'], ['connection', 'close'], ...expected])
    const direct = await directScope('/', { headers: [['X-B', '1'], ['x-a', 'padded'], ['x-b', '2, 3'], ['X-Empty', ''], ['X-B', '1']] })
    assert.deepEqual(pairs(direct), expected)
  })

  test('asgi_29 cookies and other fields that Node would join or drop stay apart', async (t) => {
    const twice = ['Cookie: a=1', 'Cookie: b=2', 'Content-Type: a/b', 'Content-Type: c/d', 'Authorization: x', 'Authorization: y']
    const scope = await scopeOf(t, '/', { headers: `${twice.join('\r\n')}\r\n` })
    assert.deepEqual(pairs(scope).slice(2).map((pair) => pair.join(': ')), twice.map((line) => line.replace(/^[^:]+/, (name) => name.toLowerCase())))
  })

  test('asgi_30 values are the bytes that came, above 0x7f too', async (t) => {
    const every = Array.from({ length: 128 }, (_, index) => String.fromCharCode(128 + index)).join('')
    assert.deepEqual(pairs(await scopeOf(t, '/', { headers: `X-All: ${every}\r\n` })).at(-1), ['x-all', every])
    assert.deepEqual(pairs(await directScope('/', { headers: { 'x-all': every } })).at(-1), ['x-all', every])
  })

  test('asgi_31 HTTP/1.1 without Host is 400; none is invented for HTTP/1.0', async (t) => {
    await refused(t, 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n')
    assert.deepEqual(pairs(await scopeOf(t, '/', { version: '1.0' })), [])
  })

  test('asgi_38 spaces around a value go; a name that is none, and control characters in a value, are 400', async (t) => {
    const spaced = await scopeOf(t, '/', { headers: 'X-A: \t  a \t b \t \r\n' })
    assert.deepEqual(pairs(spaced).at(-1), ['x-a', 'a \t b'])
    for (const name of ['X A', 'X\tA', 'X(A)', 'X\x00A', 'caf\xe9', 'X-A ', '']) await refused(t, request('/', { headers: `${name}: v\r\n` }))
    for (const control of '\x00\x01\x0b\x0c\x1b\x1c\x1d\x1e\x1f\x7f') await refused(t, request('/', { headers: `X-A: a${control}b\r\n` }))
    // NEL is no control character to HTTP: a byte like any other above 0x7f, and no end of a line to anybody.
    assert.deepEqual(pairs(await scopeOf(t, '/', { headers: 'X-A: a\x85X-B: b\r\n' })).at(-1), ['x-a', 'a\x85X-B: b'])
  })
})

describe('the connection', limits, () => {
  test('asgi_33 client is a host and an int', async (t) => {
    const [host, port] = items((await scopeOf(t, '/')).client)
    assert.deepEqual([host, Number.isInteger(port) && port > 0], ['127.0.0.1', true])
    const socket = { remoteAddress: '::1', remotePort: 7 }
    assert.deepEqual(items((await directScope('/', { socket })).client), ['::1', 7])
    assert.equal((await directScope('/')).client, null)
  })

  test('asgi_34 server is a host and an int', async (t) => {
    assert.deepEqual(items((await scopeOf(t, '/')).server), ['127.0.0.1', site.port])
    assert.deepEqual(items((await directScope('http://example.org/')).server), ['example.org', 80])
    assert.equal((await directScope('/')).server, null)
  })

  test('asgi_33 asgi_34 on a Unix socket: no client, and the path of the socket without a port', async (t) => {
    const path = join(temporaryFolder(t), 'socket')
    const server = createServer(site.handler.listener).listen(path)
    await once(server, 'listening')
    t.after(() => server.close())
    const socket = connect(path).setEncoding('latin1')
    socket.end(request('/', { close: true }))
    const received = (await socket.toArray()).join('')
    const { scope } = JSON.parse(parse(received).body)
    assert.deepEqual([scope.client, items(scope.server)], [null, [path, null]])
  })

  test('asgi_36 extensions: what this connection has, each an empty dict', async (t) => {
    const names = ['early_hint', 'trailers'].map((name) => `http.response.${name}`)
    const { extensions } = await scopeOf(t, '/')
    assert.deepEqual(Object.keys(extensions).toSorted(), names)
    for (const value of Object.values(extensions)) assert.deepEqual(value, {})
    const old = Object.keys((await scopeOf(t, '/', { version: '1.0' })).extensions)
    assert.deepEqual(old, [])
    assert.deepEqual((await directScope('/')).extensions, {})
  })

  test('asgi_35 asgi_37 what an app does to its scope no other request sees', async (t) => {
    const expected = JSON.stringify({ ...(await scopeOf(t, '/')), client: 0 })
    for (let round = 0; round < 3; round += 1) {
      const scope = await scopeOf(t, '/')
      assert.equal(JSON.stringify({ ...scope, client: 0 }), expected)
      assert.doesNotMatch(JSON.stringify(scope) + JSON.stringify(await directScope('/')), /spoilt/)
    }
  })
})
