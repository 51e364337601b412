/**
 * Whether the target is this path, or one below it: "/docs" is, and "/docs/a" and "/docs?x", but not "/docsite".
 * @param {string} target
 * @param {string} prefix without a slash at its end
 */
export function isBelow(target, prefix) {
  if (!target.startsWith(prefix)) return false
  const after = target[prefix.length]
  return after === undefined || after === '/' || after === '?'
}

/**
 * Whether an upgrade is one to a WebSocket: others, as curl's to h2c, are plain requests to whoever does not speak that protocol.
 * @param {import('node:http').IncomingMessage} req
 */
export const isWebSocket = (req) => req.headers.upgrade?.toLowerCase() === 'websocket'

/**
 * Without the slashes at its end. (A regular expression would try each run of slashes anew: quadratic.)
 * @param {string} path
 */
export function withoutSlash(path) {
  let end = path.length
  while (path[end - 1] === '/') end -= 1
  return path.slice(0, end)
}
