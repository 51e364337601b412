import { Duplex } from 'node:stream'

/** @typedef {import('./request.js').Connection} Connection */
/** @typedef {{ onGone(): void }} Follower a call that wants to know of the end of its connection */
/** @typedef {Duplex & { [kCalls]?: Set<Follower> }} FollowedSocket */

const kCalls = Symbol('asgi-node fetch calls')

/**
 * The socket whose end is that of a request. The servers around `fetch` abort a request when its response closes, and Node
 * before 24 closes only the one that it is writing, not those that are queued behind it. With HTTP/2 it is the stream that
 * ends, and that closes its response.
 * @param {Connection} connection
 * @returns {FollowedSocket | null}
 */
export function followedSocket({ incoming }) {
  return incoming?.httpVersionMajor === 1 && /** @type {object} */ (incoming.socket) instanceof Duplex ? incoming.socket : null
}

/**
 * Tells a call of the end of a connection from now on. One listener for all that are on their way: any number of requests
 * may be pipelined.
 *
 * Not with the requests of a listener (connection.js): those end in the order in which they came, and take a FIN for
 * themselves, which here is left to the server.
 * @param {FollowedSocket} socket
 * @param {Follower} call
 */
export function follow(socket, call) {
  const calls = socket[kCalls] ?? (socket[kCalls] = new Set())
  if (calls.size === 0) socket.on('close', onClose)
  calls.add(call)
}

/**
 * The call is over: an idle connection holds nothing of it.
 * @param {FollowedSocket} socket
 * @param {Follower} call
 */
export function forget(socket, call) {
  const calls = socket[kCalls]
  if (calls?.delete(call) && calls.size === 0) socket.off('close', onClose)
}

/** @this {FollowedSocket} */
function onClose() {
  for (const call of this[kCalls] ?? []) call.onGone()
}
