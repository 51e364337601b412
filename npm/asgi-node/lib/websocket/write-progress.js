// Whether a client still takes what was sent to it. A large message is one write, of which Node tells nothing before its end:
// `bufferedAmount` stands still for as long as a slow client reads.

/** @typedef {import('ws').WebSocket} WebSocket */
/** @typedef {{ bytesWritten?: number, writeQueueSize?: number, _parent?: Handle }} Handle */
/** @typedef {{ _socket?: { _handle?: Handle | null } | null }} Inside */

/**
 * What the kernel has taken for this client so far, in bytes. Node's own socket timeout looks at the same two numbers. 0 where
 * the connection is none of Node's. That of TLS has taken a whole write when it has encrypted it: below it is the one that knows.
 * @param {WebSocket} ws
 */
function takenBy(ws) {
  const outer = /** @type {Inside} */ (/** @type {unknown} */ (ws))._socket?._handle
  const handle = outer?._parent ?? outer
  return (handle?.bytesWritten ?? 0) - (handle?.writeQueueSize ?? 0)
}

/** Remembers how far a client was. */
export class Taking {
  #taken = 0
  #behind = false

  /** @param {WebSocket} ws */
  look(ws) {
    this.#taken = takenBy(ws)
    this.#behind = ws.bufferedAmount > 0
  }

  /**
   * Whether there was something to take at the last look, and some of it has been taken. Where nothing was, what the kernel
   * has taken since tells nothing: it does so for a client that is gone, too.
   * @param {WebSocket} ws
   */
  goesOn(ws) {
    const goesOn = this.#behind && takenBy(ws) !== this.#taken
    this.look(ws)
    return goesOn
  }
}
