import { Reloader, changed } from '../reload/reloader.js'
import { Watcher } from '../reload/watcher.js'

/** The option `reload`: a handler follows the files of its application. */
export class Following {
  #watcher
  #isOwn
  #listener

  /**
   * @param {import('../reload/watcher.js').Watched | Watcher} watched a watcher that is given is not closed here
   * @param {{ hold: () => void, renew: () => Promise<void> }} life from `hold` on, requests wait for the new code
   * @param {import('../log/logger.js').Log} log
   */
  constructor(watched, { hold, renew }, log) {
    this.#isOwn = !(watched instanceof Watcher)
    this.#watcher = watched instanceof Watcher ? watched : new Watcher(watched, { isPersistent: false })
    const reloader = new Reloader(renew, log.write.bind(log))
    this.#listener = { onSeen: hold, onChange: (/** @type {string[]} */ paths) => void reloader.reload(changed(paths)) }
  }

  /** Fulfilled when every change from now on is seen. */
  ready() {
    return this.#watcher.ready()
  }

  /** The handler is ready: what has changed since {@link ready} is loaded anew. */
  begin() {
    this.#watcher.listen(this.#listener)
  }

  /** This thread is about to block: what has changed is loaded now. */
  hurry() {
    this.#watcher.hurry()
  }

  /** @returns {Promise<void>} */
  async close() {
    this.#watcher.listen(null)
    if (this.#isOwn) await this.#watcher.close()
  }
}
