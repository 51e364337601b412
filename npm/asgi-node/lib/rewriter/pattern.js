import { isRegExp } from 'node:util/types'
import { show } from '../native/errors.js'

/** @typedef {{ source: string, flags: string }} Regexp */

/**
 * A pattern as the native side takes it. JavaScript's own engine has said that it is one; whether it can be matched in linear time
 * is asked later.
 * @param {unknown} value
 * @returns {Regexp}
 */
export function regexpOf(value) {
  if (isRegExp(value)) return checked(value.source, value.flags)
  if (typeof value === 'string') return checked(value, '')
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TypeError(`the pattern must be a string, a RegExp or { pattern, flags }, not ${show(value)}`)
  }
  for (const key of Object.keys(value)) {
    if (key !== 'pattern' && key !== 'flags') throw new TypeError(`unknown key ${show(key)} beside pattern and flags`)
  }
  const { pattern, flags = '' } = /** @type {{ pattern?: unknown, flags?: unknown }} */ (value)
  if (typeof pattern !== 'string') throw new TypeError(`{ pattern } must be a string, not ${show(pattern)}`)
  if (typeof flags !== 'string') throw new TypeError(`{ flags } must be a string, not ${show(flags)}`)
  return checked(pattern, flags)
}

/**
 * @param {string} pattern
 * @param {string} flags
 * @returns {Regexp}
 */
function checked(pattern, flags) {
  if (!isWellFormed(pattern)) throw new TypeError(`the pattern ${show(pattern)} holds a lone surrogate, which no request does`)
  try {
    const { source } = new RegExp(pattern, flags)
    return { source, flags }
  } catch (cause) {
    throw new TypeError(/** @type {Error} */ (cause).message, { cause })
  }
}

/** Whether every half of a character has the other one. @param {string} text */
export function isWellFormed(text) {
  return !/\p{Surrogate}/u.test(text)
}

/** As it is written in JavaScript. @param {Regexp} regexp */
export function literal({ source, flags }) {
  return String(new RegExp(source, flags))
}
