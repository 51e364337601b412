import { PythonError } from '../../native/errors.js'

/** Loads the application anew, one time after the other. */
export class Reloader {
  #handler
  #log
  #isBusy = false
  /** Asked for while another one was under way. @type {string | null} */
  #next = null

  /**
   * @param {import('../../index.js').PythonHandler} handler
   * @param {import('../../log/types.js').Logger} log
   */
  constructor(handler, log) {
    this.#handler = handler
    this.#log = log
  }

  /**
   * Never rejects: an application that does not start anew goes on as it was.
   * @param {string} why
   * @returns {Promise<void>}
   */
  async reload(why) {
    if (this.#isBusy) {
      this.#next = why
      return
    }
    this.#isBusy = true
    const from = performance.now()
    this.#log.info({}, `Loading the application anew: ${why}`)
    try {
      await this.#handler.reload()
      this.#log.info({}, `The new code serves, after ${Math.round(performance.now() - from)} ms`)
    } catch (error) {
      this.#failed(error)
    } finally {
      this.#isBusy = false
    }
    const next = this.#next
    this.#next = null
    if (next !== null) await this.reload(next)
  }

  /** @param {unknown} error */
  #failed(error) {
    if (error instanceof PythonError && error.code === 'HANDLER_CLOSED') return
    const err = error instanceof Error ? error : new Error(String(error))
    const code = error instanceof PythonError ? `${error.code}: ` : ''
    this.#log.error({ err }, `The new code does not start, and the old code goes on: ${code}${err.message}`)
  }
}
