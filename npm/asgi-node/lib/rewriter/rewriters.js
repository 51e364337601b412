import { show } from '../native/errors.js'
import { Condition, checkDepth, depthOf as conditionDepth, named, specOf as conditionSpec } from './conditions.js'
import { compileRewriter, rewrite } from './native.js'
import { REWRITERS } from './specs.js'

/** @typedef {import('./types.js').Pattern} Pattern */
/** @typedef {import('./specs.js').RewriterSpec} RewriterSpec */
/** @typedef {import('../message/request.js').Request} Request */

/**
 * @typedef {object} Made
 * @property {RewriterSpec} spec
 * @property {number} depth
 * @property {import('./native.js').NativeRewriter | null} native once it is needed
 */

/** @type {(rewriter: AnyRewriter) => RewriterSpec} */
export let specOf

/** @type {(rewriter: AnyRewriter) => number} */
let depthOf

/**
 * Calls back as a promise does, with something that is no promise itself.
 * @type {(rewriter: AnyRewriter, fulfilled: (rewriter: AnyRewriter) => unknown) => Promise<unknown>}
 */
let settle

/** What all rewriters have. */
export class AnyRewriter {
  #made
  // True while a promise looks whether this is one itself.
  #isSettling = false

  static {
    specOf = (rewriter) => rewriter.#made.spec
    depthOf = (rewriter) => rewriter.#made.depth
    settle = async (rewriter, fulfilled) => {
      await undefined
      rewriter.#isSettling = true
      try {
        return fulfilled(rewriter)
      } finally {
        rewriter.#isSettling = false
      }
    }
  }

  /** @param {Made} made */
  constructor(made) {
    checkDepth(made.depth)
    this.#made = made
  }

  /**
   * @param {Request} request
   * @param {string | null} [docroot]
   * @returns {Request}
   */
  rewrite(request, docroot) {
    this.#made.native ??= compileRewriter(this.#made.spec)
    return rewrite(this.#made.native, request, docroot)
  }

  /** @param {Condition} condition @returns {ConditionalRewriter} */
  when(condition) {
    return new ConditionalRewriter(this, condition)
  }

  /**
   * With a rewriter, the sequence of both. But whatever has a `then` is taken for a promise by `await`, and by async functions that
   * return it: they call it with two functions, the first of which looks for a `then` again in what it is given. While it does,
   * there is none.
   * @returns {any}
   */
  // oxlint-disable-next-line unicorn/no-thenable -- see above
  get then() {
    return #isSettling in this && !this.#isSettling ? chain : undefined
  }

  [Symbol.for('nodejs.util.inspect.custom')]() {
    return { [this.constructor.name]: this.#made.spec }
  }
}

/**
 * @this {AnyRewriter}
 * @param {unknown} next
 */
function chain(next) {
  if (next instanceof AnyRewriter) return new SequenceRewriter([this, next])
  if (typeof next === 'function') return settle(this, /** @type {(rewriter: AnyRewriter) => unknown} */ (next))
  throw new TypeError(`then() needs a rewriter, not ${show(next)}`)
}

/**
 * @param {string} type
 * @param {readonly unknown[]} args
 * @param {string} [rule] where it stands
 * @returns {Made}
 */
function single(type, args, rule = '') {
  const { name, spec: specify } = REWRITERS[type]
  return named(name, () => {
    const spec = specify(args, rule)
    return { spec, depth: 1, native: compileRewriter(spec) }
  })
}

export class PathRewriter extends AnyRewriter {
  /**
   * @param {Pattern} pattern
   * @param {string} replacement
   */
  constructor(pattern, replacement) {
    super(single('path', [pattern, replacement]))
  }
}

export class HrefRewriter extends AnyRewriter {
  /**
   * @param {Pattern} pattern
   * @param {string} replacement
   */
  constructor(pattern, replacement) {
    super(single('href', [pattern, replacement]))
  }
}

export class HeaderRewriter extends AnyRewriter {
  /**
   * @param {string} name
   * @param {Pattern} pattern
   * @param {string} replacement
   * @param {{ from?: string }} [options]
   */
  constructor(name, pattern, replacement, options) {
    super(single('header', [name, pattern, replacement, options]))
  }
}

export class MethodRewriter extends AnyRewriter {
  /** @param {string} method */
  constructor(method) {
    super(single('method', [method]))
  }
}

/** One that a configuration has, which errors call by its place there. */
export class PlacedRewriter extends AnyRewriter {
  /**
   * @param {string} type
   * @param {readonly unknown[]} args
   * @param {string} place
   */
  constructor(type, args, place) {
    super(single(type, args, place))
  }
}

export class SequenceRewriter extends AnyRewriter {
  /** @param {readonly AnyRewriter[]} rewriters */
  constructor(rewriters) {
    if (!Array.isArray(rewriters)) throw new TypeError(`SequenceRewriter: the rewriters must be an array, not ${show(rewriters)}`)
    for (const rewriter of rewriters) {
      if (!(rewriter instanceof AnyRewriter)) throw new TypeError(`SequenceRewriter: ${show(rewriter)} is not a rewriter`)
    }
    super(sequenceOf(rewriters))
  }
}

export class ConditionalRewriter extends AnyRewriter {
  /**
   * @param {AnyRewriter} rewriter
   * @param {Condition} condition
   */
  constructor(rewriter, condition) {
    if (!(rewriter instanceof AnyRewriter)) throw new TypeError(`ConditionalRewriter: ${show(rewriter)} is not a rewriter`)
    if (!(condition instanceof Condition)) throw new TypeError(`when() needs a condition, not ${show(condition)}`)
    const depth = 1 + Math.max(depthOf(rewriter), conditionDepth(condition))
    super({ spec: { when: [conditionSpec(condition), specOf(rewriter)] }, depth, native: null })
  }
}

/**
 * `a.then(b).then(c)` is one sequence of three.
 * @param {readonly AnyRewriter[]} rewriters
 * @returns {Made}
 */
export function sequenceOf(rewriters) {
  const sequence = rewriters.map(specOf).flatMap((spec) => ('sequence' in spec ? spec.sequence : [spec]))
  const depths = rewriters.map((rewriter) => depthOf(rewriter) + ('sequence' in specOf(rewriter) ? 0 : 1))
  return { spec: { sequence }, depth: Math.max(2, ...depths), native: null }
}
