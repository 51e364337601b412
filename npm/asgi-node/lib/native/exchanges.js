import { PythonError, errorFromFailure } from './errors.js'
import { FileRange } from '../message/file.js'
import { Journal } from '../log/records.js'
import { bodyTooLarge } from '../message/limits.js'
import { Log } from '../log/logger.js'
import { Slots } from './slots.js'

/** What the native side delivers. Its numbers are part of the interface with crates/addon. */
export const EVENT = Object.freeze({
  COMPLETE: 0,
  START: 1,
  BODY: 2,
  END: 3,
  FAILED: 4,
  RESUME: 5,
  CONTINUE: 6,
  EARLY_HINT: 7,
  FILE: 8,
  ACCEPT: 9,
  MESSAGE: 10,
  CLOSE: 11,
  /** These three belong to no exchange: see journal.js. */
  RECORD: 12,
  LINE: 13,
  DROPPED: 14
})

/** Bits of the last argument of `submit`. */
export const FLAG = Object.freeze({ BODY_FOLLOWS: 1, COLLECT: 2, EXPECT_CONTINUE: 4, WEBSOCKET: 8, QUIET: 16 })

/** So many requests wait for each other at most before Python hears of them. */
const BURST = 8

/** @typedef {import('./errors.js').NativeFailure} NativeFailure */
/** @typedef {Buffer | string | undefined} WholeBody a small one that is ASCII comes as a string; undefined when it is empty */
/** @typedef {(id: number, kind: number, status: number, text: string, data: WholeBody) => boolean | void} Deliver */

/**
 * The part of NativeHandler that requests use.
 * @typedef {object} Native
 * @property {(id: number, head: string, body: Uint8Array | undefined, flags: number) => NativeFailure | null} submit
 * @property {() => void} wake
 * @property {(id: number, chunk: Uint8Array | undefined, last: boolean) => boolean} push
 * @property {(id: number, data: Uint8Array, isText: boolean) => boolean} message
 * @property {(id: number, code: number, reason: string) => void} closed
 * @property {(id: number, code: number) => void} faulted
 * @property {(id: number) => void} drained
 * @property {(id: number) => void} halfClose
 * @property {(id: number) => void} disconnect
 * @property {(alive: boolean) => void} keepAlive
 */

/** @typedef {import('../message/body-source.js').BodySource} BodySource */

const EMPTY = Buffer.alloc(0)

/**
 * A whole body as a Buffer.
 * @param {WholeBody} body
 */
export function bytesOf(body) {
  return typeof body === 'string' ? Buffer.from(body, 'latin1') : (body ?? EMPTY)
}

// Native code calls `deliver`, and `deliver` may reach code of the user (a patched writeHead, say). While it does, this
// thread cannot take further events, so a blocking call from there could never end.
let delivering = 0

/** Whether an event is being delivered on this thread right now. */
export function isDelivering() {
  return delivering > 0
}

/**
 * One request on its way and the consumer of its response. Subclasses say what happens with each event; a method that
 * returns `false` says that its consumer is above its mark, and `drained` must follow.
 */
export class Exchange {
  id = 0
  /** The how manieth request of its handler it is, for the log; 0 before it is sent off. */
  number = 0
  /** True between an event that was taken with `false` and `drained`. */
  stalled = false
  /** False from the first event that ended the exchange, whoever ended it. */
  open = false
  /** @type {BodySource | null} what feeds the request body, when it did not travel whole */
  source = null
  /** @type {NodeJS.Timeout | undefined} */
  timer

  /** @param {Exchanges} exchanges */
  constructor(exchanges) {
    this.exchanges = exchanges
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
    if (!this.open) return
    this.exchanges.remove(this)
    this.exchanges.native.disconnect(this.id)
  }

  /** @param {number} _status @param {string} _headers @param {WholeBody} _body @returns {void} */
  onComplete(_status, _headers, _body) {}
  /** @param {number} _status @param {string} _headers @param {Buffer | undefined} _chunk @returns {boolean | void} */
  onStart(_status, _headers, _chunk) {}
  /** @param {Buffer} _chunk @returns {boolean | void} */
  onBody(_chunk) {}
  /** @param {string} _trailers @param {Buffer | undefined} _chunk @returns {void} */
  onEnd(_trailers, _chunk) {}
  /** @param {boolean} _started @param {string} _text `code\0message\0traceback` @returns {void} */
  onFailed(_started, _text) {}
  /** The app called receive() for the first time and the client waits for "100 Continue". @returns {void} */
  onContinue() {}
  /** @param {string[]} _links @returns {void} */
  onEarlyHint(_links) {}
  /**
   * A range of a file is the next piece of the body. Only where the head advertised it.
   * @param {FileRange} range
   * @param {boolean} _last
   * @returns {boolean | void}
   */
  onFile(range, _last) {
    range.close()
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
  /**
   * The exchange cannot go on for a reason of this side: its body source failed, the consumer threw, the handler closed.
   * @param {unknown} _reason
   * @returns {void}
   */
  abort(_reason) {}
}

/** The requests of one handler that are on their way, by number. */
export class Exchanges {
  /** @type {Slots<Exchange>} */
  #table = new Slots()
  // Exchanges that Python can move on. One that is stalled waits for JavaScript alone: if nothing else is going to run,
  // nobody will ever read it, and it must not keep the process alive.
  #live = 0
  #timeout
  // Requests that Python's loop has not been woken for.
  #quiet = 0
  #wake = () => {
    if (this.#quiet > 0) this.#native.wake()
    this.#quiet = 0
  }
  #native
  /** @type {Native['submit']} */
  #submit = () => null
  #journal
  #count = 0
  /** True while the handler closes: what is under way ends with its connection. */
  closing = false

  /**
   * @param {object} [settings]
   * @param {number} [settings.requestTimeout] milliseconds from the start of a request to the end of its response; 0 for no limit
   * @param {number} [settings.maxBodySize] bytes of a request body
   * @param {import('../incoming/proxy.js').Trust | null} [settings.trust] in proxies
   * @param {boolean} [settings.cancelOnDisconnect]
   * @param {Log} [settings.log]
   * @param {import('../log/types.js').LineFunction | null} [settings.stdio]
   * @param {import('../log/access-log.js').AccessLog | null} [settings.accessLog]
   */
  constructor(settings = {}) {
    const { requestTimeout = 0, maxBodySize = Infinity, trust = null, cancelOnDisconnect = false } = settings
    const { log = new Log(), stdio = null, accessLog = null } = settings
    this.log = log
    this.accessLog = accessLog
    this.#journal = new Journal(log, stdio)
    this.#timeout = requestTimeout
    this.maxBodySize = maxBodySize
    this.trust = trust
    this.cancelOnDisconnect = cancelOnDisconnect
    // Set once, before the first request: the handler submits nothing until it has started.
    this.#native = /** @type {Native} */ (/** @type {unknown} */ (null))
    /** @type {Deliver} */
    this.deliver = (id, kind, status, text, data) => this.#deliver(id, kind, status, text, data)
  }

  get native() {
    return this.#native
  }

  set native(native) {
    this.#native = native
    // A function that is made when it is looked at.
    this.#submit = native.submit
  }

  get size() {
    return this.#table.size
  }

  /**
   * Sends a request off. Throws, with nothing sent, when it is refused: OVERLOADED, INVALID_REQUEST, BODY_TOO_LARGE.
   * @param {Exchange} exchange
   * @param {string} head
   * @param {Uint8Array | undefined} body
   * @param {number} flags
   */
  submit(exchange, head, body, flags) {
    if (body !== undefined && body.length > this.maxBodySize) throw bodyTooLarge(this.maxBodySize)
    // To wake Python's loop costs as much as a request's whole way there. One that is alone does so at once; beside others
    // it waits for what else this turn of our loop brings.
    const quiet = this.#table.size > 0 && this.#quiet < BURST - 1
    const refusal = this.#submit(this.#table.next, head, body, quiet ? flags | FLAG.QUIET : flags)
    if (refusal) throw errorFromFailure(refusal)
    if (!quiet) this.#quiet = 0
    else if (this.#quiet++ === 0) setImmediate(this.#wake)
    exchange.id = this.#table.add(exchange)
    exchange.number = this.count()
    exchange.open = true
    this.hold()
    // A WebSocket is meant to last.
    if (this.#timeout > 0 && (flags & FLAG.WEBSOCKET) === 0) exchange.timer = setTimeout(onTimeout, this.#timeout, exchange)
  }

  /** The number of a request that was accepted. The native side counts alike. */
  count() {
    return ++this.#count
  }

  /** @param {Exchange} exchange */
  drained(exchange) {
    exchange.stalled = false
    this.hold()
    this.native.drained(exchange.id)
  }

  /** @param {Exchange} exchange */
  remove(exchange) {
    if (!exchange.open) return
    exchange.open = false
    if (!exchange.stalled) this.release()
    if (exchange.timer !== undefined) clearTimeout(exchange.timer)
    exchange.source?.stop()
    // Last: the source may be the user's, who may send another request when it stops. That one gets another number.
    this.#table.remove(exchange.id)
  }

  /** @param {Exchange} exchange */
  #stall(exchange) {
    exchange.stalled = true
    this.release()
    exchange.source?.yield()
  }

  /** @param {unknown} reason */
  abortAll(reason) {
    for (const exchange of this.#table.values()) {
      // The end of one may have been that of another.
      if (!exchange.open) continue
      this.remove(exchange)
      exchange.abort(reason)
    }
  }

  /** Something is under way: the process stays alive until `release`. */
  hold() {
    if (this.#live++ === 0) this.native.keepAlive(true)
  }

  release() {
    if (--this.#live === 0) this.native.keepAlive(false)
  }

  /**
   * @param {number} id
   * @param {number} kind
   * @param {number} status
   * @param {string} text
   * @param {WholeBody} data
   * @returns {boolean | void}
   */
  #deliver(id, kind, status, text, data) {
    if (kind >= EVENT.RECORD) return this.#deliverSaid(kind, status, text)
    const exchange = this.#table.get(id)
    if (exchange === undefined) return kind === EVENT.FILE ? new FileRange(text).close() : undefined
    delivering++
    try {
      if (this.#dispatch(exchange, kind, status, text, data) !== false || !exchange.open) return
      // What was already on its way when the consumer stalled still arrives.
      if (!exchange.stalled) this.#stall(exchange)
      return false
    } catch (error) {
      exchange.leave()
      exchange.abort(error)
    } finally {
      delivering--
    }
  }

  /**
   * @param {number} kind
   * @param {number} status
   * @param {string} text
   */
  #deliverSaid(kind, status, text) {
    delivering++
    try {
      this.#journal.deliver(kind, status, text)
    } finally {
      delivering--
    }
  }

  /**
   * @param {Exchange} exchange
   * @param {number} kind
   * @param {number} status
   * @param {string} text
   * @param {WholeBody} body
   * @returns {boolean | void}
   */
  #dispatch(exchange, kind, status, text, body) {
    if (kind === EVENT.COMPLETE) {
      this.remove(exchange)
      return exchange.onComplete(status, text, body)
    }
    const data = /** @type {Buffer | undefined} */ (body)
    switch (kind) {
      case EVENT.START:
        return exchange.onStart(status, text, data)
      case EVENT.BODY:
        return data === undefined ? undefined : exchange.onBody(data)
      case EVENT.END:
        this.remove(exchange)
        return exchange.onEnd(text, data)
      case EVENT.FAILED:
        this.remove(exchange)
        return exchange.onFailed(status === 1, text)
      case EVENT.RESUME:
        return exchange.onResume()
      case EVENT.CONTINUE:
        return exchange.onContinue()
      case EVENT.EARLY_HINT:
        return exchange.onEarlyHint(text.split('\0'))
      case EVENT.FILE:
        if (status === 1) this.remove(exchange)
        return exchange.onFile(new FileRange(text), status === 1)
      case EVENT.ACCEPT:
        return exchange.onAccept(text)
      case EVENT.MESSAGE:
        return exchange.onMessage(data, status === 1)
      case EVENT.CLOSE:
        this.remove(exchange)
        return exchange.onClose(status, text)
    }
  }
}

/** @param {Exchange} exchange */
function onTimeout(exchange) {
  exchange.leave()
  exchange.abort(new PythonError('REQUEST_TIMEOUT', 'The application has not completed its response in time (option requestTimeout)'))
}
