import { connectionOf } from './connection.js'
import { Headers, flatOf, isToken } from '../message/headers.js'
import { plainHeaders } from './http2.js'
import { EXTENSION } from '../native/protocol.js'
import { forwardedPeer } from './proxy.js'
import { wrongLength } from '../message/limits.js'
import { urlOf } from '../message/request.js'

/** @typedef {import('node:http').IncomingMessage} IncomingMessage */
/** @typedef {import('../message/request.js').Request} Request */
/** @typedef {import('./connection.js').PeerSocket} PeerSocket */
/** @typedef {import('./proxy.js').Trust} Trust */
/**
 * What a head is made from; the last two are Express's.
 * @typedef {Pick<IncomingMessage, 'method' | 'url' | 'rawHeaders' | 'socket' | 'httpVersion' | 'httpVersionMajor'> &
 *   { baseUrl?: unknown, originalUrl?: unknown }} HeadSource
 */

// A head crosses Node-API as one latin-1 string, its fields joined by NUL:
// method, target, HTTP version, scheme, client host, client port, server host, server port, root path, extensions,
// with encryption the fields of tls.js, then name and value of each header. An empty host or port is None in the scope.
// The root path is the part of the target under which a router has mounted us, without the handler's own `rootPath`.

const FILES = EXTENSION.PATHSEND | EXTENSION.ZEROCOPYSEND
/** By version of HTTP. @type {Record<string, number>} */
const EXTENSIONS = {
  '1.0': FILES,
  1.1: FILES | EXTENSION.TRAILERS | EXTENSION.EARLY_HINT,
  2: FILES | EXTENSION.TRAILERS | EXTENSION.EARLY_HINT
}
/** A target is visible ASCII (RFC 9112, 3.2). */
const UNSAFE_TARGET = /[^\x21-\x7e]/

/**
 * The head of one of our Requests. It adds what a client would add: Host, from an absolute URL, and content-length if the
 * length is known. Without it Django, for example, does not read a form.
 * @param {Request} request
 * @param {number} length of the body, -1 if unknown
 */
export function requestHead(request, length) {
  const { target, scheme, host, port, authority } = urlOf(request)
  const { method, headers, socket } = request
  const flat = flatOf(headers)
  const client = socket?.remoteAddress ? `${socket.remoteAddress}\0${socket.remotePort ?? 0}` : '\0'
  const server = socket?.localAddress ? `${socket.localAddress}\0${socket.localPort ?? 0}` : `${host}\0${port}`
  let head = `${method}\0${target}\x001.1\0${scheme}\0${client}\0${server}\0\x000`
  if (authority !== '' && !headers.has('host')) head += `\0host\0${authority}`
  const announced = headers.get('content-length')
  if (length >= 0 && !headers.has('transfer-encoding')) {
    if (announced === null) head += `\0content-length\0${length}`
    else if (Number(announced) !== length) throw wrongLength(Number(announced), length)
  }
  return withFields(head, flat)
}

/**
 * A head with more fields. V8 only links the strings, and copies them once, when they cross Node-API; `join` would copy
 * them here too.
 * @param {string} head
 * @param {string[]} fields
 */
function withFields(head, fields) {
  for (const field of fields) head += `\0${field}`
  return head
}

/**
 * The head of a node:http request, from the raw target and the raw headers: `req.headers` drops and joins some.
 * @param {HeadSource} req
 * @param {Trust | null} [trust] in proxies
 * @param {number} [allowed] extensions, as bits
 */
export function incomingHead(req, trust = null, allowed = -1) {
  const connection = connectionOf(/** @type {PeerSocket} */ (req.socket))
  const { method } = req
  const { root, target } = mountOf(req)
  // Middleware assigns req.url and req.method, and may put values there that no parser would accept.
  if (!isToken(method)) throw new TypeError('Invalid method')
  if (UNSAFE_TARGET.test(target)) throw new TypeError('Invalid character in the request target')
  const http2 = req.httpVersionMajor === 2
  const version = http2 ? '2' : req.httpVersion
  const sent = http2 ? plainHeaders(req.rawHeaders) : req.rawHeaders
  // The parser has checked data from a real socket. An injected request (of light-my-request, for example) is unchecked.
  const headers = connection.parsed ? sent : flatOf(new Headers(sent))
  const peer = trust === null ? connection.peer : forwardedPeer(trust, connection, headers)
  const { tls } = connection
  const extensions = (tls === '' ? EXTENSIONS[version] : EXTENSIONS[version] | EXTENSION.TLS) & allowed
  const head = `${method}\0${target}\0${version}\0${peer}\0${root}\0${extensions}${tls}`
  return withFields(head, headers)
}

/**
 * The same for a transport that can only send a plain response: a WHATWG Response cannot carry the events of extensions.
 * @param {HeadSource} req
 * @param {Trust | null} trust
 */
export function fetchHead(req, trust) {
  return incomingHead(req, trust, EXTENSION.TLS)
}

/**
 * The path under which a router has mounted us, decoded, and the target including it. Express removes `req.baseUrl` from the
 * front of `req.url`. `req.originalUrl` is what the client sent; it is used unless other code has rewritten `req.url` since.
 * @param {HeadSource} req
 */
function mountOf(req) {
  const { url = '/', originalUrl, baseUrl = strippedFrom(url, originalUrl) } = req
  if (typeof baseUrl !== 'string' || baseUrl === '') return { root: '', target: url }
  if (UNSAFE_TARGET.test(baseUrl)) throw new TypeError('Invalid character in req.baseUrl')
  const path = withoutOrigin(url)
  const sent = typeof originalUrl === 'string' ? withoutOrigin(originalUrl) : ''
  // "/api?x" at a mount at "/api" has become "/?x".
  const same = sent === baseUrl + path || sent === baseUrl + path.slice(1)
  const root = baseUrl.replace(/%([\da-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
  if (root.includes('\0')) throw new TypeError('Invalid character in req.baseUrl')
  return { root, target: same ? sent : baseUrl + path }
}

/**
 * The mount path of Connect, which mounts like Express but does not say where.
 * @param {string} url
 * @param {unknown} originalUrl
 */
function strippedFrom(url, originalUrl) {
  if (typeof originalUrl !== 'string' || originalUrl === url) return ''
  // "/api" at a mount at "/api" has become "/", and "/api?x" "/?x".
  const rest = [url, url.slice(1)].find((end) => originalUrl.endsWith(end))
  const mount = rest === undefined ? '' : originalUrl.slice(0, originalUrl.length - rest.length)
  // Anything else is not a mount but a rewritten url.
  return /^[^?#]*[^/?#]$/.test(mount) ? mount : ''
}

/** `http://host/path?query` (RFC 9112, 3.2.2) as its path. @param {string} url */
export function withoutOrigin(url) {
  return url[0] === '/' ? url : url.replace(/^[a-z][a-z\d+.-]*:\/\/[^/?#]*/i, '')
}
