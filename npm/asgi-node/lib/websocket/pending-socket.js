/** @typedef {import('node:stream').Duplex} Duplex */

const kPending = Symbol('asgi-node pending socket')

/** @typedef {Duplex & { [kPending]?: PendingSocket }} Pending */

/** The most bytes that are kept of a client that has no answer yet. Above this the socket is not read. */
const MOST_EARLY = 16 * 1024

/**
 * The socket of a handshake that has no answer yet. Bytes from the client are kept for whoever answers.
 *
 * The socket must be read, because only then Node reports its end. Otherwise nobody would notice a client that sent one byte and
 * left. If a client has sent more than is kept, its end is noticed later: by a reset, or when its handshake is answered.
 */
export class PendingSocket {
  /** @type {Buffer[]} */
  #early = []
  #length = 0
  #reading = false
  #gone

  /**
   * @param {Duplex} socket
   * @param {Buffer} head the bytes that the client has sent already
   * @param {() => void} gone called when the client has closed its side or the connection is lost; perhaps more than once
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

  /** Begins to read, to notice when the client leaves. */
  read() {
    this.#reading = true
    this.socket.on('data', onData)
    if (this.#length > MOST_EARLY) this.socket.pause()
    // The caller may have paused it until it decided to give it to us.
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

  /** Stops reading and pauses the socket. Puts the kept bytes back in front of the rest. */
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
 * From now on an error of this socket does not end the process. Without this there is a short time with no 'error' listener,
 * and a client can choose to cause an error just then.
 * @param {Duplex} socket
 */
export function expectErrors(socket) {
  if (!socket.listeners('error').includes(ignore)) socket.on('error', ignore)
}

function ignore() {}

// One function per event for all sockets, instead of closures for each, because there may be very many sockets.

/** @this {Pending} */
function onGone() {
  this[kPending]?.gone()
}

/** @this {Pending} @param {Buffer} chunk */
function onData(chunk) {
  this[kPending]?.keep(chunk)
}
