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

// Node gives every upgrade to every 'upgrade' listener of a server, and does nothing more: a socket that no listener takes
// stays open for ever, without an answer. So the handlers of this package share what they know of an upgrade. If none of
// them takes it, one of them answers. If the server has other listeners, it waits first whether one of those takes it.

/** What the handlers that see an upgrade know of it. @type {WeakMap<IncomingMessage, Offer>} */
const offers = new WeakMap()

/** Errors of `upgrade.match` that have been logged: one that is the same each time is logged once. @type {WeakSet<object>} */
const logged = new WeakSet()

/**
 * Whether an upgrade is a WebSocket for the application of these settings. If no listener takes it, it will be answered.
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
  // A listener in front of us has begun to read it, or has refused it.
  if (socket.writable && socket.readableFlowing !== true) return true
  logTaken(settings.log, req.url)
  return false
}

/**
 * 0 for a path of ours; otherwise the status for the client if no other listener takes it.
 * @param {IncomingMessage} req
 * @param {Settings} settings
 */
function refusalOf(req, { websocket, log }) {
  try {
    return websocket.matches(pathOf(req)) ? 0 : 404
  } catch (error) {
    // It is a function of the user's, and a client may know how to make it throw.
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
 * What has become of an upgrade. OFFERED: our handlers look at it. DECLINED: one of them does not want it, and the others may
 * still. WAITING: none of them wants it, and another listener may. SETTLED: it has been taken or answered.
 */
const STATE = Object.freeze({ OFFERED: 0, DECLINED: 1, WAITING: 2, SETTLED: 3 })

/** An upgrade, until it is known who takes it. */
class Offer {
  /** How many of our handlers have seen it. */
  seen = 0
  /** @type {number} one of STATE */
  #state = STATE.OFFERED
  /** For the client if nobody takes it. */
  #status = 0
  /** Milliseconds that others have; the longest that one of us allows. */
  #patience = 0
  /** @type {Settings | null} of the first that declined: its access log tells of it */
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

  /** One of us has it, or it is being answered. */
  settle() {
    this.#state = STATE.SETTLED
    clearTimeout(this.#timer)
  }

  /**
   * One of us does not want it.
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
    // When all listeners have seen it.
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
    // Java's client asks for it with each first request, and Node cannot do it: whoever wants it has taken it by now.
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

  /** Whether somebody else reads it, or has written something, or has ended it. */
  #isTaken() {
    const { socket, req } = this
    if (socket.destroyed || !socket.writable) return true
    if (!this.#hasOthers(serverOf(req.socket))) return false
    // Node makes it null before it emits the event, whoever has listened to the connection before.
    return socket.readableFlowing !== null || bytesWritten(req.socket) > this.#written
  }

  /**
   * An upgrade that nobody here can do is ignored, and the request answered as if it had not asked (RFC 9110, 7.8). Node's
   * parser has let go of the connection, so it gets the request again, without the headers that ask.
   * @param {Server} server
   */
  #continueAsHttp(server) {
    const { socket, req, head } = this
    // The request would come with fewer fields, as if none had been lost.
    if (req.rawHeaders.length > connectionOf(req.socket).maxHeaderFields) {
      return afterEarlierResponses(req.socket, () => this.#refuse(431))
    }
    this.settle()
    // The client has waited so long for somebody that it has closed its side, and then nothing can be put back.
    if (!socket.readable) return destroySoon(socket)
    const connection = again(req, socket, head)
    // A second parser would answer in front of the first one's responses.
    afterEarlierResponses(req.socket, () => {
      server.emit('encrypted' in socket && socket.encrypted ? 'secureConnection' : 'connection', connection)
    })
  }
}

/**
 * The connection with the request in front, without what asks for an upgrade.
 * @param {IncomingMessage} req
 * @param {Duplex} socket
 * @param {Buffer} head what came behind the request
 * @returns {Duplex}
 */
function again(req, socket, head) {
  const text = withoutUpgrade(req)
  // Node is reading the body, or has read it.
  if (socket !== req.socket || (READS_UPGRADE_BODIES && framingOf(req.rawHeaders) & FRAMING.BODY)) {
    if (head.length > 0) socket.unshift(head)
    return new ReplayedConnection(req, socket, text)
  }
  socket.unshift(Buffer.concat([Buffer.from(text, 'latin1'), head]))
  return socket
}

/**
 * The head of a request, as it would be if it did not ask for an upgrade.
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

/** What `Connection` says beside the upgrade: that it is the last request, perhaps. @param {string} value */
function otherOptions(value) {
  const options = value.split(',').map((option) => option.trim())
  return options.filter((option) => !/^(?:upgrade|http2-settings)$/i.test(option)).join(', ')
}
