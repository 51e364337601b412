// Checklist 88 to 96, 98 to 100, 102, 105, 107, 108, 112: from accept to the end.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { callJson, makeHandler, residentMiB, until } from '../node/support.mjs'
import { frame, serveWebSockets, settled } from './websockets.mjs'

// Of a whole `describe`, on a busy machine.
const limits = { timeout: 100_000 }
const connect = { type: 'websocket.connect' }
const disconnect = (code, reason = '') => ({ type: 'websocket.disconnect', code, reason })
const receive = (message) => ({ type: 'websocket.receive', ...message })

describe('messages', limits, () => {
  const site = serveWebSockets({ before, after })

  test('asgi_88 a return after accept is 1000, behind what was sent', async () => {
    const client = await site.open('/returning')
    assert.equal((await client.closed).code, 1000)
    assert.deepEqual(client.messages, ['last'])
  })

  test('asgi_88 an exception after accept is 1011, and its text stays in the log', async (t) => {
    const lines = []
    t.mock.method(console, 'error', (line) => lines.push(line))
    const client = await site.open('/crash')
    assert.deepEqual(await client.closed, { code: 1011, reason: '' })
    assert.equal(lines.length, 1)
    assert.match(lines[0], /WebSocket \/crash \(request \d+\)\n[^]*ValueError: secret after/)
  })

  test('asgi_89_90 text stays text, bytes stay bytes, empty ones included, one key each', async () => {
    const key = site.key()
    const client = await site.open(`/echo?log=${key}`)
    const sent = ['hällo \u{1f600}', Buffer.from([0, 128, 255]), '', Buffer.alloc(0), 'x'.repeat(70_000)]
    for (const message of sent) client.ws.send(message)
    await until(() => client.messages.length === sent.length)
    assert.deepEqual(client.messages, sent)
    client.ws.close()
    const log = await site.logged(key, 8)
    assert.deepEqual(log.slice(0, 5), [
      connect,
      receive({ text: sent[0] }),
      receive({ bytes: 'bytes:3' }),
      receive({ text: '' }),
      receive({ bytes: 'bytes:0' }),
    ])
  })

  test('large messages lose their masks, and nothing else', async () => {
    const key = site.key()
    const client = await site.open(`/echo?log=${key}`)
    const sent = [1023, 1024, 1025, 65_537, 1_000_003].map((size) => Buffer.from(Array.from({ length: size }, (_, at) => (at * 31) % 251)))
    sent.push('é'.repeat(40_000))
    for (const message of sent) client.ws.send(message)
    client.ws.send(sent[3], { fin: false })
    client.ws.send(sent[2])
    sent.push(Buffer.concat([sent[3], sent[2]]))
    await until(() => client.messages.length === sent.length)
    for (const [at, message] of sent.entries()) assert.ok(Buffer.from(message).equals(Buffer.from(client.messages[at])), `message ${at}`)
    client.ws.close()
  })

  test('asgi_93 fragments are joined, and a ping between them is answered', async (t) => {
    const raw = await site.handshake(t)
    await raw.head()
    const start = raw.received.length
    raw.write(frame(1, 'he', { fin: false }) + frame(9, 'ping') + frame(0, 'l', { fin: false }) + frame(0, 'lo'))
    await until(() => raw.received.endsWith('hello'))
    assert.equal(raw.received.slice(start), '\x8a\x04ping\x81\x05hello')
  })

  test('asgi_94_95_100 the code and reason of the client, and the same again', async () => {
    for (const [code, reason, seen] of [[4001, 'bye é', 4001], [1000, '', 1000], [1001, 'away', 1001], [undefined, '', 1005]]) {
      const key = site.key()
      const client = await site.open(`/echo?log=${key}`)
      client.ws.close(code, reason)
      await client.closed
      const end = disconnect(seen, reason)
      assert.deepEqual(await site.logged(key, 3), [connect, end, end])
    }
  })

  for (const how of ['destroy', 'resetAndDestroy', 'end']) {
    test(`asgi_96 a lost connection (${how}) is 1006`, async (t) => {
      const key = site.key()
      const raw = await site.handshake(t, { line: `GET /echo?log=${key} HTTP/1.1` })
      await raw.head()
      raw.socket[how]()
      assert.deepEqual(await site.logged(key, 3), [connect, disconnect(1006), disconnect(1006)])
    })
  }

  test('asgi_98_99 the app closes: its code and reason go both ways, later sends raise', async () => {
    for (const [query, code, reason] of [['', 1000, ''], ['&code=4002&reason=bye', 4002, 'bye'], ['&code=3000', 3000, '']]) {
      const key = site.key()
      const client = await site.open(`/close?log=${key}${query}`)
      assert.deepEqual(await client.closed, { code, reason })
      assert.deepEqual(await site.logged(key, 3), [connect, disconnect(code, reason), 'RuntimeError: False'])
    }
  })

  test('asgi_104 a code that may not be sent is named as it was given', async (t) => {
    const lines = []
    t.mock.method(console, 'error', (line) => lines.push(line))
    for (const code of ['1005', String(2n ** 70n)]) {
      assert.equal((await (await site.open(`/close?code=${code}`)).closed).code, 1011)
      assert.match(lines.at(-1), new RegExp(`ValueError: close code ${code} may not be sent`))
    }
  })

  test('asgi_99 send after the client has left is a ClientDisconnected, silent when it escapes', async (t) => {
    const noise = t.mock.method(console, 'error', () => {})
    const key = site.key()
    const client = await site.open(`/gone?log=${key}`)
    client.ws.close()
    assert.deepEqual(await site.logged(key, 3), [connect, disconnect(1005), 'ClientDisconnected: OSError'])
    assert.equal(noise.mock.callCount(), 0)
  })

  test('asgi_102 what breaks the protocol is closed with its code, and the app is told', async (t) => {
    const cases = [
      [frame(1, Buffer.from([0xff, 0xfe])), 1007],
      [frame(1, 'x', { masked: false }), 1002],
      [frame(1, 'x', { rsv: 2 }), 1002],
      [frame(3, 'x'), 1002],
      [frame(0, 'x'), 1002],
      [frame(8, Buffer.from([0x03, 0xed])), 1002],
    ]
    for (const [bytes, code] of cases) {
      const key = site.key()
      const raw = await site.handshake(t, { line: `GET /echo?log=${key} HTTP/1.1` })
      await raw.head()
      raw.write(bytes)
      await raw.ended
      const sent = Buffer.from(raw.received.slice(-4), 'latin1')
      assert.deepEqual([sent[0], sent.readUInt16BE(2)], [0x88, code])
      assert.deepEqual((await site.logged(key, 2))[1], disconnect(code))
    }
  })

  test('asgi_102 what came before the fault is answered before the close', async (t) => {
    const key = site.key()
    const raw = await site.handshake(t, { line: `GET /echo?log=${key} HTTP/1.1` })
    const { length } = await raw.head()
    raw.write(frame(1, 'one') + frame(2, 'two') + frame(1, 'bad', { rsv: 2 }) + frame(1, 'late'))
    await raw.ended
    assert.equal(raw.received.slice(length + 4), '\x81\x03one\x82\x03two\x88\x02\x03\xea')
    const log = await site.logged(key, 5)
    const end = disconnect(1002)
    assert.deepEqual(log, [connect, receive({ text: 'one' }), receive({ bytes: 'bytes:3' }), end, end])
  })

  test('asgi_102 an app that does not look keeps nobody', async (t) => {
    const raw = await site.handshake(t, { line: 'GET /slow?wait=60 HTTP/1.1' })
    await raw.head()
    raw.write(frame(1, 'one') + frame(3, 'bad'))
    await raw.ended
    assert.equal(raw.received.slice(-4), '\x88\x02\x03\xea')
  })

  test('asgi_112 what came before the close is delivered before the disconnect', async () => {
    const key = site.key()
    const client = await site.open(`/slow?wait=0.3&log=${key}`)
    for (const text of ['a', 'b', 'c']) client.ws.send(text)
    client.ws.close(1000)
    const log = await site.logged(key, 5)
    assert.deepEqual(log, [connect, receive({ text: 'a' }), receive({ text: 'b' }), receive({ text: 'c' }), disconnect(1000)])
  })

  test('asgi_107 an app that does not receive stops the client', async () => {
    const client = await site.open('/slow?gate=stops')
    const message = Buffer.alloc(64 * 1024)
    for (let i = 0; i < 480; i += 1) client.ws.send(message)
    const waiting = await settled(() => client.ws.bufferedAmount)
    // The kernel takes some MiB for the two sockets; the rest has not left the client.
    assert.ok(waiting > 15e6, `${waiting} of 31,457,280 bytes wait in the client`)
    await fetch(`${site.http}/gate?gate=stops`)
    client.ws.send('done')
    assert.equal(await client.next(), `481 ${480 * 65536 + 4}`)
    client.ws.close()
  })

  test('asgi_107 a client that does not read stops the app', async () => {
    const key = site.key()
    const client = await site.open(`/flood?count=1000&size=1000000&log=${key}`)
    client.ws.pause()
    const before = residentMiB()
    const sent = await settled(async () => Number(await site.log(key)))
    assert.ok(sent < 20, `${sent} MB of 1000 were taken`)
    assert.ok(residentMiB() - before < 30)
    client.ws.terminate()
  })

  test('asgi_93 a flood of pings is answered as fast as it is read, and holds nothing', async (t) => {
    const raw = await site.handshake(t)
    await raw.head()
    raw.socket.pause()
    const before = residentMiB()
    const pings = frame(9, 'p'.repeat(100)).repeat(1000)
    for (let i = 0; i < 300; i += 1) raw.write(pings)
    await sleep(500)
    assert.ok(raw.socket.writableLength > 5e6, `${raw.socket.writableLength} bytes are held back`)
    assert.ok(residentMiB() - before < 150)
    raw.socket.destroy()
  })

  test('sends of several tasks at once are all delivered, each task in its order', async () => {
    const client = await site.open('/many')
    await client.closed
    assert.equal(client.messages.length, 1000)
    for (let task = 0; task < 5; task += 1) {
      const numbers = client.messages.filter((text) => text.startsWith(`${task} `)).map((text) => Number(text.split(' ')[1]))
      assert.deepEqual(numbers, Array.from({ length: 200 }, (_, i) => i))
    }
  })

  test('what was sent and not awaited goes out before the close', async () => {
    const client = await site.open('/unawaited')
    assert.equal((await client.closed).code, 1000)
    assert.deepEqual(client.messages.map((message) => [message[0], message.length]), Array.from({ length: 50 }, (_, i) => [i, 10_000]))
  })
})

describe('close() of the handler', limits, () => {
  const sent = [receive({ text: '1' }), receive({ text: '2' }), receive({ text: '3' })]

  /** Has an app that is busy sent three messages, and closes its handler meanwhile. What the app received, afterwards. */
  async function closeBusy(t, leave) {
    let ready
    const site = serveWebSockets({ before: (hook) => (ready = hook()), after: (hook) => t.after(hook) })
    await ready
    const logReader = makeHandler(t, 'websocket_app:app')
    const key = site.key()
    const client = await site.open(`/slow?wait=1&log=${key}`)
    for (const text of ['1', '2', '3']) client.ws.send(text)
    await leave(client)
    await sleep(200)
    await site.handler.close()
    return { closed: await client.closed, log: await callJson(logReader, `/log?log=${key}`) }
  }

  test('asgi_108_112 what was received before it comes before the disconnect', async (t) => {
    const { closed, log } = await closeBusy(t, () => {})
    assert.deepEqual([closed.code, log], [1012, [connect, ...sent, disconnect(1012)]])
  })

  test('asgi_108_112 a client that has closed before is told by its own code', async (t) => {
    const { closed, log } = await closeBusy(t, ({ ws, closed }) => (ws.close(4000, 'bye'), closed))
    assert.deepEqual([closed.code, log], [4000, [connect, ...sent, disconnect(4000, 'bye')]])
  })
})

describe('compression', limits, () => {
  const site = serveWebSockets({ before, after })
  const plain = serveWebSockets({ before, after }, 'websocket_app:app', { websocket: { perMessageDeflate: false } })

  test('asgi_105 it is agreed on with small windows, and can be switched off', async (t) => {
    const offers = [
      ['permessage-deflate', /permessage-deflate; server_max_window_bits=12\r\n/],
      ['permessage-deflate; client_max_window_bits', /server_max_window_bits=12; client_max_window_bits=12|client_max_window_bits=12; server_max_window_bits=12/],
      ['permessage-deflate; server_max_window_bits=9', /server_max_window_bits=9/],
      ['permessage-deflate; client_max_window_bits=10', /client_max_window_bits=10/],
    ]
    for (const [offer, answer] of offers) {
      const raw = await site.handshake(t, { headers: { 'Sec-WebSocket-Extensions': offer } })
      assert.match(`${await raw.head()}\r\n`, answer, offer)
      raw.socket.destroy()
    }
    for (const [on, offer] of [[site, 'permessage-deflate; server_max_window_bits=8'], [site, 'x-other'], [plain, 'permessage-deflate']]) {
      const raw = await on.handshake(t, { headers: { 'Sec-WebSocket-Extensions': offer } })
      const head = await raw.head()
      assert.match(head, /^HTTP\/1\.1 101 /)
      assert.doesNotMatch(head, /sec-websocket-extensions/i)
      raw.socket.destroy()
    }
  })

  test('asgi_105 compressed messages come through in their order', async () => {
    const client = await site.open('/echo', [], { perMessageDeflate: { threshold: 0 } })
    const texts = Array.from({ length: 200 }, (_, i) => `${i} `.repeat(i * 20))
    for (const text of texts) client.ws.send(text)
    await until(() => client.messages.length === texts.length)
    assert.deepEqual(client.messages, texts)
    client.ws.close()
  })
})
