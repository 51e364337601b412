// Our own reading of frames on a socket: all sockets read into the same memory, and nobody may see that.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocketServer } from 'ws'
import { Frames } from '../../npm/asgi-node/lib/websocket/frames.js'
import { headersOf } from '../asgi/websockets.mjs'
import { openSocket, until } from './support.mjs'
import { BINARY, LARGEST, PING, TEXT, bytes, frame, nativeIn } from './websocket-frames.mjs'

/** An open WebSocket whose frames are ours: the server's end, what it has seen, and a client that writes bytes. */
async function opened(t) {
  const server = createServer()
  const sockets = new WebSocketServer({ server, maxPayload: LARGEST })
  t.after(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = await openSocket(t, server.address().port)
  client.write(`GET / HTTP/1.1\r\n${headersOf()}\r\n`)
  const [ws] = await once(sockets, 'connection')
  t.after(() => ws.terminate())
  const events = []
  const taken = { payloads: 0 }
  const exchange = nativeIn(events, taken)
  Frames.read(ws, exchange, LARGEST)
  ws.on('message', (data, isBinary) => events.push(['message', isBinary, data.toString('latin1')]))
  return { ws, events, taken, exchange, socket: client.socket, write: (data) => client.socket.write(data) }
}

const message = (data, isBinary = true) => ['message', isBinary, data.toString('latin1')]

test('messages arrive as they were, whole and in fragments', async (t) => {
  const { write, events, taken } = await opened(t)
  const sent = [10, 65_522, 65_536, 99_999, 0].map(bytes)
  for (const data of sent) write(frame(BINARY, data))
  write(Buffer.concat([frame(TEXT, bytes(9).fill('a'), { fin: false }), frame(0, bytes(70_000).fill('b')), frame(TEXT, Buffer.from('c'))]))
  await until(() => events.length === sent.length + 2, 'all messages')
  assert.deepEqual(events, [...sent.map((data) => message(data)), message('a'.repeat(9) + 'b'.repeat(70_000), false), message('c', false)])
  assert.ok(taken.payloads > sent.length)
})

test('what is kept of a ping is not written over', async (t) => {
  const { ws, write, events } = await opened(t)
  const pings = []
  ws.on('ping', (data) => pings.push(data))
  for (const each of ['first', 'second', 'third']) {
    const count = pings.length
    write(frame(PING, Buffer.from(each)))
    await until(() => pings.length > count, 'a ping')
  }
  write(frame(BINARY, bytes(60_000)))
  await until(() => events.length > 0, 'a message')
  assert.deepEqual(pings.map(String), ['first', 'second', 'third'])
})

test('a socket that is paused is not read, and then goes on where it was', async (t) => {
  const { ws, write, events, exchange } = await opened(t)
  const { payload } = exchange
  let count = 0
  exchange.payload = (...call) => {
    if ((count += 1) === 3) ws.pause()
    return payload(...call)
  }
  const sent = Array.from({ length: 400 }, (_, at) => Buffer.from(`${at}`.padEnd(20_000, 'x')))
  for (const data of sent) write(frame(BINARY, data))
  await until(() => count >= 3, 'three payloads')
  await sleep(100)
  assert.ok(events.length < 10, `${events.length} messages while it was paused`)
  ws.resume()
  await until(() => events.length === sent.length, 'all messages')
  assert.deepEqual(events, sent.map((data) => message(data)))
})

test('who else listens to the socket gets memory that stays', async (t) => {
  const { ws, write, events } = await opened(t)
  const seen = []
  ws._socket.on('data', (data) => seen.push(data))
  const frames = [1000, 50_000, 3].map((length) => frame(BINARY, bytes(length).fill(length)))
  for (const [at, each] of frames.entries()) {
    write(each)
    await until(() => events.length > at, 'a message')
  }
  assert.ok(Buffer.concat(seen).equals(Buffer.concat(frames)))
})

test('a client that goes away in the middle of a message', async (t) => {
  const { ws, write, socket, events } = await opened(t)
  write(frame(BINARY, bytes(1000)).subarray(0, 500))
  socket.end()
  const [code] = await once(ws, 'close')
  assert.equal(code, 1006)
  assert.deepEqual(events, [])
})
