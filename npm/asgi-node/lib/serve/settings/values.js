// Converts texts to values. All sources of options use this, so that they check values in the same way.

import { show } from '../../native/errors.js'
import { LIMIT } from '../../native/protocol.js'
import { UsageError } from '../errors.js'
import { REFUSED_LOOPS } from './refused.js'

/** @typedef {import('./table.js').Option} Option */
/** @typedef {string | number | boolean} Value */

/** 23 days. The limit of a timer in Node is 2 ** 31 ms, and some timers are set a little longer than the option says. */
const LONGEST = 2_000_000

/** @type {Readonly<Record<string, boolean>>} */
const BOOLEANS = { true: true, 1: true, yes: true, on: true, false: false, 0: false, no: false, off: false }

/** @param {string} text @param {number} least @param {number} most */
function whole(text, least, most) {
  const number = /^\d+$/.test(text) ? Number(text) : NaN
  return number >= least && number <= most ? number : undefined
}

/** What the operating system and Python take: a file can hold more. @param {string} text */
const isText = (text) => !/[\0\p{Surrogate}]/u.test(text)

/** @param {string} text */
function seconds(text) {
  const number = /^(?:\d+(?:\.\d*)?|\.\d+)$/.test(text) ? Number(text) : NaN
  return number <= LONGEST ? number : undefined
}

/** @type {Readonly<Record<import('./table.js').ValueType, [what: string, read: (text: string, option: Option) => Value | undefined]>>} */
const TYPES = {
  text: ['a text without NUL', (text) => (isText(text) ? text : undefined)],
  path: ['a path', (text) => (text !== '' && isText(text) ? text : undefined)],
  flag: ['true or false', (text) => BOOLEANS[text.toLowerCase()]],
  boolean: ['true or false', (text) => BOOLEANS[text.toLowerCase()]],
  port: ['a port from 0 to 65535', (text) => whole(text, 0, 65_535)],
  count: ['a whole number from 1', (text) => whole(text, 1, LIMIT.NUMBER)],
  whole: ['a whole number from 0', (text) => whole(text, 0, LIMIT.NUMBER)],
  seconds: [`a number of seconds from 0 to ${LONGEST}`, seconds],
  choice: ['', (text, { choices }) => (choices?.includes(text) ? text : undefined)]
}

/**
 * @param {Option} option
 * @param {string} text
 * @param {string} where the source of the value, for the message: `--port`, `ASGI_NODE_PORT` …
 * @returns {Value}
 */
export function valueOf(option, text, where) {
  const [what, read] = TYPES[option.type]
  const value = read(text, option)
  if (value !== undefined) return value
  const reason = option.name === 'loop' ? REFUSED_LOOPS[text] : undefined
  if (reason !== undefined) throw new UsageError(`${where} ${text}: ${reason}`)
  throw new UsageError(`${where} must be ${option.choices ? `one of ${option.choices.join(', ')}` : what}, not ${show(text)}`)
}
