import { checkedRequest, checkedSignal } from './call/arguments.js'
import { CollectCall, StreamCall } from './call/calls.js'
import { callSync } from './call/sync.js'
import { WebSocketCall } from './call/websocket.js'
import { FetchCall } from './fetch/call.js'
import { request as clientRequest } from './fetch/client.js'
import { Lifecycle } from './handler/lifecycle.js'
import { answer, serve } from './http/exchange.js'
import { checkMiddlewareOptions, callNext, serveNext } from './http/middleware.js'
import { requestHead } from './incoming/head.js'
import { sessionOf } from './incoming/http2.js'
import { logFailure } from './log/failures.js'
import { LoggedExchanges } from './log/logged-exchanges.js'
import { Records } from './log/records.js'
import { checkIsNoRequest, checkIsSocket, isNoListener, isNoRequest } from './options/misuse.js'
import { Request, takeBody, takeMessages } from './message/request.js'
import { Exchanges } from './native/exchanges.js'
import { FLAG } from './native/protocol.js'
import { checkOptions } from './options/options.js'
import { pythonInfo } from './python/start.js'
import { Sockets, WebSocketExchange } from './websocket/exchange.js'
import { Handshakes } from './websocket/handshake.js'
import { takes } from './websocket/upgrade.js'

/** @typedef {import('./index.js').PythonHandlerOptions} PythonHandlerOptions */
/** @typedef {import('./index.js').RequestInit} RequestInit */
/** @typedef {import('./message/response.js').Response} Response */
/** @typedef {{ signal?: AbortSignal }} CallOptions */

export class PythonHandler {
  #settings
  #exchanges
  #sockets
  #life

  static get python() {
    return pythonInfo()
  }

  /** @param {PythonHandlerOptions} options */
  constructor(options) {
    this.#settings = checkOptions(options)
    const { accessLog, log, stdio } = this.#settings
    const records = new Records(log, stdio)
    const settings = {
      ...this.#settings,
      keepContext: log.isCustom,
      onLogEntry: records.deliver.bind(records),
      /** @type {import('./native/exchanges.js').OnFailure} */
      onFailure: (outcome, request, number) => logFailure(log, outcome, request, number)
    }
    this.#exchanges = accessLog === null ? new Exchanges(settings) : new LoggedExchanges({ ...settings, accessLog })
    const { websocket, highWaterMark } = this.#settings
    this.#sockets = new Sockets(websocket, new Handshakes(websocket), highWaterMark)
    /** @type {(req: import('node:http').IncomingMessage, res: import('node:http').ServerResponse) => void} */
    this.listener = (req, res) => {
      if (res === undefined) throw isNoRequest()
      if (this.#life.isReady) serve(this.#exchanges, req, res)
      else this.#serveLater(req, res)
    }
    /** @type {import('./index.js').PythonHandler['upgrade']} */
    this.upgrade = (req, socket, head) => this.#upgrade(req, socket, head)
    /** @type {import('./index.js').PythonHandler['fetch']} */
    this.fetch = (request, env) => this.#fetch(request, env)
    /** @type {import('./index.js').PythonHandler['client']} */
    this.client = (input, init) => clientRequest(this.fetch, input, init)
    this.#life = new Lifecycle(this.#settings, this.#exchanges, this.#sockets)
  }

  /** @returns {Promise<void>} */
  ready() {
    return this.#life.ready()
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
    // No await here: if the handler has started, the request is sent before this call returns.
    return new Promise((resolve, reject) => {
      const ours = checkedRequest(request)
      const signal = options === undefined ? undefined : checkedSignal(options)
      if (signal?.aborted) return reject(signal.reason)
      const body = takeBody(ours, streaming)
      const head = requestHead(ours, body.length)
      const call = streaming
        ? new StreamCall(this.#exchanges, signal, resolve, reject, this.#settings.highWaterMark)
        : new CollectCall(this.#exchanges, signal, resolve, reject)
      const flags = streaming ? 0 : FLAG.COLLECT
      if (this.#life.isReady) return call.send(head, body, flags)
      call.head = head
      // The caller may change its buffer while the handler starts, so the body is copied.
      const kept = body.bytes === undefined ? body : { ...body, bytes: Buffer.from(body.bytes) }
      this.#life.readyForRequest().then(
        () => signal?.aborted || call.send(head, kept, flags),
        (error) => call.refuse(this.#life.unavailable(error))
      )
    })
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
      if (this.#life.isReady) return call.connect(head, messages, websocket.acceptTimeout)
      call.head = head
      this.#life.readyForRequest(websocket.acceptTimeout).then(
        () => signal?.aborted || call.connect(head, messages, websocket.acceptTimeout),
        (error) => call.refuse(this.#life.unavailable(error))
      )
    })
  }

  /**
   * @param {Request | RequestInit} request
   * @returns {Response}
   */
  handleRequestSync(request) {
    return callSync(request, this.#exchanges, () => {
      this.#life.startSync()
      return this.#life.native
    })
  }

  /**
   * @param {import('node:http').IncomingMessage} req
   * @param {import('node:http').ServerResponse} res
   */
  #serveLater(req, res) {
    this.#life.readyForRequest().then(
      () => serve(this.#exchanges, req, res),
      (error) => {
        this.#follow(req, res)
        // As Connection: close, which the answer has in HTTP/1.
        if (this.#exchanges.closing) sessionOf(req)?.close()
        answer(res, this.#life.unavailableToClient(error).status)
      }
    )
  }

  /**
   * The access log has a request that is not run, too.
   * @param {import('node:http').IncomingMessage} req
   * @param {import('node:http').ServerResponse} res
   */
  #follow(req, res) {
    this.#settings.accessLog?.follow(req, res, this.#settings.trust)
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
      if (this.#life.isReady) return exchange.begin()
      this.#life.readyForRequest(this.#settings.websocket.acceptTimeout).then(
        () => exchange.begin(),
        (error) => exchange.refuse(this.#life.unavailableToClient(error).status)
      )
    })
  }

  /**
   * @param {globalThis.Request} request
   * @param {unknown} env
   * @returns {Promise<globalThis.Response>}
   */
  #fetch(request, env) {
    return new Promise((resolve, reject) => {
      const call = new FetchCall(this.#exchanges, request, env, resolve, reject, this.#settings.highWaterMark)
      if (this.#life.isReady) return call.begin()
      this.#life.readyForRequest().then(
        () => call.begin(),
        (error) => call.refuse(this.#life.unavailableToClient(error))
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
    return (request, response, next) => {
      const req = /** @type {import('node:http').IncomingMessage} */ (request)
      const res = /** @type {import('node:http').ServerResponse} */ (response)
      if (this.#life.isReady) return serveNext(this.#exchanges, req, res, next, fallthrough)
      this.#life.readyForRequest().then(
        () => serveNext(this.#exchanges, req, res, next, fallthrough),
        (error) => this.#passOver(req, res, next, error)
      )
    }
  }

  /**
   * @param {import('node:http').IncomingMessage} req
   * @param {import('node:http').ServerResponse} res
   * @param {import('./http/middleware.js').Next} next
   * @param {unknown} error
   */
  #passOver(req, res, next, error) {
    this.#follow(req, res)
    callNext(next, this.#life.unavailable(error))
  }

  /**
   * @param {{ timeout?: number, delay?: number }} [options]
   * @returns {Promise<void>}
   */
  close(options) {
    return this.#life.close(options)
  }

  /** @returns {Promise<void>} */
  reload() {
    return this.#life.reload()
  }

  /** @returns {import('./index.js').Health} */
  health() {
    return this.#life.health()
  }

  async [Symbol.asyncDispose]() {
    await this.close()
  }
}

// `createServer(python)` takes the handler for its options and reads this property first. It is defined outside the class, so
// that it appears in no type.
Object.defineProperty(PythonHandler.prototype, 'IncomingMessage', {
  get() {
    throw isNoListener()
  }
})
