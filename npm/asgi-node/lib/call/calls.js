import { Exchange, bytesOf } from '../native/exchange.js'
import { FLAG } from '../native/protocol.js'
import { responseFrom } from '../message/response.js'
import { ReadQueue } from './read-queue.js'
import { cancelWhenCollected } from './unread.js'

/** @typedef {import('../native/exchanges.js').Exchanges} Exchanges */
/** @typedef {import('../native/exchange.js').WholeBody} WholeBody */
/** @typedef {import('../native/outcome.js').Outcome} Outcome */
/** @typedef {import('../message/response.js').Response} Response */
/** @typedef {(response: any) => void} Resolve takes our Response, or WHATWG's */
/** @typedef {(reason: unknown) => void} Reject */

/** A request made from JavaScript. It has a promise, and perhaps an AbortSignal. */
export class Call extends Exchange {
  #signal
  /** @type {Resolve | null} */
  #resolve
  /** @type {Reject | null} */
  #reject
  /** The request's head, until the request is submitted. */
  head = ''

  /**
   * @param {Exchanges} exchanges
   * @param {AbortSignal | undefined} signal
   * @param {Resolve} resolve
   * @param {Reject} reject
   */
  constructor(exchanges, signal, resolve, reject) {
    super(exchanges)
    this.#signal = signal
    this.#resolve = resolve
    this.#reject = reject
    // The call itself is the listener (`handleEvent`), so there is no closure to create and to remember for its removal.
    signal?.addEventListener('abort', this)
  }

  /** @override */
  headForLog() {
    return this.head
  }

  handleEvent() {
    this.leave()
    this.abort(this.#signal?.reason)
  }

  /**
   * Resolves the promise, and forgets it. The promise refers to the response, which could not be garbage-collected otherwise.
   * @param {Response | globalThis.Response} response
   */
  resolve(response) {
    this.#resolve?.(response)
    this.#resolve = this.#reject = null
  }

  /** @param {unknown} reason */
  reject(reason) {
    this.#reject?.(reason)
    this.#resolve = this.#reject = null
  }

  /** Whether the caller has aborted it. */
  get aborted() {
    return this.#signal?.aborted === true
  }

  /** No event follows. Removes the listener from the signal, which may live much longer. */
  settle() {
    this.#signal?.removeEventListener('abort', this)
  }

  /** @override @param {Outcome} outcome @param {boolean} _inOrder */
  onFailed({ error }, _inOrder) {
    this.abort(error)
  }

  /**
   * Sends the request to the application.
   * @param {string} head
   * @param {import('../message/request.js').Body} body
   * @param {number} flags
   */
  send(head, { bytes, source }, flags) {
    try {
      this.exchanges.submit(this, head, bytes, source === null ? flags : flags | FLAG.BODY_FOLLOWS)
    } catch (error) {
      return this.fail(error)
    }
    source?.start(this)
  }

  /** The request never came to the application. @param {Outcome} outcome */
  refuse(outcome) {
    this.exchanges.over(this, outcome)
    this.onFailed(outcome, false)
  }

  /** Rejects at once. @param {unknown} reason */
  abort(reason) {
    this.settle()
    this.reject(reason)
  }
}

/** A call of `handleRequest`: it resolves with the whole response. */
export class CollectCall extends Call {
  #status = 0
  #headers = ''
  // Created with the first piece, because most responses come whole.
  /** @type {Buffer[] | null} */
  #chunks = null

  /** @override @param {number} status @param {string} headers @param {WholeBody} body */
  onComplete(status, headers, body) {
    this.settle()
    this.resolve(responseFrom(status, headers, body ?? '', null))
  }

  /** @override @param {number} status @param {string} headers @param {Buffer | undefined} chunk */
  onStart(status, headers, chunk) {
    this.#status = status
    this.#headers = headers
    this.#chunks = chunk === undefined ? [] : [chunk]
  }

  /** @override @param {Buffer} chunk */
  onBody(chunk) {
    this.#chunks?.push(chunk)
  }

  /** @override @param {string} _trailers @param {Buffer | undefined} chunk */
  onEnd(_trailers, chunk) {
    const chunks = this.#chunks ?? []
    if (chunk !== undefined) chunks.push(chunk)
    this.onComplete(this.#status, this.#headers, chunks.length === 1 ? chunks[0] : Buffer.concat(chunks))
  }
}

/**
 * A call of `handleStream`: it resolves with the head. The body waits here to be read: up to the high-water mark, and what was
 * already on its way.
 */
export class StreamCall extends Call {
  #highWaterMark
  // Created when a body begins, because most of those that `fetch` answers come whole.
  /** @type {ReadQueue<Buffer> | null} */
  #queue = null

  /**
   * @param {Exchanges} exchanges
   * @param {AbortSignal | undefined} signal
   * @param {Resolve} resolve
   * @param {Reject} reject
   * @param {number} highWaterMark bytes
   */
  constructor(exchanges, signal, resolve, reject, highWaterMark) {
    super(exchanges, signal, resolve, reject)
    this.#highWaterMark = highWaterMark
  }

  get #chunks() {
    this.#queue ??= new ReadQueue(this, this.#highWaterMark, lengthOf)
    return this.#queue
  }

  /** @override @param {number} status @param {string} headers @param {WholeBody} body */
  onComplete(status, headers, body) {
    this.onStart(status, headers, bytesOf(body))
    this.onEnd('', undefined)
  }

  /** @override @param {number} status @param {string} headers @param {Buffer | undefined} chunk */
  onStart(status, headers, chunk) {
    const response = responseFrom(status, headers, null, this)
    if (this.open) cancelWhenCollected(response, this)
    this.resolve(response)
    return chunk === undefined ? undefined : this.onBody(chunk)
  }

  /** @override @param {Buffer} chunk @returns {boolean | void} */
  onBody(chunk) {
    if (chunk.length > 0) return this.#chunks.push(chunk)
  }

  /** @override @param {string} _trailers @param {Buffer | undefined} chunk */
  onEnd(_trailers, chunk) {
    if (chunk !== undefined) this.onBody(chunk)
    this.settle()
    this.#chunks.end()
  }

  /** @override @param {Outcome} outcome @param {boolean} inOrder */
  onFailed(outcome, inOrder) {
    // The chunks that came before the failure can still be read.
    if (inOrder) this.#end(outcome.error)
    else this.abort(outcome.error)
  }

  /** @override @param {unknown} reason */
  abort(reason) {
    this.#chunks.clear()
    this.#end(reason)
  }

  /** @param {unknown} reason */
  #end(reason) {
    this.settle()
    this.reject(reason)
    this.#chunks.fail(reason)
  }

  /** @returns {Promise<Buffer | null>} */
  next() {
    return this.#chunks.next()
  }

  /** The reader stops. */
  cancel() {
    this.leave()
    if (!this.#chunks.hasFailed) this.onEnd('', undefined)
    this.#chunks.clear()
  }
}

/** @param {Buffer} chunk */
function lengthOf({ length }) {
  return length
}
