// HTTP/1 answers requests in their order (RFC 9112, 9.3.2). Node keeps to that as long as its parser has the connection; with
// an upgrade the parser lets go of it, and the responses to requests that were pipelined ahead may still be open. Nobody may
// write before they are complete. Other handlers of the server have theirs there, too.

import { stopTimeout } from '../incoming/sockets.js'
import { forgetPause, isBusy, openResponse } from '../node-internals.js'

/** @typedef {import('node:stream').Duplex} Duplex */

/**
 * Calls back when the responses to all earlier requests of a connection have been written: at once where there are none,
 * never where the connection ends before or with them.
 * @param {Duplex} connection of a request that asks for an upgrade
 * @param {() => void} callback
 */
export function afterEarlierResponses(connection, callback) {
  if (!isBusy(connection)) return callback()
  forgetPause(connection)
  // What Node's own listener did, which is gone with the parser: without it they stop when the socket is full.
  if (!connection.listeners('drain').includes(onDrain)) connection.on('drain', onDrain)
  follow(connection, callback)
}

/**
 * @param {Duplex} connection
 * @param {() => void} callback
 */
function follow(connection, callback) {
  const response = openResponse(connection)
  // Emitted a tick after the next one has taken its place, and when the connection is lost.
  if (response !== null) return void response.once('close', () => follow(connection, callback))
  connection.off('drain', onDrain)
  // The time that Node gives an idle connection for its next request.
  stopTimeout(connection)
  if (connection.writable) callback()
}

/** @this {Duplex} */
function onDrain() {
  const response = openResponse(this)
  if (response?.writableNeedDrain) response.emit('drain')
}
