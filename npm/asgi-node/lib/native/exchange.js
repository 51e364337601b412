import { closeSync } from 'node:fs'
import { errorFromText } from './errors.js'
import { EVENT } from './protocol.js'

/** @typedef {import('./exchanges.js').Exchanges} Exchanges */
/** @typedef {import('./outcome.js').Outcome} Outcome */
/** @typedef {import('../message/body-source.js').BodySource} BodySource */
/** @typedef {Buffer | string | undefined} WholeBody a small one that is ASCII comes as a string; undefined when it is empty */

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
 * Closes the file of a FILE event that nobody wants.
 * @param {string} file `descriptor\0offset\0length`
 */
export function closeFile(file) {
  closeSync(Number.parseInt(file, 10))
}

/**
 * One request on its way and the consumer of its response. Subclasses say what happens with each event; a method that
 * returns `false` says that its consumer is above its mark, and `drained` must follow.
 */
export class Exchange {
  id = 0
  /** The sequence number of the request within its handler, for the log; 0 before it is sent off. */
  number = 0
  /** The status of the response that has started; 0 before. */
  status = 0
  /** True between an event that was taken with `false` and `drained`. */
  stalled = false
  /** Whether the app has logged the exception that it failed with. */
  logged = false
  /** False from the first event that ended the exchange, whoever ended it. */
  open = false
  /** @type {BodySource | null} what feeds the request body, when it did not travel whole */
  source = null
  /** @type {NodeJS.Timeout | undefined} */
  timer
  /** @type {import('../log/access-record.js').AccessRecord | null} */
  record = null
  /** @type {import('./context.js').Context | null} in which its failure is logged */
  context = null

  /** @param {Exchanges} exchanges */
  constructor(exchanges) {
    this.exchanges = exchanges
  }

  /**
   * Of a call from JavaScript, of which no connection knows what became: the head, for the access log. Null of others.
   * @returns {string | null}
   */
  headForLog() {
    return null
  }

  /**
   * A piece of the request body. False: stop until RESUME.
   * @param {Uint8Array | undefined} chunk
   * @param {boolean} last
   */
  push(chunk, last) {
    return this.open && this.exchanges.native.push(this.id, chunk, last)
  }

  /** The consumer has taken what it was stalled on. */
  drained() {
    if (this.stalled && this.open) this.exchanges.drained(this)
  }

  /** The client has closed its side, and may still read: the app gets http.disconnect when it asks, and can send. */
  halfClose() {
    if (this.open) this.exchanges.native.halfClose(this.id)
  }

  /** The consumer wants no more: the app gets http.disconnect. */
  leave() {
    this.exchanges.leave(this)
  }

  /**
   * It cannot go on for a reason of this side: it was not sent off, its body source failed, the consumer threw, its time is
   * over, the handler closed. The app gets http.disconnect.
   * @param {unknown} error
   */
  fail(error) {
    this.exchanges.fail(this, error)
  }

  /**
   * The request, for the failure log; null where JavaScript code gets the error itself.
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
   * There will be no response, or no more of it.
   * @param {Outcome} _outcome
   * @param {boolean} _inOrder whether it comes behind all that the app has sent, which can still be read
   * @returns {void}
   */
  onFailed(_outcome, _inOrder) {}
  /** The app called receive() for the first time and the client waits for "100 Continue". @returns {void} */
  onContinue() {}
  /** @param {string[]} _links @returns {void} */
  onEarlyHint(_links) {}
  /**
   * A range of a file is the next piece of the body. Only where the head advertised it. `drained`, or `exchanges.finish` for
   * the last piece, must follow when it has been read: from then on the app may change the file.
   * @param {string} file `descriptor\0offset\0length`
   * @param {boolean} _last
   * @returns {boolean | void}
   */
  onFile(file, _last) {
    closeFile(file)
    this.leave()
  }
  /** There is room again for what comes from the client. @returns {void} */
  onResume() {
    this.source?.resume()
  }
  /** The app takes a WebSocket. @param {string} _answer `subprotocol\0name\0value…` @returns {void} */
  onAccept(_answer) {}
  /** A message of a WebSocket. @param {Buffer | undefined} _data @param {boolean} _isText @returns {boolean | void} */
  onMessage(_data, _isText) {}
  /** The app has closed its WebSocket. @param {number} _code @param {string} _reason @returns {void} */
  onClose(_code, _reason) {}
}

/**
 * Decodes one delivery: turns five values, whose meaning the kind decides, into the named event of an exchange. Those that
 * end an exchange free its number first, since the consumer may send another request at once.
 * @param {Exchange} exchange
 * @param {number} kind one of EVENT
 * @param {number} status
 * @param {string} text
 * @param {WholeBody} body
 * @returns {boolean | void} false: the consumer is above its mark
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
      // A transport may have set what its client gets instead.
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
