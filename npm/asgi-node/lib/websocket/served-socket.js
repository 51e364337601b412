import { WebSocket } from 'ws'
import { WriteProgress } from './write-progress.js'

/** How long a client may take to answer a close frame, or to end its connection, counted from the last byte that it took. */
const CLOSE_MS = 5000

/**
 * A WebSocket of `ws`, which closes at once when the client breaks the protocol. Here the application still answers what came
 * before that, as an application that is called by `ws` itself would have done. And a client that does not answer a close
 * frame is waited for as long as it reads, not for half a minute in any case.
 */
export class ServedSocket extends WebSocket {
  /** @type {WriteProgress | null} once it closes */
  #progress = null
  /** @type {NodeJS.Timeout | undefined} */
  #timer
  #deadline = Infinity

  /**
   * For `ws`, which answers a close frame with what stands in it, and a fault with a code alone, before its event 'error'.
   * @override
   * @param {number} [code]
   * @param {string | Buffer} [reason]
   */
  close(code, reason) {
    const isFault = code !== undefined && reason === undefined
    if (!isFault || this.readyState !== this.OPEN) this.#close(code, reason)
  }

  /**
   * For us: sends a close frame.
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
   * Whatever the client does, it is over by then.
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

  /** It has been silent for too long. */
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
