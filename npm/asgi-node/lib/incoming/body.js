import { BodySource } from '../message/body-source.js'
import { bodyLength } from '../message/framing.js'
import { PythonError } from '../native/errors.js'
import { stopReading, wasReset } from './http2.js'
import { destroySoon } from './sockets.js'

/** @typedef {import('../native/exchange.js').Exchange} Exchange */

/** If the app has not read the rest of an upload, up to this many bytes are discarded to keep the connection. */
const DRAIN_LIMIT = 1024 * 1024

const kBody = Symbol('asgi-node body')

/** @typedef {import('node:http').IncomingMessage & { [kBody]?: IncomingBody }} Incoming */

// So many bytes go to the app together, or what has come in one iteration of Node's loop. The first of them is a read of Node's
// from the socket: an app that does not receive has no more of each body than that in its memory beside the window.
const TOGETHER = { LEAST: 64 * 1024, MOST: 256 * 1024 }

/** The body of a node:http request, read no faster than the app receives it. */
export class IncomingBody extends BodySource {
  #req
  #drained = 0

  // Bytes that are still to come; negative if unknown.
  #left

  /** @type {Uint8Array[]} what has come and was not pushed: each push may wake the thread of the app */
  #waiting = []
  #size = 0
  #together = TOGETHER.LEAST
  #scheduled = false

  /**
   * @param {import('node:http').IncomingMessage} req
   * @param {number} taken bytes that were already read
   */
  constructor(req, taken) {
    super()
    this.#req = /** @type {Incoming} */ (req)
    const length = bodyLength(req.rawHeaders)
    this.#left = length < 0 ? -1 : length - taken
    this.announced = length
    this.pushed = taken
  }

  /** @override @param {Exchange} sink */
  start(sink) {
    const req = this.#req
    req[kBody] = this
    req.on('data', onData)
    req.on('end', onEnd)
    // Somebody who waits for this event keeps the stream from flowing.
    if (req.listenerCount('readable') > 0) req.on('readable', onReadable)
    super.start(sink)
  }

  /** @override */
  pump() {
    const req = this.#req
    req.resume()
    if (req.listenerCount('readable') > 0) this.read()
  }

  /** Takes what waits in a stream that does not flow. */
  read() {
    while (!this.blocked && !this.over && this.#req.read() !== null);
  }

  /** @param {Buffer} chunk */
  take(chunk) {
    if (this.over) return
    if (typeof chunk === 'string') return this.#fail(bodyDecodedError())
    this.#waiting.push(chunk)
    this.#size += chunk.length
    // The length tells which bytes are the last: Node's parser says so only after they have been read.
    if (this.#left >= 0) this.#left -= chunk.length
    if (this.#left === 0) this.#flush(true)
    else if (this.#size >= this.#together) this.#flush(false)
    else if (!this.#scheduled) {
      this.#scheduled = true
      setImmediate(flush, this)
    }
  }

  /** The end of the iteration. */
  flush() {
    this.#scheduled = false
    if (this.#size > 0 && !this.over) this.#flush(false)
  }

  /** The end came in a packet of its own, after the last bytes had come. */
  end() {
    if (!this.over) this.#flush(!wasReset(this.#req))
  }

  /** @param {boolean} last */
  #flush(last) {
    const waiting = this.#waiting
    const size = this.#size
    this.#waiting = []
    this.#size = 0
    this.pushAll(waiting, size, last)
    if (this.blocked) this.#req.pause()
    this.#together = this.blocked ? TOGETHER.LEAST : Math.min(this.#together * 2, TOGETHER.MOST)
  }

  /**
   * Discards the rest, so that the next request on the connection can be parsed. Above a limit the connection is closed
   * instead.
   * @override
   */
  stop() {
    const req = this.#req
    super.stop()
    this.#waiting = []
    if (req.readableEnded || req.destroyed) return
    req.off('data', onData)
    req.off('readable', onReadable)
    req.on('data', onUnwanted)
    req.resume()
  }

  /** @param {Buffer} chunk */
  unwanted(chunk) {
    this.#drained += chunk.length
    if (this.#drained <= DRAIN_LIMIT) return
    this.#req.off('data', onUnwanted)
    this.#req.pause()
    if (stopReading(this.#req)) return
    // This response still goes out, and so do those before it on the connection.
    const { socket } = this.#req
    const res = /** @type {{ res?: import('node:http').ServerResponse } | null} */ (this.sink)?.res
    if (res === undefined || res.writableFinished) destroySoon(socket)
    else res.once('finish', () => destroySoon(socket))
  }

  /** @param {Error} error */
  #fail(error) {
    this.stop()
    this.sink?.fail(error)
  }
}

/** The error if other code has called `req.setEncoding`: the stream gives text, and its bytes are lost. */
export function bodyDecodedError() {
  return new PythonError(
    'BODY_ALREADY_READ',
    'The body of this request is decoded into text: remove the call of req.setEncoding()'
  )
}

// One function per event for all requests, rather than closures for each.

/** @this {Incoming} @param {Buffer} chunk */
function onData(chunk) {
  this[kBody]?.take(chunk)
}

/** @this {Incoming} */
function onEnd() {
  this[kBody]?.end()
}

/** @this {Incoming} */
function onReadable() {
  this[kBody]?.read()
}

/** @param {IncomingBody} body */
function flush(body) {
  body.flush()
}

/** @this {Incoming} @param {Buffer} chunk */
function onUnwanted(chunk) {
  this[kBody]?.unwanted(chunk)
}
