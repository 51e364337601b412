/**
 * Values by number. Free numbers are used again, the last one first.
 *
 * This is not a Map. A Map with many insertions and deletions replaces its internal table again and again, and each old table
 * refers to its successor. As soon as one table has moved to the old generation, the garbage collector keeps all later tables,
 * with every request that was ever in them, until its next full collection.
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

  /** The number that the next `add` will return. */
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
