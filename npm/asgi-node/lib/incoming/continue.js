// "Expect: 100-continue": the client sends its body only when it is asked to (RFC 9110, 10.1.1).
//
// Node answers by itself before it emits `request`, unless its server has a `checkContinue` listener. A server without one
// gets ours with the first request that we handle. Other code on that server works as before: when it begins to read the
// body (body-parser, for example), "100 Continue" is sent.

import { allowReads, beforeFirstRead, hasSentContinue, serverOf } from '../node-internals.js'

/** @typedef {import('node:http').IncomingMessage} IncomingMessage */
/** @typedef {import('node:http').ServerResponse} ServerResponse */

const kDeferred = Symbol('asgi-node 100-continue')

/** @typedef {IncomingMessage & { [kDeferred]?: boolean, stream?: unknown }} Req */

/**
 * From now on "100 Continue" is sent when the body is wanted, not before.
 * @param {import('node:events').EventEmitter} server
 */
export function adopt(server) {
  if (server.listenerCount('checkContinue') === 0) server.on('checkContinue', onCheckContinue)
}

/** @this {import('node:events').EventEmitter} @param {Req} req @param {ServerResponse} res */
function onCheckContinue(req, res) {
  // Another listener was added later, and answers by itself.
  if (this.listenerCount('checkContinue') > 1) return
  // HTTP/2 has no such thing.
  req[kDeferred] = res.shouldKeepAlive ?? true
  // If the answer comes first, the client may send the body or its next request: they cannot be told apart.
  res.shouldKeepAlive = false
  beforeFirstRead(req, () => {
    release(req, res)
    if (!res.headersSent && !res.writableEnded) res.writeContinue()
  })
  this.emit('request', req, res)
}

/** @param {Req} req @param {ServerResponse} res */
function release(req, res) {
  allowReads(req)
  res.shouldKeepAlive = req[kDeferred] ?? false
  req[kDeferred] = undefined
}

/**
 * Whether the client of a request with that header still holds its body back. If so, the caller has to send "100 Continue".
 * @param {IncomingMessage} request
 * @param {ServerResponse} res
 */
export function holdsBack(request, res) {
  const req = /** @type {Req} */ (request)
  if (req[kDeferred] !== undefined) {
    release(req, res)
    return true
  }
  // On HTTP/1 Node tells whether it has answered. On HTTP/2 it does not, but there it answers only without a listener.
  if (req.stream === undefined) return !hasSentContinue(res)
  const server = serverOf(req.socket)
  return server !== undefined && server.listenerCount('checkContinue') > 0 && !isOurs(server)
}

/** @param {import('node:events').EventEmitter} server */
function isOurs(server) {
  return server.listenerCount('checkContinue', onCheckContinue) > 0
}
