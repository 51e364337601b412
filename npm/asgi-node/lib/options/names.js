import { show } from '../native/errors.js'
import { wrong } from './checks.js'

/**
 * The error for an unknown option.
 * @param {string} name
 * @param {readonly string[]} known
 * @param {{ group?: string, otherwise?: string }} [place] the option that it is a part of, and the text if no known name is similar
 */
export function unknownOption(name, known, { group, otherwise = '' } = {}) {
  const full = (/** @type {string} */ one) => (group === undefined ? one : `${group}.${one}`)
  const found = nearest(name, known)
  return new TypeError(`Unknown option ${show(full(name))}${found === null ? otherwise : `. Did you mean "${full(found)}"?`}`)
}

/**
 * Checks that the options of a method are an object with known names.
 * @param {unknown} options
 * @param {readonly string[]} known
 * @param {string} method
 */
export function optionsOf(options, known, method) {
  if (!isRecord(options)) throw new TypeError(`The options of ${method} must be an object, not ${show(options)}`)
  return withKnownNames(options, known, { otherwise: `: ${method} has ${known.join(', ')}` })
}

/**
 * Checks that an option is an object with known names.
 * @param {unknown} value
 * @param {string} group the name of the option
 * @param {readonly string[]} known
 * @param {string} [expected] for the error, if it may also be something else
 */
export function groupOf(value, group, known, expected = `an object with ${known.join(', ')}`) {
  if (!isRecord(value)) throw wrong(group, expected, value)
  return withKnownNames(value, known, { group, otherwise: `: ${group} has ${known.join(', ')}` })
}

/**
 * Whether this can hold options. Of a Map or an array nothing would be read.
 * @param {unknown} value
 * @returns {value is Record<string, unknown>}
 */
export function isRecord(value) {
  return typeof value === 'object' && value !== null && !(Symbol.iterator in value)
}

/**
 * @param {Record<string, unknown>} options
 * @param {readonly string[]} known
 * @param {{ group?: string, otherwise: string }} place
 */
function withKnownNames(options, known, place) {
  const unknown = Object.keys(options).find((name) => !known.includes(name))
  if (unknown !== undefined) throw unknownOption(unknown, known, place)
  return options
}

/**
 * What may have been meant; null where nothing known is like it.
 * @param {string} name
 * @param {readonly string[]} known
 */
export function nearest(name, known) {
  const [first] = known
    .map((candidate) => ({ candidate, far: distance(name.toLowerCase(), candidate.toLowerCase()) }))
    .toSorted((a, b) => a.far - b.far)
  return first.far <= Math.max(2, name.length / 3) ? first.candidate : null
}

/**
 * The Levenshtein distance.
 * @param {string} a
 * @param {string} b
 */
function distance(a, b) {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1))
    }
    row = next
  }
  return row[b.length]
}
