import { bytesTaken } from '../node-internals.js'

/** @typedef {import('ws').WebSocket} WebSocket */

/** Whether a client still takes what was sent to it, from one look to the next. */
export class WriteProgress {
  #taken = 0
  #pending = false

  /** Remembers how far the client is. @param {WebSocket} ws */
  note(ws) {
    this.#taken = bytesTaken(ws)
    this.#pending = ws.bufferedAmount > 0
  }

  /**
   * Whether something was pending at the last look, and some of it has been taken since. Where nothing was, what the kernel
   * has taken since tells nothing: it does so for a client that is gone, too.
   * @param {WebSocket} ws
   */
  advanced(ws) {
    const advanced = this.#pending && bytesTaken(ws) !== this.#taken
    this.note(ws)
    return advanced
  }
}
