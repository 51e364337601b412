// `receive` (asgi_39 to asgi_50): the request body, clients that leave or close their side, and what comes after the response.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { bytes, call, callJson, openSocket, serve, serveApp, text, until, withWorkers } from '../node/support.mjs'
import { ask, keepAlive, parse, request } from './wire.mjs'

const limits = { timeout: 20_000 }
const site = serveApp({ before, after }, 'asgi_receive:app')

/** A POST with this body. */
const post = (path, body, options = {}) => request(path, { method: 'POST', headers: `Content-Length: ${body.length}\r\n`, body, ...options })
const chunked = (path, body, options = {}) => request(path, { method: 'POST', headers: 'Transfer-Encoding: chunked\r\n', body, ...options })
const logOf = (id) => callJson(site.handler, `/log?id=${id}`)
/** What a request has seen when it is over. */
async function logAtEnd(id) {
  await until(async () => (await logOf(id)).at(-1) === 'over', `the end of ${id}`, 2000)
  return (await logOf(id)).slice(0, -1)
}

describe('the events of a body', limits, () => {
  test('asgi_39 a chunked body arrives decoded, without chunk extensions and trailers', async (t) => {
    const data = '3;name="x;y"\r\nhel\r\nB\r\nlo 5\r\nx\r\n..\r\n0\r\nX-Trailer: 1\r\n\r\n'
    assert.equal(parse(await site.raw(t, chunked('/body', data))).body, 'hello 5\r\nx\r\n..')
  })

  test('asgi_39 a chunk in pieces, byte by byte', async (t) => {
    const client = await openSocket(t, site.port)
    client.socket.setNoDelay(true)
    for (const byte of chunked('/body', '3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n')) {
      client.write(byte)
      await new Promise(setImmediate)
    }
    await until(() => client.received.endsWith('hello'))
  })

  test('asgi_40 body is bytes, more_body a bool; the last event carries the last bytes', async (t) => {
    assert.deepEqual(JSON.parse(parse(await site.raw(t, post('/events', 'hello'))).body), [[5, false]])
    assert.deepEqual(await callJson(site.handler, '/events', { method: 'POST', body: 'hello' }), [[5, false]])
    const client = await openSocket(t, site.port)
    client.write(post('/events?id=parts', 'hel', { headers: 'Content-Length: 5\r\n' }))
    await until(async () => (await logOf('parts')).length === 1)
    client.write('lo')
    await until(() => client.received.endsWith(']]'))
    assert.deepEqual(JSON.parse(parse(client.received).body), [[3, true], [2, false]])
  })

  test('asgi_40 a large body: all of it, in order, and no empty event', async (t) => {
    const data = bytes(3_000_000).toString('latin1')
    assert.equal(parse(await site.raw(t, post('/body', data))).body, data)
    for (const events of [JSON.parse(parse(await site.raw(t, post('/events', data))).body), await callJson(site.handler, '/events', { method: 'POST', body: Buffer.from(data, 'latin1') })]) {
      assert.equal(events.reduce((sum, [length]) => sum + length, 0), data.length)
      assert.ok(events.every(([length, more], index) => length > 0 && more === index < events.length - 1))
    }
  })

  test('asgi_41 without a body: one event, empty and final', async (t) => {
    for (const method of ['GET', 'POST', 'DELETE', 'OPTIONS']) {
      const headers = method === 'POST' ? 'Content-Length: 0\r\n' : ''
      assert.deepEqual(JSON.parse((await ask(t, site, '/events', { method, headers })).body), [[0, false]], method)
      assert.deepEqual(await callJson(site.handler, '/events', { method }), [[0, false]], method)
    }
    assert.deepEqual(JSON.parse(parse(await site.raw(t, chunked('/events', '0\r\n\r\n'))).body), [[0, false]])
  })

  test('asgi_42 behind the body receive waits, and wastes no processor', async (t) => {
    assert.deepEqual(JSON.parse(parse(await site.raw(t, post('/blocked', 'hello'))).body), [[5, false], 'nothing', 'nothing'])
    const used = process.cpuUsage()
    assert.deepEqual(await callJson(site.handler, '/blocked'), [[0, false], 'nothing', 'nothing'])
    const { user, system } = process.cpuUsage(used)
    assert.ok(user + system < 150_000, `${user + system} µs in 200 ms`)
  })
})

describe('a client that leaves', limits, () => {
  const ways = { FIN: (socket) => socket.end(), 'a closed socket': (socket) => socket.destroy(), RST: (socket) => socket.resetAndDestroy() }

  for (const [name, leave] of Object.entries(ways)) {
    test(`asgi_43 asgi_44 ${name}: the receive that waits gives http.disconnect, and so does every one after it`, async (t) => {
      const id = `left-${name.replaceAll(' ', '-')}`
      const client = await openSocket(t, site.port)
      client.write(request(`/leaving?id=${id}`, { close: false }))
      await until(async () => (await logOf(id)).includes('body complete'))
      const left = performance.now()
      leave(client.socket)
      assert.deepEqual(await logAtEnd(id), [[0, false], 'body complete', 'disconnect', 'disconnect'])
      assert.ok(performance.now() - left < 1000)
    })

    test(`asgi_43 ${name} in the middle of the body: what came, then http.disconnect, and never the end`, async (t) => {
      const id = `mid-${name.replaceAll(' ', '-')}`
      const client = await openSocket(t, site.port)
      client.write(post(`/leaving?id=${id}`, 'part', { headers: 'Content-Length: 10\r\n', close: false }))
      await until(async () => (await logOf(id)).length === 1)
      leave(client.socket)
      assert.deepEqual(await logAtEnd(id), [[4, true], 'disconnect', 'disconnect'])
    })
  }

  test('asgi_43 asgi_44 an AbortSignal is the same', async () => {
    const aborter = new AbortController()
    const response = call(site.handler, '/leaving?id=aborted', {}, { signal: aborter.signal })
    await until(async () => (await logOf('aborted')).length > 0)
    aborter.abort()
    await assert.rejects(response, { name: 'AbortError' })
    assert.deepEqual(await logAtEnd('aborted'), [[0, false], 'body complete', 'disconnect', 'disconnect'])
  })
})

describe('after the response', limits, () => {
  test('asgi_45 receive gives http.disconnect at once, also where the body was not read', async (t) => {
    const connection = await keepAlive(t, site.port)
    assert.equal((await connection.ask('/answered?id=unread', { method: 'POST', headers: 'Content-Length: 5\r\n', body: 'hello' })).body, 'answered')
    assert.deepEqual(await logAtEnd('unread'), ['disconnect', 'disconnect'])
    assert.equal(text(await call(site.handler, '/answered?id=direct', { method: 'POST', body: 'hello' })), 'answered')
    assert.deepEqual(await logAtEnd('direct'), ['disconnect', 'disconnect'])
  })

  test('asgi_45 a receive that waits for the client is told', async (t) => {
    const connection = await keepAlive(t, site.port)
    assert.equal((await connection.ask('/waiting?id=waiting')).body, 'answered')
    assert.deepEqual(await logAtEnd('waiting'), [[0, false], 'still waiting', 'disconnect'])
    assert.equal((await connection.ask('/body')).body, '')
  })
})

describe('flow and framing', limits, () => {
  const expecting = (path) => post(path, '', { headers: 'Content-Length: 5\r\nExpect: 100-continue\r\n', close: false })

  test('asgi_46 100 Continue is sent when the app receives', async (t) => {
    const client = await openSocket(t, site.port)
    client.write(expecting('/gated?id=continue'))
    await until(async () => (await logOf('continue')).length === 1)
    await sleep(50)
    assert.equal(client.received, '')
    assert.equal(text(await call(site.handler, '/open?id=continue')), 'opened')
    await until(() => client.received === 'HTTP/1.1 100 Continue\r\n\r\n')
    client.received = ''
    client.write('hello')
    await until(() => client.received.endsWith('hello'))
    assert.equal(parse(client.received).status, 200)
  })

  test('asgi_46 an answer without reading: no 100, and the connection ends, because the body may or may not follow', async (t) => {
    const received = await site.raw(t, expecting('/answered?id=no-continue'))
    const { status, body, header, rest } = parse(received)
    assert.deepEqual([status, body, header('connection'), rest], [200, 'answered', 'close', ''])
  })

  // Half of the largest window waits for the app, and with workers as much at either end; the rest is under way.
  const stopsWithin = (withWorkers > 0 ? 2 : 1) * 1024 * 1024
  test('asgi_47 an upload that nobody reads stops within 1 MiB', async (t) => {
    const { server, port } = await serve(t, site.handler.listener)
    let accepted
    server.on('connection', (socket) => (accepted = socket))
    const client = await openSocket(t, port)
    client.write(post('/gated?id=stalled', '', { headers: `Content-Length: ${20 * 1024 * 1024}\r\n` }))
    for (let sent = 0; sent < 20; sent += 1) client.socket.write(Buffer.alloc(1024 * 1024))
    await until(async () => (await logOf('stalled')).length === 1)
    let before = -1
    while (before !== accepted.bytesRead) {
      before = accepted.bytesRead
      await sleep(100)
    }
    assert.ok(before < stopsWithin, `${before} bytes`)
    assert.ok(client.socket.writableLength > 8 * 1024 * 1024, 'the client is held up')
    assert.equal(text(await call(site.handler, '/open?id=stalled')), 'opened')
    await until(() => client.received.length > 20 * 1024 * 1024, 'the echo', 10_000)
  })

  test('asgi_48 an answer before the body has come: the rest is drained, and the connection goes on', async (t) => {
    const connection = await keepAlive(t, site.port)
    const evil = 'GET /body HTTP/1.1\r\nHost: h\r\n\r\n'.repeat(3000).slice(0, 90_000)
    connection.client.write(post('/answered', evil.slice(0, 10), { headers: `Content-Length: ${evil.length}\r\n`, close: false }))
    assert.equal((await connection.take()).body, 'answered')
    connection.client.write(evil.slice(10))
    assert.equal((await connection.ask('/body', { method: 'POST', headers: 'Content-Length: 4\r\n', body: 'next' })).body, 'next')
  })

  test('asgi_48 too much of it ends the connection, behind the answer', async (t) => {
    const client = await openSocket(t, site.port)
    client.write(post('/answered', '', { headers: 'Content-Length: 900000000\r\n', close: false }))
    const feed = setInterval(() => client.socket.write(Buffer.alloc(200_000)), 1)
    t.after(() => clearInterval(feed))
    await until(() => client.received.endsWith('answered'))
    await client.ended
    assert.ok(client.socket.bytesWritten < 100_000_000)
  })

  test('asgi_49 a client that closes its side still gets its whole response', async (t) => {
    const client = await openSocket(t, site.port)
    client.write(request('/slowly', { close: false }))
    await until(() => client.received.includes('part 1'))
    client.socket.end()
    await client.ended
    const { body, complete } = parse(client.received)
    assert.deepEqual([body, complete], ['part 0\npart 1\npart 2\npart 3\npart 4\npart 5\nend', true])
  })

  test('asgi_50 a length beside chunked, and lengths that differ, are 400; nothing behind them is served', async (t) => {
    const smuggled = '0\r\n\r\nGET /log HTTP/1.1\r\nHost: h\r\n\r\n'
    const framings = [
      'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n',
      'Transfer-Encoding: chunked\r\nContent-Length: 5\r\n',
      'Content-Length: 5\r\nContent-Length: 6\r\n',
      'Content-Length: 5, 6\r\n',
      'Content-Length: +5\r\n',
      'Transfer-Encoding: gzip\r\n',
      'Transfer-Encoding: chunked, gzip\r\n',
    ]
    for (const headers of framings) {
      const received = await site.raw(t, request('/body', { method: 'POST', headers, close: false, body: smuggled }))
      assert.match(received, /^HTTP\/1\.1 400 Bad Request\r\n/, headers)
      assert.equal(received.split('HTTP/1.1 ').length, 2, headers)
    }
  })
})
