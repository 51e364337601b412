// Every name of Node and of `ws` that we use although their documentation does not promise it, each with the reason. Nothing
// else in this package may use such a name. tests/node/node-internals.test.mjs says which of them a new version has dropped.

import * as http from 'node:http'
import * as net from 'node:net'
import { all as protocol } from './ws.cjs'

/** @typedef {import('node:http').IncomingMessage} IncomingMessage */
/** @typedef {import('node:http').ServerResponse} ServerResponse */
/** @typedef {import('node:stream').Duplex} Duplex */
/** @typedef {import('ws').WebSocket} WebSocket */

/** @typedef {import('node:net').Server & { httpAllowHalfOpen?: boolean, maxHeadersCount?: number | null }} Server */
/** @typedef {{ _httpMessage?: ServerResponse | null, _paused?: boolean, server?: Server }} ServedConnection */
/** @typedef {{ bytesWritten?: number, writeQueueSize?: number, _parent?: Handle, useUserBuffer?(memory: Buffer): void }} Handle */

/**
 * The server that accepted a connection of HTTP, or undefined. A request does not name its server otherwise, and its limits
 * (`maxHeadersCount`) and listeners (`upgrade`, `checkContinue`) decide how we answer. Node sets it for its own use.
 * @param {object} socket
 * @returns {Server | undefined}
 */
export function serverOf(socket) {
  return /** @type {ServedConnection} */ (socket).server
}

/**
 * The response that a connection is writing. With an upgrade Node's parser lets go of the connection, and nothing public
 * tells of responses to requests that were pipelined ahead. Node puts the next one there when one is complete.
 * @param {Duplex} socket
 * @returns {ServerResponse | null}
 */
export function openResponse(socket) {
  return /** @type {ServedConnection} */ (socket)._httpMessage ?? null
}

/**
 * Whether a response is being written to a connection.
 * @param {Duplex} connection
 */
export function isBusy(connection) {
  return openResponse(connection) !== null
}

/**
 * Sends the head of a response ahead of its body. `flushHeaders` would send bytes above 0x7f as UTF-8; with a body, or with
 * an encoding, Node sends them as they are.
 * @param {ServerResponse} res
 */
export function sendHead(res) {
  const { _send: send } = /** @type {{ _send?: (data: string, encoding: string) => void }} */ (/** @type {unknown} */ (res))
  if (typeof send === 'function') send.call(res, '', 'latin1')
  else res.flushHeaders()
}

const { write, end, _send, _writeRaw } = /** @type {Writing} */ (/** @type {unknown} */ (http.OutgoingMessage.prototype))
const { write: writeSocket, _write, _writev } = net.Socket.prototype
/** What is not there cannot be found replaced: then no response is plain. */
const areKnown = [write, end, _send, _writeRaw, writeSocket, _write, _writev].every((method) => typeof method === 'function')

/** @typedef {{ write: unknown, end: unknown, _send: unknown, _writeRaw: unknown }} Writing */

/**
 * Whether nobody but Node sees what is written to this response: no code has replaced a method on its way to a socket of
 * Node's own, which writes the bytes and forgets them.
 * @param {ServerResponse} res
 */
export function isPlain(res) {
  const { socket } = res
  const writing = /** @type {Writing} */ (/** @type {unknown} */ (res))
  return (
    areKnown &&
    socket !== null &&
    writing.write === write &&
    writing.end === end &&
    writing._send === _send &&
    writing._writeRaw === _writeRaw &&
    socket.constructor === net.Socket &&
    socket.write === writeSocket &&
    socket._write === _write &&
    socket._writev === _writev
  )
}

/**
 * Node stops to read while responses are queued, and would set the socket flowing after them. After an upgrade nobody
 * would be there to read.
 * @param {Duplex} socket of an upgrade
 */
export function forgetPause(socket) {
  /** @type {ServedConnection} */ (socket)._paused = false
}

/**
 * Writes a response on a connection that Node's parser has left, as Node does for each request: there is no public way to
 * make a response for a connection.
 * @param {ServerResponse} res
 * @param {Duplex} socket
 */
export function attachResponse(res, socket) {
  res.assignSocket(/** @type {import('node:net').Socket} */ (socket))
}

/**
 * @param {ServerResponse} res
 * @param {Duplex} socket
 */
export function detachResponse(res, socket) {
  res.detachSocket(/** @type {import('node:net').Socket} */ (socket))
}

/**
 * Whether Node has sent "100 Continue" for this request. Without a `checkContinue` listener it does so before our code
 * runs, and the application must not ask for a second one.
 * @param {ServerResponse} res
 */
export function hasSentContinue(res) {
  return Boolean(/** @type {{ _sent100?: boolean }} */ (res)._sent100)
}

/**
 * Node ends the connection of a request with "Expect: 100-continue" that it has not answered with that: the body may still
 * come. For one whose body has come whole it need not.
 * @param {ServerResponse} res
 */
export function forgetExpectation(res) {
  /** @type {{ _expect_continue?: boolean }} */ (res)._expect_continue = false
}

/**
 * Calls back once, before the first read of a request body. Node asks its parser for the body by this method, which stream
 * implementers know, and tells nobody that a body is asked for.
 * @param {IncomingMessage} req
 * @param {() => void} callback
 */
export function beforeFirstRead(req, callback) {
  req._read = function (size) {
    allowReads(req)
    callback()
    return this._read(size)
  }
}

/** Forgets the callback of beforeFirstRead. @param {IncomingMessage} req */
export function allowReads(req) {
  // What it hides is the prototype's.
  delete (/** @type {Partial<IncomingMessage>} */ (req)._read)
}

/**
 * Calls back in place of the next `destroySoon` of a socket, by which Node ends a connection after its last response.
 * @param {import('node:net').Socket} socket
 * @param {() => void} callback
 */
export function insteadOfDestroySoon(socket, callback) {
  socket.destroySoon = () => {
    // A second call means it: whoever drains the body has had enough. What this hides is the prototype's.
    delete (/** @type {Partial<import('node:net').Socket>} */ (socket).destroySoon)
    callback()
  }
}

/**
 * Whether the server keeps a connection whose client has closed its side, until the response is complete. No option sets it.
 * @param {Server} server
 */
export function allowsHalfOpen(server) {
  return server.httpAllowHalfOpen !== false
}

/**
 * @param {Server} server
 * @param {boolean} allowed
 */
export function setHalfOpen(server, allowed) {
  server.httpAllowHalfOpen = allowed
}

/**
 * Whether Node reads the body of a request that asks for an upgrade (from version 26 on). Before, what follows the head
 * belongs to whoever takes the upgrade. A chunked body that is empty looks the same in both.
 */
export const READS_UPGRADE_BODIES = Number.parseInt(process.versions.node, 10) >= 26

/**
 * Bytes written to a WebSocket that the kernel has accepted. `bufferedAmount` does not change during one large write. Returns 0
 * for streams that are not Node sockets. Node's own socket timeout looks at the same two numbers.
 * A TLS handle has taken a whole write as soon as it has encrypted it: the handle below it knows.
 * @param {WebSocket} ws
 */
export function bytesTaken(ws) {
  const outer = handleOf(ws)
  const handle = outer?._parent ?? outer
  return (handle?.bytesWritten ?? 0) - (handle?.writeQueueSize ?? 0)
}

/** Payloads from this size on: below it the call costs more than the loop of `ws`. */
const UNMASKED_NATIVELY = 1024

/**
 * @typedef {{
 *   consume(n: number): Buffer,
 *   write(packet: Buffer): boolean,
 *   _mask?: Buffer,
 *   _masked?: boolean,
 *   _state?: number,
 *   _fragmented?: number,
 *   _bufferedBytes?: number,
 *   _errored?: boolean
 * }} Receiver
 */

/** What `ws` takes for "nothing to unmask". */
const NO_MASK = Buffer.alloc(4)

/**
 * Replaces `consume` of the `ws` receiver: large payloads are unmasked by native code. Without `bufferutil`, `ws` unmasks byte by
 * byte, where Node has no function for it. That is two thirds of the cost of a message of 64 KiB.
 * @param {(data: Buffer, key: number) => void} unmask
 * @returns {Receiver['consume']}
 */
export function unmaskingConsume(unmask) {
  const { consume } = ReceiverOfWs.prototype
  /** @this {Receiver} @param {number} n */
  return function takeBytes(n) {
    const data = consume.call(this, n)
    // The parts of a frame's head are shorter than any of these.
    if (n >= UNMASKED_NATIVELY && this._masked === true && this._mask !== undefined) {
      unmask(data, this._mask.readUInt32LE(0))
      this._mask = NO_MASK
    }
    return data
  }
}

/**
 * @param {WebSocket} ws
 * @param {Receiver['consume']} consume
 */
export function consumeBy(ws, consume) {
  // Newer versions of Node have a function for it, which `ws` uses.
  if ('websocketUnmask' in http) return
  const receiver = receiverOf(ws)
  if (receiver !== undefined && typeof receiver.consume === 'function') receiver.consume = consume
}

/** The state in which a receiver of `ws` waits for the first byte of a frame. */
const GET_INFO = 0

/**
 * Has a function called in place of the receiver of `ws` with what comes from the client: `ws` has no other place where one
 * sees frames before it has collected, joined and unmasked them. Nothing happens where this could not tell where a message begins.
 * @param {WebSocket} ws
 * @param {(this: Receiver, packet: Buffer) => boolean} take
 * @returns {Receiver | undefined}
 */
export function readBefore(ws, take) {
  const receiver = receiverOf(ws)
  if (receiver === undefined || !isBetweenMessages(receiver)) return undefined
  receiver.write = take
  return receiver
}

/**
 * Gives the receiver itself what has come.
 * @param {Receiver} receiver
 * @param {Buffer} packet
 */
export function writeToReceiver(receiver, packet) {
  return ReceiverOfWs.prototype.write.call(receiver, packet)
}

/**
 * Whether `ws` is not in the middle of a message or frame, and has not given up: the next byte is the first one of a frame.
 * @param {Receiver} receiver
 */
export function isBetweenMessages(receiver) {
  return receiver._state === GET_INFO && receiver._fragmented === 0 && receiver._bufferedBytes === 0 && receiver._errored === false
}

/** @param {WebSocket} ws */
function receiverOf(ws) {
  return /** @type {{ _receiver?: Receiver }} */ (/** @type {unknown} */ (ws))._receiver
}

/** @typedef {import('node:net').Socket & Record<symbol, unknown>} Reading */
/** @typedef {{ buffer?: symbol, callback?: symbol }} OnRead */

/**
 * The names under which a socket keeps its option `onread`, which only a new socket takes.
 * @param {object} socket
 * @returns {OnRead}
 */
function onReadOf(socket) {
  const names = Object.getOwnPropertySymbols(socket)
  const find = (/** @type {string} */ description) => names.find((name) => name.description === description)
  return { buffer: find('kBuffer'), callback: find('kBufferCb') }
}

/** @param {Handle | null | undefined} handle */
const takesBuffer = (handle) => typeof handle?.useUserBuffer === 'function'

/**
 * Makes a socket read into this buffer, like the option `onread`. The callback gets the length. Otherwise Node makes a Buffer of
 * 64 KiB for each read. Nothing happens to a stream that is no socket of Node's own, or that is encrypted.
 * @param {WebSocket} ws
 * @param {Buffer} memory
 * @param {(this: import('node:net').Socket, length: number) => boolean} callback
 * @returns {import('node:net').Socket | undefined} the socket, if it does
 */
export function readInto(ws, memory, callback) {
  const { _socket: socket } = /** @type {{ _socket?: Reading }} */ (/** @type {unknown} */ (ws))
  const handle = handleOf(ws)
  if (socket?.constructor !== net.Socket || !takesBuffer(handle)) return undefined
  const names = onReadOf(socket)
  if (names.buffer === undefined || names.callback === undefined || socket[names.buffer] !== null) return undefined
  Object.assign(socket, { [names.buffer]: memory, [names.callback]: callback })
  handle?.useUserBuffer?.(memory)
  return socket
}

/** @param {Receiver | undefined} receiver */
function isAtFirst(receiver) {
  return receiver !== undefined && isBetweenMessages(receiver)
}

/** @param {WebSocket} ws */
function handleOf(ws) {
  return /** @type {{ _socket?: { _handle?: Handle | null } | null }} */ (/** @type {unknown} */ (ws))._socket?._handle
}

/**
 * @typedef {Record<string, Record<string, (string | boolean)[]>[]>} Extensions
 * @typedef {{
 *   extension: { parse(header: string): Extensions },
 *   subprotocol: { parse(header: string): Set<string> },
 *   PerMessageDeflate: new (options: object) => { accept(offers: Extensions['']): unknown },
 *   Receiver: { prototype: Receiver }
 * }} Parts
 */

// The parsers of `ws`: what we refuse, or agree on, must be what it would. It exports them, and documents none.
export const { PerMessageDeflate, extension, subprotocol } = /** @type {Parts} */ (/** @type {unknown} */ (protocol))
const { Receiver: ReceiverOfWs } = /** @type {Parts} */ (/** @type {unknown} */ (protocol))

/**
 * Options of a WebSocketServer that its documentation or its types do not have. `closeTimeout`: our sockets have a time of
 * their own, which knows slow clients from silent ones.
 * @param {import('ws').ServerOptions} options
 * @returns {import('ws').ServerOptions}
 */
export function serverOptions(options) {
  return /** @type {import('ws').ServerOptions} */ ({ ...options, closeTimeout: 0x7fffffff })
}

/**
 * The names above that this version of Node or `ws` no longer has.
 * @param {{ req: IncomingMessage, res: ServerResponse, ws: WebSocket, wss: WebSocket }} living a request of HTTP/1 whose response
 *   is open, and open WebSockets over a socket and over TLS
 * @returns {string[]}
 */
export function vanished({ req, res, ws, wss }) {
  const { socket } = req
  const handle = handleOf(ws)
  const server = serverOf(socket)
  const names = {
    'socket.server': server !== undefined,
    'socket._httpMessage': openResponse(socket) === res,
    'socket._paused': '_paused' in socket,
    'res.assignSocket': typeof res.assignSocket === 'function',
    'res.detachSocket': typeof res.detachSocket === 'function',
    'res._send': '_send' in res,
    'res._writeRaw': '_writeRaw' in res,
    // What a socket inherits from streams has the same names.
    'socket._write': Object.hasOwn(net.Socket.prototype, '_write'),
    'socket._writev': Object.hasOwn(net.Socket.prototype, '_writev'),
    'res._expect_continue': '_expect_continue' in res,
    'res._sent100': '_sent100' in res,
    'req._read': typeof req._read === 'function',
    'socket.destroySoon': typeof socket.destroySoon === 'function',
    'server.httpAllowHalfOpen': server !== undefined && 'httpAllowHalfOpen' in server,
    'ws._socket._handle.bytesWritten': typeof handle?.bytesWritten === 'number',
    'ws._socket._handle.writeQueueSize': typeof handle?.writeQueueSize === 'number',
    'ws._socket._handle._parent of TLS': typeof handleOf(wss)?._parent?.bytesWritten === 'number',
    'socket.onread': Object.values(onReadOf(socket)).every((name) => name !== undefined),
    'ws._socket._handle.useUserBuffer': takesBuffer(handle),
    'ws._receiver.consume': typeof receiverOf(ws)?.consume === 'function',
    'ws._receiver: its state between messages': isAtFirst(receiverOf(ws)),
    'ws: PerMessageDeflate': typeof PerMessageDeflate === 'function',
    'ws: extension.parse': typeof extension?.parse === 'function',
    'ws: subprotocol.parse': typeof subprotocol?.parse === 'function'
  }
  return Object.entries(names).flatMap(([name, there]) => (there ? [] : [name]))
}
