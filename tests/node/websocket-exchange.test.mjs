// What a WebSocket's exchange does with messages of the application, step by step: `ws` is a script.
import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { WebSocketExchange } from '../../npm/asgi-node/lib/websocket/exchange.js'

const MARK = 100

/** An exchange whose WebSocket is open; `callbacks` has what each `send` was given, `drained` how often there was room again. */
function opened() {
  const ws = Object.assign(new EventEmitter(), { OPEN: 1, CLOSED: 3, readyState: 1, bufferedAmount: 0, pause() {}, resume() {} })
  const seen = { callbacks: [], drained: 0 }
  ws.send = (data, _, callback) => {
    ws.bufferedAmount += data.length
    seen.callbacks.push(callback)
  }
  const socket = new PassThrough()
  const drained = (exchange) => {
    exchange.stalled = false
    seen.drained += 1
  }
  const exchanges = { context: () => null, native: {}, drained }
  const sockets = {
    settings: { pingInterval: 0, maxPayload: 1000 },
    handshakes: { complete: (_req, _socket, _answer, callback) => callback(ws) },
    highWaterMark: MARK,
    add() {},
  }
  const exchange = new WebSocketExchange(exchanges, sockets, { socket }, socket, Buffer.alloc(0))
  exchange.open = true
  exchange.onAccept('')
  /** As Exchanges does: whoever says no is stalled until it has drained. */
  const send = (length) => {
    if (exchange.onMessage(Buffer.alloc(length), false) === false) exchange.stalled = true
  }
  return { ws, exchange, seen, send }
}

test('a message that comes while the app waits may be the one that leaves room', () => {
  const { ws, exchange, seen, send } = opened()
  ws.bufferedAmount = 50
  send(60)
  assert.equal(exchange.stalled, true)
  // Compressed, the first has become small, and is not written yet: the second, which was on its way, fills nothing.
  ws.bufferedAmount = 20
  send(60)
  const [first, second] = seen.callbacks
  ws.bufferedAmount = 60
  first()
  assert.equal(seen.drained, 0, 'more than half is still there')
  assert.equal(typeof second, 'function')
  ws.bufferedAmount = 0
  second()
  assert.equal(seen.drained, 1)
  assert.equal(exchange.stalled, false)
})

test('messages that nobody waits behind have no callback', () => {
  const { seen, send } = opened()
  send(40)
  send(30)
  assert.deepEqual(seen.callbacks, [undefined, undefined])
})
