/** @typedef {import('node:stream').Duplex} Duplex */

const kPending = Symbol('asgi-node pending socket')

/** @typedef {Duplex & { [kPending]?: PendingSocket }} Pending */

/** Bytes that are kept of what a client sends before it has an answer. Above it the socket is not read. */
const MOST_EARLY = 16 * 1024

/**
 * The socket of a handshake that nobody has answered yet. What the client sends meanwhile is kept for whoever answers.
 *
 * It is read, because only a socket that is read tells of its end: a client that has sent one byte and left would never be
 * missed. One that has sent more than is kept is missed later: by a reset, or when its handshake is answered.
 */
export class PendingSocket {
  /** @type {Buffer[]} */
  #early = []
  #length = 0
  #reading = false
  #gone

  /**
   * @param {Duplex} socket
   * @param {Buffer} head what the client has sent already
   * @param {() => void} gone called when it has closed its side, or the connection is lost; perhaps more than once
   */
  constructor(socket, head, gone) {
    this.socket = /** @type {Pending} */ (socket)
    this.#gone = gone
    this.socket[kPending] = this
    socket.on('end', onGone)
    socket.on('close', onGone)
    socket.on('error', onGone)
    if (head.length > 0) this.keep(head)
  }

  /** Begins to read, so that it is known when the client leaves. */
  read() {
    this.#reading = true
    this.socket.on('data', onData)
    if (this.#length > MOST_EARLY) this.socket.pause()
    // The caller may have paused it until it knew that we should have it.
    else this.socket.resume()
  }

  /** @param {Buffer} chunk */
  keep(chunk) {
    this.#early.push(chunk)
    this.#length += chunk.length
    if (this.#reading && this.#length > MOST_EARLY) this.socket.pause()
  }

  gone() {
    this.#gone()
  }

  /** Lets go of it, paused, with all that came in front of what is still to come. */
  release() {
    const { socket } = this
    socket.off('end', onGone)
    socket.off('close', onGone)
    socket.off('error', onGone)
    socket.off('data', onData)
    socket.pause()
    if (this.#reading && this.#length > 0 && socket.readable) socket.unshift(Buffer.concat(this.#early, this.#length))
    this.#early = []
    this.#length = 0
    socket[kPending] = undefined
  }
}

/**
 * From now on an error of this socket ends no process. A socket without a listener has one of them for an instant only, and
 * a client chooses that instant.
 * @param {Duplex} socket
 */
export function expectErrors(socket) {
  if (!socket.listeners('error').includes(ignore)) socket.on('error', ignore)
}

function ignore() {}

// One function per event for all sockets, rather than closures for each: there may be very many.

/** @this {Pending} */
function onGone() {
  this[kPending]?.gone()
}

/** @this {Pending} @param {Buffer} chunk */
function onData(chunk) {
  this[kPending]?.keep(chunk)
}
