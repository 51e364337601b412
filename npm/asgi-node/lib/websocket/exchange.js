import { invalidRequest } from '../native/errors.js'
import { Exchange } from '../native/exchange.js'
import { loadLoader } from '../native/load.js'
import { CLOSE_CODE as CODE, FLAG, PAYLOAD } from '../native/protocol.js'
import { logTaken } from '../log/failures.js'
import { closeCodeOf } from '../native/outcome.js'
import { faultOf, refuse, responseOn } from './handshake.js'
import { fetchHead } from '../incoming/head.js'
import { flatHeaders } from '../message/headers.js'
import { consumeBy, isBusy, unmaskingConsume } from '../node-internals.js'
import { bytesWritten, destroySoon, stopTimeout } from '../incoming/sockets.js'
import { Frames } from './frames.js'
import { Keepalive } from './keepalive.js'
import { PendingSocket } from './pending-socket.js'
import { afterEarlierResponses } from './pipelining.js'

/** @typedef {import('node:http').IncomingMessage} IncomingMessage */
/** @typedef {import('node:stream').Duplex} Duplex */
/** @typedef {import('../native/exchanges.js').Exchanges} Exchanges */
/** @typedef {import('./handshake.js').Handshakes} Handshakes */
/** @typedef {import('../options/websocket.js').WebSocketSettings} WebSocketSettings */

const kExchange = Symbol('asgi-node exchange')

/** @typedef {import('ws').WebSocket & { [kExchange]?: WebSocketExchange }} WebSocket */
/** @typedef {import('./served-socket.js').ServedSocket & WebSocket} ServedSocket */
/** @typedef {Duplex & { [kExchange]?: WebSocketExchange }} UpgradedSocket */
/** @typedef {import('node:http').ServerResponse} ServerResponse */

const EMPTY = Buffer.alloc(0)

/** The longest head of a frame that a server sends. */
const FRAME_HEAD = 10

/** How long the app may still answer earlier messages after the client has violated the protocol. */
const FAULT_GRACE_MS = 2000

/** The close codes that `ws` sends when the client violates the protocol (RFC 6455, 7.4.1). The app gets the same. @type {Readonly<Record<string, number>>} */
const FAULTS = Object.freeze({
  WS_ERR_INVALID_UTF8: CODE.INVALID_DATA,
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: CODE.TOO_LARGE,
  WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH: CODE.TOO_LARGE,
  WS_ERR_TOO_MANY_BUFFERED_PARTS: CODE.POLICY_VIOLATION
})

/** @param {Error & { code?: string }} error of `ws` */
function codeOf({ code = '' }) {
  if (code.startsWith('Z_')) return CODE.INVALID_DATA
  return FAULTS[code] ?? (code.startsWith('WS_ERR_') ? CODE.PROTOCOL_ERROR : CODE.ABNORMAL)
}

/** What all WebSockets of a handler have in common. */
export class Sockets {
  /** Those whose handshake is complete. @type {Set<ServedSocket>} */
  #open = new Set()
  #onExit = () => this.#leave()
  /** @type {ReturnType<typeof unmaskingConsume> | null} */
  #consume = null

  /**
   * @param {WebSocketSettings} settings
   * @param {Handshakes} handshakes
   * @param {number} highWaterMark bytes
   */
  constructor(settings, handshakes, highWaterMark) {
    this.settings = settings
    this.handshakes = handshakes
    this.highWaterMark = highWaterMark
  }

  /** One function for all WebSockets, made when it is first needed. */
  get consume() {
    this.#consume ??= unmaskingConsume(loadLoader().unmask)
    return this.#consume
  }

  /** @param {ServedSocket} ws */
  add(ws) {
    if (this.#open.size === 0) process.on('exit', this.#onExit)
    this.#open.add(ws)
  }

  /** @param {ServedSocket} ws */
  delete(ws) {
    this.#open.delete(ws)
    if (this.#open.size === 0) process.off('exit', this.#onExit)
  }

  get size() {
    return this.#open.size
  }

  /**
   * The handler has closed: no client may keep the process from ending longer than this.
   * @param {number} deadline of `performance.now()`
   */
  endBy(deadline) {
    for (const ws of this.#open) ws.endBy(deadline)
  }

  /** The process or worker thread is ending: what is written now is still sent. */
  #leave() {
    for (const ws of this.#open) ws.finish(CODE.RESTART)
  }
}

/** One WebSocket of a server, from its handshake to its end. */
export class WebSocketExchange extends Exchange {
  /** @type {ServedSocket | null} once the app has accepted */
  #ws = null
  /** @type {ServerResponse | null} once it has sent a response of its own */
  #res = null
  /** @type {Keepalive | null} */
  #keepalive = null
  /** Reading was stopped because the app does not receive. */
  #full = false
  /** Reading was stopped because the client does not read its pongs. */
  #choked = false
  /** The close code for the client's violation of the protocol; 0 if there was none. */
  #fault = 0
  /** @type {PendingSocket | null} until the handshake is answered */
  #pending
  /** The client has closed its side while earlier responses are still being sent. */
  #left = false
  /** Bytes written to the connection when it was this handshake's turn. If there are more, another listener has written. */
  #written = 0

  /**
   * @param {Exchanges} exchanges
   * @param {Sockets} sockets
   * @param {IncomingMessage} req
   * @param {Duplex} socket
   * @param {Buffer} head what the client sent behind its handshake
   */
  constructor(exchanges, sockets, req, socket, head) {
    super(exchanges)
    this.context = exchanges.context()
    this.sockets = sockets
    this.req = req
    this.socket = /** @type {UpgradedSocket} */ (socket)
    this.access = exchanges.accessLog?.followUpgrade(req, socket, exchanges.trust)
    this.socket[kExchange] = this
    this.#pending = new PendingSocket(socket, head, () => this.lost())
    stopTimeout(socket)
  }

  /**
   * Calls back when earlier responses of the connection have been sent, if the request is a valid handshake.
   * @param {() => void} callback
   */
  afterEarlierResponses(callback) {
    const { socket } = this
    this.#written = bytesWritten(this.req.socket)
    // After all 'upgrade' listeners have run: if one of them has begun to read, we must not take its bytes.
    process.nextTick(() => {
      if (socket.destroyed) return
      if (socket.readableFlowing === true || !(isBusy(this.req.socket) || this.#isOurs())) return this.#leaveToOthers()
      this.#pending?.read()
      this.#await(callback)
    })
  }

  /** @param {() => void} callback */
  #await(callback) {
    afterEarlierResponses(this.req.socket, () => {
      this.#written = bytesWritten(this.req.socket)
      if (this.#left) return this.lost()
      const fault = faultOf(this.req)
      if (fault === null) callback()
      else this.refuse(fault.status, fault.headers)
    })
  }

  /** Starts the app. */
  begin() {
    // The client may have left while the handler was starting.
    if (!this.socket.writable) return
    try {
      this.exchanges.submit(this, fetchHead(this.req, this.exchanges.trust), undefined, FLAG.WEBSOCKET)
    } catch (error) {
      this.fail(invalidRequest(error))
      return
    }
    const { acceptTimeout } = this.sockets.settings
    if (acceptTimeout > 0) this.timer = setTimeout(onAcceptTimeout, acceptTimeout, this)
  }

  /**
   * Refuses the handshake without the app.
   * @param {number} status
   * @param {string[]} [headers] flat
   */
  refuse(status, headers) {
    if (!this.#takeBack()) return
    refuse(this.req, this.socket, status, headers, this.access)
  }

  /** Whether no other listener has written to the socket. */
  #isOurs() {
    return bytesWritten(this.req.socket) === this.#written
  }

  /** Stops holding the socket. Returns whether the answer is ours to write. */
  #takeBack() {
    if (!this.#isOurs()) return this.#leaveToOthers()
    this.#letGo()
    return true
  }

  /** Another 'upgrade' listener has answered: the socket is its own from now on. */
  #leaveToOthers() {
    this.#letGo()
    logTaken(this.exchanges.log, this.req.url)
    if (!this.socket.destroyed) this.socket.resume()
    this.ended(CODE.ABNORMAL, '')
    return false
  }

  #letGo() {
    this.#pending?.release()
    this.#pending = null
    if (this.timer !== undefined) clearTimeout(this.timer)
  }

  /** The connection is gone before the app has answered. */
  lost() {
    const { socket } = this
    if (isBusy(this.req.socket) && !socket.destroyed) {
      this.#left = true
      return
    }
    this.#letGo()
    // What has been written is still sent.
    if (socket.writable) destroySoon(socket)
    else socket.destroy()
    this.ended(CODE.ABNORMAL, '')
  }

  /** The app has not answered in time. */
  expire() {
    if (this.access) this.access.code ??= CODE.ABNORMAL
    this.exchanges.expire(this)
    this.refuse(503)
  }

  /**
   * The WebSocket has ended.
   * @param {number} code
   * @param {string} reason
   */
  ended(code, reason) {
    this.#keepalive?.stop()
    if (this.access) this.access.code ??= code
    this.exchanges.close(this, code, reason)
  }

  /**
   * The client has violated the protocol. The app may still answer earlier messages. The WebSocket is closed when the app
   * closes or returns, or after {@link FAULT_GRACE_MS}.
   * @param {number} code
   */
  faulted(code) {
    if (code === CODE.ABNORMAL) return this.ended(code, '')
    this.#fault = code
    if (!this.open) return this.#close(code)
    this.#keepalive?.stop()
    this.#flow()
    this.exchanges.native.faulted(this.id, code)
    this.timer = setTimeout(onGrace, FAULT_GRACE_MS, this)
  }

  /** The app has not received the violation in time. */
  giveUp() {
    this.ended(this.#fault, '')
    this.#close(this.#fault)
  }

  /** @override @param {string} answer `subprotocol\0name\0value…` */
  onAccept(answer) {
    const [subprotocol, ...headers] = answer.split('\0')
    const { socket, sockets, req } = this
    if (!this.#takeBack()) return
    // If the client has left, `ws` only destroys the socket: its end has to be noticed here.
    socket.on('close', onLost)
    sockets.handshakes.complete(req, socket, { subprotocol, headers }, (ws) => this.#opened(ws))
  }

  /** @param {ServedSocket} ws */
  #opened(ws) {
    this.#ws = ws
    if (this.access) this.access.status = 101
    this.socket.off('close', onLost)
    ws[kExchange] = this
    consumeBy(ws, this.sockets.consume)
    Frames.read(ws, this, this.sockets.settings.maxPayload)
    ws.on('message', onMessage)
    ws.on('close', onClose)
    ws.on('error', onError)
    ws.on('ping', onPing)
    this.sockets.add(ws)
    this.#keepalive = Keepalive.start(ws, this.sockets.settings)
    // The socket has been paused until now.
    ws.resume()
  }

  /**
   * A message has arrived.
   * @param {Buffer} data
   * @param {boolean} isBinary
   */
  received(data, isBinary) {
    if (this.open && !this.exchanges.native.message(this.id, data, !isBinary)) this.#stop()
  }

  /**
   * Bytes of a message have arrived, still masked: those of `chunk` from `start` to `end`.
   * @param {Buffer} chunk
   * @param {number} start
   * @param {number} end
   * @param {number} key of the mask, little-endian
   * @param {number} follow how many bytes of the message are still to come
   * @param {boolean} isText
   * @returns {number} one of PAYLOAD
   */
  payload(chunk, start, end, key, follow, isText) {
    if (!this.open) return PAYLOAD.TAKEN
    const answer = this.exchanges.native.payload(this.id, chunk, start, end, key, follow, isText)
    if (answer === PAYLOAD.FULL) this.#stop()
    return answer
  }

  #stop() {
    this.#full = true
    this.#flow()
  }

  /** @override */
  onResume() {
    this.#full = false
    this.#flow()
  }

  #flow() {
    const ws = this.#ws
    if (ws === null || ws.readyState === ws.CLOSED) return
    if (this.#keepalive !== null) this.#keepalive.patient = this.#full
    if (this.open && this.#fault === 0 && (this.#full || this.#choked)) ws.pause()
    else ws.resume()
  }

  /**
   * Answers a ping, which the app does not see (RFC 6455, 5.5.3).
   * @param {Buffer} data
   */
  pinged(data) {
    const ws = this.#ws
    if (ws === null || ws.readyState !== ws.OPEN) return
    if (ws.bufferedAmount <= this.sockets.highWaterMark) return ws.pong(data)
    // A client that pings without reading the pongs is not read from until it does.
    this.#choked = true
    this.#flow()
    ws.pong(data, undefined, () => {
      if (ws.bufferedAmount > this.sockets.highWaterMark / 2) return
      this.#choked = false
      this.#flow()
    })
  }

  /** @override @param {Buffer | undefined} data @param {boolean} isText @returns {boolean | void} */
  onMessage(data, isText) {
    const ws = this.#ws
    if (ws === null || ws.readyState !== ws.OPEN) return
    const bytes = data ?? EMPTY
    const { highWaterMark } = this.sockets
    // A message needs a callback only if it fills the buffer. While the app waits, each of them has one: any may be the one after
    // which there is room.
    const fills = this.stalled || ws.bufferedAmount + bytes.length + FRAME_HEAD > highWaterMark
    ws.send(bytes, { binary: !isText }, fills ? this.#sent : undefined)
    return ws.bufferedAmount <= highWaterMark
  }

  #sent = () => {
    if (this.stalled && this.#ws !== null && this.#ws.bufferedAmount <= this.sockets.highWaterMark / 2) this.drained()
  }

  /** @override @param {number} code @param {string} reason */
  onClose(code, reason) {
    this.#close(code, reason)
  }

  /** @param {number} code @param {string} [reason] */
  #close(code, reason) {
    this.#keepalive?.stop()
    if (this.access) this.access.code ??= this.#fault || code
    if (this.#fault === 0) this.#ws?.finish(code, reason)
    else this.#ws?.finish(this.#fault)
    // Reads on: the client's close frame may come behind messages that nobody receives any more.
    this.#flow()
  }

  /** The connection is closed. */
  closed() {
    if (this.#ws !== null) this.sockets.delete(this.#ws)
    this.access?.end()
  }

  /** @override @param {number} status @param {string} headers @param {import('../native/exchange.js').WholeBody} body */
  onComplete(status, headers, body) {
    this.#writeHead(status, headers)?.end(body, 'latin1')
  }

  /** @override @param {number} status @param {string} headers @param {Buffer | undefined} chunk */
  onStart(status, headers, chunk) {
    const res = this.#writeHead(status, headers)
    // Node forwards 'drain' to the response only on connections that its own parser reads.
    this.socket.on('drain', () => this.drained())
    return chunk === undefined ? undefined : res?.write(chunk)
  }

  /** @override @param {Buffer} chunk */
  onBody(chunk) {
    return this.#res?.write(chunk)
  }

  /** @override @param {string} _trailers @param {Buffer | undefined} chunk */
  onEnd(_trailers, chunk) {
    this.#res?.end(chunk)
  }

  /** @param {number} status @param {string} headers */
  #writeHead(status, headers) {
    if (!this.#takeBack()) return null
    this.socket.on('close', onLost)
    if (this.access) this.access.status = status
    this.#res = responseOn(this.req, this.socket, this.access)
    return this.#res.writeHead(status, flatHeaders(headers))
  }

  /** @override */
  described() {
    return { method: 'WebSocket', url: this.req.url }
  }

  /** @override @param {import('../native/outcome.js').Outcome} outcome */
  onFailed({ error, status }) {
    if (this.#ws !== null) this.#close(closeCodeOf(error))
    else if (this.#res !== null) this.socket.destroy()
    else this.refuse(status)
  }
}

/** @param {WebSocketExchange} exchange */
function onAcceptTimeout(exchange) {
  exchange.expire()
}

/** @param {WebSocketExchange} exchange */
function onGrace(exchange) {
  exchange.giveUp()
}

// One function per event for all sockets, rather than closures for each: there may be very many.

/** @this {UpgradedSocket} */
function onLost() {
  this[kExchange]?.lost()
}

/** @this {WebSocket} @param {Buffer} data @param {boolean} isBinary */
function onMessage(data, isBinary) {
  this[kExchange]?.received(data, isBinary)
}

/** @this {WebSocket} @param {number} code @param {Buffer} reason */
function onClose(code, reason) {
  this[kExchange]?.ended(code, reason.toString())
  this[kExchange]?.closed()
}

/** @this {WebSocket} @param {Error} error */
function onError(error) {
  this[kExchange]?.faulted(codeOf(error))
}

/** @this {WebSocket} @param {Buffer} data */
function onPing(data) {
  this[kExchange]?.pinged(data)
}
