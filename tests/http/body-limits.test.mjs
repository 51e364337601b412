// Request bodies: which event is the last, and how large they may be (asgi_39 to asgi_42, asgi_137).
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Request } from 'asgi-node'
import { call, callJson, bytes, collect, makeHandler, openPolitely, serve, until } from '../node/support.mjs'

const limits = { timeout: 20_000 }
const KILO = 1024

/** A handler on limits_app behind a server, and what its requests have come to. */
async function setUp(t, options) {
  const handler = makeHandler(t, 'limits_app:app', options)
  const { port, url } = await serve(t, handler.listener)
  const ended = (id) =>
    until(async () => {
      const state = await callJson(handler, `/seen?id=${id}`)
      return state.ended?.length > 0 && state
    }, `the end of ${id}`)
  return { handler, port, url, ended, seen: (id) => callJson(handler, `/seen?id=${id}`) }
}

const body = (events) => events.reduce((sum, [, length]) => sum + (length ?? 0), 0)

describe('the last event', limits, () => {
  test('says so where the length tells, however the bytes come (asgi_40)', async (t) => {
    const { port } = await setUp(t)
    for (const [size, parts] of [[5, 1], [5, 5], [70_000, 1], [70_000, 7], [1_000_000, 10]]) {
      const client = await openPolitely(t, port)
      client.write(`POST /events HTTP/1.1\r\nHost: h\r\nContent-Length: ${size}\r\nConnection: close\r\n\r\n`)
      for (let part = 0; part < parts; part += 1) {
        client.write('x'.repeat(size / parts))
        if (size < 1_000_000) await sleep(10)
      }
      await until(() => client.received.includes(']]'))
      const events = JSON.parse(client.received.slice(client.received.indexOf('[[')))
      assert.equal(body(events), size)
      const expected = events.map((_, i) => i < events.length - 1)
      assert.deepEqual(events.map(([, , more]) => more), expected, JSON.stringify(events))
      assert.ok(events.every(([, length]) => length > 0), JSON.stringify(events))
    }
  })

  test('and the connection goes on behind it, pipelined requests too', async (t) => {
    const { port } = await setUp(t)
    const client = await openPolitely(t, port)
    const post = (size) => `POST /events HTTP/1.1\r\nHost: h\r\nContent-Length: ${size}\r\n\r\n${'x'.repeat(size)}`
    client.write(post(3) + post(70_000) + post(0) + post(200_000))
    await until(() => client.received.split('HTTP/1.1 200').length === 5)
    assert.deepEqual([...client.received.matchAll(/\[\[.*\]\]/g)].map(([list]) => body(JSON.parse(list))), [3, 70_000, 0, 200_000])
  })

  test('without a body: one event, then nothing (asgi_41)', async (t) => {
    const { url } = await setUp(t)
    assert.deepEqual(await (await fetch(`${url}/events`)).json(), [['http.request', 0, false]])
  })
})

describe('maxBodySize', limits, () => {
  const maxBodySize = 100 * KILO

  test('a length over it: 413 before the app is called, and the connection ends (asgi_137)', async (t) => {
    const { port, seen } = await setUp(t, { maxBodySize })
    const client = await openPolitely(t, port)
    client.write(`POST /events?id=told HTTP/1.1\r\nHost: h\r\nContent-Length: ${maxBodySize + 1}\r\n\r\n`)
    await until(() => client.received.endsWith('Content Too Large'))
    assert.match(client.received, /^HTTP\/1\.1 413 [^]*connection: close\r\n/i)
    assert.deepEqual(await seen('told'), {})
    await client.ended
  })

  test('just as much is fine, with a length and without', async (t) => {
    const { url } = await setUp(t, { maxBodySize })
    const whole = await (await fetch(`${url}/events`, { method: 'POST', body: bytes(maxBodySize) })).json()
    assert.equal(body(whole), maxBodySize)
    const stream = new Blob([bytes(maxBodySize)]).stream()
    assert.equal(body(await (await fetch(`${url}/events`, { method: 'POST', body: stream, duplex: 'half' })).json()), maxBodySize)
  })

  test('a client that is still sending can read the 413', async (t) => {
    const { url } = await setUp(t, { maxBodySize })
    for (let round = 0; round < 5; round += 1) {
      const response = await fetch(`${url}/events`, { method: 'POST', body: bytes(3_000_000) })
      assert.equal(response.status, 413)
      assert.equal(await response.text(), 'Content Too Large')
    }
  })

  test('bytes over it: 413 where nothing has been sent, and the app sees http.disconnect', async (t) => {
    const { port, ended } = await setUp(t, { maxBodySize })
    const client = await openPolitely(t, port)
    client.write('POST /events?id=counted HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n')
    for (let part = 0; part < 8; part += 1) {
      client.write(`4000\r\n${'x'.repeat(0x4000)}\r\n`)
      await sleep(5)
    }
    await client.ended
    assert.match(client.received, /^HTTP\/1\.1 413 /)
    const { events } = await ended('counted')
    assert.deepEqual(events.at(-1), ['http.disconnect'])
    assert.ok(body(events) <= maxBodySize)
  })

  test('bytes over it in the middle of a response: the connection is cut', async (t) => {
    const { port, ended } = await setUp(t, { maxBodySize })
    const client = await openPolitely(t, port)
    client.write('POST /late?id=late HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n')
    await until(() => client.received.includes('started'))
    for (let part = 0; part < 8; part += 1) {
      client.write(`4000\r\n${'x'.repeat(0x4000)}\r\n`)
      await sleep(5)
    }
    await client.ended
    assert.match(client.received, /^HTTP\/1\.1 200 /)
    assert.equal(client.received.includes('0\r\n\r\n'), false)
    assert.deepEqual((await ended('late')).events.at(-1), ['http.disconnect'])
  })

  test('what comes behind a refused body is no request', async (t) => {
    const { port, seen } = await setUp(t, { maxBodySize: 10 })
    const client = await openPolitely(t, port)
    const inner = 'GET /events?id=smuggled HTTP/1.1\r\nHost: h\r\n\r\n'
    client.write(`POST /events HTTP/1.1\r\nHost: h\r\nContent-Length: ${inner.length}\r\n\r\n${inner}`)
    await client.ended
    assert.equal(client.received.split('HTTP/1.1 ').length, 2)
    assert.deepEqual(await seen('smuggled'), {})
  })

  test('in process: BODY_TOO_LARGE for whole, streamed and written bodies', async (t) => {
    const { handler } = await setUp(t, { maxBodySize })
    const tooLarge = { name: 'PythonError', code: 'BODY_TOO_LARGE', message: /102400 bytes \(option maxBodySize\)/ }
    const large = bytes(maxBodySize + 1)
    await assert.rejects(call(handler, '/events', { method: 'POST', body: large }), tooLarge)
    assert.throws(() => handler.handleRequestSync({ url: '/events', method: 'POST', body: large }), tooLarge)
    let cancelled = false
    const source = async function* () {
      try {
        for (;;) yield bytes(20_000)
      } finally {
        cancelled = true
      }
    }
    await assert.rejects(call(handler, '/events', { method: 'POST', body: source() }), tooLarge)
    await until(() => cancelled, 'the source to be told')
    await assert.rejects(handler.handleStream(new Request({ url: '/events', method: 'POST', body: source() })), tooLarge)
    const written = new Request({ url: '/events', method: 'POST' })
    const answer = handler.handleStream(written)
    answer.catch(() => {})
    for (let part = 0; part < 10; part += 1) await written.write(bytes(20_000))
    await assert.rejects(answer, tooLarge)
    assert.deepEqual(await callJson(handler, '/events', { method: 'POST', body: bytes(maxBodySize) }), [['http.request', maxBodySize, false]])
  })

  test('in process, in the middle of a response: what came before can be read', async (t) => {
    const { handler } = await setUp(t, { maxBodySize })
    let start
    const started = new Promise((resolve) => (start = resolve))
    const source = async function* () {
      await started
      for (;;) yield bytes(20_000)
    }
    const response = await handler.handleStream(new Request({ url: '/late', method: 'POST', body: source() }))
    assert.equal(response.status, 200)
    start()
    await assert.rejects(collect(response), { code: 'BODY_TOO_LARGE' })
  })

  test('0 takes no body at all', async (t) => {
    const { url } = await setUp(t, { maxBodySize: 0 })
    assert.equal((await fetch(`${url}/events`)).status, 200)
    assert.equal((await fetch(`${url}/events`, { method: 'POST', body: 'x' })).status, 413)
  })

  test('fetch and middleware answer the same', async (t) => {
    const { handler } = await setUp(t, { maxBodySize: 10 })
    const response = await handler.fetch(new globalThis.Request('http://h/events', { method: 'POST', body: 'x'.repeat(11) }))
    assert.equal(response.status, 413)
    const failures = []
    const { url } = await serve(t, (req, res) => handler.middleware()(req, res, (error) => {
      failures.push([error.code, error.status])
      res.writeHead(error.status).end()
    }))
    assert.equal((await fetch(`${url}/events`, { method: 'POST', body: 'x'.repeat(11) })).status, 413)
    assert.deepEqual(failures, [['BODY_TOO_LARGE', 413]])
  })
})
