import { BodySource, toBytes } from './body-source.js'
import { PythonError } from '../native/errors.js'

/** @typedef {AsyncIterable<unknown> | ReadableStream<unknown>} Stream */

/** A complete body up to this size is sent with its request; a larger one follows in slices of SLICE, as there is room. */
export const WHOLE_LIMIT = 1024 * 1024
const SLICE = 256 * 1024

/** The body that `request.write()` and `end()` have written, before or after the request was sent. */
export class WrittenBody extends BodySource {
  /** @type {Uint8Array[]} */
  #chunks = []
  // Index of the first chunk that has not been pushed: to shift a long array for every chunk would be quadratic.
  #next = 0
  #ended = false
  /** @type {((taken: boolean) => void)[]} */
  #waiting = []

  get ended() {
    return this.#ended
  }

  /** Bytes that wait to be pushed. */
  get size() {
    return this.#chunks.reduce((sum, chunk) => sum + chunk.length, 0)
  }

  /** All written bytes in one piece. */
  concat() {
    return this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks)
  }

  /**
   * @param {Uint8Array} bytes
   * @returns {Promise<boolean>}
   */
  write(bytes) {
    if (this.#ended) {
      return Promise.reject(new PythonError('INVALID_REQUEST', 'The request body is complete: write() came after its end'))
    }
    if (this.over) return Promise.resolve(false)
    for (let at = 0; at < bytes.length; at += SLICE) this.#chunks.push(bytes.subarray(at, at + SLICE))
    this.pump()
    // Before the request is sent, nothing can make room. While the response is unread, the app may be stuck in send().
    // In both cases the caller would wait for itself.
    if (this.sink === null || this.#next === this.#chunks.length || this.sink.stalled) return Promise.resolve(!this.over)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  end() {
    this.#ended = true
    this.pump()
  }

  /** @override */
  pump() {
    if (this.sink === null || this.over) return
    while (!this.blocked && this.#next < this.#chunks.length) {
      const chunk = this.#chunks[this.#next++]
      if (this.#next === this.#chunks.length) {
        this.#chunks = []
        this.#next = 0
      }
      this.push(chunk, this.#ended && this.#chunks.length === 0)
    }
    if (!this.blocked && !this.over && this.#ended) this.push(undefined, true)
    if (!this.blocked) this.#wake(true)
  }

  /** @override */
  yield() {
    this.#wake(true)
  }

  /** @override */
  stop() {
    super.stop()
    this.#chunks = []
    this.#next = 0
    this.#wake(false)
  }

  /** @param {boolean} taken */
  #wake(taken) {
    const waiting = this.#waiting
    if (waiting.length === 0) return
    this.#waiting = []
    for (const resolve of waiting) resolve(taken)
  }
}

/** A ReadableStream or any async iterable: pulled one chunk at a time, only when there is room. */
export class IteratedBody extends BodySource {
  #source
  /** @type {(() => Promise<unknown> | void) | null} */
  #cancel = null
  /** @type {(() => void) | null} */
  #wake = null
  #running = false

  /** @param {Stream} source */
  constructor(source) {
    super()
    this.#source = source
  }

  /** @override */
  pump() {
    this.#wake?.()
    this.#wake = null
    if (this.#running) return
    this.#running = true
    this.#run().catch((error) => {
      if (this.over) return
      this.stop()
      this.sink?.fail(error)
    })
  }

  async #run() {
    const next = this.#open()
    while (!this.over) {
      const { done, value } = await next()
      if (this.over) return
      if (done) return this.push(undefined, true)
      const bytes = toBytes(value)
      if (bytes.length > 0) this.push(bytes, false)
      if (this.blocked && !this.over) await new Promise((resolve) => (this.#wake = () => resolve(undefined)))
    }
  }

  /** @returns {() => Promise<{ done?: boolean, value?: unknown }>} */
  #open() {
    const source = this.#source
    // Recognised by its shape, not its class: a ReadableStream may come from a polyfill or another realm.
    if ('getReader' in source) {
      const reader = source.getReader()
      this.#cancel = () => reader.cancel()
      return () => reader.read()
    }
    const iterator = source[Symbol.asyncIterator]()
    this.#cancel = () => {
      // A Node stream is destroyed: its iterator's `return` would wait for the pending read.
      const { destroy } = /** @type {{ destroy?: unknown }} */ (source)
      if (typeof destroy === 'function') return destroy.call(source)
      return iterator.return?.().then(() => {})
    }
    return () => iterator.next()
  }

  /** @override */
  stop() {
    if (this.over) return
    super.stop()
    this.#wake?.()
    // An error in cleaning up the source of an abandoned body has no receiver.
    try {
      const cancelled = this.#cancel?.()
      if (cancelled instanceof Promise) cancelled.catch(() => {})
    } catch {}
  }
}
