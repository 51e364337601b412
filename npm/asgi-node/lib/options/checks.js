// Checks of single values. A check returns the value, or throws an error with the name of the option.

import { show } from '../native/errors.js'
import { LIMIT } from '../native/protocol.js'

/** @template T @typedef {(value: unknown, name: string) => T} Check */

/** How large limits are written in errors. @type {ReadonlyMap<number, string>} */
const WRITTEN = new Map([[LIMIT.NUMBER, '2^31 - 1'], [Number.MAX_SAFE_INTEGER, '2^53 - 1']])

/**
 * @param {string} name
 * @param {string} expected
 * @param {unknown} value
 */
export function wrong(name, expected, value) {
  return new TypeError(`Option ${name} must be ${expected}, not ${show(value)}`)
}

/** @type {Check<string>} */
export const string = (value, name) => {
  if (typeof value !== 'string') throw wrong(name, 'a string', value)
  if (value === '') throw new TypeError(`Option ${name} must not be empty`)
  return text(value, name)
}

/**
 * Refuses texts that Python could not take.
 * @param {string} value
 * @param {string} name
 */
export function text(value, name) {
  if (value.includes('\0')) throw new TypeError(`Option ${name} must not contain NUL`)
  if (/\p{Surrogate}/u.test(value)) throw new TypeError(`Option ${name} must be text, but has half of a surrogate pair: ${show(value)}`)
  return value
}

/** @type {Check<boolean>} */
export const boolean = (value, name) => {
  if (typeof value !== 'boolean') throw wrong(name, 'a boolean', value)
  return value
}

/**
 * @param {string} unit '' if it has none
 * @param {number} least
 * @param {number} [most]
 * @returns {Check<number>}
 */
export const whole = (unit, least, most = LIMIT.NUMBER) => (value, name) => {
  if (Number.isInteger(value) && Number(value) >= least && Number(value) <= most) return Number(value)
  throw wrong(name, `a whole number${unit === '' ? '' : ` of ${unit}`} from ${least} to ${WRITTEN.get(most) ?? most}`, value)
}

export const milliseconds = whole('milliseconds', 0)

/** @type {Check<number>} */
export const size = (value, name) => {
  if (value === Infinity || (Number.isSafeInteger(value) && Number(value) >= 0)) return Number(value)
  throw wrong(name, 'a whole number of bytes, or Infinity', value)
}

/** @template {string | boolean} const T @param {readonly T[]} allowed @returns {Check<T>} */
export const oneOf = (allowed) => (value, name) => {
  const found = allowed.find((item) => item === value)
  if (found === undefined) throw wrong(name, `one of ${allowed.map((item) => show(item)).join(', ')}`, value)
  return found
}

/** @type {Check<AbortSignal>} */
export const abortSignal = (value, name) => {
  if (!(value instanceof AbortSignal)) throw wrong(name, 'an AbortSignal', value)
  return value
}
