import { PythonError, show } from '../native/errors.js'
import { Context } from '../native/context.js'
import { HttpExchange, run } from './exchange.js'
import { optionsOf } from '../options/names.js'

/** @typedef {import('node:http').IncomingMessage} IncomingMessage */
/** @typedef {import('node:http').ServerResponse} ServerResponse */
/** @typedef {import('../native/exchanges.js').Exchanges} Exchanges */
/** @typedef {import('../native/outcome.js').Outcome} Outcome */
/** @typedef {(error?: unknown) => void} Next */

/**
 * @param {unknown} options
 * @returns {{ fallthrough: boolean }}
 */
export function checkMiddlewareOptions(options = {}) {
  const { fallthrough = false } = optionsOf(options, ['fallthrough'], 'middleware()')
  if (typeof fallthrough !== 'boolean') throw new TypeError(`Option fallthrough must be a boolean, not ${show(fallthrough)}`)
  return { fallthrough }
}

/**
 * Runs the app on one request of Express or Connect.
 * @param {Exchanges} exchanges
 * @param {IncomingMessage} req
 * @param {ServerResponse} res
 * @param {Next} next
 * @param {boolean} fallthrough
 */
export function serveNext(exchanges, req, res, next, fallthrough) {
  run(new MiddlewareExchange(exchanges, req, res, next, fallthrough))
}

/**
 * Sets `status`: error handlers of Express and Connect read the status of their response from the error.
 * @param {Outcome} outcome
 */
function errorWithStatus({ error, status, started }) {
  return error instanceof PythonError ? Object.assign(error, { status: started ? 500 : status }) : error
}

/** One request of a middleware. If it fails before the response has started, the next handler gets it. */
class MiddlewareExchange extends HttpExchange {
  // The next handlers work for the request, so they find its AsyncLocalStorage as they would without us.
  #context = new Context()
  #next
  #fallthrough

  /**
   * @param {Exchanges} exchanges
   * @param {IncomingMessage} req
   * @param {ServerResponse} res
   * @param {Next} next
   * @param {boolean} fallthrough
   */
  constructor(exchanges, req, res, next, fallthrough) {
    super(exchanges, req, res)
    this.#next = next
    this.#fallthrough = fallthrough
  }

  /** @override @param {number} status @param {string} headers @param {import('../native/exchange.js').WholeBody} body */
  onComplete(status, headers, body) {
    if (!this.#passes(status)) super.onComplete(status, headers, body)
  }

  /** @override @param {number} status @param {string} headers @param {Buffer | undefined} chunk */
  onStart(status, headers, chunk) {
    if (!this.#passes(status)) return super.onStart(status, headers, chunk)
  }

  /** @param {number} status */
  #passes(status) {
    if (status !== 404 || !this.#fallthrough || this.res.headersSent) return false
    this.leave()
    this.#callNext()
    return true
  }

  /** Whether it is too late for the next handler to answer. */
  get #answered() {
    const { res } = this
    return res.headersSent || res.writableEnded || res.destroyed
  }

  /** @override @param {Outcome} outcome */
  described(outcome) {
    return this.#answered ? super.described(outcome) : null
  }

  /** @override @param {Outcome} outcome */
  onFailed(outcome) {
    if (this.#answered) super.onFailed(outcome)
    else this.#callNext(outcome)
  }

  /** @param {Outcome} [outcome] */
  #callNext(outcome) {
    this.#context.runInAsyncScope(callNext, undefined, this.#next, outcome)
  }
}

/**
 * Calls `next` in a later turn of the loop. The next handlers are not part of the delivery of an event, and their exceptions
 * are their own.
 * @param {Next} next
 * @param {Outcome} [outcome] of a request that has failed
 */
export function callNext(next, outcome) {
  setImmediate(() => (outcome === undefined ? next() : next(errorWithStatus(outcome))))
}
