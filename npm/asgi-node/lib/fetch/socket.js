import { Duplex } from 'node:stream'

/** @typedef {import('./request.js').ServerMessages} ServerMessages */
/** @typedef {{ onGone(): void }} Follower a call that wants to know of the end of its connection */
/** @typedef {Duplex & { [kCalls]?: Set<Follower> }} FollowedSocket */

const kCalls = Symbol('asgi-node fetch calls')

/**
 * The socket whose end is the end of a request. Servers that call `fetch` abort a request when its response closes, but Node
 * before 24 closes only the response that it is writing, not those queued after it. With HTTP/2 the stream ends, and that
 * closes its response.
 * @param {ServerMessages} connection
 * @returns {FollowedSocket | null}
 */
export function followedSocket({ incoming }) {
  return incoming?.httpVersionMajor === 1 && /** @type {object} */ (incoming.socket) instanceof Duplex ? incoming.socket : null
}

/**
 * From now on, tells this call of the end of the connection. One listener serves all calls under way: any number of requests
 * may be pipelined.
 *
 * It is separate from the code for a listener's requests (connection.js): those end in the order in which they came, and
 * handle a FIN themselves; here the server does.
 * @param {FollowedSocket} socket
 * @param {Follower} call
 */
export function follow(socket, call) {
  const calls = socket[kCalls] ?? (socket[kCalls] = new Set())
  if (calls.size === 0) socket.on('close', onClose)
  calls.add(call)
}

/**
 * The call is over: an idle connection must not keep it alive.
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
