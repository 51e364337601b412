import { logTaken } from '../log/failures.js'
import { refuse } from './handshake.js'
import { connectionOf } from '../incoming/connection.js'
import { withoutOrigin } from '../incoming/head.js'
import { ReplayedConnection } from '../incoming/replay.js'
import { bytesWritten, destroySoon } from '../incoming/sockets.js'
import { FRAMING, framingOf } from '../message/framing.js'
import { READS_UPGRADE_BODIES, serverOf } from '../node-internals.js'
import { expectErrors } from './pending-socket.js'
import { afterEarlierResponses } from './pipelining.js'

/** @typedef {import('node:http').IncomingMessage} IncomingMessage */
/** @typedef {import('node:stream').Duplex} Duplex */
/** @typedef {import('../node-internals.js').Server} Server */
/** @typedef {import('../options/options.js').Settings} Settings */

// Node gives every upgrade to every 'upgrade' listener of a server, and does nothing more. A socket that no listener takes
// would stay open for ever, without an answer. So the handlers of this package share what they know of an upgrade. If none of
// them takes it, one of them answers. If the server has other listeners, that one first waits for them.

/** The state of each upgrade, shared by the handlers that see it. @type {WeakMap<IncomingMessage, Offer>} */
const offers = new WeakMap()

/** Errors of `upgrade.match` that have been logged: the same error object is logged once. @type {WeakSet<object>} */
const logged = new WeakSet()

/**
 * Whether an upgrade is a WebSocket for this application. An upgrade that no listener takes will be answered later.
 * @param {IncomingMessage} req
 * @param {Duplex} socket
 * @param {Buffer} head
 * @param {Settings} settings
 */
export function takes(req, socket, head, settings) {
  expectErrors(socket)
  let offer = offers.get(req)
  if (offer === undefined) {
    offer = new Offer(req, socket, head)
    offers.set(req, offer)
  }
  offer.seen += 1
  if (offer.isSettled) return false
  const status = offer.isWebSocket ? refusalOf(req, settings) : 404
  if (status !== 0) {
    offer.decline(status, settings)
    return false
  }
  offer.settle()
  if (socket.destroyed) return false
  // An earlier listener has begun to read the socket, or has refused the upgrade.
  if (socket.writable && socket.readableFlowing !== true) return true
  logTaken(settings.log, req.url)
  return false
}

/**
 * 0 if the path is ours; otherwise the status for the client if no other listener takes the upgrade.
 * @param {IncomingMessage} req
 * @param {Settings} settings
 */
function refusalOf(req, { websocket, log }) {
  try {
    return websocket.matches(pathOf(req)) ? 0 : 404
  } catch (error) {
    // `match` is the user's function, and a client may be able to make it throw.
    if (!logged.has(Object(error))) log.threw('upgrade.match', error)
    logged.add(Object(error))
    return 500
  }
}

/** @param {IncomingMessage} req */
function pathOf({ url = '/' }) {
  const target = withoutOrigin(url)
  const end = target.search(/[?#]/)
  return (end < 0 ? target : target.slice(0, end)) || '/'
}

/**
 * The state of an upgrade.
 * - OFFERED: no handler has declined it
 * - DECLINED: one of our handlers does not want it, and another may
 * - WAITING: none of our handlers wants it, and another listener may
 * - SETTLED: it has been taken or answered
 */
const STATE = Object.freeze({ OFFERED: 0, DECLINED: 1, WAITING: 2, SETTLED: 3 })

/** An upgrade that nobody has taken yet. */
class Offer {
  /** How many of our handlers have seen it. */
  seen = 0
  /** @type {number} one of STATE */
  #state = STATE.OFFERED
  /** The status for the client if nobody takes it. */
  #status = 0
  /** Milliseconds that other listeners have: the longest time that one of our handlers allows. */
  #patience = 0
  /** @type {Settings | null} the settings of the first handler that declined; its access log gets the line */
  #settings = null
  /** @type {NodeJS.Timeout | undefined} */
  #timer
  #written = 0

  /**
   * @param {IncomingMessage} req
   * @param {Duplex} socket
   * @param {Buffer} head
   */
  constructor(req, socket, head) {
    this.req = req
    this.socket = socket
    this.head = head
    this.protocol = (req.headers.upgrade ?? '').trim().toLowerCase()
  }

  get isWebSocket() {
    return this.protocol === 'websocket'
  }

  get isSettled() {
    return this.#state === STATE.SETTLED
  }

  /** One of our handlers has taken it, or it is being answered. */
  settle() {
    this.#state = STATE.SETTLED
    clearTimeout(this.#timer)
  }

  /**
   * One of our handlers does not want it.
   * @param {number} status
   * @param {Settings} settings
   */
  decline(status, settings) {
    const { acceptTimeout } = settings.websocket
    this.#status = Math.max(this.#status, status)
    this.#patience = Math.max(this.#patience, acceptTimeout || Infinity)
    if (this.#state !== STATE.OFFERED) return
    this.#state = STATE.DECLINED
    this.#settings = settings
    // In the next tick all listeners have seen it.
    process.nextTick(() => this.#allHaveSeen())
  }

  #allHaveSeen() {
    if (this.#state !== STATE.DECLINED) return
    const server = serverOf(this.req.socket)
    if (this.#hasOthers(server)) return afterEarlierResponses(this.req.socket, () => this.#leaveToOthers())
    if (!this.isWebSocket && server !== undefined) return this.#continueAsHttp(server)
    afterEarlierResponses(this.req.socket, () => this.#answer())
  }

  /** Whether the server has listeners that are not ours. @param {Server | undefined} server */
  #hasOthers(server) {
    return server !== undefined && this.seen < server.listenerCount('upgrade')
  }

  #leaveToOthers() {
    if (this.#state !== STATE.DECLINED) return
    this.#state = STATE.WAITING
    this.#written = bytesWritten(this.req.socket)
    // Java's client asks for h2c with each first request, and Node does not support it. A listener that wants it has taken it by now.
    if (this.protocol === 'h2c') return this.#answer()
    if (this.#patience === Infinity) return
    this.#timer = setTimeout(() => this.#answer(), this.#patience)
    this.socket.once('close', () => clearTimeout(this.#timer))
  }

  #answer() {
    if (this.#state === STATE.SETTLED || this.#isTaken()) return
    const server = serverOf(this.req.socket)
    if (this.isWebSocket || server === undefined) this.#refuse(this.isWebSocket ? this.#status : 400)
    else this.#continueAsHttp(server)
  }

  /** @param {number} status */
  #refuse(status) {
    const { req, socket } = this
    const { accessLog, trust } = /** @type {Settings} */ (this.#settings)
    this.settle()
    refuse(req, socket, status, [], accessLog?.followUpgrade(req, socket, trust))
  }

  /** Whether other code reads the socket, has written to it, or has ended it. */
  #isTaken() {
    const { socket, req } = this
    if (socket.destroyed || !socket.writable) return true
    if (!this.#hasOthers(serverOf(req.socket))) return false
    // Node sets readableFlowing to null before it emits the event, even if somebody has listened to the connection before.
    return socket.readableFlowing !== null || bytesWritten(req.socket) > this.#written
  }

  /**
   * Ignores an upgrade that nobody here supports, and answers the request as if it had not asked (RFC 9110, 7.8). Node's parser
   * has detached from the connection. So it gets the request again, without the headers that ask for the upgrade.
   * @param {Server} server
   */
  #continueAsHttp(server) {
    const { socket, req, head } = this
    // Node has dropped header fields. The repeated request would not show that.
    if (req.rawHeaders.length > connectionOf(req.socket).maxHeaderFields) {
      return afterEarlierResponses(req.socket, () => this.#refuse(431))
    }
    this.settle()
    // The client has closed its side while it waited, and then nothing can be put back into the socket.
    if (!socket.readable) return destroySoon(socket)
    const connection = again(req, socket, head)
    // A second parser could write before the responses of the first one.
    afterEarlierResponses(req.socket, () => {
      server.emit('encrypted' in socket && socket.encrypted ? 'secureConnection' : 'connection', connection)
    })
  }
}

/**
 * The connection with the request put back in front, without the headers that ask for an upgrade.
 * @param {IncomingMessage} req
 * @param {Duplex} socket
 * @param {Buffer} head the bytes after the request
 * @returns {Duplex}
 */
function again(req, socket, head) {
  const text = withoutUpgrade(req)
  // Node is reading the body, or has already read it.
  if (socket !== req.socket || (READS_UPGRADE_BODIES && framingOf(req.rawHeaders) & FRAMING.BODY)) {
    if (head.length > 0) socket.unshift(head)
    return new ReplayedConnection(req, socket, text)
  }
  socket.unshift(Buffer.concat([Buffer.from(text, 'latin1'), head]))
  return socket
}

/**
 * The head of a request without its request for an upgrade.
 * @param {IncomingMessage} req
 */
function withoutUpgrade({ method, url, httpVersion, rawHeaders }) {
  let text = `${method} ${url} HTTP/${httpVersion}\r\n`
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]
    const value = /^connection$/i.test(name) ? otherOptions(rawHeaders[i + 1]) : rawHeaders[i + 1]
    if (!/^(?:upgrade|http2-settings)$/i.test(name) && (value !== '' || rawHeaders[i + 1] === '')) text += `${name}: ${value}\r\n`
  }
  return `${text}\r\n`
}

/** The other options of `Connection`, for example `close`. @param {string} value */
function otherOptions(value) {
  const options = value.split(',').map((option) => option.trim())
  return options.filter((option) => !/^(?:upgrade|http2-settings)$/i.test(option)).join(', ')
}
