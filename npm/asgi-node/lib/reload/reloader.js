import { PythonError } from '../native/errors.js'

/** Has the application loaded anew, and says what became of it. */
export class Reloader {
  #reload
  #say
  #latest = 0

  /**
   * @param {() => Promise<void>} reload
   * @param {(level: 'info' | 'error', object: Record<string, unknown>, message: string) => void} say
   */
  constructor(reload, say) {
    this.#reload = reload
    this.#say = say
  }

  /**
   * Never rejects: an application that does not start anew goes on as it was. What was asked for later has more to say.
   * @param {string} why
   * @returns {Promise<void>}
   */
  async reload(why) {
    const number = ++this.#latest
    const from = performance.now()
    this.#say('info', {}, `Loading the application anew: ${why}`)
    try {
      await this.#reload()
      if (number === this.#latest) this.#say('info', {}, `The new code serves, after ${Math.round(performance.now() - from)} ms`)
    } catch (error) {
      if (number === this.#latest) this.#failed(error)
    }
  }

  /** @param {unknown} error */
  #failed(error) {
    if (error instanceof PythonError && error.code === 'HANDLER_CLOSED') return
    const err = error instanceof Error ? error : new Error(String(error))
    const code = error instanceof PythonError ? `${error.code}: ` : ''
    this.#say('error', { err }, `The new code does not start, and the old code goes on: ${code}${err.message}`)
  }
}

/**
 * Which files have changed, in words.
 * @param {readonly string[]} paths
 */
export function changed(paths) {
  return paths.length > 3 ? `${paths.length} files have changed` : `${paths.join(', ')} changed`
}
