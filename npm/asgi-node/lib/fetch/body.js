import { isUint8Array } from 'node:util/types'
import { IteratedBody } from '../message/bodies.js'
import { PythonError } from '../native/errors.js'
import { announcedLength } from '../message/framing.js'
import { bytesBody } from '../message/request.js'

/** @typedef {import('./request.js').WebRequest} WebRequest */
/** @typedef {import('../message/request.js').Body} Body */
/** @typedef {ReadableStreamDefaultReader<unknown>} Reader */
/** @typedef {Promise<{ done: boolean, value?: unknown }>} Read */

/** A body whose data is all there is complete after this many iterations of the event loop, even a form with files. */
const PATIENCE = 3
/** If a body in several chunks is larger than this, the rest is streamed. */
const PEEK_LIMIT = 1024 * 1024

/**
 * The body of a Request, with the chunks that were already read. Unlike other sources it also cancels its stream if its
 * request was refused before it started: other code cannot, because this source holds the lock.
 */
class FetchBody extends IteratedBody {
  #reader
  #isServers

  /**
   * @param {Reader} reader
   * @param {boolean} isServers whether it comes from a server that discards the unread rest
   * @param {Uint8Array[]} [chunks] that have been read
   * @param {Read | null} [pending] the read that follows them
   */
  constructor(reader, isServers, chunks = [], pending = null) {
    super(continued(reader, chunks, pending))
    this.#reader = reader
    this.#isServers = isServers
  }

  /** @override */
  stop() {
    if (this.over) return
    super.stop()
    // To cancel a stream that a server reads may end the connection before the response.
    if (this.sink !== null || !this.#isServers) cancel(this.#reader)
    this.#reader.releaseLock()
  }
}

/**
 * Errors are ignored: an abandoned body and the clean-up of its source have no receiver for them.
 * @param {{ cancel: () => Promise<void> }} target
 */
function cancel(target) {
  target.cancel().catch(() => {})
}

/**
 * The body for one use of the request; the length is 0 if it has none. A body without a content-length is read ahead:
 * bytes, strings and forms are there at once, and some frameworks (Django) do not read a form without a length.
 * @param {WebRequest} request
 * @param {boolean} served by a server that discards the unread rest of bodies
 * @returns {Body | Promise<Body>}
 */
export function bodyOf(request, served) {
  if (request.bodyUsed || request.body?.locked) {
    throw new PythonError(
      'BODY_ALREADY_READ',
      'The body of this Request has been read: pass the Request to Python first, or a clone() of it, or a new Request with that body'
    )
  }
  const { body } = request
  if (body === null) return { bytes: undefined, source: null, length: 0 }
  const reader = /** @type {Reader} */ (body.getReader())
  if (isMeasured(request)) {
    const source = new FetchBody(reader, served)
    source.announced = announcedLength(request.headers)
    return { bytes: undefined, source, length: -1 }
  }
  return peek(reader)
}

/**
 * Ends the body of a request that was refused before it was read. A body that has been read belongs to other code.
 * @param {WebRequest} request
 * @param {boolean} served
 */
export function dropBody(request, served) {
  if (request.body && !request.bodyUsed && !request.body.locked && !(served && isMeasured(request))) cancel(request.body)
}

/** @param {WebRequest} request */
function isMeasured({ headers }) {
  return headers.has('content-length') || headers.has('transfer-encoding')
}

/**
 * @param {Reader} reader
 * @returns {Promise<Body>}
 */
async function peek(reader) {
  /** @type {Uint8Array[]} */
  const chunks = []
  let size = 0
  /** @type {Read | null} */
  let pending = null
  for (let turn = 0; turn < PATIENCE && (size <= PEEK_LIMIT || chunks.length === 1); ) {
    // A read is begun only if its result will be awaited: otherwise its failure would be an unhandled rejection.
    pending ??= reader.read()
    const result = await Promise.race([pending, new Promise((resolve) => setImmediate(resolve, null))])
    if (result === null) {
      turn++
      continue
    }
    if (result.done) {
      reader.releaseLock()
      return bytesBody(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks))
    }
    // A chunk that is not bytes is refused where the rest is sent, as in any later chunk.
    if (!isUint8Array(result.value)) break
    chunks.push(result.value)
    size += result.value.length
    pending = null
  }
  return { bytes: undefined, source: new FetchBody(reader, false, chunks, pending), length: -1 }
}

/**
 * The chunks of a stream that were already read, and those that follow, as one iterable.
 * @param {Reader} reader
 * @param {Uint8Array[]} chunks
 * @param {Read | null} pending
 * @returns {AsyncIterable<unknown>}
 */
function continued(reader, chunks, pending) {
  let waiting = pending
  // Neither a generator nor an iterator with `return`: both would wait for the pending read, which FetchBody ends.
  const iterator = {
    next() {
      if (chunks.length > 0) return Promise.resolve({ done: false, value: chunks.shift() })
      const result = waiting ?? reader.read()
      waiting = null
      return result
    }
  }
  return { [Symbol.asyncIterator]: () => /** @type {AsyncIterator<unknown>} */ (iterator) }
}
