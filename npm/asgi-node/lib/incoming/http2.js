// The differences of node:http2's compatibility API, whose classes look like those of node:http.

import { headersOver } from '../message/headers.js'

/** @typedef {import('node:http2').Http2ServerResponse} Http2Response */
/** @typedef {import('node:http').IncomingMessage} IncomingMessage */
/** @typedef {import('node:http').ServerResponse} ServerResponse */

/** Headers that node:http2 accepts only once, and whose values cannot be joined by commas: the last one counts. */
const SINGLE = new Set([
  'access-control-allow-credentials', 'access-control-max-age', 'access-control-request-method', 'age', 'authorization',
  'content-length', 'content-location', 'content-md5', 'content-range', 'content-type', 'date', 'dnt', 'etag', 'expires',
  'from', 'host', 'if-modified-since', 'if-range', 'if-unmodified-since', 'last-modified', 'location', 'max-forwards',
  'proxy-authorization', 'range', 'referer', 'retry-after', 'tk', 'upgrade-insecure-requests', 'user-agent',
  'x-content-type-options'
])
/** Headers that it also accepts only once, but that are lists. */
const JOINED = new Set(['content-encoding', 'content-language', 'if-match', 'if-none-match'])
/** Fields that HTTP/2 does not have (RFC 9113, 8.2.2). */
const OF_CONNECTION = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'http2-settings'])
/** A field that Node accepts only in a request. */
const OF_REQUEST = 'te'

// Error codes (RFC 9113, 7). From here, because loading node:http2 takes longer than Node's other modules together.
const NO_ERROR = 0
const INTERNAL_ERROR = 2

/**
 * The response as one of the compatibility API, or null for one of node:http.
 * @param {ServerResponse} res
 * @returns {Http2Response | null}
 */
export function http2Of(res) {
  const candidate = /** @type {Http2Response} */ (/** @type {unknown} */ (res))
  return typeof candidate.stream?.respond === 'function' ? candidate : null
}

/**
 * The headers of a request in the form of HTTP/1: without pseudo headers; `:authority` becomes the first, and only, host (ASGI
 * HTTP, "headers"). Cookies are not joined.
 * @param {string[]} rawHeaders
 */
export function plainHeaders(rawHeaders) {
  /** @type {string[]} */
  const flat = []
  let authority = ''
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]
    if (name === ':authority') authority = rawHeaders[i + 1]
    else if (name[0] !== ':' && !(name === 'host' && authority !== '')) flat.push(name, rawHeaders[i + 1])
  }
  return authority === '' ? flat : ['host', authority, ...flat]
}

/**
 * Whether a body follows: HTTP/2 needs neither a length nor an encoding to say so.
 * @param {IncomingMessage} req
 */
export function hasBody(req) {
  return req.httpVersionMajor === 2 && !streamOf(req)?.endAfterHeaders
}

/**
 * Whether the client has reset the stream: node:http2 ends the body then as if it were complete.
 * @param {IncomingMessage} req
 */
export function wasReset(req) {
  // The stream of a complete request is open until its response has ended.
  return req.httpVersionMajor === 2 && (req.aborted || streamOf(req)?.closed !== false)
}

/** @param {IncomingMessage} req */
function streamOf(req) {
  return /** @type {{ stream?: import('node:http2').ServerHttp2Stream }} */ (/** @type {unknown} */ (req)).stream
}

/**
 * @param {Http2Response} res
 * @param {number} status
 * @param {string[]} flat
 */
export function writeHead(res, status, flat) {
  // node:http2 would throw, after some of the headers have been set.
  if (status < 200 || status > 599) throw new RangeError(`HTTP/2 has no final status ${status}: 200 to 599`)
  for (const [name, value] of fieldsOf(flat)) {
    // 205 has no body (RFC 9110, 15.3.6), and node:http2 sends none.
    if (status !== 205 || name !== 'content-length') res.setHeader(name, value)
  }
  res.writeHead(status)
}

/**
 * The fields in the form that node:http2 takes.
 * @param {string[]} flat
 * @returns {Generator<[string, string | string[]]>}
 */
function* fieldsOf(flat) {
  const headers = headersOver(flat)
  for (const name of headers.keys()) {
    if (OF_CONNECTION.has(name) || name === OF_REQUEST) continue
    const values = headers.getAll(name)
    if (values.length === 1 || SINGLE.has(name)) yield [name, /** @type {string} */ (values.at(-1))]
    else yield [name, JOINED.has(name) ? values.join(', ') : values]
  }
}

/**
 * Whether node:http2 has ended the stream with the headers because no body may follow: then it would throw on a body.
 * @param {ServerResponse} res
 */
export function endedWithHead(res) {
  return http2Of(res)?.stream.writableEnded === true
}

/**
 * @param {Http2Response} res
 * @param {string[]} flat
 */
export function addTrailers(res, flat) {
  /** @type {Record<string, string | string[]>} */
  const fields = Object.create(null)
  // node:http2 refuses some fields by an event that cannot be caught: the process would end.
  for (const [name, value] of fieldsOf(flat)) fields[name] = value
  // An object, unlike in HTTP/1; the types allow only one value for each name.
  res.addTrailers(/** @type {import('node:http2').OutgoingHttpHeaders} */ (fields))
}

/**
 * Ends a response that cannot be completed, so that the client notices it.
 * @param {Http2Response} res
 */
export function cutOff(res) {
  res.stream.close(INTERNAL_ERROR)
}

/**
 * Tells the client that the response counts, but the rest of the request is not wanted (RFC 9113, 8.1). It is sent after the
 * response. False for an HTTP/1 request.
 * @param {IncomingMessage} req
 */
export function stopReading(req) {
  const stream = streamOf(req)
  if (req.httpVersionMajor !== 2 || stream === undefined) return false
  if (stream.writableFinished) stream.close(NO_ERROR)
  else stream.once('finish', () => stream.close(NO_ERROR))
  return true
}

/**
 * The session of a request; null for one of HTTP/1. Its stream forgets it when it ends.
 * @param {IncomingMessage} req
 */
export function sessionOf(req) {
  return req.httpVersionMajor === 2 ? (streamOf(req)?.session ?? null) : null
}
