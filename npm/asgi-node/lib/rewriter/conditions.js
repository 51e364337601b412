import { show } from '../native/errors.js'
import { compileCondition, matches } from './native.js'
import { CONDITIONS } from './specs.js'

/** @typedef {import('./types.js').Pattern} Pattern */
/** @typedef {import('./specs.js').ConditionSpec} ConditionSpec */
/** @typedef {import('../message/request.js').Request} Request */

/** Groups in groups: what reads them calls itself. */
const DEPTH = 50

/** @type {(condition: Condition) => ConditionSpec} */
export let specOf

/** @type {(condition: Condition) => number} */
export let depthOf

/**
 * @typedef {object} Made
 * @property {ConditionSpec} spec
 * @property {number} depth
 * @property {import('./native.js').NativeCondition | null} native once it is needed
 */

/** What all conditions have. */
export class Condition {
  #made

  static {
    specOf = (condition) => condition.#made.spec
    depthOf = (condition) => condition.#made.depth
  }

  /** @param {Made} made */
  constructor(made) {
    checkDepth(made.depth)
    this.#made = made
  }

  /**
   * @param {Request} request
   * @param {string | null} [docroot]
   */
  matches(request, docroot) {
    this.#made.native ??= compileCondition(this.#made.spec)
    return matches(this.#made.native, request, docroot)
  }

  /** @param {Condition} other @returns {GroupCondition} */
  and(other) {
    return new GroupCondition('and', [this, other])
  }

  /** @param {Condition} other @returns {GroupCondition} */
  or(other) {
    return new GroupCondition('or', [this, other])
  }

  [Symbol.for('nodejs.util.inspect.custom')]() {
    return { [this.constructor.name]: this.#made.spec }
  }
}

/**
 * One that is no group is checked at once, and what is made of such ones is right.
 * @param {string} type
 * @param {readonly unknown[]} args
 * @returns {Made}
 */
function single(type, args) {
  return named(CONDITIONS[type].name, () => {
    const spec = CONDITIONS[type].spec(args, '')
    return { spec, depth: 1, native: compileCondition(spec) }
  })
}

/** @param {number} depth */
export function checkDepth(depth) {
  if (depth > DEPTH) throw new TypeError(`Conditions and rewriters are nested more than ${DEPTH} deep`)
}

/**
 * Runs it so that its mistakes name the class.
 * @template T
 * @param {string} name
 * @param {() => T} run
 * @returns {T}
 */
export function named(name, run) {
  try {
    return run()
  } catch (error) {
    throw error instanceof TypeError ? new TypeError(`${name}: ${error.message}`) : error
  }
}

export class PathCondition extends Condition {
  /** @param {Pattern} pattern */
  constructor(pattern) {
    super(single('path', [pattern]))
  }
}

export class HeaderCondition extends Condition {
  /**
   * @param {string} name
   * @param {Pattern} pattern
   */
  constructor(name, pattern) {
    super(single('header', [name, pattern]))
  }
}

export class MethodCondition extends Condition {
  /** @param {Pattern} pattern */
  constructor(pattern) {
    super(single('method', [pattern]))
  }
}

export class ExistenceCondition extends Condition {
  constructor() {
    super(single('exists', []))
  }
}

export class NonExistenceCondition extends Condition {
  constructor() {
    super(single('not_exists', []))
  }
}

export class GroupCondition extends Condition {
  /**
   * @param {'and' | 'or'} operation
   * @param {readonly Condition[]} conditions
   */
  constructor(operation, conditions) {
    if (operation !== 'and' && operation !== 'or') {
      throw new TypeError(`GroupCondition: the operation must be "and" or "or", not ${show(operation)}`)
    }
    if (!Array.isArray(conditions)) throw new TypeError(`GroupCondition: the conditions must be an array, not ${show(conditions)}`)
    for (const condition of conditions) {
      if (!(condition instanceof Condition)) throw new TypeError(`${operation}() needs a condition, not ${show(condition)}`)
    }
    super(operation === 'and' ? allOf(conditions) : anyOf(conditions))
  }
}

// `a.and(b).and(c)` is one group of three.

/** @param {readonly Condition[]} conditions @returns {Made} */
function allOf(conditions) {
  const all = conditions.map(specOf).flatMap((spec) => (isAll(spec) ? spec.all : [spec]))
  return { spec: { all }, depth: depthIn(conditions, isAll), native: null }
}

/** @param {readonly Condition[]} conditions @returns {Made} */
function anyOf(conditions) {
  const any = conditions.map(specOf).flatMap((spec) => (isAny(spec) ? spec.any : [spec]))
  return { spec: { any }, depth: depthIn(conditions, isAny), native: null }
}

/** @param {ConditionSpec} spec @returns {spec is { all: ConditionSpec[] }} */
function isAll(spec) {
  return typeof spec === 'object' && 'all' in spec
}

/** @param {ConditionSpec} spec @returns {spec is { any: ConditionSpec[] }} */
function isAny(spec) {
  return typeof spec === 'object' && 'any' in spec
}

/**
 * @param {readonly Condition[]} conditions
 * @param {(spec: ConditionSpec) => boolean} isSame
 */
function depthIn(conditions, isSame) {
  return Math.max(2, ...conditions.map((condition) => depthOf(condition) + (isSame(specOf(condition)) ? 0 : 1)))
}
