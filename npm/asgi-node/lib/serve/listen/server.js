import http from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'

/** @typedef {import('../settings/settings.js').CommandSettings} CommandSettings */
/** @typedef {(req: import('node:http').IncomingMessage, res: import('node:http').ServerResponse) => void} Listener */
/** @typedef {(req: import('node:http').IncomingMessage, socket: import('node:stream').Duplex, head: Buffer) => void} Upgrade */

/** A server of node:http, node:https or node:http2. It also ends its connections. */
export class Server {
  /** @type {http.Server | https.Server | http2.Http2SecureServer} */
  #server
  /** @type {Set<http2.ServerHttp2Session>} */
  #sessions = new Set()
  #isClosing = false

  /**
   * @param {CommandSettings} settings
   * @param {import('node:tls').TlsOptions | null} tls
   * @param {Listener} listener
   * @param {Upgrade} upgrade
   */
  constructor(settings, tls, listener, upgrade) {
    const options = { maxHeaderSize: settings.h11MaxIncompleteEventSize, keepAliveTimeout: settings.timeoutKeepAlive * 1000 }
    this.isSecure = tls !== null
    if (tls === null) this.#server = http.createServer(options)
    else if (settings.http2) this.#server = http2.createSecureServer({ ...options, ...tls, allowHTTP1: true })
    else this.#server = https.createServer({ ...options, ...tls })
    const server = /** @type {http.Server} */ (this.#server)
    server.on('request', listener).on('checkContinue', listener).on('upgrade', upgrade)
    if (settings.http2) this.#follow(settings.timeoutKeepAlive * 1000)
  }

  /** @returns {import('node:net').Server} */
  get net() {
    return this.#server
  }

  /** @param {number} idle milliseconds */
  #follow(idle) {
    const server = /** @type {http2.Http2SecureServer} */ (this.#server)
    server.on('session', (session) => {
      this.#sessions.add(session)
      session.once('close', () => this.#sessions.delete(session))
      // Open streams are still completed.
      session.setTimeout(idle, () => session.close())
      // Its connection was accepted before the end, and its handshake has ended after it.
      if (this.#isClosing) session.close()
    })
  }

  /**
   * Accepts no more connections, and ends idle ones.
   * @returns {Promise<void>} fulfilled when the last has ended
   */
  close() {
    this.#isClosing = true
    const closed = /** @type {Promise<void>} */ (new Promise((done) => this.#server.close(() => done())))
    for (const session of this.#sessions) session.close()
    if ('closeIdleConnections' in this.#server) this.#server.closeIdleConnections()
    return closed
  }

  /** Ends every connection at once. */
  destroy() {
    for (const session of this.#sessions) session.destroy()
    if ('closeAllConnections' in this.#server) this.#server.closeAllConnections()
  }
}
