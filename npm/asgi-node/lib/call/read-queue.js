/** @typedef {(reason: unknown) => void} Reject */

/**
 * What has come for a reader, up to the high-water mark and what was already on its way: the pieces of a body, or messages. Each
 * `next` gives one of them.
 * @template T
 */
export class ReadQueue {
  #exchange
  #highWaterMark
  #sizeOf
  /** @type {T[]} */
  #items = []
  /** The size of what waits. */
  #unread = 0
  /** Whether nothing more comes. */
  #ended = false
  /** @type {{ reason: unknown } | null} the reason with which every read after the last item rejects */
  #failure = null
  /** @type {{ resolve: (item: T | null) => void, reject: Reject }[]} */
  #readers = []

  /**
   * @param {import('../native/exchange.js').Exchange} exchange which stalls while more than the high-water mark waits
   * @param {number} highWaterMark bytes
   * @param {(item: T) => number} sizeOf bytes
   */
  constructor(exchange, highWaterMark, sizeOf) {
    this.#exchange = exchange
    this.#highWaterMark = highWaterMark
    this.#sizeOf = sizeOf
  }

  get hasFailed() {
    return this.#failure !== null
  }

  /**
   * @param {T} item
   * @returns {boolean | void} false: more than the high-water mark waits
   */
  push(item) {
    const reader = this.#readers.shift()
    if (reader !== undefined) return reader.resolve(item)
    this.#items.push(item)
    this.#unread += this.#sizeOf(item)
    if (this.#unread > this.#highWaterMark) return false
  }

  /** Nothing more comes: reads give null after the last item. */
  end() {
    this.#ended = true
    for (const reader of this.#readers.splice(0)) reader.resolve(null)
  }

  /** Reads reject after the last item. @param {unknown} reason */
  fail(reason) {
    this.#failure = { reason }
    for (const reader of this.#readers.splice(0)) reader.reject(reason)
  }

  /** Forgets what waits. */
  clear() {
    this.#items = []
    this.#unread = 0
  }

  /** @returns {Promise<T | null>} null after the last item */
  next() {
    const item = this.#items.shift()
    if (item !== undefined) {
      this.#unread -= this.#sizeOf(item)
      // Resume at half of the mark, so that the next items arrive while the rest is read.
      if (this.#exchange.stalled && this.#unread <= this.#highWaterMark / 2) this.#exchange.drained()
      return Promise.resolve(item)
    }
    if (this.#failure !== null) return Promise.reject(this.#failure.reason)
    if (this.#ended) return Promise.resolve(null)
    return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }))
  }
}
