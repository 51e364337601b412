import { show } from '../native/errors.js'
import { withoutFraming } from '../message/framing.js'
import { parseUrl, withoutTrailingSlashes } from '../message/url.js'

/** @typedef {globalThis.Request} WebRequest */
/** @typedef {import('../index.js').FetchEnv} FetchEnv */
/** @typedef {import('node:http').IncomingMessage} IncomingMessage */
/** @typedef {import('../message/url.js').ParsedUrl} ParsedUrl */

/**
 * The messages of Node from which a server has made a WHATWG Request, if it has kept them.
 * @typedef {object} ServerMessages
 * @property {IncomingMessage | null} incoming
 * @property {{ destroyed?: boolean, stream?: { destroyed?: boolean } } | null} outgoing
 */

/**
 * The properties that srvx adds to a request.
 * @typedef {{ ip?: unknown, runtime?: { node?: { req?: unknown, res?: unknown } } }} ServerRequest
 */

/**
 * Hono's node-server passes `{ incoming, outgoing }` as the second argument, some of its users pass them as `server` in it.
 * srvx keeps both at `request.runtime.node`.
 * @param {WebRequest} request
 * @param {FetchEnv & { server?: FetchEnv }} env
 * @returns {ServerMessages}
 */
export function serverConnectionOf(request, env) {
  const node = /** @type {ServerRequest} */ (request).runtime?.node
  const bindings = env.server?.incoming ? env.server : env
  const incoming = /** @type {Partial<IncomingMessage> | undefined} */ (bindings.incoming ?? node?.req)
  // Recognised by its shape: `env` may be any object of the server. HTTP/2 has a class of its own.
  if (typeof incoming !== 'object' || !Array.isArray(incoming?.rawHeaders) || typeof incoming.socket !== 'object') {
    return { incoming: null, outgoing: null }
  }
  const outgoing = /** @type {ServerMessages['outgoing']} */ (bindings.outgoing ?? node?.res ?? null)
  return { incoming: /** @type {IncomingMessage} */ (incoming), outgoing }
}

/**
 * A WHATWG Request in the form that head.js reads, like a request of node:http. If the server has kept the client's message,
 * its raw target and raw headers are used as far as the Request still agrees with them. Parts that were changed on the way (a
 * rewritten path, a header set by middleware) are taken from the Request.
 * @param {WebRequest} request
 * @param {FetchEnv} env
 * @param {IncomingMessage | null} incoming
 * @param {number} length of the body: -1 where it is not known, 0 where there is none
 * @returns {import('../incoming/head.js').HeadSource}
 */
export function viewOf(request, env, incoming, length) {
  const url = parseUrl(request.url.replace(/#.*$/s, ''))
  if (url.websocket) throw new TypeError('A WebSocket request cannot be handled as plain HTTP')
  const { root, target, bare } = mountedTarget(url.target, incoming?.url, mountPath(env.rootPath))
  return {
    method: methodOf(request.method, incoming?.method),
    url: target,
    originalUrl: root + (bare ? target.slice(1) : target),
    baseUrl: root,
    rawHeaders: headersOf(request, url, incoming, length),
    socket: peerOf(request, env, url, incoming),
    httpVersion: incoming?.httpVersion ?? '1.1',
    httpVersionMajor: incoming?.httpVersionMajor ?? 1
  }
}

/**
 * WHATWG upper-cases some methods, but methods are case-sensitive: the client's own spelling counts unless the method was
 * replaced.
 * @param {string} method
 * @param {string | undefined} raw
 */
function methodOf(method, raw) {
  return raw !== undefined && raw.toUpperCase() === method.toUpperCase() ? raw : method
}

/** @param {unknown} rootPath */
function mountPath(rootPath) {
  if (rootPath === undefined || rootPath === null) return null
  if (typeof rootPath !== 'string' || (rootPath !== '' && rootPath[0] !== '/')) {
    throw new TypeError(`rootPath must be a path that starts with "/", not ${show(rootPath)}`)
  }
  return withoutTrailingSlashes(rootPath)
}

/** @param {string} target */
function split(target) {
  const at = target.indexOf('?')
  return at < 0 ? { path: target, query: '' } : { path: target.slice(0, at), query: target.slice(at) }
}

/**
 * The path where the app is mounted, and the target below it. `bare`: the target is "/" only because no path is left.
 *
 * A router that mounts (`app.mount` of Hono) strips its prefix from the Request, but not from the client's message: the
 * difference is the root path.
 * @param {string} target of the Request, normalised by WHATWG
 * @param {string | undefined} rawUrl as the client sent it
 * @param {string | null} mount as the caller says it, whether the Request still has it or not
 */
function mountedTarget(target, rawUrl, mount) {
  const now = split(target)
  const sent = rawUrl === undefined ? null : sentOf(rawUrl)
  const query = sent !== null && sent.normal.query === now.query ? sent.raw.query : now.query
  let root = ''
  let { path } = now
  let bare = false
  const below = sent === null ? null : suffixOf(sent, path)
  if (below !== null) ({ root, path, bare } = below)
  if (mount === null) return { root, target: path + query, bare }
  for (const whole of [bare ? root : root + path, path, now.path]) {
    if (whole === mount) return { root: mount, target: `/${query}`, bare: true }
    if (whole.startsWith(`${mount}/`)) return { root: mount, target: whole.slice(mount.length) + query, bare: false }
  }
  return { root: mount, target: path + query, bare: false }
}

/**
 * @typedef {{ path: string, query: string }} Parts
 * @typedef {{ raw: Parts, normal: Parts }} Sent
 */

/** @param {string} rawUrl @returns {Sent | null} */
function sentOf(rawUrl) {
  // A proxy's absolute form (RFC 9112, 3.2.2) is rare: there we use the path as WHATWG has parsed it.
  if (rawUrl[0] !== '/') return null
  try {
    const { pathname, search } = new URL(`http://h${rawUrl}`)
    return { raw: split(rawUrl.replace(/#.*$/s, '')), normal: { path: pathname, query: search } }
  } catch {
    return null
  }
}

/**
 * Splits the path that was sent: its end is the path of the Request, in the client's spelling; the rest is the root.
 * @param {Sent} sent
 * @param {string} path
 */
function suffixOf({ raw, normal }, path) {
  if (normal.path === path) return { root: '', path: raw.path, bare: false }
  const normalParts = normal.path.split('/')
  const rawParts = raw.path.split('/')
  // If WHATWG has resolved dot segments, the two parts cannot be told apart.
  const parts = rawParts.length === normalParts.length ? rawParts : normalParts
  const wanted = path.split('/').slice(1)
  const at = parts.length - wanted.length
  if (at > 0 && wanted.every((part, index) => decoded(part) === decoded(parts[at + index]))) {
    return { root: parts.slice(0, at).join('/'), path: `/${parts.slice(at).join('/')}`, bare: false }
  }
  // "/py" of a mount at "/py" arrives as "/".
  return path === '/' ? { root: withoutTrailingSlashes(parts.join('/')), path, bare: true } : null
}

/** @param {string} part */
function decoded(part) {
  if (!part.includes('%')) return part
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

/**
 * @param {WebRequest} request
 * @param {ParsedUrl} url
 * @param {IncomingMessage | null} incoming
 * @param {number} length
 */
function headersOf(request, url, incoming, length) {
  const now = [...request.headers]
  // Names are in lower case here. To look for each in the list costs less than to ask WHATWG's Headers.
  const names = now.map(([name]) => name)
  const same = incoming !== null && sameHeaders(now, incoming.rawHeaders)
  let flat = same ? incoming.rawHeaders : now.flat()
  // HTTP/2 has a different name for it.
  if (!names.includes('host') && flat[0]?.[0] !== ':') flat = ['host', url.authority, ...flat]
  const framed = names.includes('content-length') || names.includes('transfer-encoding')
  // WHATWG removes the body of GET and HEAD, so the headers that announced it are removed too.
  if (length === 0 && framed && request.body === null) return withoutFraming(flat)
  return length >= 0 && !framed && request.body !== null ? [...flat, 'content-length', String(length)] : flat
}

/**
 * Whether these are the headers of the message. If so, the message's own are better: duplicates are separate and in order.
 * @param {[string, string][]} now
 * @param {string[]} rawHeaders
 */
function sameHeaders(now, rawHeaders) {
  const sent = new globalThis.Headers()
  try {
    for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
      if (rawHeaders[i][0] !== ':') sent.append(rawHeaders[i], rawHeaders[i + 1])
    }
  } catch {
    return false
  }
  const pairs = [...sent]
  return pairs.length === now.length && pairs.every(([name, value], i) => name === now[i][0] && value === now[i][1])
}

/**
 * The peer of requests from this process that name no client: one object for an origin, so that its connection is read once.
 * @type {{ url: ParsedUrl, peer: Peer } | undefined}
 */
let latest

/**
 * Both ends of a connection, in the words of a socket.
 * @typedef {import('../incoming/connection.js').PeerSocket} Peer
 */

/** @param {ParsedUrl} url */
function localPeer(url) {
  if (latest?.url.scheme === url.scheme && latest.url.authority === url.authority) return latest.peer
  const peer = /** @type {Peer} */ ({ localAddress: url.host, localPort: Number(url.port), encrypted: url.scheme === 'https' })
  latest = { url, peer }
  return peer
}

/**
 * The connection's own socket, unless the caller, srvx or the URL name another client.
 * @param {WebRequest} request
 * @param {FetchEnv} env
 * @param {ParsedUrl} url
 * @param {IncomingMessage | null} incoming
 * @returns {Peer}
 */
function peerOf(request, env, url, incoming) {
  const socket = /** @type {import('../incoming/connection.js').PeerSocket | undefined} */ (incoming?.socket)
  const { ip } = /** @type {ServerRequest} */ (request)
  let client = explicitClient(env)
  // srvx gives the socket's address or, behind a proxy that it trusts, the forwarded one.
  if (client === null && typeof ip === 'string' && ip !== socket?.remoteAddress) client = { host: ip, port: 0 }
  const encrypted = url.scheme === 'https'
  if (client === null && socket === undefined) return localPeer(url)
  if (client === null && Boolean(socket?.encrypted) === encrypted) return /** @type {Peer} */ (socket)
  return /** @type {Peer} */ ({
    remoteAddress: client?.host ?? socket?.remoteAddress,
    remotePort: client?.port ?? socket?.remotePort,
    localAddress: socket?.localAddress ?? url.host,
    localPort: socket?.localPort ?? Number(url.port),
    encrypted
  })
}

/** @param {FetchEnv} env */
function explicitClient({ client, remoteAddr }) {
  // An application's bindings may have another `client`, such as a database's.
  if (Array.isArray(client)) {
    const [host, port] = client
    if (typeof host !== 'string' || /[^\x21-\x7e]/.test(host) || !Number.isInteger(port) || port < 0 || port > 65535) {
      throw new TypeError(`client must be [host, port], not [${client.map(show).join(', ')}]`)
    }
    return { host, port: Number(port) }
  }
  // The form of Deno.
  const { hostname, port } = /** @type {{ hostname?: unknown, port?: unknown }} */ (remoteAddr ?? {})
  if (typeof hostname !== 'string' || /[^\x21-\x7e]/.test(hostname)) return null
  return { host: hostname, port: Number.isInteger(port) ? Number(port) : 0 }
}
