// HTTP/1 answers requests in their order (RFC 9112, 9.3.2). Node keeps to that as long as its parser has the connection; with
// an upgrade the parser lets go of it, and the responses to requests that were pipelined ahead may still be open. Nobody may
// write before they are complete.
//
// No public API tells of them: a response that the connection is writing stands in `socket._httpMessage`, under that name
// since Node 0.x, and Node puts the next one there when it is complete. Other handlers of the server have theirs there too.

/** @typedef {import('node:http').ServerResponse} ServerResponse */
/** @typedef {import('node:net').Socket & { _httpMessage?: ServerResponse | null, _paused?: boolean }} Socket */

/**
 * Whether a response is being written to it.
 * @param {Socket} socket
 */
export function isBusy(socket) {
  return Boolean(socket._httpMessage)
}

/**
 * Calls back when the responses to all earlier requests of this connection have been written: at once where there are none,
 * never where the connection ends before or with them.
 * @param {Socket} socket of an upgrade
 * @param {() => void} callback
 */
export function inTurn(socket, callback) {
  if (!isBusy(socket)) return callback()
  // Node has stopped reading because of those responses, and would set the socket flowing after them, with nobody to read.
  socket._paused = false
  // What Node's own listener did, which is gone with the parser: without it they stop when the socket is full.
  if (!socket.listeners('drain').includes(onDrain)) socket.on('drain', onDrain)
  follow(socket, callback)
}

/**
 * @param {Socket} socket
 * @param {() => void} callback
 */
function follow(socket, callback) {
  const response = socket._httpMessage
  // Emitted a tick after the next one has taken its place, and when the connection is lost.
  if (response) return void response.once('close', () => follow(socket, callback))
  socket.off('drain', onDrain)
  // The time that Node gives an idle connection for its next request.
  socket.setTimeout(0)
  if (socket.writable) callback()
}

/** @this {Socket} */
function onDrain() {
  const response = this._httpMessage
  if (response?.writableNeedDrain) response.emit('drain')
}
