// HTTP/1 answers requests in their order (RFC 9112, 9.3.2). Node ensures that while its parser has the connection. At an upgrade
// the parser detaches, and responses to earlier, pipelined requests may still be open. Nobody may write before they are
// complete. They may belong to other handlers of the server.

import { stopTimeout } from '../incoming/sockets.js'
import { forgetPause, isBusy, openResponse } from '../node-internals.js'

/** @typedef {import('node:stream').Duplex} Duplex */

/**
 * Calls back when the responses to all earlier requests of a connection have been written. It calls back at once if there are
 * none, and never if the connection ends before or with them.
 * @param {Duplex} connection of a request that asks for an upgrade
 * @param {() => void} callback
 */
export function afterEarlierResponses(connection, callback) {
  if (!isBusy(connection)) return callback()
  forgetPause(connection)
  // Node's own 'drain' listener was removed with the parser. Without one, these responses would stop when the socket is full.
  if (!connection.listeners('drain').includes(onDrain)) connection.on('drain', onDrain)
  follow(connection, callback)
}

/**
 * @param {Duplex} connection
 * @param {() => void} callback
 */
function follow(connection, callback) {
  const response = openResponse(connection)
  // 'close' comes one tick after the next response has taken its place, or when the connection is lost.
  if (response !== null) return void response.once('close', () => follow(connection, callback))
  connection.off('drain', onDrain)
  // Stop Node's timer for idle connections.
  stopTimeout(connection)
  if (connection.writable) callback()
}

/** @this {Duplex} */
function onDrain() {
  const response = openResponse(this)
  if (response?.writableNeedDrain) response.emit('drain')
}
