import { AccessRecord } from './access-record.js'
import { forClf, forJson, forUvicorn } from './access-formats.js'
import { Lines } from './access-lines.js'
import { connectionOf } from '../incoming/connection.js'
import { show } from '../native/errors.js'
import { http2Of } from '../incoming/http2.js'
import { forwardedPeer } from '../incoming/proxy.js'

/** @typedef {import('node:http').IncomingMessage} IncomingMessage */
/** @typedef {import('node:http').ServerResponse} ServerResponse */
/** @typedef {import('./logger.js').Log} Log */
/** @typedef {import('./types.js').AccessEntry} AccessEntry */
/** @typedef {import('./types.js').AccessFunction} AccessFunction */
/** @typedef {import('../incoming/proxy.js').Trust} Trust */

/** @type {Readonly<Record<string, (entry: AccessEntry) => string>>} */
const FORMATS = { uvicorn: forUvicorn, combined: forClf, json: forJson }

/**
 * @param {unknown} value the option `accessLog`
 * @returns {boolean | string | AccessFunction | AccessLog}
 */
export function checkAccessLog(value) {
  if (value instanceof AccessLog || typeof value === 'boolean') return value
  if (typeof value === 'function') return /** @type {AccessFunction} */ (value)
  if (typeof value === 'string' && Object.hasOwn(FORMATS, value)) return value
  throw new TypeError(`Option accessLog must be true, false, "uvicorn", "combined", "json" or a function (entry), not ${show(value)}`)
}

/**
 * @param {boolean | string | AccessFunction | AccessLog} option
 * @param {Log} log
 * @returns {AccessLog | null} null: off
 */
export function accessLogOf(option, log) {
  if (option === false) return null
  // Our own command's, which logs more than a handler's requests.
  if (option instanceof AccessLog) return option
  if (typeof option === 'function') return new AccessLog(option, { detailed: true, callsUser: true }, log)
  const name = option === true ? 'uvicorn' : option
  const format = FORMATS[name]
  const out = new Lines(log)
  return new AccessLog((entry) => out.add(format(entry)), { detailed: name !== 'uvicorn' }, log)
}

/** Logs each request once, when it is over. */
export class AccessLog {
  #tell
  #log

  /**
   * @param {AccessFunction} tell
   * @param {{ detailed: boolean, callsUser?: boolean }} needs whether it tells the bytes of bodies and what headers say, and whether `tell` is
   *   code of the user, which may read the asynchronous context of a request
   * @param {Log} log
   */
  constructor(tell, { detailed, callsUser = false }, log) {
    this.#tell = tell
    this.#log = log
    this.detailed = detailed
    this.callsUser = callsUser
  }

  /** @param {AccessEntry} entry */
  tell(entry) {
    try {
      const result = /** @type {unknown} */ (this.#tell(entry))
      if (result instanceof Promise) result.catch((error) => this.#log.threw('accessLog', error))
    } catch (error) {
      this.#log.threw('accessLog', error)
    }
  }

  /**
   * Follows a node:http request until its response is over.
   * @param {IncomingMessage & { originalUrl?: unknown }} req
   * @param {ServerResponse} res
   * @param {Trust | null} trust
   */
  follow(req, res, trust) {
    const record = new AccessRecord(this, requestOf(req, trust, 'http'))
    // Its client has left while the handler was starting: no further event will come.
    if (res.destroyed || http2Of(res)?.stream.destroyed) return record.end()
    record.respond(res)
    res.on('close', () => {
      record.status = res.headersSent ? res.statusCode : 0
      record.end()
    })
  }

  /**
   * Follows a server's WebSocket until its connection is over. An accepted WebSocket ends a moment after its connection, and
   * only then is its close code known: so the code that accepts it must report its end.
   * @param {IncomingMessage} req
   * @param {import('node:stream').Duplex} socket
   * @param {Trust | null} trust
   */
  followUpgrade(req, socket, trust) {
    const record = new AccessRecord(this, requestOf(req, trust, 'websocket'))
    socket.once('close', () => {
      if (record.status !== 101) record.end()
    })
    return record
  }

  /**
   * A request without a connection of its own, from the head that Python gets.
   * @param {string} head
   * @param {boolean} isWebSocket
   */
  called(head, isWebSocket) {
    const [method, url, version, , clientAddress, clientPort, , , , , ...headers] = head.split('\0', this.detailed ? undefined : 6)
    return new AccessRecord(this, {
      type: isWebSocket ? 'websocket' : 'http',
      method,
      url,
      protocol: `HTTP/${version}`,
      clientAddress: clientAddress || null,
      clientPort: clientAddress ? Number(clientPort) : null,
      referer: headerIn(headers, 'referer'),
      userAgent: headerIn(headers, 'user-agent')
    })
  }
}

/**
 * @param {IncomingMessage & { originalUrl?: unknown }} req
 * @param {Trust | null} trust
 * @param {'http' | 'websocket'} type
 */
function requestOf(req, trust, type) {
  const connection = connectionOf(req.socket)
  const peer = trust === null ? connection.peer : forwardedPeer(trust, connection, req.rawHeaders)
  const [address, port] = peer === connection.peer ? connection.clientParts : partsOf(peer)
  return {
    type,
    method: req.method ?? '',
    url: typeof req.originalUrl === 'string' ? req.originalUrl : (req.url ?? ''),
    protocol: `HTTP/${req.httpVersion}`,
    clientAddress: address,
    clientPort: port,
    referer: req.headers.referer ?? null,
    userAgent: req.headers['user-agent'] ?? null
  }
}

/**
 * The client's address and port in what proxies report.
 * @param {string} peer
 * @returns {readonly [string, number] | readonly [null, null]}
 */
function partsOf(peer) {
  const [, address, port] = peer.split('\0', 3)
  return address === '' ? [null, null] : [address, Number(port)]
}

/**
 * @param {string[]} flat
 * @param {string} wanted in lower case
 */
function headerIn(flat, wanted) {
  for (let i = 0; i + 1 < flat.length; i += 2) {
    if (flat[i].length === wanted.length && flat[i].toLowerCase() === wanted) return flat[i + 1]
  }
  return null
}
