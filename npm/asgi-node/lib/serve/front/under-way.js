/** The longest time that a timer takes, in milliseconds. */
const LONGEST = 2 ** 31 - 1

/** The responses that have not ended: the application's, and those of files and other servers, which its handler does not know. */
export class UnderWay {
  #count = 0
  #onIdle = () => {}

  /** @param {import('node:http').ServerResponse} res */
  add(res) {
    this.#count += 1
    res.once('close', () => {
      this.#count -= 1
      if (this.#count === 0) this.#onIdle()
    })
  }

  /**
   * Fulfilled when none is under way, or after so many milliseconds.
   * @param {number} milliseconds
   * @returns {Promise<void>}
   */
  idle(milliseconds) {
    if (this.#count === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.min(milliseconds, LONGEST))
      this.#onIdle = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}
