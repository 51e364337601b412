// --proxy PREFIX=URL: another server answers these paths, for example the development server of a front end.

import { createProxyServer } from 'httpxy'
import { PLAIN } from '../../log/failures.js'
import { refuse } from '../../websocket/handshake.js'
import { isBelow, isWebSocket, prefixOf, targetOf } from './paths.js'
import { UsageError } from '../errors.js'

/** @typedef {import('node:http').IncomingMessage} IncomingMessage */
/** @typedef {import('node:http').ServerResponse} ServerResponse */
/** @typedef {import('../../index.js').PythonHandler} PythonHandler */
/** @typedef {import('./follower.js').Follower} Follower */

/** Vite's own WebSocket uses the path of the page. Its sub-protocol identifies it. */
const VITE = /^vite-/

/**
 * @param {string} text
 * @returns {{ prefix: string, target: string, text: string }}
 */
function route(text) {
  const at = text.indexOf('=')
  const target = text.slice(at + 1)
  if (at < 1 || text[0] !== '/' || !/^https?:/i.test(target) || !URL.canParse(target)) {
    throw new UsageError(`--proxy must be PREFIX=URL, for example /assets=http://localhost:5173, not ${JSON.stringify(text)}`)
  }
  return { prefix: prefixOf(text.slice(0, at)), target, text }
}

/** The other servers, the longest prefix first. */
export class Proxies {
  #routes
  /** The server for paths that the application does not have. @type {ReturnType<typeof route> | undefined} */
  #rest
  #log
  #follower
  #proxy

  /**
   * @param {readonly string[]} texts
   * @param {import('../../log/types.js').Logger} log
   * @param {Follower} follower
   */
  constructor(texts, log, follower) {
    const routes = texts.map(route).toSorted((a, b) => b.prefix.length - a.prefix.length)
    this.#routes = routes.filter(({ prefix }) => prefix !== '')
    this.#rest = routes.find(({ prefix }) => prefix === '')
    this.#log = log
    this.#follower = follower
    // Without an 'error' listener, each call rejects with its own error.
    this.#proxy = texts.length > 0 ? createProxyServer({ xfwd: true }) : null
  }

  /** @returns {import('./front.js').Layer[]} */
  layers() {
    return this.#routes.map((one) => (req, res, next) => {
      if (!isBelow(targetOf(req), one.prefix)) return next()
      this.#follower.follow(req, res)
      this.#hand(one, req, res)
    })
  }

  /**
   * The application, followed by the server for paths that it answers with 404.
   * @param {PythonHandler} handler
   * @returns {import('../listen/server.js').Listener | null}
   */
  around(handler) {
    const rest = this.#rest
    if (rest === undefined) return null
    const middleware = handler.middleware({ fallthrough: true })
    return (req, res) => {
      // The body has been sent to Python and cannot be sent a second time.
      if (req.method !== 'GET' && req.method !== 'HEAD') return handler.listener(req, res)
      middleware(req, res, (error) => {
        if (error === undefined) return this.#hand(rest, req, res)
        this.#log.error({ err: error }, error.message)
        this.#answer(res, error.status ?? 500)
      })
    }
  }

  /**
   * @param {IncomingMessage} req
   * @param {import('node:stream').Duplex} socket
   * @param {Buffer} head
   * @returns {boolean} whether one of the other servers gets it
   */
  upgrade(req, socket, head) {
    if (!isWebSocket(req)) return false
    const target = targetOf(req)
    const one = this.#routes.find(({ prefix }) => isBelow(target, prefix)) ?? (VITE.test(req.headers['sec-websocket-protocol'] ?? '') ? this.#rest : undefined)
    if (one === undefined) return false
    socket.on('error', () => socket.destroy())
    this.#handUpgrade(one, req, socket, head)
    return true
  }

  /**
   * @param {ReturnType<typeof route>} one
   * @param {IncomingMessage} req
   * @param {import('node:stream').Duplex} socket
   * @param {Buffer} head
   */
  #handUpgrade(one, req, socket, head) {
    const record = this.#follower.followUpgrade(req, socket)
    let isAnswered = false
    // One proxy object for each upgrade, because its events do not say which connection they belong to.
    const proxy = createProxyServer({ xfwd: true, target: one.target })
    proxy.on('proxyReqWs', (/** @type {import('node:http').ClientRequest} */ sent) => {
      sent.once('response', ({ statusCode = 0 }) => {
        isAnswered = true
        if (record) Object.assign(record, { status: statusCode, complete: true })
      })
    })
    proxy.on('open', () => {
      isAnswered = true
      if (record) record.status = 101
      socket.once('close', () => record?.end())
    })
    // This listener runs before the library ends the socket.
    proxy.on('error', (error) => {
      // The client has left, so there is nobody to answer. Or one side has left after the answer.
      if (socket.destroyed || isAnswered) return
      this.#report(one, error)
      refuse(req, socket, 502, [], record)
    })
    req.url = targetOf(req)
    void proxy.ws(req, /** @type {import('node:net').Socket} */ (socket), {}, head)
  }

  /**
   * @param {ReturnType<typeof route>} one
   * @param {IncomingMessage} req
   * @param {ServerResponse} res
   */
  #hand(one, req, res) {
    req.url = targetOf(req)
    this.#proxy?.web(req, res, { target: one.target }).catch((error) => {
      // The client has left, so there is nobody to answer.
      if (res.destroyed) return
      this.#report(one, error)
      this.#answer(res, 502)
    })
  }

  /** @param {ReturnType<typeof route>} one @param {NodeJS.ErrnoException} error */
  #report(one, error) {
    this.#log.warn({}, `The server of --proxy ${one.text} does not answer: ${error.code ?? error.message}`)
  }

  /** @param {ServerResponse} res @param {number} status */
  #answer(res, status) {
    if (res.headersSent) return res.destroy()
    res.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(PLAIN[status])
  }
}
