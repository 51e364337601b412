import { StreamCall } from '../call/calls.js'
import { cancelWhenCollected } from '../call/unread.js'
import { connectionOf } from '../incoming/connection.js'
import { PythonError, invalidRequest, show } from '../native/errors.js'
import { bytesOf } from '../native/exchange.js'
import { FLAG } from '../native/protocol.js'
import { CLIENT_CLOSED, disconnectedOutcome, failedOutcome } from '../native/outcome.js'
import { PLAIN } from '../log/failures.js'
import { bodyOf, dropBody } from './body.js'
import { serverConnectionOf, viewOf } from './request.js'
import { follow, followedSocket, forget } from './socket.js'
import { fetchHead } from '../incoming/head.js'
import { flatHeaders, plainHeaders } from '../message/headers.js'
import { tooManyHeaders } from '../message/limits.js'

/** @typedef {import('../native/exchanges.js').Exchanges} Exchanges */
/** @typedef {import('./request.js').WebRequest} WebRequest */
/** @typedef {import('../index.js').FetchEnv} FetchEnv */
/** @typedef {globalThis.Response} WebResponse */

/** Statuses with which a WHATWG Response must not have a body (Fetch, 2.2.3). */
const NULL_BODY = new Set([204, 205, 304])

/**
 * A response of our own, not the app's.
 * @param {number} status
 */
function plainResponse(status) {
  const text = PLAIN[status]
  return webResponse(text, status, plainHeaders(text))
}

/**
 * @param {Uint8Array | string | ReadableStream | null} body
 * @param {number} status
 * @param {string[]} flat
 */
function webResponse(body, status, flat) {
  /** @type {[string, string][]} */
  const headers = []
  for (let i = 0; i + 1 < flat.length; i += 2) headers.push([flat[i], flat[i + 1]])
  // The current global class: servers replace it by one that they can send without reading it as a stream.
  return new globalThis.Response(body, { status, headers })
}

/** One request that came as a WHATWG Request; it is answered with a Response. */
export class FetchCall extends StreamCall {
  #request
  #env
  #connection
  #socket
  // Whether the promise is settled.
  #settled = false
  /** @type {import('../message/body-source.js').BodySource | null} the source of the rest of the body, once it is known */
  #rest = null
  // For HEAD, and for statuses without a body: a body that the app sends nevertheless is taken and dropped.
  #bodyless = false

  /**
   * @param {Exchanges} exchanges
   * @param {WebRequest} request
   * @param {unknown} env
   * @param {(response: WebResponse) => void} resolve
   * @param {(reason: unknown) => void} reject
   * @param {number} highWaterMark
   */
  constructor(exchanges, request, env, resolve, reject, highWaterMark) {
    if (typeof request?.url !== 'string' || typeof request.headers?.[Symbol.iterator] !== 'function') {
      throw new TypeError(`fetch needs a WHATWG Request, not ${show(request)}`)
    }
    super(exchanges, request.signal, resolve, reject, highWaterMark)
    this.context = exchanges.context()
    this.#request = request
    this.#env = /** @type {FetchEnv} */ (typeof env === 'object' && env !== null ? env : {})
    this.#connection = serverConnectionOf(request, this.#env)
    this.#socket = followedSocket(this.#connection)
    if (this.#socket !== null) follow(this.#socket, this)
  }

  /** Sends the request to the app when the handler is ready. */
  begin() {
    if (this.#settled) return
    const { signal } = this.#request
    if (signal?.aborted) return this.handleEvent()
    // It may have closed before this call began to follow it.
    if (this.#socket?.destroyed) return this.onGone()
    try {
      const body = bodyOf(this.#request, this.#isServed)
      if (!(body instanceof Promise)) return this.#submit(body)
      body.then((peeked) => this.#submit(peeked)).catch((error) => this.#mistaken(error))
    } catch (error) {
      this.#mistaken(error)
    }
  }

  /** @param {import('../message/request.js').Body} body */
  #submit({ bytes, source, length }) {
    // Aborted while its body was read ahead.
    if (this.#settled) return source?.stop()
    this.#rest = source
    const { incoming } = this.#connection
    if (incoming !== null && incoming.rawHeaders.length > connectionOf(incoming.socket).maxHeaderFields) return this.fail(tooManyHeaders())
    // An error here is the caller's mistake; later errors come from the client.
    const view = viewOf(this.#request, this.#env, incoming, length)
    try {
      this.exchanges.submit(this, fetchHead(view, this.exchanges.trust), bytes, source === null ? 0 : FLAG.BODY_FOLLOWS)
    } catch (error) {
      return this.fail(invalidRequest(error))
    }
    source?.start(this)
  }

  get #isServed() {
    return this.#connection.incoming !== null
  }

  /** @override */
  settle() {
    super.settle()
    if (this.#socket !== null) forget(this.#socket, this)
    // A request that was sent to the app is stopped with its exchange.
    if (this.number > 0) return
    if (this.#rest === null) dropBody(this.#request, this.#isServed)
    else this.#rest.stop()
  }

  /** The caller's mistake: the caller gets the error. @param {unknown} error */
  #mistaken(error) {
    this.exchanges.over(this, failedOutcome(error))
    this.abort(error)
  }

  /** Answers whatever the error is. @override @param {import('../native/outcome.js').Outcome} outcome */
  refuse(outcome) {
    this.exchanges.over(this, outcome)
    this.#refuse(outcome.status)
  }

  /** @param {number} status */
  #refuse(status) {
    this.settle()
    this.#answer(plainResponse(status))
  }

  /** @param {WebResponse} response */
  #answer(response) {
    this.#settled = true
    this.resolve(response)
  }

  /** @override @param {number} status @param {string} headers @param {import('../native/exchange.js').WholeBody} body */
  onComplete(status, headers, body) {
    this.settle()
    // Bytes, even for a string: a Response with a string body gets a content-type.
    this.#respond(status, headers, () => (body?.length ? bytesOf(body) : null))
  }

  /** @override @param {number} status @param {string} headers @param {Buffer | undefined} chunk */
  onStart(status, headers, chunk) {
    this.#respond(status, headers, () => this.#stream())
    return chunk === undefined ? undefined : this.onBody(chunk)
  }

  /**
   * @param {number} status
   * @param {string} headers
   * @param {() => Uint8Array | ReadableStream | null} body
   */
  #respond(status, headers, body) {
    // A 1xx status is not final, and a Response cannot have it.
    if (status < 200) {
      return this.fail(new PythonError('APP_NO_RESPONSE', `The application answered with 1xx status ${status}, which is not final`))
    }
    this.#bodyless = this.#request.method === 'HEAD' || NULL_BODY.has(status)
    const flat = flatHeaders(headers)
    // Above 599 is invalid on the wire, counts as a server error (RFC 9110, 15), and a Response cannot have it.
    this.status = status > 599 ? 500 : status
    this.#answer(webResponse(this.#bodyless ? null : body(), this.status, flat))
  }

  /**
   * Gives one chunk unchanged for each read. Not a byte stream: that would transfer the memory of each chunk, which Node does
   * not own.
   */
  #stream() {
    const source = {
      /** @param {import('node:stream/web').ReadableStreamDefaultController<Uint8Array>} controller */
      pull: async (controller) => {
        const chunk = await this.next().catch((error) => {
          throw publicError(error)
        })
        if (chunk === null) controller.close()
        else controller.enqueue(chunk)
      },
      cancel: () => this.cancel()
    }
    const stream = new ReadableStream(source, { highWaterMark: 0 })
    if (this.open) cancelWhenCollected(stream, this)
    return stream
  }

  /** @override @param {Buffer} chunk */
  onBody(chunk) {
    return this.#bodyless ? undefined : super.onBody(chunk)
  }

  /** The head of a request that was not sent to the app. @override */
  headForLog() {
    const { method, url, headers } = this.#request
    const { remoteAddress = '', remotePort = '' } = this.#connection.incoming?.socket ?? {}
    const target = url.replace(/^[a-z]+:\/\/[^/?#]*/i, '') || '/'
    return [method, target, '1.1', '', remoteAddress, remotePort, '', '', '', '', ...[...headers].flat()].join('\0')
  }

  /** What is not Python's is the caller's, who gets it. @override @param {import('../native/outcome.js').Outcome} outcome */
  described({ error }) {
    return error instanceof PythonError ? this.#request : null
  }

  /** @override @param {import('../native/outcome.js').Outcome} outcome @param {boolean} inOrder */
  onFailed(outcome, inOrder) {
    // A stream that has begun gives the chunks before the error, then fails.
    if (this.#settled) super.onFailed(outcome, inOrder)
    else if (outcome.error instanceof PythonError && !isGone(this.#connection)) this.#refuse(outcome.status)
    else this.abort(outcome.error)
  }

  /** @override */
  handleEvent() {
    if (this.number === 0) this.exchanges.over(this, disconnectedOutcome(0))
    super.handleEvent()
  }

  /** The connection has ended. */
  onGone() {
    if (this.number === 0) this.exchanges.over(this, disconnectedOutcome(0))
    this.leave()
    this.abort(undefined)
  }

  /** @override @param {unknown} reason */
  abort(reason) {
    if (isGone(this.#connection)) {
      // It is not an error that the client has left, and no answer can reach it: a server would only log a rejection.
      this.settle()
      if (this.#settled) this.cancel()
      else this.#answer(webResponse(null, CLIENT_CLOSED, []))
    } else {
      this.#settled = true
      super.abort(reason)
    }
  }
}

/** @param {import('./request.js').ServerMessages} connection */
function isGone({ incoming, outgoing }) {
  return incoming !== null && Boolean(outgoing?.destroyed || outgoing?.stream?.destroyed || incoming.socket?.destroyed)
}

/** Codes of errors whose message says nothing of the application. Those of all others may hold an exception's text or lines of stderr. */
const PUBLIC = new Set(['BODY_TOO_LARGE', 'HANDLER_CLOSED', 'INVALID_REQUEST', 'REQUEST_TIMEOUT', 'RESPONSE_TOO_LARGE'])

/**
 * The error that ends an incomplete response body. Some servers send the message of such an error to the client.
 * @param {unknown} error
 */
function publicError(error) {
  if (!(error instanceof PythonError) || PUBLIC.has(error.code)) return error
  return new PythonError(error.code, 'The application failed after its response had started', { cause: error })
}
