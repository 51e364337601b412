// Conditions and rewriters as the native side takes them (crates/rewriter/src/spec.rs), from the arguments of their classes.

import { show } from '../native/errors.js'
import { isWellFormed, literal, regexpOf } from './pattern.js'

/** @typedef {import('./pattern.js').Regexp} Regexp */
/** @typedef {{ rule: string, pattern: Regexp, replacement: string }} Substitution */

/**
 * @typedef {{ path: Regexp } | { header: { name: string, pattern: Regexp } } | { method: Regexp } | 'exists' | 'notExists'
 *   | { all: ConditionSpec[] } | { any: ConditionSpec[] }} ConditionSpec
 */

/**
 * @typedef {{ path: Substitution } | { href: Substitution } | { header: { name: string, from?: string, value: Substitution } }
 *   | { method: string } | { sequence: RewriterSpec[] } | { when: [ConditionSpec, RewriterSpec] }} RewriterSpec
 */

/**
 * What a kind of condition or rewriter is made of.
 * @template Spec
 * @typedef {object} Kind
 * @property {string} name of its class
 * @property {number} least arguments
 * @property {number} most
 * @property {(args: readonly unknown[], rule: string) => Spec} spec
 * @property {(spec: any) => string} [rule] what errors call it
 */

/** @type {Readonly<Record<string, Kind<ConditionSpec>>>} */
export const CONDITIONS = {
  path: { name: 'PathCondition', least: 1, most: 1, spec: ([pattern]) => ({ path: regexpOf(pattern) }) },
  header: {
    name: 'HeaderCondition',
    least: 2,
    most: 2,
    spec: ([name, pattern]) => ({ header: { name: text(name, 'the name'), pattern: regexpOf(pattern) } })
  },
  method: { name: 'MethodCondition', least: 1, most: 1, spec: ([pattern]) => ({ method: regexpOf(pattern) }) },
  exists: { name: 'ExistenceCondition', least: 0, most: 0, spec: () => 'exists' },
  not_exists: { name: 'NonExistenceCondition', least: 0, most: 0, spec: () => 'notExists' }
}

/** @type {Readonly<Record<string, Kind<RewriterSpec>>>} */
export const REWRITERS = {
  path: {
    name: 'PathRewriter',
    least: 2,
    most: 2,
    spec: ([pattern, replacement], rule) => ({ path: substitution(pattern, replacement, rule || 'PathRewriter') })
  },
  href: {
    name: 'HrefRewriter',
    least: 2,
    most: 2,
    spec: ([pattern, replacement], rule) => ({ href: substitution(pattern, replacement, rule || 'HrefRewriter') })
  },
  header: {
    name: 'HeaderRewriter',
    least: 3,
    most: 4,
    spec: ([name, pattern, replacement, options], rule) => ({
      header: {
        name: text(name, 'the name'),
        ...sourceOf(options),
        value: substitution(pattern, replacement, rule || `HeaderRewriter of ${String(name)}`)
      }
    })
  },
  method: { name: 'MethodRewriter', least: 1, most: 1, spec: ([method]) => ({ method: text(method, 'the method') }) }
}

/**
 * @param {unknown} pattern
 * @param {unknown} replacement
 * @param {string} rule what it is, or where it stands
 * @returns {Substitution}
 */
function substitution(pattern, replacement, rule) {
  const regexp = regexpOf(pattern)
  const checked = text(replacement, 'the replacement')
  return { rule: `${rule} (${literal(regexp)} to ${show(checked)})`, pattern: regexp, replacement: checked }
}

/**
 * @param {unknown} value
 * @param {string} what
 */
function text(value, what) {
  if (typeof value !== 'string') throw new TypeError(`${what} must be a string, not ${show(value)}`)
  if (!isWellFormed(value)) throw new TypeError(`${what} ${show(value)} holds a lone surrogate`)
  return value
}

/** @param {unknown} options */
function sourceOf(options) {
  if (options === undefined) return {}
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new TypeError(`the options must be an object { from }, not ${show(options)}`)
  }
  for (const key of Object.keys(options)) {
    if (key !== 'from') throw new TypeError(`unknown option ${show(key)}: there is from`)
  }
  const { from } = /** @type {{ from?: unknown }} */ (options)
  return from === undefined ? {} : { from: text(from, 'from') }
}
