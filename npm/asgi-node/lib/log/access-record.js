import { Context } from '../native/context.js'
import { CLIENT_CLOSED } from '../native/outcome.js'
import { CLOSE_CODE } from '../native/protocol.js'

/** @typedef {import('node:http').ServerResponse} ServerResponse */
/** @typedef {import('./access-log.js').AccessLog} AccessLog */
/** @typedef {import('./types.js').AccessEntry} AccessEntry */

/** One request, until it is over and has been logged. */
export class AccessRecord {
  /** That of the request, where code of the user hears of it. @type {Context | null} */
  #context
  #log
  #started = performance.now()
  #time = new Date()
  #over = false
  /** Of the response; 101 when a WebSocket was accepted; 0 until there is one. */
  status = 0
  /** Of its body. */
  bytes = 0
  /** @type {number | undefined} of a WebSocket */
  code
  /** Whether the client has got all of it. */
  complete = false

  /**
   * @param {AccessLog} log
   * @param {Pick<AccessEntry, 'type' | 'method' | 'url' | 'protocol' | 'clientAddress' | 'clientPort' | 'referer' | 'userAgent'>} request
   */
  constructor(log, request) {
    this.#context = log.callsUser ? new Context() : null
    this.#log = log
    this.request = request
  }

  /**
   * Notes the outcome of the request.
   * @param {import('../native/outcome.js').Outcome} outcome
   * @param {number} [bytes] of its body, where they were not counted
   */
  settle({ kind, status, started }, bytes = this.bytes) {
    this.status = status
    this.bytes = bytes
    // An answer that replaces the application's is complete, too.
    this.complete = kind === 'completed' || (kind !== 'disconnected' && !started)
    this.end()
  }

  /**
   * Follows the response to the request.
   * @param {ServerResponse} res
   */
  respond(res) {
    if (this.#log.detailed) countBytes(res, this)
    res.on('finish', () => (this.complete = true))
  }

  /** The request is over: logs it. Called once. */
  end() {
    if (this.#over) return
    this.#over = true
    if (this.#context === null) this.#log.tell(this.#entry())
    else this.#context.runInAsyncScope(tell, undefined, this.#log, this.#entry())
  }

  /** @returns {AccessEntry} */
  #entry() {
    const { request, status, code } = this
    const accepted = status === 101 && request.type === 'websocket'
    // Each key by itself: to spread an object takes longer than all the rest.
    const { type, method, url, protocol, clientAddress, clientPort, referer, userAgent } = request
    return {
      time: this.#time,
      type,
      method,
      url,
      protocol,
      clientAddress,
      clientPort,
      referer,
      userAgent,
      status: status || CLIENT_CLOSED,
      ...(accepted && code !== undefined ? { code } : null),
      bytes: this.bytes,
      durationMs: performance.now() - this.#started,
      aborted: accepted ? code === CLOSE_CODE.ABNORMAL : !this.complete
    }
  }
}

/** @param {AccessLog} log @param {AccessEntry} entry */
function tell(log, entry) {
  log.tell(entry)
}

/**
 * @param {ServerResponse} res
 * @param {AccessRecord} record
 */
function countBytes(res, record) {
  const { write, end } = res
  const count = (/** @type {unknown} */ chunk) => {
    if (chunk instanceof Uint8Array) record.bytes += chunk.length
    else if (typeof chunk === 'string') record.bytes += Buffer.byteLength(chunk)
  }
  // Node's end(chunk) calls write on some paths and not on others: such inner calls are not counted again.
  let inside = false
  res.write = /** @type {typeof res.write} */ (function (/** @type {any[]} */ ...args) {
    if (!inside) count(args[0])
    return Reflect.apply(write, res, args)
  })
  res.end = /** @type {typeof res.end} */ (function (/** @type {any[]} */ ...args) {
    count(args[0])
    inside = true
    try {
      return Reflect.apply(end, res, args)
    } finally {
      inside = false
    }
  })
}
