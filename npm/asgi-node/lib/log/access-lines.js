import { addExitHook, removeExitHook } from '../python/exit-hooks.js'

/** @typedef {import('./logger.js').Log} Log */

/** Lines are collected for this many milliseconds and written together, in pieces of at most this many characters. */
const PAUSE = 10
const PIECE = 64 * 1024

/** How many characters may wait for stdout. If it is read more slowly than lines are made, lines are dropped. */
const MOST_UNWRITTEN = 4 * 1024 * 1024

/**
 * Writes the access log to stdout. A full disk, or a reader that has gone, only loses lines: the log reports it once, and
 * once more when lines can be written again.
 */
export class Lines {
  #text = ''
  #dropped = 0
  /** Writes that have not been reported. */
  #underWay = 0
  /** Why the last write failed. @type {Error | null} */
  #failure = null
  #log
  #flush = () => this.flush()

  /** @param {Log} log */
  constructor(log) {
    this.#log = log
  }

  /** @param {string} line */
  add(line) {
    if (this.#text === '') {
      // One write costs as much as many lines.
      setTimeout(this.#flush, PAUSE).unref()
      addExitHook(this.#flush)
    }
    this.#text += `${line}\n`
    if (this.#text.length > PIECE) this.#write()
  }

  flush() {
    removeExitHook(this.#flush)
    this.#write()
  }

  #write() {
    const text = this.#text
    this.#text = ''
    if (text === '') return
    const { stdout } = process
    if (stdout.writableLength > MOST_UNWRITTEN) {
      if (this.#dropped === 0) stdout.once('drain', () => this.#report('stdout is not read in time'))
      this.#dropped += linesIn(text)
      return
    }
    // Without a listener the event would end the process. Only our errors are caught: other code may want its own.
    if (this.#underWay++ === 0) stdout.on('error', ignore)
    /** @param {Error | null | undefined} error */
    const written = (error) => {
      // The event comes after this callback.
      setImmediate(() => {
        if (--this.#underWay === 0) stdout.off('error', ignore)
      })
      if (error) this.#failed(error, text)
      else this.#recovered()
    }
    try {
      stdout.write(text, written)
    } catch (error) {
      written(/** @type {Error} */ (error))
    }
  }

  /**
   * @param {Error} error
   * @param {string} text that was not written
   */
  #failed(error, text) {
    this.#dropped += linesIn(text)
    if (this.#failure !== null) return
    this.#failure = error
    this.#log.write('error', { logger: 'asgi_node', code: /** @type {NodeJS.ErrnoException} */ (error).code }, `The access log cannot be written to stdout: ${error.message}`)
  }

  #recovered() {
    const failure = this.#failure
    if (failure === null) return
    this.#failure = null
    this.#report(failure.message)
  }

  /** @param {string} why */
  #report(why) {
    const dropped = this.#dropped
    this.#dropped = 0
    this.#log.write('warn', { logger: 'asgi_node', droppedLines: dropped }, `${dropped} lines of the access log were dropped: ${why}`)
  }
}

function ignore() {}

/** @param {string} text */
function linesIn(text) {
  return text.split('\n').length - 1
}
