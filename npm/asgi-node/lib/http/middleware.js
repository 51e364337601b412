import { PythonError, show } from '../native/errors.js'
import { Context } from '../native/context.js'
import { statusOf } from '../native/outcome.js'
import { FRAMING, bodyLength, framingOf, withoutFraming } from '../message/framing.js'
import { HttpExchange, run } from './exchange.js'
import { optionsOf } from '../options/names.js'

/** @typedef {import('node:http').IncomingMessage & { rawBody?: unknown }} IncomingMessage */
/** @typedef {import('node:http').ServerResponse} ServerResponse */
/** @typedef {import('../native/exchanges.js').Exchanges} Exchanges */
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
  // A body that is still in its stream is read from there. One that has begun to be read is nowhere else than in rawBody.
  if (!req.readableDidRead || !(framingOf(req.rawHeaders) & FRAMING.BODY)) {
    return run(new MiddlewareExchange(exchanges, req, res, next, fallthrough))
  }
  const { rawBody } = req
  if (!(rawBody instanceof Uint8Array)) return passOn(next, readAlready())
  run(new MiddlewareExchange(exchanges, withBody(req, rawBody), res, next, fallthrough), /** @type {Buffer} */ (rawBody))
}

function readAlready() {
  return new PythonError(
    'BODY_ALREADY_READ',
    'The request body has been read before it came to Python, by a body parser probably: put python.middleware() in front of ' +
      'the parser (express.json(), say), or have the parser keep the bytes: express.json({ verify: (req, _res, body) => { req.rawBody = body } })'
  )
}

/**
 * The request with this body, and headers that fit it: parsers hand out what they have decompressed.
 * @param {IncomingMessage} req
 * @param {Uint8Array} body
 * @returns {IncomingMessage}
 */
function withBody(req, body) {
  const { rawHeaders } = req
  if (bodyLength(rawHeaders) === body.length) return req
  const kept = withoutFraming(rawHeaders)
  // Still compressed only where it looks so (RFC 1952, 2.3.1); another coding is not recognised, and parsers know few.
  const compressed = body[0] === 0x1f && body[1] === 0x8b
  const flat = compressed ? kept : without(kept, 'content-encoding')
  return Object.create(req, { rawHeaders: { value: [...flat, 'content-length', String(body.length)] } })
}

/**
 * @param {string[]} flat
 * @param {string} name
 */
function without(flat, name) {
  return flat.filter((_, i) => flat[i - (i % 2)].toLowerCase() !== name)
}

/**
 * For error handlers of Express and Connect, which take the status of their answer from the error.
 * @param {unknown} error
 */
function withStatus(error) {
  return error instanceof PythonError ? Object.assign(error, { status: statusOf(error) }) : error
}

/** One request of a middleware: what fails before the response has begun is the next handler's. */
class MiddlewareExchange extends HttpExchange {
  // What the next handlers do belongs to the request: they find its AsyncLocalStorage as they would without us.
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
    this.#passOn()
    return true
  }

  /** Whether it is too late for the next handler to answer. */
  get #answered() {
    const { res } = this
    return res.headersSent || res.writableEnded || res.destroyed
  }

  /** @override @param {import('../native/outcome.js').Outcome} outcome */
  described(outcome) {
    return this.#answered ? super.described(outcome) : null
  }

  /** @override @param {import('../native/outcome.js').Outcome} outcome */
  onFailed(outcome) {
    if (this.#answered) super.onFailed(outcome)
    else this.#passOn(outcome.error)
  }

  /** @param {unknown} [error] */
  #passOn(error) {
    this.#context.runInAsyncScope(passOn, undefined, this.#next, error)
  }
}

/**
 * In a turn of its own: what the next handlers do is no part of delivering an event, and what they throw is theirs.
 * @param {Next} next
 * @param {unknown} [error]
 */
export function passOn(next, error) {
  setImmediate(() => (error === undefined ? next() : next(withStatus(error))))
}
