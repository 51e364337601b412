import { Socket } from 'node:net'
import { Headers, flatOf, isToken } from './headers.js'
import { urlOf } from './request.js'

/** @typedef {import('node:http').IncomingMessage} IncomingMessage */
/** @typedef {import('./request.js').Request} Request */

// A head crosses Node-API as one latin-1 string, its fields joined by NUL:
// method, target, HTTP version, scheme, client host, client port, server host, server port, root path, extensions,
// then name and value of each header. An empty host or port is None in the scope.

/** ASGI extensions that a connection supports, as bits. */
const EXTENSION = Object.freeze({ TRAILERS: 1, EARLY_HINT: 2, PATHSEND: 4, ZEROCOPYSEND: 8, TLS: 16 })

const EXTENSIONS_FIELD = 9

/** What the framing headers of a request say, as bits. */
export const FRAMING = Object.freeze({ BODY: 1, CONTINUE: 2 })

const FILES = EXTENSION.PATHSEND | EXTENSION.ZEROCOPYSEND
const HTTP_1_1 = String(EXTENSION.TRAILERS | EXTENSION.EARLY_HINT | FILES)
const HTTP_1_0 = String(FILES)
const UNSAFE_TARGET = /[^\x21-\xff]/

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
  let head = [method, target, '1.1', scheme, client, server, '', '0'].join('\0')
  if (authority !== '' && !headers.has('host')) head += `\0host\0${authority}`
  if (length >= 0 && !headers.has('content-length') && !headers.has('transfer-encoding')) {
    head += `\0content-length\0${length}`
  }
  return flat.length === 0 ? head : `${head}\0${flat.join('\0')}`
}

const kPeer = Symbol('asgi-node peer')

/** @typedef {import('node:net').Socket & { [kPeer]?: string, encrypted?: boolean, server?: import('node:net').Server }} PeerSocket */

/**
 * The head of a request of node:http, from the raw target and the raw headers: `req.headers` drops and joins.
 * @param {IncomingMessage} req
 */
export function incomingHead(req) {
  const socket = /** @type {PeerSocket} */ (req.socket)
  const { method, url = '/', rawHeaders } = req
  // Middleware assigns req.url and req.method, and may leave there what no parser would have let in.
  if (!isToken(method)) throw new TypeError('Invalid method')
  if (UNSAFE_TARGET.test(url)) throw new TypeError('Invalid character in the request target')
  // The parser has checked what came from a real socket. An injected request (light-my-request, say) is anybody's.
  const headers = socket instanceof Socket ? rawHeaders : flatOf(new Headers(rawHeaders))
  const version = req.httpVersionMajor === 2 ? '2' : req.httpVersion
  const head = `${method}\0${url}\0${version}\0${socket[kPeer] ?? peerOf(socket)}\0${version === '1.1' ? HTTP_1_1 : HTTP_1_0}`
  return headers.length === 0 ? head : `${head}\0${headers.join('\0')}`
}

/**
 * The same where nothing can be sent but a plain response: WHATWG's has no room for what the extensions send.
 * @param {IncomingMessage} req
 */
export function fetchHead(req) {
  const head = incomingHead(req)
  let from = 0
  for (let field = 0; field < EXTENSIONS_FIELD; field++) from = head.indexOf('\0', from) + 1
  const end = head.indexOf('\0', from)
  const extensions = Number(end < 0 ? head.slice(from) : head.slice(from, end)) & EXTENSION.TLS
  return `${head.slice(0, from)}${extensions}${end < 0 ? '' : head.slice(end)}`
}

/**
 * Scheme, client, server and root path: the same for all requests of a connection, so they are asked for once.
 * @param {PeerSocket} socket
 */
function peerOf(socket) {
  const { remoteAddress, localAddress, server } = socket
  const client = remoteAddress ? `${remoteAddress}\0${socket.remotePort ?? 0}` : '\0'
  let local = '\0'
  if (localAddress) {
    local = `${localAddress}\0${socket.localPort ?? 0}`
  } else {
    // A Unix socket has no address of its own; the path is the server's.
    const path = server?.address?.()
    if (typeof path === 'string' && !UNSAFE_TARGET.test(path)) local = `${path}\0`
  }
  const peer = `${socket.encrypted ? 'https' : 'http'}\0${client}\0${local}\0`
  socket[kPeer] = peer
  return peer
}

/**
 * Whether a body comes and whether the client waits for "100 Continue". Looks at the length of a name first: this runs
 * over all headers of all requests.
 * @param {string[]} rawHeaders
 */
export function framingOf(rawHeaders) {
  let framing = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]
    switch (name.length) {
      case 6:
        if (name.toLowerCase() === 'expect' && /100-continue/i.test(rawHeaders[i + 1])) framing |= FRAMING.CONTINUE
        break
      case 14:
        if (name.toLowerCase() === 'content-length' && Number(rawHeaders[i + 1]) !== 0) framing |= FRAMING.BODY
        break
      case 17:
        if (name.toLowerCase() === 'transfer-encoding') framing |= FRAMING.BODY
        break
    }
  }
  return framing
}

/**
 * The length of a body that says it, else -1.
 * @param {string[]} rawHeaders
 */
export function bodyLength(rawHeaders) {
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i].length === 14 && rawHeaders[i].toLowerCase() === 'content-length') return Number(rawHeaders[i + 1])
  }
  return -1
}
