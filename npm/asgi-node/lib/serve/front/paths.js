/**
 * The path and the query of a request's target. A client may send a whole URL, as it does to a proxy, and every server must
 * accept that (RFC 9112, 3.2.2).
 * @param {import('node:http').IncomingMessage} req
 */
export function targetOf(req) {
  const url = /** @type {string} */ (req.url)
  if (url[0] === '/') return url
  const origin = /^[a-z][a-z\d+.-]*:\/\/[^/?#]*/i.exec(url)
  if (origin === null) return url
  const rest = url.slice(origin[0].length)
  return rest[0] === '/' ? rest : `/${rest}`
}

/**
 * Whether the target is this path or one below it. For "/docs" these are "/docs", "/docs/a" and "/docs?x", but not "/docsite".
 * @param {string} target
 * @param {string} prefix without a slash at its end
 */
export function isBelow(target, prefix) {
  if (!target.startsWith(prefix)) return false
  const after = target[prefix.length]
  return after === undefined || after === '/' || after === '?'
}

/**
 * Whether an upgrade asks for a WebSocket. Others, such as curl's for h2c, are ordinary requests for a server without that protocol.
 * @param {import('node:http').IncomingMessage} req
 */
export const isWebSocket = (req) => req.headers.upgrade?.toLowerCase() === 'websocket'

/**
 * The text without the slashes at its end. (A regular expression would take quadratic time.)
 * @param {string} path
 */
function withoutSlash(path) {
  let end = path.length
  while (path[end - 1] === '/') end -= 1
  return path.slice(0, end)
}

/**
 * A path that the user has written, as clients send it: without a slash at its end, and other characters than ASCII encoded.
 * @param {string} path
 */
export const prefixOf = (path) => withoutSlash(path).replaceAll(/[^\x21-\x7e]+/gu, encodeURIComponent)
