import { PythonError, bodyTooLarge, errorFromFailure } from './errors.js'
import { Context } from './context.js'
import { closeFile, dispatch } from './exchange.js'
import { disconnectedOutcome, failedOutcome } from './outcome.js'
import { CLOSE_CODE, EVENT, FLAG } from './protocol.js'
import { Slots } from './slots.js'

/** Wake Python after at most this many batched requests. */
const BURST = 8

/** @typedef {import('./errors.js').NativeFailure} NativeFailure */
/** @typedef {import('./exchange.js').Exchange} Exchange */
/** @typedef {import('./exchange.js').WholeBody} WholeBody */
/** @typedef {import('./outcome.js').Outcome} Outcome */
/** @typedef {import('../log/logger.js').Log} Log */
/** @typedef {(outcome: Outcome, request: import('../log/failures.js').FailedRequest, number: number) => void} OnFailure */
/** @typedef {(id: number, kind: number, status: number, text: string, data: WholeBody) => boolean | void} Deliver */

/**
 * The part of NativeHandler that requests use.
 * @typedef {Pick<import('./binding.js').NativeHandler, 'submit' | 'wake' | 'push' | 'pushAll' | 'message' | 'payload' | 'closed' | 'faulted' | 'drained' | 'halfClose' | 'disconnect' | 'giveUp' | 'keepAlive' | 'giveBack'>} Native
 */

// Native code calls `deliver`, and `deliver` may call code of the user (for example a patched writeHead). During that time
// this thread cannot take further events, so a blocking call from there would never end.
let delivering = 0

/** Whether this thread is delivering an event right now. */
export function isDelivering() {
  return delivering > 0
}

/** The requests of one handler that are under way, by number. */
export class Exchanges {
  /** @type {Slots<Exchange>} */
  #table = new Slots()
  // The number of exchanges that Python can continue. A stalled one waits for JavaScript only. If no other code will run,
  // nobody will ever read it, so it must not keep the process alive.
  #live = 0
  #timeout
  // The number of requests for which Python's loop has not been woken.
  #quiet = 0
  #wake = () => {
    if (this.#quiet > 0) this.#native.wake()
    this.#quiet = 0
  }
  #native
  /** @type {Native['submit']} */
  #submit = () => null
  #keepContext
  #onLogEntry
  #onFailure
  #count = 0
  /** True while the handler closes: each connection ends with its response. */
  closing = false

  /**
   * @param {object} [settings]
   * @param {number} [settings.requestTimeout] milliseconds from the start of a request to the end of its response; 0 for no limit
   * @param {number} [settings.maxBodySize] bytes of a request body
   * @param {import('../incoming/proxy.js').Trust | null} [settings.trust] which proxies are trusted
   * @param {boolean} [settings.cancelOnDisconnect]
   * @param {object | null} [settings.workers] null: the application runs in this process
   * @param {Log} [settings.log]
   * @param {import('../log/access-log.js').AccessLog | null} [settings.accessLog]
   * @param {boolean} [settings.keepContext] whether `log` may read the asynchronous context of a request
   * @param {(kind: number, status: number, text: string) => void} [settings.onLogEntry] takes the events that belong to no request
   * @param {OnFailure} [settings.onFailure]
   *   gets the failures that no code of the user gets
   */
  constructor(settings = {}) {
    const { requestTimeout = 0, maxBodySize = Infinity, trust = null, cancelOnDisconnect = false } = settings
    const { workers, log, accessLog = null, keepContext = false, onLogEntry = () => {}, onFailure = () => {} } = settings
    /** For the transports' messages that are not failures. */
    this.log = /** @type {Log} */ (log)
    this.accessLog = accessLog
    this.#keepContext = keepContext
    this.#onLogEntry = onLogEntry
    this.#onFailure = onFailure
    this.#timeout = requestTimeout
    this.maxBodySize = maxBodySize
    this.trust = trust
    this.cancelOnDisconnect = cancelOnDisconnect
    /** Whether a large piece of a response can be memory of the application. */
    this.lends = workers === null
    // Set once, before the first request, because the handler submits nothing until it has started.
    this.#native = /** @type {Native} */ (/** @type {unknown} */ (null))
    /** @type {Deliver} */
    this.deliver = (id, kind, status, text, data) => this.#deliver(id, kind, status, text, data)
  }

  get native() {
    return this.#native
  }

  set native(native) {
    this.#native = native
    // The getter creates a new function each time.
    this.#submit = native.submit
  }

  get size() {
    return this.#table.size
  }

  /** The asynchronous context of a request that comes now; null if nobody would read it. */
  context() {
    return this.#keepContext ? new Context() : null
  }

  /** @param {number} id */
  get(id) {
    return this.#table.get(id)
  }

  /**
   * Submits a request. Throws if it is refused, and then nothing was sent: OVERLOADED, INVALID_REQUEST, BODY_TOO_LARGE.
   * @param {Exchange} exchange
   * @param {string} head
   * @param {Uint8Array | undefined} body
   * @param {number} flags
   */
  submit(exchange, head, body, flags) {
    if (body !== undefined && body.length > this.maxBodySize) throw bodyTooLarge(this.maxBodySize)
    // Waking Python's loop costs as much as the rest of a request's way there. A single request wakes it at once. With others
    // under way, the wake-up waits for more requests of this turn of our loop.
    const quiet = this.#table.size > 0 && this.#quiet < BURST - 1
    const refusal = this.#submit(this.#table.next, head, body, quiet ? flags | FLAG.QUIET : flags)
    if (refusal) throw errorFromFailure(refusal)
    if (!quiet) this.#quiet = 0
    else if (this.#quiet++ === 0) setImmediate(this.#wake)
    exchange.id = this.#table.add(exchange)
    exchange.number = this.count()
    exchange.open = true
    this.keepAlive()
    // A WebSocket has no time limit.
    if (this.#timeout > 0 && (flags & FLAG.WEBSOCKET) === 0) exchange.timer = setTimeout(onTimeout, this.#timeout, exchange)
  }

  /** The sequence number of an accepted request. The native side counts in the same way. */
  count() {
    return ++this.#count
  }

  /**
   * Goes on from the number of the native side.
   * @param {number | undefined} requests as many as it has accepted
   */
  recount(requests = this.#count) {
    this.#count = requests
  }

  /** @param {Exchange} exchange */
  drained(exchange) {
    exchange.stalled = false
    this.keepAlive()
    this.native.drained(exchange.id)
  }

  /** @param {Exchange} exchange */
  remove(exchange) {
    if (!exchange.open) return
    exchange.open = false
    if (!exchange.stalled) this.release()
    if (exchange.timer !== undefined) clearTimeout(exchange.timer)
    exchange.source?.stop()
    // The number is freed last. The source may be the user's code, which may send another request when it is stopped.
    this.#table.remove(exchange.id)
  }

  /** @param {Exchange} exchange */
  #stall(exchange) {
    exchange.stalled = true
    this.release()
    exchange.source?.yield()
  }

  /**
   * The consumer has read the file that ends the response.
   * @param {Exchange} exchange
   */
  finish(exchange) {
    if (!exchange.open) return
    this.drained(exchange)
    this.remove(exchange)
    this.completed(exchange)
  }

  /**
   * The consumer stops.
   * @param {Exchange} exchange
   */
  leave(exchange) {
    if (!exchange.open) return
    this.remove(exchange)
    this.#native.disconnect(exchange.id)
    this.over(exchange, disconnectedOutcome(exchange.status))
  }

  /**
   * The client has closed its WebSocket.
   * @param {Exchange} exchange
   * @param {number} code
   * @param {string} reason
   */
  close(exchange, code, reason) {
    if (!exchange.open) return
    this.remove(exchange)
    this.#native.closed(exchange.id, code, reason)
    this.#closed(exchange, code)
  }

  /**
   * The app of a WebSocket has not answered in time.
   * @param {Exchange} exchange
   */
  expire(exchange) {
    if (!exchange.open) return
    this.remove(exchange)
    this.#native.giveUp(exchange.id)
    this.#closed(exchange, CLOSE_CODE.ABNORMAL)
  }

  /**
   * @param {Exchange} exchange
   * @param {number} code
   */
  #closed(exchange, code) {
    if (exchange.record !== null) exchange.record.code = code
    this.over(exchange, disconnectedOutcome(exchange.status))
  }

  /**
   * The app has sent its whole response.
   * @param {Exchange} _exchange
   */
  completed(_exchange) {}

  /**
   * There will be no response, or no rest of it. Decides the outcome, logs it and has it written.
   * @param {Exchange} exchange
   * @param {unknown} error
   * @param {boolean} [inOrder] whether all that the app has sent came before this
   */
  fail(exchange, error, inOrder = false) {
    if (exchange.open) {
      this.remove(exchange)
      if (error instanceof PythonError && error.code === 'REQUEST_TIMEOUT') this.#native.giveUp(exchange.id)
      else this.#native.disconnect(exchange.id)
    }
    const outcome = failedOutcome(error, exchange.status)
    const request = outcome.kind === 'failed' && !exchange.logged ? exchange.described(outcome) : null
    if (request !== null) {
      const report = () => this.#onFailure(outcome, request, exchange.number)
      if (exchange.context === null) report()
      else exchange.context.runInAsyncScope(report)
    }
    this.over(exchange, outcome)
    exchange.onFailed(outcome, inOrder)
  }

  /**
   * An exchange has ended with this outcome, and was not completed.
   * @param {Exchange} _exchange
   * @param {Outcome} _outcome
   */
  over(_exchange, _outcome) {}

  /** @param {unknown} reason */
  failAll(reason) {
    // The end of one exchange may have ended another.
    for (const exchange of this.#table.values()) if (exchange.open) this.fail(exchange, reason)
  }

  /** Keeps the process alive until `release`. */
  keepAlive() {
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
    if (kind >= EVENT.RECORD) return this.#deliverLog(kind, status, text)
    const exchange = this.#table.get(id)
    if (exchange === undefined) return kind === EVENT.FILE ? closeFile(text) : undefined
    delivering++
    try {
      if (dispatch(exchange, kind, status, text, data) !== false || !exchange.open) return
      // Events that were already on their way when the consumer stalled still arrive.
      if (!exchange.stalled) this.#stall(exchange)
      return false
    } catch (error) {
      this.fail(exchange, error)
    } finally {
      delivering--
    }
  }

  /**
   * @param {number} kind
   * @param {number} status
   * @param {string} text
   */
  #deliverLog(kind, status, text) {
    delivering++
    try {
      this.#onLogEntry(kind, status, text)
    } finally {
      delivering--
    }
  }
}

/** @param {Exchange} exchange */
function onTimeout(exchange) {
  exchange.fail(new PythonError('REQUEST_TIMEOUT', 'The application has not completed its response in time (option requestTimeout)'))
}
