import { PythonError } from '../native/errors.js'
import { insteadOfDestroySoon } from '../node-internals.js'

/** @typedef {import('node:http').IncomingMessage} IncomingMessage */

/** Node's own, where a server says nothing. */
const NODE_MAX_HEADERS = 1000
/** Node's parser hands over header fields in batches of this many, and drops whole batches above the limit. */
const BATCH = 32

/** How long a refused connection stays half-open, so that a client that is still sending can read why. */
const LINGER_MS = 1000

/**
 * Strings in `rawHeaders` above which fields have been dropped, or may have been. Above its limit Node drops fields
 * without a word, and a request that has lost a field (the one that authorises it, or that says whom it came through)
 * must not be served.
 * @param {{ maxHeadersCount?: number | null } | undefined} server
 */
export function maxHeaderFields(server) {
  const limit = typeof server?.maxHeadersCount === 'number' ? server.maxHeadersCount : NODE_MAX_HEADERS
  if (limit <= 0) return Infinity
  // A limit at the end of a batch is reached both by a request that has just so many and by one that has lost some.
  return 2 * (limit % BATCH === 0 ? limit - 1 : limit)
}

/** Why a request with that many header fields is refused. */
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
 * Lets a client read the response that ends its connection. A socket that is closed while unread bytes of the client
 * wait in it is reset, and a reset overtakes the response: so our side is closed first, and the rest a moment later.
 * @param {import('node:net').Socket} socket
 */
export function linger(socket) {
  insteadOfDestroySoon(socket, () => {
    if (socket.destroyed) return
    socket.end()
    const timer = setTimeout(() => socket.destroy(), LINGER_MS)
    socket.once('close', () => clearTimeout(timer))
    // Behind what Node has scheduled, which would start to read again. No further request is parsed.
    setImmediate(() => socket.pause())
  })
}
