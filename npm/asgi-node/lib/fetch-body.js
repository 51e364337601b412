import { isUint8Array } from 'node:util/types'
import { IteratedBody } from './body.js'
import { PythonError } from './errors.js'
import { bytesBody } from './request.js'

/** @typedef {import('./fetch-request.js').WebRequest} WebRequest */
/** @typedef {import('./request.js').Body} Body */

/** A body that is there at once is whole within so many turns of the event loop, a form with files included. */
const PATIENCE = 3
/** Of a larger one that comes in several chunks, the rest is streamed. */
const PEEK_LIMIT = 1024 * 1024

/**
 * The body for one trip; a length of 0 where there is none. A body that no server has measured is looked at first: bytes,
 * strings and forms are there at once, and some frameworks (Django) read no form without a length.
 * @param {WebRequest} request
 * @returns {Body | Promise<Body>}
 */
export function bodyOf(request) {
  if (request.bodyUsed || request.body?.locked) {
    throw new PythonError(
      'BODY_ALREADY_READ',
      'The body of this Request has been read: pass the Request to Python first, or a clone() of it, or a new Request with that body'
    )
  }
  const { body, headers } = request
  if (body === null) return { bytes: undefined, source: null, length: 0 }
  if (headers.has('content-length') || headers.has('transfer-encoding')) {
    return { bytes: undefined, source: new IteratedBody(body), length: -1 }
  }
  return peek(body.getReader())
}

/**
 * @param {ReadableStreamDefaultReader<Uint8Array>} reader
 * @returns {Promise<Body>}
 */
async function peek(reader) {
  /** @type {Uint8Array[]} */
  const chunks = []
  let size = 0
  let pending = reader.read()
  for (let turn = 0; turn < PATIENCE && (size <= PEEK_LIMIT || chunks.length === 1); ) {
    const result = await Promise.race([pending, new Promise((resolve) => setImmediate(resolve, null))])
    if (result === null) {
      turn++
      continue
    }
    if (result.done) return bytesBody(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks))
    // What is no bytes is refused where the rest is sent, as it would be in any later chunk.
    if (!isUint8Array(result.value)) break
    chunks.push(result.value)
    size += result.value.length
    pending = reader.read()
  }
  return { bytes: undefined, source: new IteratedBody(continued(chunks, pending, reader)), length: -1 }
}

/**
 * What has been read of a stream and what follows, as one.
 * @param {Uint8Array[]} chunks
 * @param {Promise<{ done: boolean, value?: unknown }>} pending
 * @param {ReadableStreamDefaultReader<unknown>} reader
 * @returns {AsyncIterable<unknown>}
 */
function continued(chunks, pending, reader) {
  /** @type {Promise<{ done: boolean, value?: unknown }> | null} */
  let waiting = pending
  // Not a generator: `return` of one would wait for the read that is pending.
  const iterator = {
    next() {
      if (chunks.length > 0) return Promise.resolve({ done: false, value: chunks.shift() })
      const result = waiting ?? reader.read()
      waiting = null
      return result
    },
    return: () => reader.cancel().then(() => ({ done: true, value: undefined }))
  }
  return { [Symbol.asyncIterator]: () => /** @type {AsyncIterator<unknown>} */ (iterator) }
}
