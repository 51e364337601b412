import { PythonError } from '../native/errors.js'
import { insteadOfDestroySoon } from '../node-internals.js'

/** @typedef {import('node:http').IncomingMessage} IncomingMessage */

/** Node's default, for a server that sets no limit. */
const NODE_MAX_HEADERS = 1000
/** Node's parser hands over header fields in batches of this many, and drops whole batches above the limit. */
const BATCH = 32

/** How long a refused connection stays half-open, so that a client that is still sending can read the response. */
const LINGER_MS = 1000

/**
 * The number of strings in `rawHeaders` above which fields have, or may have, been dropped. Above its limit Node silently
 * drops fields. A request that has lost a field (for example its authorization, or a proxy's header) must not be served.
 * @param {{ maxHeadersCount?: number | null } | undefined} server
 */
export function maxHeaderFields(server) {
  const limit = typeof server?.maxHeadersCount === 'number' ? server.maxHeadersCount : NODE_MAX_HEADERS
  if (limit <= 0) return Infinity
  // If the limit is at the end of a batch, a request with exactly so many fields looks like one that has lost some.
  return 2 * (limit % BATCH === 0 ? limit - 1 : limit)
}

/** The error for a request with too many header fields. */
export function tooManyHeaders() {
  return new PythonError('HEADERS_TOO_LARGE', 'The request has more header fields than the server keeps (maxHeadersCount)')
}

/**
 * @param {number} announced bytes
 * @param {number} found bytes; more may have followed
 */
export function wrongLength(announced, found) {
  return new PythonError('INVALID_REQUEST', `The request body has ${found} bytes, but its content-length is ${announced}`)
}

/**
 * Lets a client read the response that ends its connection. If a socket is closed while unread bytes of the client wait in
 * it, it is reset, and the reset overtakes the response. So we close our side first, and the rest a moment later.
 * @param {import('node:net').Socket} socket
 */
export function linger(socket) {
  insteadOfDestroySoon(socket, () => {
    if (socket.destroyed) return
    socket.end()
    const timer = setTimeout(() => socket.destroy(), LINGER_MS)
    socket.once('close', () => clearTimeout(timer))
    // After the callback that Node has scheduled, which would start to read again. No further request is parsed.
    setImmediate(() => socket.pause())
  })
}
