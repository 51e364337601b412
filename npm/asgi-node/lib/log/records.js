import { Context } from '../native/context.js'
import { EVENT } from '../native/protocol.js'

/** @typedef {import('./logger.js').Log} Log */
/** @typedef {import('./types.js').LineFunction} LineFunction */

/** What Python says beside responses: log records, and the lines of its output where a function takes them. */
export class Records {
  // Nothing says which request a record or a line comes from: its callback runs where the handler was made, not in
  // whatever happens to be under way.
  #context = new Context()
  #log
  #takeLine

  /**
   * @param {Log} log
   * @param {LineFunction | null} takeLine
   */
  constructor(log, takeLine) {
    this.#log = log
    this.#takeLine = takeLine
  }

  /**
   * @param {number} kind one of EVENT
   * @param {number} status
   * @param {string} text
   */
  deliver(kind, status, text) {
    this.#context.runInAsyncScope(this.#tell, this, kind, status, text)
  }

  /** @param {number} kind @param {number} status @param {string} text */
  #tell(kind, status, text) {
    if (kind === EVENT.RECORD) this.#log.record(status, text)
    else if (kind === EVENT.LINE) this.#line(text, status === 2 ? 'stderr' : 'stdout')
    else if (kind === EVENT.DROPPED) {
      const [records, lines] = text.split('\0').map(Number)
      this.#log.dropped(records, lines)
    }
  }

  /**
   * @param {string} line
   * @param {'stdout' | 'stderr'} stream
   */
  #line(line, stream) {
    try {
      const result = /** @type {unknown} */ (this.#takeLine?.(line, stream))
      if (result instanceof Promise) result.catch((error) => this.#log.threw('stdio', error))
    } catch (error) {
      this.#log.threw('stdio', error)
    }
  }
}
