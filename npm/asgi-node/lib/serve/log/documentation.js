// The address of the application's API documentation. asgi_node.runtime.documentation sends its path as a log record.

/** @typedef {import('../../log/types.js').Logger} Logger */

/** Takes the path of the documentation from the log, and logs its address once. */
export class Documentation {
  #log
  /** @type {string | undefined} */
  #path
  /** The application's address. @type {string | undefined} */
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
   * The logger for the handler. It does not pass on the record with the path.
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

  /** Sets the application's address. @param {string} url */
  servedOn(url) {
    this.#url = url
    this.#say()
  }

  /** A worker may send the path a moment after it has started, and each new worker sends it again. */
  #say() {
    if (this.#path === undefined || this.#url === undefined) return
    this.#log.info({}, `Documentation on ${this.#style(this.#url + this.#path)}`)
    this.#url = undefined
  }
}
