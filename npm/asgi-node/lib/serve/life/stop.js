// The end of the server: readiness becomes false, new requests go elsewhere, and requests under way are finished.

import { setTimeout as sleep } from 'node:timers/promises'

/** Milliseconds that a new connection has for its request when the server accepts no more connections. */
const LAST_REQUESTS = 250

/** Milliseconds for the application's shutdown after a second signal. */
const PATIENCE = 2000

/** Ends a server and its handler, once. */
export class Stop {
  #handler
  #server
  #gate
  #idle
  #delay
  #timeout
  /** Aborts the delay. */
  #abortWait = new AbortController()

  /**
   * @param {object} parts
   * @param {import('../../index.js').PythonHandler} parts.handler
   * @param {import('../listen/server.js').Server} parts.server
   * @param {{ closing: boolean }} parts.gate
   * @param {import('../front/front.js').Front['idle']} parts.idle
   * @param {number} parts.delay milliseconds
   * @param {number} parts.timeout milliseconds
   */
  constructor({ handler, server, gate, idle, delay, timeout }) {
    this.#handler = handler
    this.#server = server
    this.#gate = gate
    this.#idle = idle
    this.#delay = delay
    this.#timeout = timeout
  }

  /** Waits until everything has ended. */
  async drain() {
    const timeout = this.#timeout
    const closed = this.#handler.close({ delay: this.#delay + LAST_REQUESTS, timeout })
    // The `await` below reports its failure. Without this, an early failure would count as an unhandled rejection.
    closed.catch(() => {})
    // Keep-alive connections would get further requests until the end. From now on each one ends after its response.
    this.#gate.closing = true
    if (this.#delay > 0) await sleep(this.#delay, undefined, { signal: this.#abortWait.signal }).catch(() => {})
    await Promise.race([this.#server.close(), sleep(LAST_REQUESTS, undefined, { signal: this.#abortWait.signal }).catch(() => {})])
    this.#handler.close({ timeout }).catch(() => {})
    const others = this.#idle(timeout)
    try {
      await closed
      await others
    } finally {
      this.#server.destroy()
    }
  }

  /** Ends requests at once. Fulfilled when the application has had its time to shut down. */
  async now() {
    this.#abortWait.abort()
    this.#server.destroy()
    await Promise.race([this.#handler.close({ timeout: 0 }).catch(() => {}), sleep(PATIENCE)])
  }
}
