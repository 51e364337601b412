import { BodySource, toBytes } from '../message/body-source.js'
import { PythonError } from '../native/errors.js'
import { bodyLength } from './head.js'
import { stopReading, wasReset } from './http2.js'

/** @typedef {import('../native/exchanges.js').Exchange} Exchange */
/** @typedef {AsyncIterable<unknown> | ReadableStream<unknown>} Stream */

/** A complete body up to this size travels with its request; a larger one follows in slices of SLICE, with credit. */
export const WHOLE_LIMIT = 1024 * 1024
const SLICE = 256 * 1024

/** An upload that the app answered without reading is thrown away up to this size, to keep the connection. */
const DRAIN_LIMIT = 1024 * 1024

/** What `request.write()` and `end()` have put in, before or after the request was sent off. */
export class WrittenBody extends BodySource {
  /** @type {Uint8Array[]} */
  #chunks = []
  // Index of the first chunk that has not been pushed: shifting a long array for every chunk would be quadratic.
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

  /** All that has been written, as one. */
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
    // Before the request is sent nobody can make room, and while the response is unread the app may be stuck in send():
    // to wait in either case would be to wait for ourselves.
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
      this.sink?.leave()
      this.sink?.abort(error)
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
    // By its shape, not its class: a ReadableStream may come from a polyfill or another realm.
    if ('getReader' in source) {
      const reader = source.getReader()
      this.#cancel = () => reader.cancel()
      return () => reader.read()
    }
    const iterator = source[Symbol.asyncIterator]()
    this.#cancel = () => {
      // A Node stream is destroyed: `return` of its iterator would wait for the read that is pending.
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
    // Nobody is left to hear that clearing up the source of an abandoned body failed.
    try {
      const cancelled = this.#cancel?.()
      if (cancelled instanceof Promise) cancelled.catch(() => {})
    } catch {}
  }
}

const kBody = Symbol('asgi-node body')

/** @typedef {import('node:http').IncomingMessage & { [kBody]?: IncomingBody }} Incoming */

/** The body of a request of node:http, read no faster than the app receives it. */
export class IncomingBody extends BodySource {
  #req
  #drained = 0

  // Bytes that are still to come; negative where nobody knows.
  #left

  /**
   * @param {import('node:http').IncomingMessage} req
   * @param {number} taken bytes that have gone already
   */
  constructor(req, taken) {
    super()
    this.#req = /** @type {Incoming} */ (req)
    const length = bodyLength(req.rawHeaders)
    this.#left = length < 0 ? -1 : length - taken
    this.pushed = taken
  }

  /** @override @param {Exchange} sink */
  start(sink) {
    this.#req[kBody] = this
    this.#req.on('readable', onReadable)
    this.#req.on('end', onReadable)
    super.start(sink)
  }

  /** @override */
  pump() {
    const req = this.#req
    while (!this.blocked && !this.over) {
      if (req.readableEncoding) return this.#fail(decoded())
      const chunk = req.read()
      if (chunk === null) {
        // The end came in a packet of its own, after the last bytes had gone.
        if (req.readableEnded && !wasReset(req)) this.push(undefined, true)
        return
      }
      // The length tells which bytes are the last (checklist 40): Node's parser says it only after they have been read.
      if (this.#left >= 0) this.#left -= chunk.length
      this.push(chunk, this.#left === 0)
    }
    // Nothing but the end is left to read, and Node wants it read before it forgets the request.
    if (this.over && this.#left === 0) req.resume()
  }

  /**
   * Throws the rest away, so that the next request on the connection can be parsed; above a bound the connection is
   * worth less than the bytes.
   * @override
   */
  stop() {
    const req = this.#req
    super.stop()
    if (req.readableEnded || req.destroyed) return
    req.off('readable', onReadable)
    req.on('data', onUnwanted)
  }

  /** @param {Buffer} chunk */
  unwanted(chunk) {
    this.#drained += chunk.length
    if (this.#drained <= DRAIN_LIMIT) return
    this.#req.off('data', onUnwanted)
    this.#req.pause()
    if (stopReading(this.#req)) return
    // The response still goes out, and those ahead of it on the connection do.
    const { socket } = this.#req
    const res = /** @type {{ res?: import('node:http').ServerResponse } | null} */ (this.sink)?.res
    if (res === undefined || res.writableFinished) socket.destroySoon()
    else res.once('finish', () => socket.destroySoon())
  }

  /** @param {Error} error */
  #fail(error) {
    this.stop()
    this.sink?.leave()
    this.sink?.abort(error)
  }
}

/** Somebody has called `req.setEncoding`: what it gives is text, and its bytes are lost. */
export function decoded() {
  return new PythonError(
    'BODY_ALREADY_READ',
    'The body of this request is decoded into text: something has called req.setEncoding(), which has to go'
  )
}

// One function per event for all requests, rather than closures for each.

/** @this {Incoming} */
function onReadable() {
  this[kBody]?.pump()
}

/** @this {Incoming} @param {Buffer} chunk */
function onUnwanted(chunk) {
  this[kBody]?.unwanted(chunk)
}
