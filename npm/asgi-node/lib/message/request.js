import { isUint8Array } from 'node:util/types'
import { IteratedBody, WHOLE_LIMIT, WrittenBody } from './bodies.js'
import { toBytes } from './body-source.js'
import { PythonError, show } from '../native/errors.js'
import { announcedLength } from './framing.js'
import { Headers, isToken } from './headers.js'
import { originOf, parseUrl } from './url.js'
import { WrittenMessages } from './websocket-messages.js'

/** @typedef {import('../index.js').RequestInit} RequestInit */
/** @typedef {import('../index.js').RequestBody} RequestBody */
/** @typedef {import('../index.js').SocketInfo} SocketInfo */
/** @typedef {import('./body-source.js').BodySource} BodySource */
/** @typedef {import('./bodies.js').Stream} Stream */

/** Methods without a body, unless the request gets one before it is sent. */
const BODILESS = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'DELETE', 'CONNECT'])

/**
 * The body for one use of the request: all its bytes, or a source that starts when the request has been sent, or neither.
 * `length` is -1 if unknown.
 * @typedef {{ bytes: Uint8Array | undefined, source: BodySource | null, length: number }} Body
 */

/** @type {Body} */
const NO_BODY = Object.freeze({ bytes: undefined, source: null, length: -1 })

/** @type {(request: Request) => import('./url.js').ParsedUrl} */
export let urlOf

/**
 * `open`: a request on which write() has not been called may still get its body that way.
 * @type {(request: Request, open: boolean) => Body}
 */
export let takeBody

/**
 * The same if nothing can follow; throws if the body is not complete.
 * @type {(request: Request) => Body}
 */
export let completeBody

/**
 * The messages for the one WebSocket that a request can open.
 * @type {(request: Request) => WrittenMessages}
 */
export let takeMessages

/**
 * The same request with another head; `target` is null if it stays the same. Both share one body: if it is a stream, the
 * request that is sent first takes it.
 * @type {(request: Request, method: string, target: string | null, headers: Headers) => Request}
 */
export let rewrittenRequest

export class Request {
  #method = 'GET'
  /** @type {import('./url.js').ParsedUrl} */
  #parsed
  #url
  #headers
  /** @type {Uint8Array | Stream | null} as it was given */
  #body = null
  /** @type {WrittenBody | IteratedBody | null} a body that is not simply bytes */
  #source = null
  #sent = false
  /** @type {SocketInfo | null} */
  #socket = null
  /** @type {string | null} */
  #docroot = null
  #websocket = false
  /** @type {WrittenMessages | null} */
  #messages = null

  static {
    urlOf = (request) => request.#parsed
    takeBody = (request, open) => request.#take(open)
    completeBody = (request) => request.#complete()
    takeMessages = (request) => request.#takeMessages()
    rewrittenRequest = (request, method, target, headers) => {
      const { socket, docroot, websocket } = request
      const url = target === null ? request.#url : `${originOf(request.#url)}${target}`
      const copy = new Request({ method, url, headers, socket, docroot, websocket })
      copy.#body = request.#body
      copy.#source = request.#source
      copy.#messages = request.#messages
      return copy
    }
  }

  /** @param {RequestInit} init */
  constructor(init) {
    if (typeof init !== 'object' || init === null) throw new TypeError(`Request needs an options object, not ${show(init)}`)
    const { method, url, headers, body, socket, docroot, websocket } = init
    if (url === undefined) throw new TypeError('Request needs a url')
    this.#parsed = parseUrl(url)
    this.#url = String(url)
    if (method !== undefined) this.method = method
    this.#headers = new Headers(headers)
    if (body !== undefined && body !== null) this.body = body
    if (socket !== undefined && socket !== null) this.#socket = checkedSocket(socket)
    if (docroot !== undefined && docroot !== null) this.docroot = docroot
    if (websocket !== undefined && typeof websocket !== 'boolean') {
      throw new TypeError(`websocket must be a boolean, not ${show(websocket)}`)
    }
    this.#websocket = websocket ?? this.#parsed.websocket
    if (!this.#websocket) return
    if (this.#body !== null) throw new TypeError('A WebSocket request has no body: write() sends messages')
    if (this.#method !== 'GET') throw new TypeError(`The method of a WebSocket request is GET, not ${show(this.#method)}`)
    this.#messages = new WrittenMessages()
  }

  get method() {
    return this.#method
  }

  set method(method) {
    // Any token is a method (RFC 9110, 9.1), and methods are case-sensitive, so it is sent as it was given.
    if (!isToken(method)) throw new TypeError(`Invalid method ${show(method)}`)
    this.#method = method
  }

  get url() {
    return this.#url
  }

  set url(url) {
    this.#parsed = parseUrl(url)
    this.#url = String(url)
  }

  get path() {
    return this.#parsed.target.split(/[?#]/, 1)[0]
  }

  get headers() {
    return this.#headers
  }

  set headers(headers) {
    this.#headers = headers instanceof Headers ? headers : new Headers(headers)
  }

  /** @returns {any} */
  get body() {
    const body = this.#body
    return isUint8Array(body) && !Buffer.isBuffer(body) ? Buffer.from(body.buffer, body.byteOffset, body.byteLength) : body
  }

  set body(body) {
    if (this.#source instanceof WrittenBody) throw new TypeError('This request has a body already: write() has been called')
    this.#body = body === null || body === undefined ? null : checkedBody(body)
    this.#source = this.#body === null || isUint8Array(this.#body) ? null : new IteratedBody(this.#body)
  }

  get socket() {
    return this.#socket
  }

  get docroot() {
    return this.#docroot
  }

  set docroot(docroot) {
    if (docroot !== null && typeof docroot !== 'string') throw new TypeError(`docroot must be a string, not ${show(docroot)}`)
    this.#docroot = docroot
  }

  get websocket() {
    return this.#websocket
  }

  /**
   * @param {string | Uint8Array} chunk
   * @returns {Promise<boolean>}
   */
  async write(chunk) {
    return this.#write(chunk)
  }

  /**
   * Throws, or returns a rejected promise, if the chunk is refused. The returned promise waits for room.
   * @param {string | Uint8Array} chunk
   */
  #write(chunk) {
    if (this.#messages !== null) return this.#messages.write(chunk)
    const bytes = toBytes(chunk)
    if (this.#body !== null) throw new PythonError('INVALID_REQUEST', 'write() on a request that was made with a body')
    if (this.#source === null && this.#sent) throw new PythonError('INVALID_REQUEST', 'write() on a request that was sent without a body')
    return this.#writer().write(bytes)
  }

  /**
   * @param {string | Uint8Array} [chunk]
   * @returns {Promise<void>}
   */
  async end(chunk) {
    const written = chunk === undefined ? undefined : this.#write(chunk)
    if (this.#messages !== null) this.#messages.end()
    // If the body was given, or left out, its end is known: end() changes nothing.
    else if (this.#body === null && (this.#source !== null || !this.#sent)) this.#writer().end()
    // A refusal of the chunk is known at once; end() does not wait for room.
    await Promise.race([written, undefined])
  }

  #takeMessages() {
    const messages = /** @type {WrittenMessages} */ (this.#messages)
    if (messages.used) throw new PythonError('INVALID_REQUEST', 'This request has opened a WebSocket: make a new Request')
    messages.used = true
    return messages
  }

  #writer() {
    this.#source ??= new WrittenBody()
    return /** @type {WrittenBody} */ (this.#source)
  }

  /**
   * @param {boolean} open
   * @returns {Body}
   */
  #take(open) {
    const body = this.#body
    if (isUint8Array(body)) return bytesBody(body)
    if (this.#source === null) {
      this.#sent = true
      if (!open || !this.#mayBeWritten()) return NO_BODY
    }
    const source = this.#source ?? this.#writer()
    if (source.sink !== null) throw new PythonError('INVALID_REQUEST', 'The body of this request has been used: make a new Request')
    source.announced = announcedLength(this.#headers)
    if (source instanceof IteratedBody || !source.ended) return { bytes: undefined, source, length: -1 }
    const length = source.size
    return length <= WHOLE_LIMIT ? whole(source.concat()) : { bytes: undefined, source, length }
  }

  #mayBeWritten() {
    const length = this.#headers.get('content-length')
    return length !== null ? Number(length) > 0 : this.#headers.has('transfer-encoding') || !BODILESS.has(this.#method)
  }

  /** @returns {Body} */
  #complete() {
    if (isUint8Array(this.#body)) return whole(this.#body)
    if (this.#source === null) return NO_BODY
    if (this.#source instanceof WrittenBody && this.#source.ended && this.#source.sink === null) return whole(this.#source.concat())
    throw new TypeError('handleRequestSync needs a complete body: bytes or a string, or write() and end() before the call')
  }

  toJSON() {
    return { method: this.#method, url: this.#url, headers: this.#headers.toJSON(), body: this.body }
  }

  [Symbol.for('nodejs.util.inspect.custom')]() {
    return this.toJSON()
  }
}

/** @param {Uint8Array} bytes @returns {Body} */
function whole(bytes) {
  return { bytes, source: null, length: bytes.length }
}

/**
 * Bytes are sent whole up to a limit, above it in slices.
 * @param {Uint8Array} bytes
 * @returns {Body}
 */
export function bytesBody(bytes) {
  if (bytes.length <= WHOLE_LIMIT) return whole(bytes)
  const source = new WrittenBody()
  void source.write(bytes)
  source.end()
  return { bytes: undefined, source, length: bytes.length }
}

/**
 * @param {RequestBody} body
 * @returns {Uint8Array | Stream}
 */
function checkedBody(body) {
  if (isUint8Array(body)) return body
  if (typeof body === 'string') return Buffer.from(body)
  if (typeof body === 'object' && 'getReader' in body) {
    if (body.locked) throw new TypeError('body is a ReadableStream that is locked: something else reads it already')
    return body
  }
  if (typeof body === 'object' && typeof body?.[Symbol.asyncIterator] === 'function') return body
  throw new TypeError(`body must be a string, a Buffer, a Uint8Array, a ReadableStream or an async iterable, not ${show(body)}`)
}

/** @param {SocketInfo} socket */
function checkedSocket(socket) {
  if (typeof socket !== 'object') throw new TypeError(`socket must be an object, not ${show(socket)}`)
  for (const name of /** @type {const} */ (['localAddress', 'remoteAddress'])) {
    const value = socket[name]
    if (value !== undefined && (typeof value !== 'string' || /[^\x21-\x7e]/.test(value))) {
      throw new TypeError(`socket.${name} must be an address, not ${show(value)}`)
    }
  }
  for (const name of /** @type {const} */ (['localPort', 'remotePort'])) {
    const value = socket[name]
    if (value !== undefined && (!Number.isInteger(value) || value < 0 || value > 65535)) {
      throw new TypeError(`socket.${name} must be a port number, not ${show(value)}`)
    }
  }
  return socket
}
