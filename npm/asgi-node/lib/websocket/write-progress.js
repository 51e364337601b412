import { bytesTaken } from '../node-internals.js'

/** @typedef {import('ws').WebSocket} WebSocket */

/** Tells whether a client has read something since the last look. */
export class WriteProgress {
  #taken = 0
  #pending = false

  /** Remembers how much the client has read. @param {WebSocket} ws */
  note(ws) {
    this.#taken = bytesTaken(ws)
    this.#pending = ws.bufferedAmount > 0
  }

  /**
   * Whether data was pending at the last look, and some of it has been read since. If nothing was pending, new data in the kernel
   * proves nothing, because the kernel takes data even for a client that is gone.
   * @param {WebSocket} ws
   */
  advanced(ws) {
    const advanced = this.#pending && bytesTaken(ws) !== this.#taken
    this.note(ws)
    return advanced
  }
}
