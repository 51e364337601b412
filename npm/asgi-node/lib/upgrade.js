import { faultOf, refuse } from './handshake.js'

/** @typedef {import('node:http').IncomingMessage} IncomingMessage */
/** @typedef {import('node:net').Socket & { server?: import('node:net').Server, encrypted?: boolean }} Socket */

/**
 * Whether an upgrade is a WebSocket of ours. If not, it has been dealt with: left to the other listeners of this server
 * or, where there are none, answered.
 * @param {IncomingMessage} req
 * @param {Socket} socket
 * @param {Buffer} head
 * @param {(path: string) => boolean} matches
 */
export function takes(req, socket, head, matches) {
  const isWebSocket = (req.headers.upgrade ?? '').trim().toLowerCase() === 'websocket'
  if (!isWebSocket || !matches(pathOf(req))) {
    const { server } = socket
    // Node gives every upgrade to every listener. Whoever is the only one has to see to all of them.
    if (server && server.listenerCount('upgrade') > 1) return false
    if (isWebSocket || !server) refuse(req, socket, isWebSocket ? 404 : 400)
    else continueAsHttp(req, socket, head, server)
    return false
  }
  const fault = faultOf(req)
  if (fault !== null) refuse(req, socket, fault.status, fault.headers)
  return fault === null
}

/** @param {IncomingMessage} req */
function pathOf({ url = '/' }) {
  const end = url.search(/[?#]/)
  return end < 0 ? url : url.slice(0, end)
}

/**
 * An upgrade that nobody here can do is ignored, and the request answered as if it had not asked (RFC 9110, 7.8). Node's
 * parser has let go of the connection, so it gets the request again, without the headers that ask.
 * @param {IncomingMessage} req
 * @param {Socket} socket
 * @param {Buffer} head
 * @param {import('node:net').Server} server
 */
function continueAsHttp(req, socket, head, server) {
  let text = `${req.method} ${req.url} HTTP/${req.httpVersion}\r\n`
  const { rawHeaders } = req
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    if (!/^(?:upgrade|connection|http2-settings)$/i.test(rawHeaders[i])) text += `${rawHeaders[i]}: ${rawHeaders[i + 1]}\r\n`
  }
  socket.unshift(Buffer.concat([Buffer.from(`${text}\r\n`, 'latin1'), head]))
  server.emit(socket.encrypted ? 'secureConnection' : 'connection', socket)
}
