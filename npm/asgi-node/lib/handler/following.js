import { Reloader, changed } from '../reload/reloader.js'
import { Watcher } from '../reload/watcher.js'

/** The option `reload`: a handler follows the files of its application. */
export class Following {
  #watcher
  #isOwn
  #listener

  /**
   * @param {import('../reload/watcher.js').Watched | Watcher} watched a Watcher of the caller, which is not closed here, or what to watch
   * @param {{ pauseRequests: () => void, renew: () => Promise<void> }} life after `pauseRequests`, requests wait for the new code
   * @param {import('../log/logger.js').Log} log
   */
  constructor(watched, { pauseRequests, renew }, log) {
    this.#isOwn = !(watched instanceof Watcher)
    this.#watcher = watched instanceof Watcher ? watched : new Watcher(watched, { isPersistent: false })
    const reloader = new Reloader(renew, log.write.bind(log))
    this.#listener = { onSeen: pauseRequests, onChange: (/** @type {string[]} */ paths) => void reloader.reload(changed(paths)) }
  }

  /** Fulfilled when every later change will be seen. */
  ready() {
    return this.#watcher.ready()
  }

  /** The handler is ready: changes since {@link ready} are loaded. */
  begin() {
    this.#watcher.listen(this.#listener)
  }

  /** Loads changes now, because the caller is about to block this thread. */
  flush() {
    this.#watcher.flush()
  }

  /** @returns {Promise<void>} */
  async close() {
    this.#watcher.listen(null)
    if (this.#isOwn) await this.#watcher.close()
  }
}
