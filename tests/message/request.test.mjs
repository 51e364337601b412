// Request and Response as plain objects: what they take, what they refuse, what they say. Needs no Python.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { inspect } from 'node:util'
import { Headers, Request, Response } from 'asgi-node'
import { requestHead } from '../../npm/asgi-node/lib/incoming/head.js'
import { completeBody, takeBody } from '../../npm/asgi-node/lib/message/request.js'

/** The head as it crosses to the native side, by name. */
function headOf(init, length = -1) {
  const [method, target, version, scheme, clientHost, clientPort, serverHost, serverPort, rootPath, extensions, ...headers] =
    requestHead(new Request(init), length).split('\0')
  return { method, target, version, scheme, client: [clientHost, clientPort], server: [serverHost, serverPort], rootPath, extensions, headers }
}

describe('Request', () => {
  test('defaults', () => {
    const request = new Request({ url: '/a?b' })
    assert.deepEqual([request.method, request.url, request.path, request.body], ['GET', '/a?b', '/a', null])
    assert.deepEqual([request.socket, request.docroot, request.websocket, request.headers.size], [null, null, false, 0])
    assert.deepEqual(request.toJSON(), { method: 'GET', url: '/a?b', headers: {}, body: null })
  })

  test('what is set is checked like what is given', () => {
    const request = new Request({ url: '/', headers: { a: '1' } })
    request.method = 'PURGE'
    request.url = new URL('https://h/x')
    request.headers = { b: '2' }
    request.body = 'text'
    request.docroot = '/srv'
    assert.deepEqual([request.method, request.url, request.headers.toJSON()], ['PURGE', 'https://h/x', { b: '2' }])
    assert.ok(Buffer.isBuffer(request.body) && request.body.equals(Buffer.from('text')))
    assert.throws(() => (request.method = 'A B'), TypeError)
    assert.throws(() => (request.url = 'x'), TypeError)
    assert.throws(() => (request.body = 7), TypeError)
    assert.equal(request.method, 'PURGE')
  })

  test('headers are live and are the ones that were assigned', () => {
    const headers = new Headers()
    const request = new Request({ url: '/' })
    request.headers = headers
    headers.set('a', '1')
    assert.equal(request.headers, headers)
  })

  test('what is refused says what is wrong', () => {
    const wrong = [
      [undefined, /object/],
      [{}, /url/],
      [{ url: '' }, /url/],
      [{ url: 'x' }, /url/],
      [{ url: 7 }, /url/],
      [{ url: '/a\r\nb' }, /url/],
      [{ url: '/a\0' }, /url/],
      [{ url: '/\ud800' }, /url/],
      [{ url: 'ftp://h/' }, /scheme/],
      [{ url: 'http://' }, /host/],
      [{ url: 'http://a b/' }, /host/],
      [{ url: 'http://u:p@h/' }, /credentials/],
      [{ url: '/', method: '' }, /method/],
      [{ url: '/', method: 'A\r\n' }, /method/],
      [{ url: '/', method: 7 }, /method/],
      [{ url: '/', headers: { 'a b': '1' } }, /a b/],
      [{ url: '/', headers: 'x' }, /headers/],
      [{ url: '/', body: {} }, /body/],
      [{ url: '/', body: ['x'] }, /body/],
      [{ url: '/', docroot: 7 }, /docroot/],
      [{ url: '/', websocket: 'yes' }, /websocket/],
      [{ url: '/', socket: 7 }, /socket/],
      [{ url: '/', socket: { remoteAddress: 'a\0b' } }, /remoteAddress/],
      [{ url: '/', socket: { localPort: '80' } }, /localPort/],
    ]
    for (const [init, message] of wrong) assert.throws(() => new Request(init), { name: 'TypeError', message }, JSON.stringify(init))
    const locked = new Blob(['x']).stream()
    locked.getReader()
    assert.throws(() => new Request({ url: '/', body: locked }), /locked/)
  })
})

describe('the head', () => {
  test('the target is not normalised; a path alone is http', () => {
    const expected = {
      '/': ['http', '/', ''],
      '/a%20b?c=%2F': ['http', '/a%20b?c=%2F', ''],
      '//p/../q': ['http', '//p/../q', ''],
      '*': ['http', '*', ''],
      '/a b/€': ['http', '/a%20b/%E2%82%AC', ''],
      'http://h': ['http', '/', 'h'],
      'HTTPS://H.example/x': ['https', '/x', 'h.example'],
      'http://h?x': ['http', '/?x', 'h'],
      'http://h/a/../b': ['http', '/a/../b', 'h'],
    }
    for (const [url, [scheme, target, host]] of Object.entries(expected)) {
      const head = headOf({ url })
      assert.deepEqual([head.scheme, head.target, head.server[0]], [scheme, target, host], url)
    }
  })

  test('server and Host from an absolute URL, unless something better is known', () => {
    assert.deepEqual(headOf({ url: 'http://h:81/' }).server, ['h', '81'])
    assert.deepEqual(headOf({ url: 'https://[::1]/' }).server, ['::1', '443'])
    assert.deepEqual(headOf({ url: 'http://h:81/' }).headers, ['host', 'h:81'])
    assert.deepEqual(headOf({ url: 'http://h/', headers: { Host: 'other' } }).headers, ['host', 'other'])
    assert.deepEqual(headOf({ url: '/' }).headers, [])
    const socket = { localAddress: '10.0.0.1', localPort: 8080, remoteAddress: '10.0.0.2', remotePort: 5 }
    const head = headOf({ url: 'http://h/', socket })
    assert.deepEqual([head.server, head.client], [['10.0.0.1', '8080'], ['10.0.0.2', '5']])
    assert.deepEqual(headOf({ url: '/' }).client, ['', ''])
  })

  test('the length of a body is said once', () => {
    assert.deepEqual(headOf({ url: '/' }, 5).headers, ['content-length', '5'])
    assert.deepEqual(headOf({ url: '/', headers: { 'Content-Length': '5' } }, 5).headers, ['content-length', '5'])
    assert.throws(() => headOf({ url: '/', headers: { 'Content-Length': '7' } }, 5), { code: 'INVALID_REQUEST' })
    assert.deepEqual(headOf({ url: '/', headers: { 'transfer-encoding': 'chunked' } }, 5).headers, ['transfer-encoding', 'chunked'])
  })
})

describe('the body', () => {
  const invalid = { code: 'INVALID_REQUEST' }

  test('bytes and strings travel whole, large ones follow', () => {
    assert.equal(String(takeBody(new Request({ url: '/', body: 'é' }), true).bytes), 'é')
    const large = takeBody(new Request({ url: '/', body: Buffer.alloc(3 << 20) }), true)
    assert.deepEqual([large.bytes, large.length], [undefined, 3 << 20])
    assert.ok(large.source)
  })

  test('written and ended before it leaves: whole, and usable again', async () => {
    const request = new Request({ url: '/', method: 'POST' })
    assert.equal(await request.write('a'), true)
    await request.write(Buffer.from('b'))
    await request.end('c')
    for (let round = 0; round < 2; round += 1) {
      const { bytes, source, length } = takeBody(request, true)
      assert.deepEqual([String(bytes), source, length], ['abc', null, 3])
    }
    assert.equal(String(completeBody(request).bytes), 'abc')
    await assert.rejects(request.write('d'), invalid)
  })

  test('who may still write when it leaves', async () => {
    const follows = (init, open) => takeBody(new Request({ url: '/', ...init }), open).source !== null
    assert.equal(follows({}, true), false)
    assert.equal(follows({ method: 'POST' }, true), true)
    assert.equal(follows({ method: 'POST' }, false), false)
    assert.equal(follows({ method: 'POST', body: '' }, true), false)
    assert.equal(follows({ method: 'POST', headers: { 'content-length': '0' } }, true), false)
    assert.equal(follows({ headers: { 'transfer-encoding': 'chunked' } }, true), true)
    const gone = new Request({ url: '/' })
    takeBody(gone, true)
    await gone.end()
    await assert.rejects(gone.write('x'), invalid)
  })

  test('a chunk that end() cannot add rejects what end() returns, and nothing else', async () => {
    // The runner fails a test that leaves a rejection to nobody.
    const ended = new Request({ url: '/', method: 'POST' })
    await ended.end('a')
    await assert.rejects(ended.end('b'), invalid)
    assert.equal(await ended.end(), undefined)
    assert.equal(String(completeBody(ended).bytes), 'a')
    await assert.rejects(new Request({ url: '/', body: 'a' }).end('b'), invalid)
    const gone = new Request({ url: '/' })
    takeBody(gone, true)
    await assert.rejects(gone.end('b'), invalid)
    const socket = new Request({ url: 'ws://h/' })
    await assert.rejects(socket.end(7), TypeError)
    await socket.end('a')
    await assert.rejects(socket.end('b'), invalid)
    // A wrong chunk does not make the body complete without it.
    const wrong = new Request({ url: '/', method: 'POST' })
    await wrong.write('a')
    await assert.rejects(wrong.end(7), TypeError)
    await wrong.end('b')
    assert.equal(String(completeBody(wrong).bytes), 'ab')
    await new Promise((resolve) => setImmediate(resolve))
  })

  test('wrong uses', async () => {
    await assert.rejects(new Request({ url: '/', body: 'x' }).write('y'), invalid)
    await assert.rejects(new Request({ url: '/' }).write(7), TypeError)
    const written = new Request({ url: '/' })
    await written.write('x')
    assert.throws(() => (written.body = 'y'), TypeError)
    assert.throws(() => completeBody(written), /complete/)
    assert.equal(await new Request({ url: '/', body: 'x' }).end(), undefined)
  })
})

describe('Response', () => {
  test('made by hand', async () => {
    const response = new Response({ status: 404, headers: { 'X-A': ['1', '2'] }, body: 'none' })
    assert.deepEqual([response.status, response.headers.getAll('x-a'), String(response.body)], [404, ['1', '2'], 'none'])
    assert.deepEqual(response.toJSON(), { status: 404, headers: { 'x-a': ['1', '2'] }, body: Buffer.from('none') })
    assert.equal(String(await response.next()), 'none')
    assert.equal(await response.next(), null)
    assert.deepEqual([new Response().status, new Response().body, await new Response().next()], [200, null, null])
  })

  test('a console shows what a request, a response and headers hold', () => {
    const held = [new Request({ url: '/a', body: 'b' }), new Response({ status: 404, body: 'none' }), new Headers({ 'X-A': ['1', '2'] })]
    for (const one of held) assert.equal(inspect(one), inspect(one.toJSON()))
    assert.match(inspect(held[2]), /'x-a': \[ '1', '2' \]/)
  })

  test('iterating a whole body gives it once', async () => {
    const chunks = []
    for await (const chunk of new Response({ body: 'all' })) chunks.push(String(chunk))
    assert.deepEqual(chunks, ['all'])
  })

  test('what is refused', () => {
    for (const status of [99, 1000, 200.5, '200', null]) assert.throws(() => new Response({ status }), TypeError)
    assert.throws(() => new Response({ headers: 7 }), TypeError)
    assert.throws(() => new Response({ body: 7 }), TypeError)
  })
})
