import { isUint8Array } from 'node:util/types'
import { bodyTooLarge, show } from '../native/errors.js'
import { wrongLength } from './limits.js'

/** @typedef {import('../native/exchange.js').Exchange} Exchange */

/**
 * Bytes of one chunk of a body.
 * @param {unknown} chunk
 * @param {string} [what] it is, for the error
 * @returns {Uint8Array}
 */
export function toBytes(chunk, what = 'A chunk of a request body') {
  if (isUint8Array(chunk)) return chunk
  if (typeof chunk === 'string') return Buffer.from(chunk)
  throw new TypeError(`${what} must be a string, a Buffer or a Uint8Array, not ${show(chunk)}`)
}

/**
 * Where the rest of a request body comes from. It pushes into its exchange as long as `push` says that there is room,
 * then waits for `resume`.
 */
export class BodySource {
  /** @type {Exchange | null} */
  sink = null
  blocked = false
  /** True when the last piece has gone, or nobody wants more. */
  over = false
  /** Bytes so far. */
  pushed = 0
  /** Bytes that the head of the request has announced; -1 where it says nothing. */
  announced = -1

  /** @param {Exchange} sink */
  start(sink) {
    this.sink = sink
    sink.source = this
    this.pump()
  }

  /** Pushes what is there while there is room. */
  pump() {}

  /** The app has taken what was pushed. */
  resume() {
    this.blocked = false
    if (!this.over) this.pump()
  }

  /** The consumer of the response has stalled: whoever is kept waiting here may be that same consumer. */
  yield() {}

  /** The exchange is over, with or without the rest of this body. */
  stop() {
    this.over = true
  }

  /**
   * @param {Uint8Array | undefined} chunk
   * @param {boolean} last
   */
  push(chunk, last) {
    const { sink } = this
    this.pushed += chunk?.length ?? 0
    if (sink !== null && this.pushed > sink.exchanges.maxBodySize) {
      // Stops this source, too.
      return sink.fail(bodyTooLarge(sink.exchanges.maxBodySize))
    }
    // Less is a body that was cut off, which nobody must take for a whole one.
    if (this.announced >= 0 && (this.pushed > this.announced || (last && this.pushed < this.announced))) {
      return sink?.fail(wrongLength(this.announced, this.pushed))
    }
    if (last) this.over = true
    this.blocked = sink?.push(chunk, last) === false
  }
}
