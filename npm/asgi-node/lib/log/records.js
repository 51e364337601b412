import { Context } from '../native/context.js'
import { EVENT } from '../native/protocol.js'

/** @typedef {import('./logger.js').Log} Log */
/** @typedef {import('./types.js').LineFunction} LineFunction */

/** Python's log records, and the lines of its output if a function takes them. */
export class Records {
  // It is not known which request a record or a line comes from. So its callback runs in the asynchronous context in
  // which the handler was made, not in the current one.
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
