// What we can do with a connection that Node hands over. Node promises only a Duplex: a user may have given the server a
// stream (`server.emit('connection', stream)`), and from Node 26 on an upgrade whose request has a body comes with one.

/** @typedef {import('node:stream').Duplex} Duplex */
/** @typedef {import('node:net').Socket} Socket */

/** @param {Duplex} stream */
export function stopTimeout(stream) {
  /** @type {Partial<Socket>} */ (stream).setTimeout?.(0)
}

/**
 * Ends a connection as soon as all data that was written to it has gone out.
 * @param {Duplex} stream
 */
export function destroySoon(stream) {
  const socket = /** @type {Partial<Socket> & Duplex} */ (stream)
  if (typeof socket.destroySoon === 'function') return socket.destroySoon()
  if (stream.writable) stream.end()
  if (stream.writableFinished) stream.destroy()
  else stream.once('finish', () => stream.destroy())
}

/**
 * Ends a connection so that its client knows that data is missing: with a reset, if it can be sent.
 * @param {Duplex} stream
 */
export function reset(stream) {
  const socket = /** @type {Partial<Socket> & Duplex & { encrypted?: boolean }} */ (stream)
  if (!socket.encrypted && typeof socket.resetAndDestroy === 'function') socket.resetAndDestroy()
  else stream.destroy()
}

/**
 * All bytes that were written to a connection; always 0 if it does not count them.
 * @param {Duplex} stream
 */
export function bytesWritten(stream) {
  return /** @type {Partial<Socket>} */ (stream).bytesWritten ?? 0
}
