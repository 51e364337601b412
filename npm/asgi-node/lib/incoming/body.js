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

/** The body of a node:http request, read no faster than the app receives it. */
export class IncomingBody extends BodySource {
  #req
  #drained = 0

  // Bytes that are still to come; negative if unknown.
  #left

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
        // The end came in a packet of its own, after the last bytes had been passed on.
        if (req.readableEnded && !wasReset(req)) this.push(undefined, true)
        return
      }
      // The length tells which bytes are the last: Node's parser says so only after they have been read.
      if (this.#left >= 0) this.#left -= chunk.length
      this.push(chunk, this.#left === 0)
    }
    // Only the end is left to read; Node must read it before it forgets the request.
    if (this.over && this.#left === 0) req.resume()
  }

  /**
   * Discards the rest, so that the next request on the connection can be parsed. Above a limit the connection is closed
   * instead.
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
