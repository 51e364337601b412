import { WebSocket } from '../ws.cjs'
import { WriteProgress } from './write-progress.js'

/** Milliseconds that a client may take to answer a close frame or to end its connection, counted from the last byte that it read. */
const CLOSE_MS = 5000

/**
 * A WebSocket of `ws` with two differences. `ws` closes at once when the client breaks the protocol; here the application can
 * still answer the messages before that. And `ws` waits half a minute for the answer to a close frame; here the client is waited
 * for as long as it reads.
 */
export class ServedSocket extends WebSocket {
  /** @type {WriteProgress | null} not null while it closes */
  #progress = null
  /** @type {NodeJS.Timeout | undefined} */
  #timer
  #deadline = Infinity

  /**
   * `ws` calls this: to answer a close frame with its own content, and for a protocol error with a code alone, before 'error'.
   * @override
   * @param {number} [code]
   * @param {string | Buffer} [reason]
   */
  close(code, reason) {
    const isFault = code !== undefined && reason === undefined
    if (!isFault || this.readyState !== this.OPEN) this.#close(code, reason)
  }

  /**
   * Our own code calls this: sends a close frame.
   * @param {number} code
   * @param {string} [reason]
   */
  finish(code, reason = '') {
    this.#close(code, reason)
  }

  /** @param {number} [code] @param {string | Buffer} [reason] */
  #close(code, reason) {
    super.close(code, reason)
    if (this.#progress !== null || this.readyState !== this.CLOSING) return
    this.#progress = new WriteProgress()
    this.#progress.note(this)
    this.once('close', onClose)
    this.#wait()
  }

  /**
   * Ends the connection at this time, whatever the client does.
   * @param {number} deadline of `performance.now()`
   */
  endBy(deadline) {
    this.#deadline = deadline
    if (this.#progress !== null && this.readyState === this.CLOSING) this.#wait()
  }

  #wait() {
    clearTimeout(this.#timer)
    const left = Math.max(0, this.#deadline - performance.now())
    this.#timer = setTimeout(onSilence, Math.min(CLOSE_MS, left), this).unref()
  }

  /** The client has been silent for too long. */
  expire() {
    if (this.#progress?.advanced(this) && performance.now() < this.#deadline) this.#wait()
    else this.terminate()
  }

  forget() {
    clearTimeout(this.#timer)
  }
}

/** @param {ServedSocket} ws */
function onSilence(ws) {
  ws.expire()
}

/** @this {WebSocket} */
function onClose() {
  if (this instanceof ServedSocket) this.forget()
}
