import { closeSync } from 'node:fs'
import { errorFromText } from './errors.js'
import { EVENT } from './protocol.js'

/** @typedef {import('./exchanges.js').Exchanges} Exchanges */
/** @typedef {import('./outcome.js').Outcome} Outcome */
/** @typedef {import('../message/body-source.js').BodySource} BodySource */
/** @typedef {Buffer | string | undefined} WholeBody a small ASCII body is a string; an empty one is undefined */

const EMPTY = Buffer.alloc(0)

/** The status of a WebSocket that was accepted. */
const SWITCHING_PROTOCOLS = 101

/**
 * A whole body as a Buffer.
 * @param {WholeBody} body
 */
export function bytesOf(body) {
  return typeof body === 'string' ? Buffer.from(body, 'latin1') : (body ?? EMPTY)
}

/**
 * Closes the file of a FILE event that nobody will read.
 * @param {string} file `descriptor\0offset\0length`
 */
export function closeFile(file) {
  closeSync(Number.parseInt(file, 10))
}

/**
 * A request that is under way, and the consumer of its response. Subclasses define what happens with each event. A method
 * returns `false` when its consumer is above the high-water mark; then `drained` must follow.
 */
export class Exchange {
  id = 0
  /** The sequence number of the request within its handler, for the log; 0 before it is submitted. */
  number = 0
  /** The status of the response; 0 before it has started. */
  status = 0
  /** True between an event that returned `false` and `drained`. */
  stalled = false
  /** Whether the app has logged the exception that it raised. */
  logged = false
  /** False before the request is submitted, and after the exchange has ended. */
  open = false
  /** @type {BodySource | null} feeds the request body, if that did not come whole with the head */
  source = null
  /** @type {NodeJS.Timeout | undefined} */
  timer
  /** @type {import('../log/access-record.js').AccessRecord | null} */
  record = null
  /** @type {import('./context.js').Context | null} the context in which a failure is logged */
  context = null

  /** @param {Exchanges} exchanges */
  constructor(exchanges) {
    this.exchanges = exchanges
  }

  /**
   * The head, for the access log: only for a call from JavaScript, which has no connection that could tell. Otherwise null.
   * @returns {string | null}
   */
  headForLog() {
    return null
  }

  /**
   * Sends a piece of the request body. False: stop until RESUME.
   * @param {Uint8Array | undefined} chunk
   * @param {boolean} last
   */
  push(chunk, last) {
    return this.open && this.exchanges.native.push(this.id, chunk, last)
  }

  /**
   * The same with several pieces in one call.
   * @param {Uint8Array[]} chunks
   * @param {boolean} last
   */
  pushAll(chunks, last) {
    return this.open && this.exchanges.native.pushAll(this.id, chunks, last)
  }

  /** The consumer has taken what it had to wait for. */
  drained() {
    if (this.stalled && this.open) this.exchanges.drained(this)
  }

  /** The client has closed its side, but may still read. The app gets http.disconnect from receive(), and can still send. */
  halfClose() {
    if (this.open) this.exchanges.native.halfClose(this.id)
  }

  /** The consumer stops. The app gets http.disconnect. */
  leave() {
    this.exchanges.leave(this)
  }

  /**
   * The request cannot go on for a reason on this side: it could not be submitted, its body source failed, the consumer threw,
   * its time is over, or the handler was closed. The app gets http.disconnect.
   * @param {unknown} error
   */
  fail(error) {
    this.exchanges.fail(this, error)
  }

  /**
   * The request, for the failure log; null if JavaScript code gets the error itself.
   * @param {Outcome} _outcome
   * @returns {import('../log/failures.js').FailedRequest | null}
   */
  described(_outcome) {
    return null
  }

  /** @param {number} _status @param {string} _headers @param {WholeBody} _body @returns {void} */
  onComplete(_status, _headers, _body) {}
  /** @param {number} _status @param {string} _headers @param {Buffer | undefined} _chunk @returns {boolean | void} */
  onStart(_status, _headers, _chunk) {}
  /** @param {Buffer} _chunk @returns {boolean | void} */
  onBody(_chunk) {}
  /** @param {string} _trailers @param {Buffer | undefined} _chunk @returns {void} */
  onEnd(_trailers, _chunk) {}
  /**
   * There will be no response, or no rest of it.
   * @param {Outcome} _outcome
   * @param {boolean} _inOrder whether all that the app has sent came before this, so that it can still be read
   * @returns {void}
   */
  onFailed(_outcome, _inOrder) {}
  /** The app called receive() for the first time and the client waits for "100 Continue". @returns {void} */
  onContinue() {}
  /** @param {string[]} _links @returns {void} */
  onEarlyHint(_links) {}
  /**
   * A range of a file is the next piece of the body. This comes only if the head offered the extension. When the file has been
   * read, `drained` must follow, or `exchanges.finish` for the last piece. From then on the app may change the file.
   * @param {string} file `descriptor\0offset\0length`
   * @param {boolean} _last
   * @returns {boolean | void}
   */
  onFile(file, _last) {
    closeFile(file)
    this.leave()
  }
  /** There is room again for data from the client. @returns {void} */
  onResume() {
    this.source?.resume()
  }
  /** The app accepts a WebSocket. @param {string} _answer `subprotocol\0name\0value…` @returns {void} */
  onAccept(_answer) {}
  /** A message of a WebSocket. @param {Buffer | undefined} _data @param {boolean} _isText @returns {boolean | void} */
  onMessage(_data, _isText) {}
  /** The app has closed its WebSocket. @param {number} _code @param {string} _reason @returns {void} */
  onClose(_code, _reason) {}
}

/**
 * Decodes one delivery: five values, whose meaning depends on the kind, become one named event of an exchange. An event that
 * ends an exchange first frees its number, because the consumer may send another request at once.
 * @param {Exchange} exchange
 * @param {number} kind one of EVENT
 * @param {number} status
 * @param {string} text
 * @param {WholeBody} body
 * @returns {boolean | void} false: the consumer is above its high-water mark
 */
export function dispatch(exchange, kind, status, text, body) {
  const { exchanges } = exchange
  if (kind === EVENT.COMPLETE) {
    exchanges.remove(exchange)
    exchange.onComplete(status, text, body)
    exchange.status ||= status
    return exchanges.completed(exchange)
  }
  const data = /** @type {Buffer | undefined} */ (body)
  switch (kind) {
    case EVENT.START: {
      const answer = exchange.onStart(status, text, data)
      // A transport may have sent another status to its client.
      exchange.status ||= status
      return answer
    }
    case EVENT.BODY:
      return data === undefined ? undefined : exchange.onBody(data)
    case EVENT.END:
      exchanges.remove(exchange)
      exchange.onEnd(text, data)
      return exchanges.completed(exchange)
    case EVENT.FAILED:
      exchanges.remove(exchange)
      // The app has logged its exception itself.
      exchange.logged = status === 1
      return exchanges.fail(exchange, errorFromText(text), true)
    case EVENT.RESUME:
      return exchange.onResume()
    case EVENT.CONTINUE:
      return exchange.onContinue()
    case EVENT.EARLY_HINT:
      return exchange.onEarlyHint(text.split('\0'))
    case EVENT.FILE:
      return exchange.onFile(text, status === 1)
    case EVENT.ACCEPT:
      exchange.status = SWITCHING_PROTOCOLS
      return exchange.onAccept(text)
    case EVENT.MESSAGE:
      return exchange.onMessage(data, status === 1)
    case EVENT.CLOSE:
      exchanges.remove(exchange)
      exchange.onClose(status, text)
      return exchanges.completed(exchange)
  }
}
