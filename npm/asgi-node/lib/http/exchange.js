import { IncomingBody, bodyDecodedError } from '../incoming/body.js'
import { readAlready, withBody } from '../incoming/raw-body.js'
import { connectionOf } from '../incoming/connection.js'
import { holdsBack } from '../incoming/continue.js'
import { PythonError, bodyTooLarge, invalidRequest } from '../native/errors.js'
import { Exchange } from '../native/exchange.js'
import { FLAG, LIMIT } from '../native/protocol.js'
import { PLAIN } from '../log/failures.js'
import { incomingHead } from '../incoming/head.js'
import { FRAMING, bodyLength, framingOf } from '../message/framing.js'
import { flatHeaders, headersOver, plainHeaders } from '../message/headers.js'
import * as http2 from '../incoming/http2.js'
import { destroySoon, reset } from '../incoming/sockets.js'
import { forgetExpectation, isBusy, isPlain, sendHead } from '../node-internals.js'
import { FileRange } from '../message/file.js'
import { linger, tooManyHeaders } from '../message/limits.js'

/** @typedef {import('node:http').IncomingMessage} IncomingMessage */
/** @typedef {IncomingMessage & { rawBody?: unknown }} Incoming what body parsers add */
/** @typedef {import('node:http').ServerResponse} ServerResponse */
/** @typedef {import('../native/exchanges.js').Exchanges} Exchanges */

const kExchange = Symbol('asgi-node exchange')

/** @typedef {ServerResponse & { [kExchange]?: HttpExchange }} Res */
/** @typedef {ServerResponse & { flush?: () => void }} Compressing as `compression` makes it */

/**
 * Sends a response that does not come from the app. Does nothing if a response has been started already.
 * @param {ServerResponse} res
 * @param {number} status
 */
export function answer(res, status) {
  if (isOver(res) || res.headersSent) return
  const text = PLAIN[status]
  const headers = plainHeaders(text)
  // A server that is full or closing should not keep connections, and after a head that could not be parsed nothing more may
  // be read from this one.
  if (status !== 500 && status !== 502) {
    headers.push('connection', 'close')
    if (res.req && http2.http2Of(res) === null) {
      connectionOf(res.req.socket).refused = true
      // The client is still sending.
      if (status === 413) linger(res.req.socket)
    }
  }
  writeHead(res, status, headers)
  res.end(res.req?.method === 'HEAD' ? undefined : text)
}

/**
 * Whether nothing can be written: the connection or the HTTP/2 stream is closed, or other code has ended the response.
 * @param {ServerResponse} res
 */
function isOver(res) {
  if (res.writableEnded || res.destroyed) return true
  const response = http2.http2Of(res)
  return response !== null && response.stream.destroyed
}

/**
 * @param {ServerResponse} res
 * @param {number} status
 * @param {string[]} flat
 */
function writeHead(res, status, flat) {
  const response = http2.http2Of(res)
  if (response !== null) return http2.writeHead(response, status, flat)
  // Node would send the app's `connection` header even where the end of the connection ends the body.
  if (!res.shouldKeepAlive) dropConnection(flat)
  // Where headers have been set before (by Express, for example), Node would keep only the last value of each name. And a
  // writeHead that other code has put in place may accept fewer forms of headers than Node's.
  if (res.getHeaderNames().length > 0 || Object.hasOwn(res, 'writeHead')) setAll(res, flat.splice(0))
  try {
    res.writeHead(status, flat)
  } catch (error) {
    // Node keeps what it has stored before it threw: the reason phrase and, for a 204 for example, that no body is sent.
    res.statusMessage = ''
    if (status < 200 || status === 204 || status === 304) res.destroy()
    throw error
  }
}

/**
 * Removes the `connection` header: Node adds the right one.
 * @param {string[]} flat
 */
function dropConnection(flat) {
  for (let i = flat.length - 2; i >= 0; i -= 2) if (flat[i] === 'connection') flat.splice(i, 2)
}

/** Where the body of a request is when its head has arrived. */
const BODY = Object.freeze({ NONE: 0, READ: 1, LOST: 2, HELD_BACK: 3, IN_FRAMES: 4, IN_PACKETS: 5 })

/**
 * Runs the app on one request of node:http, node:https or node:http2.
 * @param {Exchanges} exchanges
 * @param {IncomingMessage} req
 * @param {ServerResponse} res
 */
export function serve(exchanges, req, res) {
  run(new HttpExchange(exchanges, req, res))
}

/** @param {HttpExchange} exchange */
export function run(exchange) {
  const { req, res } = exchange
  const { rawHeaders } = req
  const connection = connectionOf(req.socket)
  if (connection.refused) return
  exchange.exchanges.accessLog?.follow(req, res, exchange.exchanges.trust)
  if (rawHeaders.length > connection.maxHeaderFields) return exchange.refuse(tooManyHeaders())
  const framing = framingOf(rawHeaders)
  const mistake = mistakeIn(req, res, framing)
  if (mistake !== '') return exchange.refuse(new PythonError('INVALID_REQUEST', mistake))
  const body = whereBodyIs(req, res, framing)
  if (body === BODY.NONE) return exchange.begin(undefined, 0)
  if (body === BODY.READ) return beginWithRawBody(exchange)
  if (body === BODY.LOST) return exchange.refuse(readAlready())
  const { maxBodySize } = exchange.exchanges
  if (bodyLength(rawHeaders) > maxBodySize) return exchange.refuse(bodyTooLarge(maxBodySize))
  if (body === BODY.HELD_BACK) return exchange.begin(undefined, FLAG.BODY_FOLLOWS | FLAG.EXPECT_CONTINUE)
  if (body === BODY.IN_FRAMES) return exchange.begin(undefined, FLAG.BODY_FOLLOWS)
  // The parser hands over the rest of this packet after this call returns: one tick later a small body is there, and is
  // submitted together with its head.
  process.nextTick(beginWithBody, exchange)
}

/**
 * @param {Incoming} req
 * @param {ServerResponse} res
 * @param {number} framing
 */
function whereBodyIs(req, res, framing) {
  const inFrames = http2.hasBody(req)
  if (framing === 0 && !inFrames) return BODY.NONE
  // holdsBack() is called in any case: it undoes what Node has noted for `Expect: 100-continue`. HTTP/1.0 has no such
  // expectation (RFC 9110, 10.1.1).
  const waits = framing & FRAMING.CONTINUE && holdsBack(req, res) && req.httpVersion !== '1.0'
  if (!(framing & FRAMING.BODY) && !inFrames) return BODY.NONE
  // A body that other code has begun to read can only be found in `rawBody`.
  if (req.readableDidRead) return req.rawBody instanceof Uint8Array ? BODY.READ : BODY.LOST
  if (waits) return BODY.HELD_BACK
  return inFrames ? BODY.IN_FRAMES : BODY.IN_PACKETS
}

/** @param {HttpExchange} exchange */
function beginWithRawBody(exchange) {
  const body = /** @type {Buffer} */ (/** @type {Incoming} */ (exchange.req).rawBody)
  exchange.req = withBody(exchange.req, body)
  exchange.begin(body, 0)
}

/**
 * The error in a head that Node accepts although HTTP/1 forbids it (RFC 9112, 2.3, 3.2 and 6.1), because two servers could
 * interpret it differently; '' if there is none.
 * @param {IncomingMessage} req
 * @param {ServerResponse} res
 * @param {number} framing
 */
function mistakeIn(req, res, framing) {
  if (framing & FRAMING.TWO_HOSTS) return 'The request has more than one Host'
  if (req.httpVersion === '1.1') return ''
  if (req.httpVersionMajor !== 1 && http2.http2Of(res) === null) return `HTTP/${req.httpVersion} is not served`
  return framing & FRAMING.ENCODED ? `HTTP/${req.httpVersion} has no Transfer-Encoding` : ''
}

/** @param {HttpExchange} exchange */
function beginWithBody(exchange) {
  const { req } = exchange
  if (req.readableEncoding) return exchange.refuse(bodyDecodedError())
  const chunk = req.read() ?? undefined
  // Whether it is whole is known from its length, because the parser reports the end of a message after this tick.
  if (chunk === undefined || chunk.length !== bodyLength(req.rawHeaders)) return exchange.begin(chunk, FLAG.BODY_FOLLOWS)
  // Only the end is left to read. Node keeps the request until it has been read.
  req.resume()
  exchange.begin(chunk, 0)
}

/** One request of a listener. */
export class HttpExchange extends Exchange {
  #draining = false
  #flushing = false
  /** Large pieces of the response are lent by the application. */
  #borrows = false
  // The client waits for `100 Continue`. If the response comes first, it may send the body or its next request, and nobody
  // can tell which: such a connection ends with its response.
  #expecting = false

  /** @type {HttpExchange | null} the request before it on this connection (pipelining), while that is open */
  before = null
  // The client has closed its side.
  #halfClosed = false
  /** @type {import('node:stream').Readable | null} the file that is being sent */
  #file = null

  /**
   * @param {Exchanges} exchanges
   * @param {IncomingMessage} req
   * @param {ServerResponse} res
   */
  constructor(exchanges, req, res) {
    super(exchanges)
    this.context = exchanges.context()
    this.req = req
    this.res = /** @type {Res} */ (res)
    /** The HTTP/2 session. Its streams go on until they end, also after close(). */
    this.session = http2.sessionOf(req)
  }

  /**
   * @param {Buffer | undefined} body the part of it that has arrived
   * @param {number} flags
   */
  begin(body, flags) {
    const { req, res } = this
    if (isOver(res)) return
    try {
      this.#expecting = (flags & FLAG.EXPECT_CONTINUE) !== 0
      this.#borrows = this.exchanges.lends && isPlain(res)
      if (this.#borrows) flags |= FLAG.BORROWS
      this.exchanges.submit(this, incomingHead(req, this.exchanges.trust), body, flags)
    } catch (error) {
      return this.refuse(error)
    }
    // The listener was called twice for one request: the first exchange must see its end as well.
    const earlier = res[kExchange]
    if (earlier !== undefined) res.once('close', () => earlier.leave())
    res[kExchange] = this
    res.on('close', onClose)
    const connection = connectionOf(req.socket)
    if (connection.parsed && req.httpVersionMajor === 1) connection.follow(this, req.socket)
    if (flags & FLAG.BODY_FOLLOWS) new IncomingBody(req, body?.length ?? 0).start(this)
  }

  /** @override */
  leave() {
    // Node 20 and 22 emit no 'close' for a response that is queued behind another, and the file would stay open.
    this.#file?.destroy()
    super.leave()
  }

  /** @override */
  halfClose() {
    this.#halfClosed = true
    super.halfClose()
  }

  /** @param {unknown} error why the request did not reach the app */
  refuse(error) {
    this.fail(invalidRequest(error))
    // If part of the body has been read, Node does not discard the rest by itself.
    this.req.resume()
  }

  /** The handler is closing: this response is the last one of its connection. */
  #endConnection() {
    this.res.shouldKeepAlive = false
    this.session?.close()
  }

  /** Whether nothing can be written any more. Leaves the exchange then. */
  #gone() {
    if (!isOver(this.res)) return false
    this.leave()
    return true
  }

  /**
   * @param {number} status
   * @param {string} headers
   */
  #writeHead(status, headers) {
    const { res, req } = this
    // If the body has arrived whole, what comes next is the next request.
    if (this.#expecting && req.complete) forgetExpectation(res)
    else if (this.#expecting) res.shouldKeepAlive = false
    if (this.exchanges.closing) this.#endConnection()
    writeHead(res, status, flatHeaders(headers))
  }

  /** @override @param {number} status @param {string} headers @param {import('../native/exchange.js').WholeBody} body */
  onComplete(status, headers, body) {
    if (this.#gone()) return
    this.#writeHead(status, headers)
    this.res.end(http2.endedWithHead(this.res) ? undefined : body, 'latin1')
  }

  /** @override @param {number} status @param {string} headers @param {Buffer | undefined} chunk */
  onStart(status, headers, chunk) {
    if (this.#gone()) return
    this.#writeHead(status, headers)
    // Head and chunk are sent in one packet: Node corks the socket until the end of this tick.
    if (chunk !== undefined && chunk.length > 0) return this.#write(chunk)
    sendHead(this.res)
  }

  /** @override @param {Buffer} chunk */
  onBody(chunk) {
    if (this.#gone()) return
    return this.#write(chunk)
  }

  /** @param {Buffer} chunk */
  #write(chunk) {
    const { res } = this
    if (http2.endedWithHead(res)) return
    const hasRoom = chunk.length >= LIMIT.LENT && this.#borrows ? this.#writeLent(chunk) : res.write(chunk)
    if (Object.hasOwn(res, 'flush')) this.#flushSoon()
    if (hasRoom) return
    if (!this.#draining) {
      this.#draining = true
      // A closure, because middleware that compresses emits this event with a `this` of its own.
      res.on('drain', () => this.drained())
    }
    return false
  }

  /**
   * Writes a chunk that is the application's memory, which is given back when it has been written.
   * @param {Buffer} chunk
   */
  #writeLent(chunk) {
    // Code that has replaced a method meanwhile might keep the chunk: it gets a copy.
    if (!isPlain(this.res)) return this.res.write(Buffer.from(chunk))
    return this.res.write(chunk, () => this.exchanges.native.giveBack(chunk))
  }

  /** Middleware that compresses keeps small writes back until flush() is called: an event of a stream must not wait. */
  #flushSoon() {
    if (this.#flushing) return
    this.#flushing = true
    process.nextTick(() => {
      this.#flushing = false
      if (!isOver(this.res)) /** @type {Compressing} */ (this.res).flush?.()
    })
  }

  /** @override @param {string} trailers @param {Buffer | undefined} chunk */
  onEnd(trailers, chunk) {
    const { res } = this
    if (this.#gone()) return
    if (trailers !== '') addTrailers(res, trailers.split('\0'))
    res.end(http2.endedWithHead(res) ? undefined : chunk)
  }

  /** @override @param {string} file @param {boolean} last */
  onFile(file, last) {
    const range = new FileRange(file)
    if (this.#gone()) return range.close()
    this.#file = range.pipe(this.res, (error) => {
      this.#file = null
      if (error !== null) return this.fail(error)
      if (!last) return this.drained()
      this.res.end()
      this.exchanges.finish(this)
    })
    // False: the app's send(), and everything behind the file, waits until the file has been sent.
    return false
  }

  /** @override */
  onContinue() {
    if (this.res.headersSent || this.#gone()) return
    this.#expecting = false
    this.res.writeContinue()
  }

  /** @override @param {string[]} links */
  onEarlyHint(links) {
    if (this.res.headersSent || this.#gone()) return
    try {
      this.res.writeEarlyHints({ link: links })
    } catch {
      // Node is stricter about the grammar of a link than HTTP. A hint is optional: the response goes on without it.
    }
  }

  /** @override @param {import('../native/outcome.js').Outcome} outcome */
  described({ error }) {
    // An app that returns at http.disconnect is right to do so: that is not logged.
    return this.#halfClosed && error instanceof PythonError && error.code === 'APP_NO_RESPONSE' ? null : this.req
  }

  /** @override @param {import('../native/outcome.js').Outcome} outcome */
  onFailed({ status, started }) {
    const { res } = this
    if (isOver(res)) return
    if (this.exchanges.closing) this.#endConnection()
    try {
      if (!res.headersSent) answer(res, started ? 500 : status)
      else cutOff(res, this.req.httpVersionMinor === 0)
    } catch {
      res.destroy()
    }
  }
}

/**
 * Aborts a response that cannot be completed, so that the client notices: what has been written is sent, but not the last
 * chunk. Where the end of the connection would be the end of the body (HTTP/1.0), the connection is reset.
 * @param {ServerResponse} res
 * @param {boolean} closeDelimited
 */
function cutOff(res, closeDelimited) {
  const response = http2.http2Of(res)
  if (response !== null) return http2.cutOff(response)
  const { socket } = res
  // An earlier response of this connection is unfinished: nothing of this one has been written yet.
  if (socket === null) return res.destroy()
  socket.write('', () => {
    if (closeDelimited) reset(socket)
    else socket.destroy()
  })
}

/**
 * @param {ServerResponse} res
 * @param {string[]} flat
 */
function setAll(res, flat) {
  const headers = headersOver(flat)
  for (const name of headers.keys()) {
    const values = headers.getAll(name)
    // A string where there is one value: middleware that compresses, for example, expects content-type to be one.
    res.setHeader(name, values.length === 1 ? values[0] : values)
  }
}

/**
 * @param {ServerResponse} res
 * @param {string[]} flat
 */
function addTrailers(res, flat) {
  const response = http2.http2Of(res)
  if (response !== null) return http2.addTrailers(response, flat)
  /** @type {[string, string][]} */
  const list = []
  for (let i = 0; i + 1 < flat.length; i += 2) list.push([flat[i], flat[i + 1]])
  res.addTrailers(list)
}

// One function per event for all responses, rather than closures for each.

/** @this {Res} */
function onClose() {
  const exchange = this[kExchange]
  if (exchange === undefined) return
  exchange.leave()
  const { req, exchanges, session } = exchange
  if (session !== null && exchanges.closing) session.close()
  if (req.httpVersionMajor !== 1) return
  const connection = connectionOf(req.socket)
  connection.forget(exchange)
  // Its head said keep-alive, and as long as Node keeps the connection open, the process cannot end.
  if (exchanges.closing && connection.parsed && !isBusy(req.socket)) destroySoon(req.socket)
}
