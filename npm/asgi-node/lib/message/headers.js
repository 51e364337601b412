import { show } from '../native/errors.js'

/** @typedef {import('../index.js').HeadersInit} HeadersInit */

// RFC 9110, 5.6.2 and 5.5: a name is a token. A value is visible ASCII, obs-text, space and tab, one latin-1 character per
// byte. Other characters would split the message (CR, LF, NUL) or cannot be sent (above 0xff).
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

/** @param {unknown} text @returns {text is string} */
export function isToken(text) {
  return typeof text === 'string' && TOKEN.test(text)
}

// Checked names and their lower-case form: callers use the same few again and again.
/** @type {Map<unknown, string>} */
const known = new Map()
const MOST_KNOWN = 256

/** @param {unknown} name */
function checkedName(name) {
  const found = known.get(name)
  if (found !== undefined) return found
  if (!isToken(name)) throw new TypeError(`Invalid header name ${show(name)}`)
  const lower = name.toLowerCase()
  if (known.size < MOST_KNOWN) known.set(name, lower)
  return lower
}

/**
 * @param {string} name
 * @param {unknown} value
 */
function checkedValue(name, value) {
  if (typeof value === 'number') return String(value)
  if (typeof value !== 'string') throw new TypeError(`The value of header "${name}" must be a string, not ${show(value)}`)
  if (!VALUE.test(value)) throw new TypeError(`Invalid character in the value of header "${name}": ${show(value)}`)
  return withoutOuterSpace(value)
}

/**
 * The flat list of the headers in an event: [name, value, name, value, …].
 * @param {string} text `name\0value\0name\0value…`, or '' for none
 * @returns {string[]}
 */
export function flatHeaders(text) {
  return text === '' ? [] : text.split('\0')
}

/**
 * The headers of an answer that is our own.
 * @param {string} text its body, in ASCII
 */
export function plainHeaders(text) {
  return ['content-type', 'text/plain; charset=utf-8', 'content-length', String(text.length)]
}

/**
 * Removes spaces and tabs at both ends. Not by a regular expression: for the end it would try again at every space inside.
 * @param {string} value
 */
function withoutOuterSpace(value) {
  let start = 0
  let end = value.length
  while (start < end && isSpace(value.charCodeAt(start))) start++
  while (end > start && isSpace(value.charCodeAt(end - 1))) end--
  return end - start === value.length ? value : value.slice(start, end)
}

/** @param {number} code */
function isSpace(code) {
  return code === 0x20 || code === 0x09
}

/**
 * The flat list inside a Headers, without a copy: [name, value, name, value, …], names lower-cased.
 * @type {(headers: Headers) => string[]}
 */
export let flatOf

/**
 * Headers over a flat list that the native side has validated.
 * @type {(flat: string[]) => Headers}
 */
export let headersOver

export class Headers {
  // One flat list, not a map: order and duplicates matter. A request has so few headers that a scan costs less than an
  // index.
  /** @type {string[]} */
  #flat = []

  static {
    flatOf = (headers) => headers.#flat
    headersOver = (flat) => {
      const headers = new Headers()
      headers.#flat = flat
      return headers
    }
  }

  /** @param {HeadersInit | null} [init] */
  constructor(init) {
    if (init === undefined || init === null) return
    if (typeof init !== 'object') {
      throw new TypeError(`headers must be an object, an array or a Headers instance, not ${show(init)}`)
    }
    if (init instanceof Headers) {
      this.#flat = init.#flat.slice()
    } else if (Array.isArray(init) && typeof init[0] === 'string') {
      this.#addFlat(init)
    } else if (Symbol.iterator in init) {
      for (const pair of /** @type {Iterable<unknown>} */ (init)) this.#addPair(pair)
    } else {
      for (const name of Object.keys(init)) {
        const value = /** @type {Record<string, unknown>} */ (init)[name]
        // Both IncomingMessage.headers and hand-made objects hold undefined for "not there".
        if (value !== undefined) this.#addAll(name, value)
      }
    }
  }

  /** @param {unknown[]} flat */
  #addFlat(flat) {
    if (flat.length % 2 === 1) throw new TypeError('A flat headers array must hold names and values in turn: its length is odd')
    for (let i = 0; i < flat.length; i += 2) this.#add(checkedName(flat[i]), flat[i + 1])
  }

  /** @param {unknown} pair */
  #addPair(pair) {
    if (!Array.isArray(pair) || pair.length !== 2) {
      throw new TypeError(`A header pair must be an array [name, value], not ${show(pair)}`)
    }
    this.#addAll(pair[0], pair[1])
  }

  /**
   * @param {unknown} name
   * @param {unknown} value one value or an array of them
   */
  #addAll(name, value) {
    const key = checkedName(name)
    if (!Array.isArray(value)) return this.#add(key, value)
    for (const item of value) this.#add(key, item)
  }

  /**
   * @param {string} key
   * @param {unknown} value
   */
  #add(key, value) {
    this.#flat.push(key, checkedValue(key, value))
  }

  get size() {
    return this.#flat.length / 2
  }

  /** @param {string} name */
  get(name) {
    const key = String(name).toLowerCase()
    for (let i = this.#flat.length - 2; i >= 0; i -= 2) {
      if (this.#flat[i] === key) return this.#flat[i + 1]
    }
    return null
  }

  /** @param {string} name */
  getAll(name) {
    const key = String(name).toLowerCase()
    return this.#flat.filter((_, i) => i % 2 === 1 && this.#flat[i - 1] === key)
  }

  /** @param {string} name */
  getLine(name) {
    const values = this.getAll(name)
    return values.length === 0 ? null : values.join(',')
  }

  /** @param {string} name */
  has(name) {
    return this.get(name) !== null
  }

  /**
   * @param {string} name
   * @param {string | number | readonly (string | number)[]} value
   */
  set(name, value) {
    const key = checkedName(name)
    // All values are checked before the old ones are removed, so that a refused value leaves the headers unchanged.
    const values = (Array.isArray(value) ? value : [value]).map((item) => checkedValue(key, item))
    const at = this.#flat.findIndex((item, i) => i % 2 === 0 && item === key)
    const existed = this.delete(key)
    // The new values take the place of the first old one.
    this.#flat.splice(existed ? at : this.#flat.length, 0, ...values.flatMap((item) => [key, item]))
    return existed
  }

  /**
   * @param {string} name
   * @param {string | number} value
   */
  add(name, value) {
    const key = checkedName(name)
    const existed = this.has(key)
    this.#add(key, value)
    return existed
  }

  /** @param {string} name */
  delete(name) {
    const key = String(name).toLowerCase()
    const before = this.#flat.length
    this.#flat = this.#flat.filter((_, i, flat) => flat[i - (i % 2)] !== key)
    return this.#flat.length !== before
  }

  clear() {
    this.#flat = []
  }

  entries() {
    /** @type {[string, string][]} */
    const entries = []
    for (let i = 0; i < this.#flat.length; i += 2) entries.push([this.#flat[i], this.#flat[i + 1]])
    return entries
  }

  keys() {
    return [...new Set(this.#flat.filter((_, i) => i % 2 === 0))]
  }

  values() {
    return this.#flat.filter((_, i) => i % 2 === 1)
  }

  /**
   * @param {(value: string, name: string, headers: Headers) => void} callback
   * @param {unknown} [thisArg]
   */
  forEach(callback, thisArg) {
    for (const [name, value] of this.entries()) callback.call(thisArg, value, name, this)
  }

  [Symbol.iterator]() {
    return this.entries()[Symbol.iterator]()
  }

  toJSON() {
    /** @type {Record<string, string | string[]>} */
    const json = Object.create(null)
    for (const name of this.keys()) {
      const values = this.getAll(name)
      json[name] = values.length === 1 ? values[0] : values
    }
    // A spread of the null-prototype object: `__proto__` is a legal header name and must stay a plain key.
    return { ...json }
  }

  [Symbol.for('nodejs.util.inspect.custom')]() {
    return this.toJSON()
  }
}
