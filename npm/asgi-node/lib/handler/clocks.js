import { PythonError } from '../native/errors.js'

/** @typedef {import('../python/start.js').NativeHandler} NativeHandler */

// Python keeps its own time limits. It cannot keep them while its event loop is blocked. So each limit has a second clock
// here, which expires a little later.

/** How much later our clock expires. Python's own error comes first then, and it says more. */
export const SLACK = 250

/** An event loop that has not answered a heartbeat for this long is blocked, not just slow. */
export const BLOCKED = 1000

/** Milliseconds between two looks at the clock. */
const TICK = 25

/** What {@link orLate} resolves to when the time is over. */
export const LATE = Symbol('late')

/**
 * Resolves to the promise's value, or to LATE as soon as `isLate` returns true.
 * @template T
 * @param {Promise<T>} promise
 * @param {() => boolean} isLate called at short intervals
 * @returns {Promise<T | typeof LATE>}
 */
export function orLate(promise, isLate) {
  return new Promise((resolve, reject) => {
    const timer = setInterval(() => {
      if (isLate()) settle(() => resolve(LATE))
    }, TICK)
    const settle = (/** @type {() => void} */ how) => {
      clearInterval(timer)
      how()
    }
    promise.then(
      (value) => settle(() => resolve(value)),
      (error) => settle(() => reject(error))
    )
  })
}

/**
 * The error for a handler that stops waiting for a blocked event loop. Its traceback shows where the loop is.
 * @param {NativeHandler} native
 * @param {string} what the operation that cannot go on
 * @returns {Promise<PythonError>}
 */
export async function blockedError(native, what) {
  const seconds = (native.blocked() / 1000).toFixed(1)
  const { words, stack } = await native.locate()
  const where = words === '' ? '' : `: ${words}`
  return new PythonError('EVENT_LOOP_BLOCKED', `${what}, because the event loop of Python has been blocked for ${seconds} s${where}`, { traceback: stack })
}

/**
 * @param {number} milliseconds 0 for no limit
 * @returns {number} of `performance.now()`
 */
export function deadlineIn(milliseconds) {
  return milliseconds === 0 ? Infinity : performance.now() + milliseconds
}
