import { isUint8Array } from 'node:util/types'
import { IteratedBody } from '../message/bodies.js'
import { PythonError } from '../native/errors.js'
import { bytesBody } from '../message/request.js'

/** @typedef {import('./request.js').WebRequest} WebRequest */
/** @typedef {import('../message/request.js').Body} Body */
/** @typedef {ReadableStreamDefaultReader<unknown>} Reader */
/** @typedef {Promise<{ done: boolean, value?: unknown }>} Read */

/** A body that needs no waiting is complete after this many turns of the event loop, even a form with files. */
const PATIENCE = 3
/** Of a larger one that comes in several chunks, the rest is streamed. */
const PEEK_LIMIT = 1024 * 1024

/**
 * The body of a Request, with what has been read of it already. Unlike other sources it cancels its stream also when its
 * request was refused before it started: nobody else can while it holds the lock.
 */
class FetchBody extends IteratedBody {
  #reader
  #isServers

  /**
   * @param {Reader} reader
   * @param {boolean} isServers what nobody has read of it is thrown away by the server that it comes from
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
    // To cancel what a server reads may end the connection ahead of the response.
    if (this.sink !== null || !this.#isServers) cancel(this.#reader)
    this.#reader.releaseLock()
  }
}

/**
 * Errors are ignored: nobody waits for an abandoned body, nor for its source to clean up.
 * @param {{ cancel: () => Promise<void> }} target
 */
function cancel(target) {
  target.cancel().catch(() => {})
}

/**
 * The body for one trip; a length of 0 where there is none. A body that no server has measured is looked at first: bytes,
 * strings and forms are there at once, and some frameworks (Django) read no form without a length.
 * @param {WebRequest} request
 * @param {boolean} served by a server that throws away what is left of its bodies
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
    source.announced = announcedLength(request)
    return { bytes: undefined, source, length: -1 }
  }
  return peek(reader)
}

/**
 * Ends the body of a request that was refused before anybody looked at it. One that has been read is somebody else's.
 * @param {WebRequest} request
 * @param {boolean} served
 */
export function dropBody(request, served) {
  if (request.body && !request.bodyUsed && !request.body.locked && !(served && isMeasured(request))) cancel(request.body)
}

/** @param {WebRequest} request */
function announcedLength({ headers }) {
  const length = headers.get('content-length') ?? ''
  return headers.has('transfer-encoding') || !/^\d+$/.test(length) ? -1 : Number(length)
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
    // None is begun that nobody may come to wait for: its failure would be an unhandled rejection.
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
    // What is no bytes is refused where the rest is sent, as it would be in any later chunk.
    if (!isUint8Array(result.value)) break
    chunks.push(result.value)
    size += result.value.length
    pending = null
  }
  return { bytes: undefined, source: new FetchBody(reader, false, chunks, pending), length: -1 }
}

/**
 * What has been read of a stream and what follows, as one.
 * @param {Reader} reader
 * @param {Uint8Array[]} chunks
 * @param {Read | null} pending
 * @returns {AsyncIterable<unknown>}
 */
function continued(reader, chunks, pending) {
  let waiting = pending
  // Neither a generator nor with a `return`: either would wait for the read that is pending, and FetchBody ends it.
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
