import { isRegExp } from 'node:util/types'
import { show } from '../native/errors.js'
import {
  ExistenceCondition,
  GroupCondition,
  HeaderCondition,
  MethodCondition,
  NonExistenceCondition,
  PathCondition
} from './conditions.js'
import { AnyRewriter, ConditionalRewriter, PlacedRewriter, SequenceRewriter, sequenceOf, specOf } from './rewriters.js'
import { CONDITIONS, REWRITERS } from './specs.js'

/** @typedef {import('./types.js').RewriteRule} RewriteRule */
/** @typedef {import('./conditions.js').Condition} Condition */

/** @type {Readonly<Record<string, new (...args: any[]) => Condition>>} */
const CLASSES = {
  path: PathCondition,
  header: HeaderCondition,
  method: MethodCondition,
  exists: ExistenceCondition,
  not_exists: NonExistenceCondition
}

/** Rules that are written down, run in sequence. */
export class Rewriter extends AnyRewriter {
  #rules

  /** @param {readonly RewriteRule[]} rules */
  constructor(rules) {
    if (!Array.isArray(rules)) throw new TypeError(`rules must be an array, not ${show(rules)}`)
    super(sequenceOf(Array.from(rules, (rule, i) => ruleOf(rule, `rules[${i}]`))))
    this.#rules = rules.map((rule) => ({
      ...rule,
      ...(rule.conditions === undefined ? {} : { conditions: rule.conditions.map(copyOf) }),
      rewriters: rule.rewriters.map(copyOf)
    }))
  }

  /** What it was made from, with `{ pattern, flags }` for each RegExp. */
  toJSON() {
    return this.#rules
  }
}

/**
 * The rules of the option `rewriter`, as JSON for the native side.
 * @param {unknown} option
 */
export function rulesOf(option) {
  if (option instanceof AnyRewriter) return JSON.stringify(specOf(option))
  if (Array.isArray(option)) return JSON.stringify(specOf(placed('Option rewriter: ', () => new Rewriter(option))))
  throw new TypeError(`Option rewriter must be a rewriter or an array of rules, not ${show(option)}`)
}

/**
 * @param {unknown} rule
 * @param {string} place
 * @returns {AnyRewriter}
 */
function ruleOf(rule, place) {
  const { operation = 'and', conditions, rewriters } = fieldsOf(rule, place, ['operation', 'conditions', 'rewriters'])
  if (operation !== 'and' && operation !== 'or') {
    throw new TypeError(`${place}.operation must be "and" or "or", not ${show(operation)}`)
  }
  const made = listOf(rewriters, `${place}.rewriters`).map((one, i) => rewriterOf(one, `${place}.rewriters[${i}]`))
  if (made.length === 0) throw new TypeError(`${place}.rewriters is empty: a rule without a rewriter does nothing`)
  const sequence = new SequenceRewriter(made)
  if (conditions === undefined) return sequence
  const each = listOf(conditions, `${place}.conditions`).map((one, i) => conditionOf(one, `${place}.conditions[${i}]`))
  if (each.length === 0) throw new TypeError(`${place}.conditions is empty: leave it out if the rule is for every request`)
  return new ConditionalRewriter(sequence, new GroupCondition(operation, each))
}

/**
 * @param {unknown} condition
 * @param {string} place
 */
function conditionOf(condition, place) {
  const { type, args } = checked(condition, place, CONDITIONS)
  return placed(`${place}.args: `, () => new CLASSES[type](...args))
}

/**
 * @param {unknown} rewriter
 * @param {string} place
 */
function rewriterOf(rewriter, place) {
  const { type, args } = checked(rewriter, place, REWRITERS)
  return placed(`${place}.args: `, () => new PlacedRewriter(type, args, place))
}

/**
 * @param {unknown} value
 * @param {string} place
 * @param {Readonly<Record<string, import('./specs.js').Kind<unknown>>>} kinds
 */
function checked(value, place, kinds) {
  const { type, args = [] } = fieldsOf(value, place, ['type', 'args'])
  if (typeof type !== 'string' || !Object.hasOwn(kinds, type)) {
    throw new TypeError(`${place}.type must be one of ${Object.keys(kinds).map(show).join(', ')}, not ${show(type)}`)
  }
  const { name, least, most } = kinds[type]
  const list = listOf(args, `${place}.args`)
  // JSON makes null of it: an argument that is left out is none.
  while (list.length > least && list.at(-1) === undefined) list.pop()
  if (list.length < least || list.length > most) {
    const wanted = least === most ? `${least}` : `${least} or ${most}`
    throw new TypeError(`${place}.args must have length ${wanted} (the arguments of ${name}), not ${list.length}`)
  }
  return { type, args: list }
}

/**
 * @param {unknown} value
 * @param {string} place
 * @param {readonly string[]} known
 * @returns {Record<string, unknown>}
 */
function fieldsOf(value, place, known) {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TypeError(`${place} must be an object with ${known.join(', ')}, not ${show(value)}`)
  }
  const unknown = Object.keys(value).find((key) => !known.includes(key))
  if (unknown !== undefined) throw new TypeError(`${place} has an unknown key ${show(unknown)}: there are ${known.join(', ')}`)
  return /** @type {Record<string, unknown>} */ (value)
}

/**
 * @param {unknown} value
 * @param {string} place
 * @returns {unknown[]}
 */
function listOf(value, place) {
  if (!Array.isArray(value)) throw new TypeError(`${place} must be an array, not ${show(value)}`)
  // A hole is a mistake with a place, as undefined is.
  return Array.from(value)
}

/**
 * Runs it so that its mistakes say where they are.
 * @template T
 * @param {string} place
 * @param {() => T} run
 */
function placed(place, run) {
  try {
    return run()
  } catch (error) {
    throw error instanceof TypeError ? new TypeError(`${place}${error.message}`) : error
  }
}

/** @template {{ args?: readonly unknown[] }} T @param {T} one @returns {T} */
function copyOf({ args, ...rest }) {
  // As far as it has arguments: JSON makes null of undefined.
  const given = args?.slice(0, args.findLastIndex((arg) => arg !== undefined) + 1)
  const copied = given?.map((arg) => (isRegExp(arg) ? { pattern: arg.source, flags: arg.flags } : arg))
  return /** @type {T} */ (copied === undefined ? rest : { ...rest, args: copied })
}
