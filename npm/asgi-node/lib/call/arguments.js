// The arguments of the methods that send a request from JavaScript.

import { show } from '../native/errors.js'
import { Request } from '../message/request.js'

/** @param {unknown} request */
export function checkedRequest(request) {
  const ours = request instanceof Request ? request : new Request(/** @type {import('../index.js').RequestInit} */ (request))
  if (ours.websocket) throw new TypeError('A WebSocket request (websocket: true, or a ws: url) is for handleStream')
  return ours
}

/** @param {unknown} options */
export function checkedSignal(options) {
  if (typeof options !== 'object' || options === null) throw new TypeError(`options must be an object, not ${show(options)}`)
  const { signal } = /** @type {{ signal?: unknown }} */ (options)
  if (signal === undefined || signal === null) return undefined
  if (signal instanceof AbortSignal) return signal
  throw new TypeError(`signal must be an AbortSignal, not ${show(signal)}`)
}
