// Where the application documents its API: it is told as a record of the log, by asgi_node.runtime.documentation.

/** @typedef {import('../../log/types.js').Logger} Logger */

/** Finds out where the documentation is, and says it once. */
export class Documentation {
  #log
  /** @type {string | undefined} */
  #path
  /** Where the application is. @type {string | undefined} */
  #url
  #style

  /**
   * @param {Logger} log
   * @param {(text: string) => string} style
   */
  constructor(log, style) {
    this.#log = log
    this.#style = style
  }

  /**
   * The logger for the handler: it keeps the page to itself.
   * @returns {Logger}
   */
  get logger() {
    return {
      ...this.#log,
      debug: (object, message) => {
        const { logger, docs } = /** @type {Record<string, unknown>} */ (object)
        if (logger !== 'asgi_node' || typeof docs !== 'string') return this.#log.debug(object, message)
        this.#path = docs
        this.#say()
      }
    }
  }

  /** The application is served here. @param {string} url */
  servedOn(url) {
    this.#url = url
    this.#say()
  }

  /** A worker may tell its page a moment after it is up, and each new one tells it again. */
  #say() {
    if (this.#path === undefined || this.#url === undefined) return
    this.#log.info({}, `Documentation on ${this.#style(this.#url + this.#path)}`)
    this.#url = undefined
  }
}
