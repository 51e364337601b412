import { logTaken } from '../log/failures.js'
import { refuse } from './handshake.js'
import { withoutOrigin } from '../incoming/head.js'
import { expectErrors } from './pending-socket.js'
import { inTurn } from './pipelining.js'

/** @typedef {import('node:http').IncomingMessage} IncomingMessage */
/** @typedef {import('node:net').Socket & { server?: import('node:net').Server, encrypted?: boolean }} Socket */
/** @typedef {import('../options/options.js').Settings} Settings */

// Node gives every upgrade to every 'upgrade' listener of a server, and does nothing more: a socket that none of them takes
// stays open for ever, without an answer. So the handlers of this package know of each other, one answers when none takes
// it, and where there are listeners of others it first waits to see whether one of those does.

/** What the handlers that see an upgrade know of it. @type {WeakMap<IncomingMessage, Offer>} */
const offers = new WeakMap()

/** Errors that are the same each time (websocket-options.js) are told once. @type {WeakSet<object>} */
const told = new WeakSet()

/**
 * Whether an upgrade is a WebSocket for the application of these settings. Where it is nobody's, it will be answered.
 * @param {IncomingMessage} req
 * @param {Socket} socket
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
  if (offer.over) return false
  const status = offer.isWebSocket ? verdict(req, settings) : 404
  if (status !== 0) {
    offer.decline(status, settings)
    return false
  }
  offer.finish()
  if (socket.destroyed) return false
  // In front of us, somebody has begun to read it, or has refused it.
  if (socket.writable && socket.readableFlowing !== true) return true
  logTaken(settings.log, req.url)
  return false
}

/**
 * 0 for a path of ours, else what the client gets if it is nobody else's either.
 * @param {IncomingMessage} req
 * @param {Settings} settings
 */
function verdict(req, { websocket, log }) {
  try {
    return websocket.matches(pathOf(req)) ? 0 : 404
  } catch (error) {
    // A function of the user's, which a client may know how to make throw.
    if (!told.has(Object(error))) log.threw('upgrade.match', error)
    told.add(Object(error))
    return 500
  }
}

/** @param {IncomingMessage} req */
function pathOf({ url = '/' }) {
  const target = withoutOrigin(url)
  const end = target.search(/[?#]/)
  return (end < 0 ? target : target.slice(0, end)) || '/'
}

/** An upgrade, until it is known who takes it. */
class Offer {
  /** How many of us have seen it. */
  seen = 0
  /** Somebody has taken or answered it. */
  over = false
  /** @type {number} for the client if nobody takes it */
  #status = 0
  /** Milliseconds that others have. */
  #patience = 0
  /** @type {Settings | null} whose access log tells of it */
  #settings = null
  /** @type {NodeJS.Timeout | undefined} */
  #timer
  #written = 0

  /**
   * @param {IncomingMessage} req
   * @param {Socket} socket
   * @param {Buffer} head
   */
  constructor(req, socket, head) {
    this.req = req
    this.socket = socket
    this.head = head
    const protocol = (req.headers.upgrade ?? '').trim().toLowerCase()
    this.isWebSocket = protocol === 'websocket'
    this.isH2c = protocol === 'h2c'
  }

  /** One of us has it. */
  finish() {
    this.over = true
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
    if (this.#settings !== null) return
    this.#settings = settings
    // When all listeners have seen it.
    process.nextTick(() => this.#settle())
  }

  #settle() {
    if (this.over) return
    const { socket } = this
    const { server } = socket
    const alone = server === undefined || this.seen >= server.listenerCount('upgrade')
    if (!alone) return inTurn(socket, () => this.#leave())
    if (!this.isWebSocket && server !== undefined) return this.#continueAsHttp(server)
    inTurn(socket, () => this.#answer())
  }

  /** Leaves it to the others. */
  #leave() {
    this.#written = this.socket.bytesWritten
    // Java's client asks for it with each first request, and Node cannot do it: whoever wants it has taken it by now.
    if (this.isH2c) return this.#answer()
    if (this.#patience === Infinity) return
    this.#timer = setTimeout(() => this.#answer(), this.#patience)
    this.socket.once('close', () => clearTimeout(this.#timer))
  }

  #answer() {
    const { socket, req } = this
    if (this.over || this.#isTaken()) return
    if (this.isWebSocket || socket.server === undefined) {
      const { accessLog, trust } = /** @type {Settings} */ (this.#settings)
      this.over = true
      refuse(req, socket, this.isWebSocket ? this.#status : 400, [], accessLog?.followUpgrade(req, socket, trust))
    } else this.#continueAsHttp(socket.server)
  }

  /** Whether somebody else reads it, or has written something, or has ended it. */
  #isTaken() {
    const { socket } = this
    if (socket.destroyed || !socket.writable) return true
    if (this.seen >= (socket.server?.listenerCount('upgrade') ?? 0)) return false
    // Node makes it null before it emits the event, whoever has listened to the connection before.
    return socket.readableFlowing !== null || socket.bytesWritten > this.#written
  }

  /**
   * An upgrade that nobody here can do is ignored, and the request answered as if it had not asked (RFC 9110, 7.8). Node's
   * parser has let go of the connection, so it gets the request again, without the headers that ask.
   * @param {import('node:net').Server} server
   */
  #continueAsHttp(server) {
    const { socket, req, head } = this
    this.over = true
    // The client has waited so long for somebody that it has closed its side, and then nothing can be put back.
    if (!socket.readable) return socket.destroySoon()
    socket.unshift(Buffer.concat([Buffer.from(withoutUpgrade(req), 'latin1'), head]))
    // A second parser would answer in front of the first one's responses.
    inTurn(socket, () => server.emit(socket.encrypted ? 'secureConnection' : 'connection', socket))
  }
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
