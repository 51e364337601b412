import { show } from '../native/errors.js'

/**
 * The error for an unknown option.
 * @param {string} name
 * @param {readonly string[]} known
 * @param {string} [otherwise] the text if no known name is similar
 */
export function unknownOption(name, known, otherwise = '') {
  return new TypeError(`Unknown option ${show(name)}${suggestion(name, known) || otherwise}`)
}

/**
 * Checks that the options of a method are an object with known names.
 * @param {unknown} options
 * @param {readonly string[]} known
 * @param {string} method
 * @returns {Record<string, unknown>}
 */
export function optionsOf(options, known, method) {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new TypeError(`The options of ${method} must be an object, not ${show(options)}`)
  }
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw unknownOption(name, known, `: ${method} has ${known.join(', ')}`)
  }
  return /** @type {Record<string, unknown>} */ (options)
}

/**
 * @param {string} name
 * @param {readonly string[]} known
 */
function suggestion(name, known) {
  const found = nearest(name, known)
  return found === null ? '' : `. Did you mean "${found}"?`
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
