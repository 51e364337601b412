import { ServerResponse } from 'node:http'
import { connectionOf } from '../incoming/connection.js'
import { destroySoon } from '../incoming/sockets.js'
import { PLAIN } from '../log/failures.js'
import { FRAMING, framingOf } from '../message/framing.js'
import { plainHeaders } from '../message/headers.js'
import { PerMessageDeflate, attachResponse, detachResponse, extension, isBusy, serverOptions, subprotocol } from '../node-internals.js'
import { WebSocketServer } from '../ws.cjs'
import { ServedSocket } from './served-socket.js'

/** @typedef {import('node:http').IncomingMessage} IncomingMessage */
/** @typedef {import('node:stream').Duplex} Duplex */
/** @typedef {import('../options/websocket.js').WebSocketSettings} WebSocketSettings */
/** @typedef {import('../log/access-record.js').AccessRecord} AccessRecord */

/** The app's answer to a handshake. @typedef {{ subprotocol: string, headers: string[] }} Answer */

// The requirements of RFC 6455 (4.2.1) for a client's handshake. ws does the rest of the protocol.

const KEY = /^[+/0-9A-Za-z]{22}==$/
const VERSION = '13'

/** Milliseconds that a client may take to read the few bytes of a refusal. */
const REFUSAL_MS = 10_000
const DEFLATE = 'permessage-deflate'

// Windows of 4 KiB, and little memory for hashes: a connection takes 120 KiB rather than 230 (benches/websockets.mjs), and the
// compression is hardly worse. Node's zlib takes at least 64 KiB for hashes, which is more than Python's.
const WINDOW_BITS = 12
const MEMORY_LEVEL = 5
/** zlib cannot do raw deflate with a window of 256 bytes. */
const SMALLEST_WINDOW = 9

/**
 * Why a handshake is refused, as status and headers; null if it is correct.
 * @param {IncomingMessage} req
 * @returns {{ status: number, headers: string[] } | null}
 */
export function faultOf(req) {
  const { headers, rawHeaders } = req
  // As for every other request: a header field that Node has dropped may be important.
  if (rawHeaders.length > connectionOf(req.socket).maxHeaderFields) return { status: 431, headers: [] }
  const framing = framingOf(rawHeaders)
  if (framing & FRAMING.TWO_HOSTS) return { status: 400, headers: [] }
  if (req.method !== 'GET') return { status: 405, headers: ['allow', 'GET'] }
  if (req.httpVersionMajor !== 1 || req.httpVersionMinor !== 1) return { status: 400, headers: [] }
  if (headers['sec-websocket-version'] !== VERSION) return { status: 426, headers: ['sec-websocket-version', VERSION, 'upgrade', 'websocket'] }
  // Frames follow a handshake. Only Node 26 would read a body before them.
  if (framing & FRAMING.BODY || !KEY.test(headers['sec-websocket-key'] ?? '')) return { status: 400, headers: [] }
  try {
    const { 'sec-websocket-protocol': protocols, 'sec-websocket-extensions': extensions } = headers
    if (protocols !== undefined) subprotocol.parse(protocols)
    if (extensions !== undefined) extension.parse(extensions)
  } catch {
    return { status: 400, headers: [] }
  }
  return null
}

/**
 * A response on a connection that Node no longer parses. The connection ends with it.
 * @param {IncomingMessage} req
 * @param {Duplex} socket where this response is the next one (pipelining.js)
 * @param {AccessRecord} [record]
 */
export function responseOn(req, socket, record) {
  const res = new ServerResponse(req)
  res.shouldKeepAlive = false
  record?.respond(res)
  // Another listener is answering on this connection: a second response would be wrong.
  if (isBusy(req.socket)) {
    socket.destroy()
    return res
  }
  attachResponse(res, socket)
  res.on('finish', () => {
    detachResponse(res, socket)
    // Data from the client is read and dropped. Unread data would make the operating system send a reset at the end.
    socket.resume()
    destroySoon(socket)
  })
  return res
}

/**
 * Answers a handshake without the app.
 * @param {IncomingMessage} req
 * @param {Duplex} socket
 * @param {number} status
 * @param {string[]} [headers] flat
 * @param {AccessRecord} [record]
 */
export function refuse(req, socket, status, headers = [], record) {
  if (socket.destroyed || !socket.writable) return socket.destroy()
  const text = PLAIN[status]
  if (record) record.status = status
  const res = responseOn(req, socket, record)
  res.writeHead(status, [...headers, ...plainHeaders(text)])
  res.end(req.method === 'HEAD' ? undefined : text)
  const timer = setTimeout(() => socket.destroy(), REFUSAL_MS)
  socket.once('close', () => clearTimeout(timer))
}

/** Completes handshakes with `ws`, and with the compression that each client supports. */
export class Handshakes {
  #settings
  /** @type {Map<string, import('ws').WebSocketServer>} by the negotiated compression */
  #servers = new Map()
  /** @type {Answer | null} the answer to the handshake that is being completed */
  #answer = null

  /** @param {WebSocketSettings} settings */
  constructor(settings) {
    this.#settings = settings
  }

  /**
   * Sends the 101. `done` is called before this returns, or never if the client has left.
   * @param {IncomingMessage} req
   * @param {Duplex} socket
   * @param {Answer} answer
   * @param {(ws: ServedSocket) => void} done
   */
  complete(req, socket, answer, done) {
    this.#answer = answer
    const server = this.#serverFor(req)
    // Header values are bytes; `ws` writes a string.
    socket.setDefaultEncoding('latin1')
    server.handleUpgrade(req, /** @type {import('node:net').Socket} */ (socket), Buffer.alloc(0), (ws) => done(/** @type {ServedSocket} */ (ws)))
    socket.setDefaultEncoding('utf8')
    this.#answer = null
  }

  /** @param {IncomingMessage} req */
  #serverFor(req) {
    const deflate = this.#settings.perMessageDeflate ? windowsOf(req) : null
    const key = deflate === null ? '' : `${deflate.serverMaxWindowBits}/${deflate.clientMaxWindowBits}`
    let server = this.#servers.get(key)
    if (server === undefined) {
      server = this.#newServer(deflate)
      this.#servers.set(key, server)
    }
    return server
  }

  /** @param {Windows | null} windows */
  #newServer(windows) {
    const { maxPayload, maxFragments } = this.#settings
    const server = new WebSocketServer(
      serverOptions({
        WebSocket: ServedSocket,
        noServer: true,
        clientTracking: false,
        autoPong: false,
        maxPayload,
        maxFragments,
        maxBufferedChunks: 2 * maxFragments,
        perMessageDeflate: windows !== null && { ...windows, zlibDeflateOptions: { memLevel: MEMORY_LEVEL } },
        handleProtocols: () => this.#answer?.subprotocol || false
      })
    )
    server.on('headers', (lines) => {
      const headers = this.#answer?.headers ?? []
      for (let i = 0; i + 1 < headers.length; i += 2) lines.push(`${headers[i]}: ${headers[i + 1]}`)
    })
    return server
  }
}

/** @typedef {{ serverMaxWindowBits: number, clientMaxWindowBits: number | undefined }} Windows */

/**
 * The largest windows, up to ours, that this client accepts; null: no compression. Without this, `ws` would refuse a client that
 * wants a smaller window, or one that does not let the server choose.
 * @param {IncomingMessage} req
 * @returns {Windows | null}
 */
function windowsOf(req) {
  const offers = extension.parse(req.headers['sec-websocket-extensions'] ?? 'none')[DEFLATE] ?? []
  for (const offer of offers) {
    /** @type {Windows} */
    const windows = {
      serverMaxWindowBits: Math.min(WINDOW_BITS, Number(offer.server_max_window_bits?.[0] ?? WINDOW_BITS)),
      clientMaxWindowBits: clientBits(offer.client_max_window_bits?.[0])
    }
    if (!(windows.serverMaxWindowBits >= SMALLEST_WINDOW)) continue
    try {
      // `ws` will do the same negotiation, with the same result: it takes the first offer that fits.
      new PerMessageDeflate({ ...windows, isServer: true }).accept(structuredClone(offers))
      return windows
    } catch {
      continue
    }
  }
  // We can accept no offer. The header is removed, because `ws` would answer it with 400.
  delete req.headers['sec-websocket-extensions']
  return null
}

/** @param {unknown} offered true: any size */
function clientBits(offered) {
  if (offered === undefined) return undefined
  return offered === true ? WINDOW_BITS : Math.min(WINDOW_BITS, Number(offered))
}
