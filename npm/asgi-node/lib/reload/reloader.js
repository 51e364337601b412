import { PythonError } from '../native/errors.js'

/** Loads the application again, and logs the result. */
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
   * Never rejects. If the new code does not start, the old code goes on. If a later reload has begun, only that one is logged.
   * @param {string} why
   * @returns {Promise<void>}
   */
  async reload(why) {
    const number = ++this.#latest
    const from = performance.now()
    this.#say('info', {}, `Loading the application again: ${why}`)
    try {
      await this.#reload()
      if (number === this.#latest) this.#say('info', {}, `The new code is serving, after ${Math.round(performance.now() - from)} ms`)
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
 * The changed files, in words.
 * @param {readonly string[]} paths
 */
export function changed(paths) {
  return paths.length > 3 ? `${paths.length} files have changed` : `${paths.join(', ')} changed`
}
