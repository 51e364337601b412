import { toBytes } from './body-source.js'
import { show } from '../native/errors.js'
import { Headers, flatHeaders, headersOver } from './headers.js'

/** @typedef {import('../index.js').ResponseInit} ResponseInit */

/**
 * The source of a streamed response's body.
 * @typedef {{ next(): Promise<Buffer | null>, cancel(): void }} ResponseSource
 * @typedef {import('../index.js').WebSocketMessage} WebSocketMessage
 */

/**
 * A response from the native side. The header text is `name\0value\0…`, validated there.
 * @type {(status: number, headers: string, body: Buffer | string | null, source: ResponseSource | null) => Response}
 */
export let responseFrom

/**
 * The methods of an open WebSocket that a Response needs.
 * @typedef {ResponseSource & { code: number | null, reason: string, close(code?: number, reason?: string): void, nextMessage(): Promise<WebSocketMessage | null> }} MessageSource
 */

export class Response {
  #status = 200
  /** @type {Headers | null} */
  #headers = null
  // Split on first use: many callers read only the status and the body.
  #headerText = ''
  // ASCII text as it came; turned into bytes on first use.
  /** @type {Buffer | string | null} */
  #body = null
  /** @type {ResponseSource | null} */
  #source = null
  #read = false

  static {
    responseFrom = (status, headers, body, source) => {
      const response = new Response()
      response.#status = status
      response.#headerText = headers
      response.#body = body
      response.#source = source
      return response
    }
  }

  /** @param {ResponseInit} [init] */
  constructor(init) {
    if (init === undefined || init === null) return
    if (typeof init !== 'object') throw new TypeError(`Response needs an options object, not ${show(init)}`)
    const { status, headers, body } = init
    if (status !== undefined) this.status = status
    if (headers !== undefined) this.headers = headers
    if (body === undefined || body === null) return
    const bytes = toBytes(body)
    this.#body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get status() {
    return this.#status
  }

  set status(status) {
    if (!Number.isInteger(status) || status < 100 || status > 999) {
      throw new TypeError(`status must be an integer from 100 to 999, not ${show(status)}`)
    }
    this.#status = status
  }

  /** @returns {any} */
  get headers() {
    this.#headers ??= headersOver(flatHeaders(this.#headerText))
    return this.#headers
  }

  set headers(headers) {
    this.#headers = headers instanceof Headers ? headers : new Headers(headers)
  }

  get body() {
    if (typeof this.#body === 'string') this.#body = Buffer.from(this.#body, 'latin1')
    return this.#body
  }

  get ok() {
    return this.#status >= 200 && this.#status <= 299
  }

  async #bytes() {
    if (this.#channel !== null) throw new TypeError('A WebSocket has messages, no body')
    if (this.#source === null) return this.body ?? Buffer.alloc(0)
    const chunks = []
    for (let chunk = await this.next(); chunk !== null; chunk = await this.next()) chunks.push(chunk)
    return Buffer.concat(chunks)
  }

  /** @returns {Promise<string>} */
  async text() {
    return new TextDecoder().decode(await this.#bytes())
  }

  /** @returns {Promise<any>} */
  async json() {
    return JSON.parse(await this.text())
  }

  /** @returns {Promise<ArrayBuffer>} */
  async arrayBuffer() {
    return new Uint8Array(await this.#bytes()).buffer
  }

  /** @returns {Promise<Buffer | null>} */
  next() {
    if (this.#source !== null) return this.#source.next()
    const body = this.#read || this.body === null || this.body.length === 0 ? null : this.body
    this.#read = true
    return Promise.resolve(body)
  }

  get #channel() {
    const source = this.#source
    return source !== null && 'nextMessage' in source ? /** @type {MessageSource} */ (source) : null
  }

  get code() {
    return this.#channel?.code ?? null
  }

  get reason() {
    return this.#channel?.reason ?? ''
  }

  /**
   * @param {number} [code]
   * @param {string} [reason]
   */
  close(code, reason) {
    if (this.#channel === null) throw new TypeError('close() works only on a WebSocket response')
    this.#channel.close(code, reason)
  }

  /** @returns {Promise<IteratorReturnResult<undefined>>} */
  return() {
    this.#read = true
    this.#source?.cancel()
    return Promise.resolve({ done: true, value: undefined })
  }

  /** @returns {AsyncIterableIterator<any>} */
  [Symbol.asyncIterator]() {
    const channel = this.#channel
    return new ResponseIterator(this, channel === null ? () => this.next() : () => channel.nextMessage())
  }

  toJSON() {
    return { status: this.#status, headers: this.headers.toJSON(), body: this.body }
  }

  [Symbol.for('nodejs.util.inspect.custom')]() {
    return this.toJSON()
  }
}

/** Separate from Response because `next` of a Response returns the chunk itself, as in python-node. */
class ResponseIterator {
  #response
  #next

  /**
   * @param {Response} response
   * @param {() => Promise<Buffer | WebSocketMessage | null>} next
   */
  constructor(response, next) {
    this.#response = response
    this.#next = next
  }

  /** @returns {Promise<IteratorResult<Buffer | WebSocketMessage, undefined>>} */
  async next() {
    const value = await this.#next()
    return value === null ? { done: true, value: undefined } : { done: false, value }
  }

  /** @returns {Promise<IteratorReturnResult<undefined>>} */
  return() {
    return this.#response.return()
  }

  [Symbol.asyncIterator]() {
    return this
  }
}
