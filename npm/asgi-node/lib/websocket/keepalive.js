import { CLOSE_CODE } from '../native/protocol.js'
import { WriteProgress } from './write-progress.js'

/** @typedef {import('./served-socket.js').ServedSocket} ServedSocket */
/** @typedef {import('ws').WebSocket & { [kKeepalive]?: Keepalive }} WebSocket */

const kKeepalive = Symbol('asgi-node keepalive')

/** Detects a client that is gone although its connection has not ended. It sends pings and waits for the pongs. */
export class Keepalive {
  #ws
  #interval
  #timeout
  /** @type {NodeJS.Timeout} */
  #timer
  #waiting = false
  /** How much the client has read: a ping waits behind the data that was sent before it. */
  #progress = new WriteProgress()
  /** True while the pong may wait behind messages that the app has not received. Then the client is not late. */
  patient = false

  /**
   * @param {ServedSocket & WebSocket} ws
   * @param {{ pingInterval: number, pingTimeout: number }} settings milliseconds
   * @returns {Keepalive | null} null: never
   */
  static start(ws, settings) {
    return settings.pingInterval > 0 ? new Keepalive(ws, settings) : null
  }

  /**
   * @param {ServedSocket & WebSocket} ws
   * @param {{ pingInterval: number, pingTimeout: number }} settings
   */
  constructor(ws, { pingInterval, pingTimeout }) {
    this.#ws = ws
    this.#interval = pingInterval
    this.#timeout = pingTimeout
    ws[kKeepalive] = this
    ws.on('pong', onPong)
    this.#timer = setTimeout(onTime, pingInterval, this).unref()
  }

  stop() {
    clearTimeout(this.#timer)
  }

  tick() {
    const ws = this.#ws
    if (ws.readyState !== ws.OPEN) return
    if (!this.#waiting) {
      this.#progress.note(ws)
      ws.ping()
      this.#waiting = this.#timeout > 0
      return this.#arm(this.#waiting ? this.#timeout : this.#interval)
    }
    if (this.patient || this.#progress.advanced(ws)) return this.#arm(this.#timeout)
    // Other servers send this close frame, too. The client may still be there, but its answer is not waited for.
    ws.finish(CLOSE_CODE.INTERNAL_ERROR, 'keepalive ping timeout')
    ws.terminate()
  }

  alive() {
    if (!this.#waiting || this.#ws.readyState !== this.#ws.OPEN) return
    this.#waiting = false
    this.#arm(this.#interval)
  }

  /** @param {number} milliseconds */
  #arm(milliseconds) {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(onTime, milliseconds, this).unref()
  }
}

/** @param {Keepalive} keepalive */
function onTime(keepalive) {
  keepalive.tick()
}

/** @this {WebSocket} */
function onPong() {
  this[kKeepalive]?.alive()
}
