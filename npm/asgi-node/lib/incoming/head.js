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
/** @typedef {IncomingMessage & { baseUrl?: unknown, originalUrl?: unknown }} MountedMessage what Express adds */

// A head crosses Node-API as one latin-1 string, its fields joined by NUL:
// method, target, HTTP version, scheme, client host, client port, server host, server port, root path, extensions,
// with encryption the fields of tls.js, then name and value of each header. An empty host or port is None in the scope.
// The root path is that part of the target under which a router has mounted us; the handler's own is not in here.

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
 * The head of a Request of ours. What a client would have added is added: Host from an absolute URL, and the length of
 * a body that is known, without which Django, for one, does not look at a form.
 * @param {Request} request
 * @param {number} length of the body, -1 where it is not known
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
 * A head with more fields. V8 only notes which strings it consists of, and copies them once, across Node-API; `join` would
 * copy them here.
 * @param {string} head
 * @param {string[]} fields
 */
function withFields(head, fields) {
  for (const field of fields) head += `\0${field}`
  return head
}

/**
 * The head of a request of node:http, from the raw target and the raw headers: `req.headers` drops and joins.
 * @param {IncomingMessage} req
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
  // The parser has checked what came from a real socket. An injected request (light-my-request, say) has not been checked.
  const headers = connection.parsed ? sent : flatOf(new Headers(sent))
  const peer = trust === null ? connection.peer : forwardedPeer(trust, connection, headers)
  const { tls } = connection
  const extensions = (tls === '' ? EXTENSIONS[version] : EXTENSIONS[version] | EXTENSION.TLS) & allowed
  const head = `${method}\0${target}\0${version}\0${peer}\0${root}\0${extensions}${tls}`
  return withFields(head, headers)
}

/**
 * The same for a transport that can only send a plain response: a WHATWG Response cannot carry what the extensions send.
 * @param {IncomingMessage} req
 * @param {Trust | null} trust
 */
export function fetchHead(req, trust) {
  return incomingHead(req, trust, EXTENSION.TLS)
}

/**
 * Where a router has mounted us, decoded, and the target with that in it. Express takes `req.baseUrl` from the front of
 * `req.url`; `req.originalUrl` is what the client sent, and is taken as long as nobody has rewritten `req.url` since.
 * @param {IncomingMessage} req
 */
function mountOf(req) {
  const { url = '/', originalUrl, baseUrl = strippedFrom(url, originalUrl) } = /** @type {MountedMessage} */ (req)
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
 * Connect mounts as Express does, but does not say where.
 * @param {string} url
 * @param {unknown} originalUrl
 */
function strippedFrom(url, originalUrl) {
  if (typeof originalUrl !== 'string' || originalUrl === url) return ''
  // "/api" at a mount at "/api" has become "/", and "/api?x" "/?x".
  const rest = [url, url.slice(1)].find((end) => originalUrl.endsWith(end))
  const mount = rest === undefined ? '' : originalUrl.slice(0, originalUrl.length - rest.length)
  // Anything else is no mount, but a rewritten url.
  return /^[^?#]*[^/?#]$/.test(mount) ? mount : ''
}

/** `http://host/path?query` (RFC 9112, 3.2.2) as its path. @param {string} url */
export function withoutOrigin(url) {
  return url[0] === '/' ? url : url.replace(/^[a-z][a-z\d+.-]*:\/\/[^/?#]*/i, '')
}
