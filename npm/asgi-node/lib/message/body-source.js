import { isUint8Array } from 'node:util/types'
import { bodyTooLarge, show } from '../native/errors.js'
import { wrongLength } from './limits.js'

/** @typedef {import('../native/exchange.js').Exchange} Exchange */

/**
 * Bytes of one chunk of a body.
 * @param {unknown} chunk
 * @param {string} [what] the chunk is, for the error
 * @returns {Uint8Array}
 */
export function toBytes(chunk, what = 'A chunk of a request body') {
  if (isUint8Array(chunk)) return chunk
  if (typeof chunk === 'string') return Buffer.from(chunk)
  throw new TypeError(`${what} must be a string, a Buffer or a Uint8Array, not ${show(chunk)}`)
}

/**
 * The source of the rest of a request body. It pushes into its exchange as long as `push` says that there is room, then
 * waits for `resume`.
 */
export class BodySource {
  /** @type {Exchange | null} */
  sink = null
  blocked = false
  /** True if the last piece has gone, or no more is wanted. */
  over = false
  /** Bytes so far. */
  pushed = 0
  /** The content-length in the head of the request; -1 if there is none. */
  announced = -1

  /** @param {Exchange} sink */
  start(sink) {
    this.sink = sink
    sink.source = this
    this.pump()
  }

  /** Pushes the waiting data while there is room. */
  pump() {}

  /** The app has taken the pushed data. */
  resume() {
    this.blocked = false
    if (!this.over) this.pump()
  }

  /** The consumer of the response has stalled: a writer that waits here may be that same consumer. */
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
    if (this.#mayPush(chunk?.length ?? 0, last)) this.blocked = this.sink?.push(chunk, last) === false
  }

  /**
   * The same with several chunks.
   * @param {Uint8Array[]} chunks
   * @param {number} size of all
   * @param {boolean} last
   */
  pushAll(chunks, size, last) {
    if (this.#mayPush(size, last)) this.blocked = this.sink?.pushAll(chunks, last) === false
  }

  /**
   * Counts what is pushed. False when the request has failed by it.
   * @param {number} size
   * @param {boolean} last
   */
  #mayPush(size, last) {
    const { sink } = this
    this.pushed += size
    if (sink !== null && this.pushed > sink.exchanges.maxBodySize) {
      // This stops the source, too.
      sink.fail(bodyTooLarge(sink.exchanges.maxBodySize))
      return false
    }
    // Fewer bytes are a cut body, which must not pass for a complete one.
    if (this.announced >= 0 && (this.pushed > this.announced || (last && this.pushed < this.announced))) {
      sink?.fail(wrongLength(this.announced, this.pushed))
      return false
    }
    if (last) this.over = true
    return true
  }
}
