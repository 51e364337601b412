import { Socket } from 'node:net'
import { adopt } from './continue.js'
import { maxHeaderFields } from '../message/limits.js'
import { allowsHalfOpen, serverOf, setHalfOpen } from '../node-internals.js'
import { ReplayedConnection } from './replay.js'
import { tlsFields } from './tls.js'

/**
 * A request under way, as its connection knows it.
 * @typedef {import('../native/exchange.js').Exchange & { before: FollowedExchange | null }} FollowedExchange
 */

const kConnection = Symbol('asgi-node connection')
const UNSAFE_PATH = /[^\x21-\xff]/

/**
 * A socket, or the object that replaces it in an injected request (light-my-request, a WHATWG Request).
 * @typedef {Socket & { [kConnection]?: Connection, encrypted?: boolean }} PeerSocket
 */

/** @typedef {import('../node-internals.js').Server} Server */

/** The data that all requests of a connection share, read once. Its strings have the form of the head. */
export class Connection {
  /** @type {FollowedExchange | null} the latest request; its `before` leads to those that were pipelined ahead of it */
  #latest = null
  #listening = false
  // Whether `end` is being emitted, and Node has been asked to keep the socket.
  #kept = false
  /** @type {import('./proxy.js').Trust | null} for which `trusted` was computed */
  trust = null
  trusted = false

  /** @param {PeerSocket} socket */
  constructor(socket) {
    const { remoteAddress, localAddress } = socket
    const server = serverOf(socket)
    /** Whether a parser has checked the data that comes from it. */
    this.parsed = socket instanceof Socket || /** @type {object} */ (socket) instanceof ReplayedConnection
    this.scheme = socket.encrypted ? 'https' : 'http'
    /** '' for a Unix socket. */
    this.address = remoteAddress ?? ''
    /** Address and port; null for a Unix socket. @type {readonly [string, number] | readonly [null, null]} */
    this.clientParts = remoteAddress ? [remoteAddress, socket.remotePort ?? 0] : [null, null]
    this.client = remoteAddress ? `${remoteAddress}\0${socket.remotePort ?? 0}` : '\0'
    this.server = localAddress ? `${localAddress}\0${socket.localPort ?? 0}` : unixServer(server)
    this.peer = `${this.scheme}\0${this.client}\0${this.server}`
    /** The fields of the tls extension, with a NUL before each; '' without encryption. */
    this.tls = tlsFields(socket)
    /** A request with more header fields has lost some of them, or exceeds the server's limit. */
    this.maxHeaderFields = maxHeaderFields(server)
    this.lingers = false
    /** The end of the connection has been announced: requests that were pipelined after a refused one are ignored. */
    this.refused = false
    if (this.parsed && server) adopt(server)
  }

  /**
   * Listens for the end of an HTTP/1 connection (with HTTP/2, streams end instead).
   *
   * A FIN tells that the client has sent its last byte, not whether it still reads. So we serve both cases. A pending
   * `receive()` gives `http.disconnect`, since most clients that send a FIN have left. `send()` goes on, since clients that
   * have only closed their side (`nc -N`, some proxies, HTTP/1.0 style clients) wait for the response. If the client has
   * left, it answers the first write with a RST, and that is a disconnect for `send()` too.
   *
   * Node ends such a socket, and cuts the response, unless the server's `httpAllowHalfOpen` is set. That flag is for the
   * whole server, and its other routes may rely on the default. So we set it only while Node reads it for a socket whose
   * request is ours. TLS has no half-close: its sockets end at once, as they do without us.
   * @param {PeerSocket} socket
   */
  #listen(socket) {
    // Before Node's own listener and after it, all in one emit.
    socket.prependListener('end', onEnd)
    socket.on('end', afterEnd)
    socket.on('close', onClose)
  }

  /**
   * From now on, tells this request of the end of the connection.
   * @param {FollowedExchange} exchange
   * @param {PeerSocket} socket
   */
  follow(exchange, socket) {
    if (!this.#listening) {
      this.#listening = true
      this.#listen(socket)
    }
    let before = this.#latest
    while (before !== null && !before.open) before = before.before
    exchange.before = before
    this.#latest = exchange
  }

  /**
   * The request is over: an idle connection must not keep it alive.
   * @param {FollowedExchange} exchange
   */
  forget(exchange) {
    exchange.before = null
    if (this.#latest === exchange) this.#latest = null
  }

  /** @param {Server | undefined} server */
  ending(server) {
    let waiting = false
    for (let exchange = this.#latest; exchange !== null; exchange = exchange.before) {
      // With that option a FIN means that the client has left, which is usually true.
      if (exchange.open && !exchange.exchanges.cancelOnDisconnect) waiting = true
    }
    if (!waiting) return
    for (let exchange = this.#latest; exchange !== null; exchange = exchange.before) exchange.halfClose()
    if (server === undefined || allowsHalfOpen(server)) return
    setHalfOpen(server, true)
    this.#kept = true
  }

  /** @param {Server | undefined} server */
  ended(server) {
    if (!this.#kept || server === undefined) return
    this.#kept = false
    setHalfOpen(server, false)
  }

  /** The socket is gone. Node tells only the response that it is writing, not those queued after it. */
  closed() {
    for (let exchange = this.#latest; exchange !== null; exchange = exchange.before) exchange.leave()
    this.#latest = null
  }
}

/**
 * The connection of a request.
 * @param {PeerSocket} socket
 */
export function connectionOf(socket) {
  return socket[kConnection] ?? (socket[kConnection] = new Connection(socket))
}

/**
 * A Unix socket has no address of its own; the path is the server's.
 * @param {Server | undefined} server
 */
function unixServer(server) {
  const path = server?.address?.()
  return typeof path === 'string' && !UNSAFE_PATH.test(path) ? `${path}\0` : '\0'
}

// One function per event for all sockets, rather than closures for each.

/** @this {PeerSocket} */
function onEnd() {
  this[kConnection]?.ending(serverOf(this))
}

/** @this {PeerSocket} */
function afterEnd() {
  this[kConnection]?.ended(serverOf(this))
}

/** @this {PeerSocket} */
function onClose() {
  this[kConnection]?.closed()
}
