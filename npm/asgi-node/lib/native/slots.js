/**
 * Values by numbers that are used again, the latest first.
 *
 * Not a Map: one from which as much is taken as is put in makes itself anew again and again, and each table that it leaves
 * behind refers to its successor. Once one of them has grown old, the garbage collector keeps all that come after it, with
 * every request that was ever in them, until it looks through the whole heap.
 * @template T
 */
export class Slots {
  /** @type {(T | undefined)[]} */
  #values = []
  /** @type {number[]} */
  #free = []

  get size() {
    return this.#values.length - this.#free.length
  }

  /** The number that the next `add` gives. */
  get next() {
    const free = this.#free
    return free.length === 0 ? this.#values.length : free[free.length - 1]
  }

  /**
   * @param {T} value
   * @returns {number}
   */
  add(value) {
    const number = this.#free.pop() ?? this.#values.length
    this.#values[number] = value
    return number
  }

  /** @param {number} number */
  get(number) {
    return this.#values[number]
  }

  /** @param {number} number which is in use */
  remove(number) {
    this.#values[number] = undefined
    this.#free.push(number)
  }

  /** @returns {T[]} */
  values() {
    return /** @type {T[]} */ (this.#values.filter((value) => value !== undefined))
  }
}
