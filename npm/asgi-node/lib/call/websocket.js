import { Call } from './calls.js'
import { PythonError, show } from '../native/errors.js'
import { bytesOf } from '../native/exchange.js'
import { CLOSE_CODE as CODE, FLAG, LIMIT, SENDABLE_CLOSE_CODES } from '../native/protocol.js'
import { closeCodeOf } from '../native/outcome.js'
import { responseFrom } from '../message/response.js'
import { ReadQueue } from './read-queue.js'

/** @typedef {import('../native/exchanges.js').Exchanges} Exchanges */
/** @typedef {import('../websocket/types.js').WebSocketMessage} WebSocketMessage */

// A WebSocket without a socket: `handleStream(new Request({ url, websocket: true }))`. The request writes the client's
// messages, and the response yields the app's.

const EMPTY = Buffer.alloc(0)

/** Milliseconds that the app has after `end()` to answer the messages that came before it. */
const END_GRACE_MS = 5000

/** The client's end of a WebSocket that has no socket. */
export class WebSocketCall extends Call {
  /** @type {ReadQueue<WebSocketMessage>} */
  #queue
  #longestDenial
  #ending = false
  /** Whether the app has accepted the WebSocket. */
  accepted = false
  /** The response that the app sent instead of accepting. */
  #denial = { status: 0, headers: '', body: /** @type {Buffer[]} */ ([]), length: 0 }
  /** @type {number | null} the close code, when it is over */
  code = null
  reason = ''

  /**
   * @param {Exchanges} exchanges
   * @param {AbortSignal | undefined} signal
   * @param {import('./calls.js').Resolve} resolve
   * @param {import('./calls.js').Reject} reject
   * @param {number} highWaterMark bytes
   * @param {number} longestDenial the most bytes of a denial's body
   */
  constructor(exchanges, signal, resolve, reject, highWaterMark, longestDenial) {
    super(exchanges, signal, resolve, reject)
    this.#queue = new ReadQueue(this, highWaterMark, sizeOf)
    this.#longestDenial = longestDenial
  }

  /**
   * Sends the handshake to the application.
   * @param {string} head
   * @param {import('../message/websocket-messages.js').WrittenMessages} messages of the client
   * @param {number} acceptTimeout milliseconds until the app accepts; 0 for no limit
   */
  connect(head, messages, acceptTimeout) {
    try {
      this.exchanges.submit(this, head, undefined, FLAG.WEBSOCKET)
    } catch (error) {
      return this.fail(error)
    }
    if (acceptTimeout > 0) this.timer = setTimeout(onAcceptTimeout, acceptTimeout, this)
    messages.start(this)
  }

  expire() {
    this.exchanges.expire(this)
    this.#deny(503, '', EMPTY)
  }

  /**
   * @param {Uint8Array} data
   * @param {boolean} isText
   */
  message(data, isText) {
    return !this.open || this.exchanges.native.message(this.id, data, isText)
  }

  /**
   * Closes it from this side.
   * @param {unknown} [code]
   * @param {unknown} [reason]
   */
  close(code = CODE.NORMAL, reason = '') {
    if (!Number.isInteger(code) || !isSendable(Number(code))) {
      const [first, second, third] = SENDABLE_CLOSE_CODES.map((range) => range.join(' to '))
      throw new TypeError(`code must be ${first}, ${second} or ${third}, not ${show(code)}`)
    }
    if (typeof reason !== 'string' || Buffer.byteLength(reason) > LIMIT.CLOSE_REASON) {
      throw new TypeError(`reason must be a string of at most ${LIMIT.CLOSE_REASON} bytes, not ${show(reason)}`)
    }
    if (!this.open) return
    this.#leaveWith(Number(code), reason)
    this.#end(Number(code), reason)
  }

  /**
   * Nothing more is written. The app gets the disconnect after the messages. What it sends until then can be read. The WebSocket
   * ends when the app closes it or returns, or when the time for this is over.
   */
  end() {
    if (!this.open || this.#ending) return
    this.#ending = true
    this.exchanges.native.faulted(this.id, CODE.NORMAL)
    this.#awaitEnd()
  }

  #awaitEnd() {
    this.timer = setTimeout(onEndTimeout, END_GRACE_MS, this).unref()
  }

  /** The app has not received the disconnect in time. */
  giveUp() {
    // The app may be waiting for our reader.
    if (this.stalled) return this.#awaitEnd()
    this.close(CODE.NORMAL)
  }

  /** @param {number} code @param {string} reason */
  #leaveWith(code, reason) {
    this.exchanges.close(this, code, reason)
  }

  /** The reader wants no more. */
  cancel() {
    if (this.open) this.#leaveWith(CODE.NO_STATUS, '')
    if (this.code === null) this.#end(CODE.NO_STATUS, '')
    this.#queue.clear()
  }

  /** @param {number} code @param {string} reason */
  #end(code, reason) {
    this.settle()
    this.code = code
    this.reason = reason
    this.#queue.end()
  }

  /** @override @param {string} answer `subprotocol\0name\0value…` */
  onAccept(answer) {
    clearTimeout(this.timer)
    this.accepted = true
    const end = answer.indexOf('\0')
    const subprotocol = end < 0 ? answer : answer.slice(0, end)
    const headers = end < 0 ? [] : [answer.slice(end + 1)]
    if (subprotocol !== '') headers.unshift(`sec-websocket-protocol\0${subprotocol}`)
    this.resolve(responseFrom(101, headers.join('\0'), null, this))
    this.source?.pump()
  }

  /** @override @param {Buffer | undefined} data @param {boolean} isText @returns {boolean | void} */
  onMessage(data, isText) {
    return this.#queue.push({ data: data ?? EMPTY, isBinary: !isText })
  }

  /** @override @param {number} code @param {string} reason */
  onClose(code, reason) {
    this.#end(code, reason)
  }

  /** @override @param {number} status @param {string} headers @param {import('../native/exchange.js').WholeBody} body */
  onComplete(status, headers, body) {
    this.#deny(status, headers, bytesOf(body))
  }

  /** @override @param {number} status @param {string} headers @param {Buffer | undefined} chunk */
  onStart(status, headers, chunk = EMPTY) {
    // The app has answered in time. The rest of its response has no limit, as over a socket.
    clearTimeout(this.timer)
    this.#denial = { status, headers, body: [], length: 0 }
    this.onBody(chunk)
  }

  /** @override @param {Buffer} chunk */
  onBody(chunk) {
    const denial = this.#denial
    denial.body.push(chunk)
    denial.length += chunk.length
    if (denial.length <= this.#longestDenial) return
    this.leave()
    const body = Buffer.concat(denial.body, this.#longestDenial)
    this.#deny(denial.status, denial.headers, body, ', and the body of its response is cut after websocket.maxPayload bytes')
  }

  /** @override @param {string} _trailers @param {Buffer | undefined} chunk */
  onEnd(_trailers, chunk = EMPTY) {
    const { status, headers, body } = this.#denial
    this.#deny(status, headers, Buffer.concat([...body, chunk]))
  }

  /** @param {number} status @param {string} headers @param {Buffer} body @param {string} [more] for the end of the message */
  #deny(status, headers, body, more = '') {
    const error = new PythonError('WEBSOCKET_REJECTED', `The application has not accepted the WebSocket: status ${status}${more}`)
    const response = responseFrom(status, headers, body, null)
    this.#fail(Object.assign(error, { status, headers: response.headers, body }), CODE.ABNORMAL)
  }

  /** @override @param {import('../native/outcome.js').Outcome} outcome @param {boolean} inOrder */
  onFailed({ error }, inOrder) {
    // The messages that came before the failure can still be read.
    if (inOrder) this.#fail(error, CODE.INTERNAL_ERROR)
    else this.abort(error)
  }

  /** @override @param {unknown} reason */
  abort(reason) {
    this.#queue.clear()
    if (this.aborted) return this.#fail(reason, CODE.ABNORMAL)
    this.#fail(reason, closeCodeOf(reason))
  }

  /** @param {unknown} reason @param {number} code */
  #fail(reason, code) {
    this.settle()
    clearTimeout(this.timer)
    if (this.accepted) this.code = code
    this.reject(reason)
    this.#queue.fail(reason)
  }

  /** @returns {Promise<WebSocketMessage | null>} */
  nextMessage() {
    return this.#queue.next()
  }

  /** @returns {Promise<Buffer | null>} */
  async next() {
    return (await this.nextMessage())?.data ?? null
  }
}

/** @param {WebSocketMessage} message */
function sizeOf({ data }) {
  return data.length + LIMIT.MESSAGE_OVERHEAD
}

/** @param {WebSocketCall} call */
function onAcceptTimeout(call) {
  call.expire()
}

/** @param {WebSocketCall} call */
function onEndTimeout(call) {
  call.giveUp()
}

/**
 * Whether a close frame may contain this code.
 * @param {number} code
 */
function isSendable(code) {
  return SENDABLE_CLOSE_CODES.some(([first, last]) => code >= first && code <= last)
}
