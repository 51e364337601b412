import { CollectCall, StreamCall } from './call/calls.js'
import { PythonError, bodyTooLarge, closedError, errorFromFailure, show } from './native/errors.js'
import { Exchanges, isDelivering } from './native/exchanges.js'
import { FLAG } from './native/protocol.js'
import { FetchCall } from './fetch/call.js'
import { request as clientRequest } from './fetch/client.js'
import { Handshakes } from './websocket/handshake.js'
import { healthOf } from './log/health.js'
import { requestHead } from './incoming/head.js'
import { answer, serve } from './http/exchange.js'
import { addExitHook, removeExitHook } from './python/exit-hooks.js'
import { LoggedExchanges } from './log/logged-exchanges.js'
import { checkMiddlewareOptions, passOn, serveNext } from './http/middleware.js'
import { logFailure } from './log/failures.js'
import { Journal } from './log/records.js'
import { completedOutcome, failedOutcome } from './native/outcome.js'
import { checkIsNoRequest, checkIsSocket, isNoListener, isNoRequest } from './options/misuse.js'
import { checkOptions, closeTimeout } from './options/options.js'
import { Request, completeBody, takeBody, takeMessages } from './message/request.js'
import { responseFrom } from './message/response.js'
import { pythonInfo, startPython, startPythonSync } from './python/start.js'
import { takes } from './websocket/upgrade.js'
import { WebSocketCall } from './call/websocket.js'
import { Sockets, WebSocketExchange } from './websocket/exchange.js'

/** @typedef {import('./index.js').PythonHandlerOptions} PythonHandlerOptions */
/** @typedef {import('./index.js').RequestInit} RequestInit */
/** @typedef {import('./message/response.js').Response} Response */
/** @typedef {import('./python/start.js').Addon} Addon */
/** @typedef {import('./python/start.js').NativeHandler} NativeHandler */
/** @typedef {{ signal?: AbortSignal }} CallOptions */

/** What a client has to answer the close frame even when `timeout` is over. */
const FAREWELL_MS = 250

/** What comes of a call that Python has not seen. */
const REFUSALS = new Set(['OVERLOADED', 'HANDLER_CLOSED', 'INVALID_REQUEST', 'REWRITE_FAILED', 'SYNC_REENTRANT'])

export class PythonHandler {
  #settings
  #exchanges
  #sockets
  /** @type {'starting' | 'ready' | 'failed' | 'closed'} */
  #state = 'starting'
  /** @type {NativeHandler | null} */
  #native = null
  /** @type {unknown} why it did not start */
  #failure
  #reported = false
  #starting
  /** @type {Promise<void> | null} */
  #closing = null
  /** @type {import('./log/health.js').KnownHealth} what was known last */
  #known = { inFlight: 0, queued: 0, requests: 0, errors: 0, lag: 0, blocked: 0, loop: null }
  /** Milliseconds that close() waits. */
  #patience = closeTimeout()
  /** Closes by `signal`; what goes wrong then has nobody else to hear of it. */
  #onAbort = () => void this.close().catch((error) => this.#report(error))

  static get python() {
    return pythonInfo()
  }

  /** @param {PythonHandlerOptions} options */
  constructor(options) {
    this.#settings = checkOptions(options)
    const { accessLog, log, stdio } = this.#settings
    const journal = new Journal(log, stdio)
    const settings = {
      ...this.#settings,
      keepContext: log.isCustom,
      onSaid: journal.deliver.bind(journal),
      /** @type {import('./native/exchanges.js').OnFailure} */
      onFailure: (outcome, request, number) => logFailure(log, outcome, request, number)
    }
    this.#exchanges = accessLog === null ? new Exchanges(settings) : new LoggedExchanges({ ...settings, accessLog })
    const { websocket, highWaterMark } = this.#settings
    this.#sockets = new Sockets(websocket, new Handshakes(websocket), highWaterMark)
    /** @type {(req: import('node:http').IncomingMessage, res: import('node:http').ServerResponse) => void} */
    this.listener = (req, res) => {
      if (res === undefined) throw isNoRequest()
      if (this.#state === 'ready') serve(this.#exchanges, req, res)
      else this.#serveLater(req, res)
    }
    /** @type {import('./index.js').PythonHandler['upgrade']} */
    this.upgrade = (req, socket, head) => this.#upgrade(req, socket, head)
    /** @type {import('./index.js').PythonHandler['fetch']} */
    this.fetch = (request, env) => this.#fetch(request, env)
    /** @type {import('./index.js').PythonHandler['client']} */
    this.client = (input, init) => clientRequest(this.fetch, input, init)
    this.#starting = this.#start()
    // A failure is told to everybody who asks, at each ready() and request; that nobody has asked yet is no crash.
    this.#starting.catch(() => {})
    const { signal } = this.#settings
    signal?.addEventListener('abort', this.#onAbort, { once: true })
    if (signal?.aborted) this.#onAbort()
  }

  async #start() {
    // The constructor returns at once: to look for Python takes this thread some milliseconds, which come after its caller.
    await Promise.resolve()
    try {
      const addon = await startPython(this.#settings)
      if (this.#state === 'closed') return
      this.#started(await this.#handlerOf(addon).start())
    } catch (error) {
      throw this.#failed(error)
    }
  }

  /** The same for a caller that cannot wait: overtakes #start, which then finds the work done. */
  #startSync() {
    if (this.#state === 'ready') return
    if (this.#state === 'closed') throw closedError()
    if (this.#state === 'failed') throw this.#failure
    try {
      this.#started(this.#handlerOf(startPythonSync(this.#settings)).startSync())
    } catch (error) {
      throw this.#failed(error)
    }
  }

  /** @param {Addon} addon */
  #handlerOf(addon) {
    if (this.#native === null) {
      this.#native = new addon.NativeHandler(this.#settings.config, this.#exchanges.deliver, this.#settings.rewriter)
      addExitHook(this.#drain)
    }
    this.#exchanges.native = this.#native
    return this.#native
  }

  /** What Python said last is handed over before the end. */
  #drain = () => this.#native?.drain()

  /** @param {import('./native/errors.js').NativeFailure | null} failure */
  #started(failure) {
    if (failure) throw errorFromFailure(failure)
    if (this.#state === 'starting') this.#state = 'ready'
  }

  /** @param {unknown} error */
  #failed(error) {
    // The first failure stays the one that everybody hears of.
    if (this.#state === 'starting') {
      this.#state = 'failed'
      this.#failure = error
      // What the app has said of it. Nobody will say more.
      this.#drain()
      removeExitHook(this.#drain)
    }
    return this.#failure ?? error
  }

  /** @returns {Promise<void>} */
  async ready() {
    if (this.#state === 'starting') await this.#starting.catch(() => {})
    this.#assertUsable()
  }

  #assertUsable() {
    if (this.#state === 'closed') throw closedError()
    if (this.#state === 'failed') throw this.#failure
  }

  /**
   * @param {Request | RequestInit} request
   * @param {CallOptions} [options]
   * @returns {Promise<Response>}
   */
  handleRequest(request, options) {
    return this.#call(request, options, false)
  }

  /**
   * @param {Request | RequestInit} request
   * @param {CallOptions} [options]
   * @returns {Promise<Response>}
   */
  handleStream(request, options) {
    const ours = request instanceof Request ? request : new Request(request)
    return ours.websocket ? this.#connect(ours, options) : this.#call(ours, options, true)
  }

  /**
   * @param {Request | RequestInit} request
   * @param {CallOptions | undefined} options
   * @param {boolean} streaming
   * @returns {Promise<Response>}
   */
  #call(request, options, streaming) {
    // No await on the way of a request whose handler has started: it is on its way before this call returns.
    return new Promise((resolve, reject) => {
      const ours = checkedRequest(request)
      const signal = options === undefined ? undefined : checkedSignal(options)
      if (signal?.aborted) return reject(signal.reason)
      const body = takeBody(ours, streaming)
      const head = requestHead(ours, body.length)
      const call = streaming
        ? new StreamCall(this.#exchanges, signal, resolve, reject, this.#settings.highWaterMark)
        : new CollectCall(this.#exchanges, signal, resolve, reject)
      if (this.#state === 'ready') return this.#submit(call, head, body)
      call.head = head
      // What the caller does to its buffer in the meantime must not matter, as it does not once the request has left.
      const kept = body.bytes === undefined ? body : { ...body, bytes: Buffer.from(body.bytes) }
      this.ready().then(
        () => signal?.aborted || this.#submit(call, head, kept),
        (error) => call.fail(error)
      )
    })
  }

  /**
   * @param {CollectCall | StreamCall} call
   * @param {string} head
   * @param {import('./message/request.js').Body} body
   */
  #submit(call, head, { bytes, source }) {
    const collect = call instanceof CollectCall ? FLAG.COLLECT : 0
    try {
      this.#exchanges.submit(call, head, bytes, collect | (source === null ? 0 : FLAG.BODY_FOLLOWS))
    } catch (error) {
      return call.fail(error)
    }
    source?.start(call)
  }

  /**
   * @param {Request} request
   * @param {CallOptions | undefined} options
   * @returns {Promise<Response>}
   */
  #connect(request, options) {
    return new Promise((resolve, reject) => {
      const signal = options === undefined ? undefined : checkedSignal(options)
      if (signal?.aborted) return reject(signal.reason)
      const { highWaterMark, websocket } = this.#settings
      const call = new WebSocketCall(this.#exchanges, signal, resolve, reject, highWaterMark, websocket.maxPayload)
      const messages = takeMessages(request)
      const head = requestHead(request, -1)
      const begin = () => {
        try {
          this.#exchanges.submit(call, head, undefined, FLAG.WEBSOCKET)
        } catch (error) {
          return call.fail(error)
        }
        call.expect(websocket.acceptTimeout)
        messages.start(call)
      }
      if (this.#state === 'ready') return begin()
      call.head = head
      this.ready().then(
        () => signal?.aborted || begin(),
        (error) => call.fail(error)
      )
    })
  }

  /**
   * @param {Request | RequestInit} request
   * @returns {Response}
   */
  handleRequestSync(request) {
    if (isDelivering()) {
      throw new PythonError('SYNC_REENTRANT', 'handleRequestSync was called while an event of a response is being delivered')
    }
    const ours = checkedRequest(request)
    const { bytes, length } = completeBody(ours)
    if (length > this.#settings.maxBodySize) throw bodyTooLarge(this.#settings.maxBodySize)
    this.#startSync()
    const native = /** @type {NativeHandler} */ (this.#native)
    const head = requestHead(ours, length)
    const record = this.#settings.accessLog?.called(head, false)
    const { status, headers, body, failure } = native.callSync(head, bytes)
    if (!failure || !REFUSALS.has(failure.code)) this.#exchanges.count()
    const error = failure ? errorFromFailure(failure) : null
    record?.settle(error === null ? completedOutcome(status) : failedOutcome(error), body?.length)
    if (error !== null) throw error
    return responseFrom(status, headers, body ?? Buffer.alloc(0), null)
  }

  /**
   * @param {import('node:http').IncomingMessage} req
   * @param {import('node:http').ServerResponse} res
   */
  #serveLater(req, res) {
    this.ready().then(
      () => serve(this.#exchanges, req, res),
      (error) => {
        this.#settings.accessLog?.follow(req, res, this.#settings.trust)
        answer(res, this.#unavailable(error))
      }
    )
  }

  /**
   * @param {import('node:http').IncomingMessage} req
   * @param {import('node:stream').Duplex} socket
   * @param {Buffer} head
   */
  #upgrade(req, socket, head) {
    checkIsSocket(socket)
    if (!takes(req, socket, head, this.#settings)) return
    const exchange = new WebSocketExchange(this.#exchanges, this.#sockets, req, socket, head)
    exchange.afterEarlierResponses(() => {
      if (this.#state === 'ready') return exchange.begin()
      this.ready().then(
        () => exchange.begin(),
        (error) => exchange.refuse(this.#unavailable(error))
      )
    })
  }

  /**
   * The status for a client whose request the handler cannot take. Says why to the log, once.
   * @param {unknown} error
   */
  #unavailable(error) {
    if (this.#state === 'closed') return 503
    if (!this.#reported) this.#report(error)
    this.#reported = true
    return 500
  }

  /** @param {unknown} error that nobody else hears of */
  #report(error) {
    this.#settings.log.write('error', { err: error }, error instanceof Error ? error.message : String(error))
  }

  /**
   * @param {globalThis.Request} request
   * @param {unknown} env
   * @returns {Promise<globalThis.Response>}
   */
  #fetch(request, env) {
    return new Promise((resolve, reject) => {
      const call = new FetchCall(this.#exchanges, request, env, resolve, reject, this.#settings.highWaterMark)
      if (this.#state === 'ready') return call.begin()
      this.ready().then(
        () => call.begin(),
        (error) => call.refuse(this.#unavailable(error))
      )
    })
  }

  /**
   * @param {import('./index.js').MiddlewareOptions} [options]
   * @returns {import('./index.js').Middleware}
   */
  middleware(options) {
    checkIsNoRequest(options)
    const { fallthrough } = checkMiddlewareOptions(options)
    return (req, res, next) => {
      const run = () => serveNext(this.#exchanges, /** @type {import('node:http').IncomingMessage} */ (req), /** @type {import('node:http').ServerResponse} */ (res), next, fallthrough)
      if (this.#state === 'ready') run()
      else this.ready().then(run, passOn.bind(null, next))
    }
  }

  /**
   * @param {{ timeout?: number }} [options]
   * @returns {Promise<void>}
   */
  close(options) {
    const timeout = closeTimeout(options)
    if (this.#closing === null) {
      this.#patience = timeout
      this.#closing = this.#close()
    } else {
      this.#patience = Math.min(timeout, this.#patience)
      this.#native?.shortenTimeout(timeout)
    }
    return this.#closing
  }

  async #close() {
    this.#state = 'closed'
    this.#exchanges.closing = true
    this.#known = this.#native?.health() ?? this.#known
    // It may live much longer than this handler.
    this.#settings.signal?.removeEventListener('abort', this.#onAbort)
    // An import cannot be interrupted: what is under way comes to its end first.
    await this.#starting.catch(() => {})
    const native = this.#native
    if (native === null) return
    this.#exchanges.hold()
    const started = performance.now()
    const failure = await native.close(this.#patience)
    // Responses that are complete, and have not been delivered, come before the end.
    native.drain()
    this.#exchanges.failAll(closedError())
    // Each has its close frame. Some clients will not answer it, and their sockets would keep the process.
    this.#sockets.endBy(Math.max(started + this.#patience, performance.now() + FAREWELL_MS))
    this.#exchanges.release()
    removeExitHook(this.#drain)
    native.release()
    if (failure) throw errorFromFailure(failure)
  }

  /** @returns {import('./index.js').Health} */
  health() {
    this.#known = this.#native?.health() ?? { ...this.#known, inFlight: 0, queued: 0, blocked: 0 }
    const { unhealthyAfter } = this.#settings
    const failed = this.#failure !== undefined
    return healthOf(this.#state, failed, this.#closing !== null, this.#known, this.#sockets.size, unhealthyAfter)
  }

  async [Symbol.asyncDispose]() {
    await this.close()
  }
}

// `createServer(python)` takes it for options, and looks for this one first. No part of the class, so that no type shows it.
Object.defineProperty(PythonHandler.prototype, 'IncomingMessage', {
  get() {
    throw isNoListener()
  }
})

/** @param {unknown} request */
function checkedRequest(request) {
  const ours = request instanceof Request ? request : new Request(/** @type {RequestInit} */ (request))
  if (ours.websocket) throw new TypeError('A WebSocket request (websocket: true, or a ws: url) is for handleStream')
  return ours
}

/** @param {unknown} options */
function checkedSignal(options) {
  if (typeof options !== 'object' || options === null) throw new TypeError(`options must be an object, not ${show(options)}`)
  const { signal } = /** @type {{ signal?: unknown }} */ (options)
  if (signal === undefined || signal === null) return undefined
  if (signal instanceof AbortSignal) return signal
  throw new TypeError(`signal must be an AbortSignal, not ${show(signal)}`)
}
