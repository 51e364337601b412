// The end: readiness turns false, clients go elsewhere, what is under way is finished.

import { setTimeout as sleep } from 'node:timers/promises'

/** Milliseconds that a connection which has just been accepted has for its request when the server takes no more. */
const LAST_REQUESTS = 250

/** Milliseconds that the application's shutdown has after a second signal. */
const PATIENCE = 2000

/** Ends a server and its handler, once. */
export class Stop {
  #handler
  #server
  #gate
  #idle
  #delay
  #timeout
  /** Ends the delay early. */
  #hurry = new AbortController()

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

  /** Lets everything come to its end. */
  async drain() {
    const timeout = this.#timeout
    const closed = this.#handler.close({ delay: this.#delay + LAST_REQUESTS, timeout })
    // Its failure is that of the `await` below, also where it comes before that.
    closed.catch(() => {})
    // Clients that keep their connection ask again on it, and would be in the way at the end: now they get another one.
    this.#gate.closing = true
    if (this.#delay > 0) await sleep(this.#delay, undefined, { signal: this.#hurry.signal }).catch(() => {})
    await Promise.race([this.#server.close(), sleep(LAST_REQUESTS, undefined, { signal: this.#hurry.signal }).catch(() => {})])
    this.#handler.close({ timeout }).catch(() => {})
    const others = this.#idle(timeout)
    try {
      await closed
      await others
    } finally {
      this.#server.destroy()
    }
  }

  /** Gives up what is under way. Fulfilled when the application has had its time to shut down. */
  async now() {
    this.#hurry.abort()
    this.#server.destroy()
    await Promise.race([this.#handler.close({ timeout: 0 }).catch(() => {}), sleep(PATIENCE)])
  }
}
