import { PythonError } from '../native/errors.js'

/** @typedef {import('../python/start.js').NativeHandler} NativeHandler */

// Python keeps the time-outs of what it does. While its event loop is blocked it keeps none of them: so each has a second
// clock here, which rings a little later.

/** What Python may take longer, so that it is heard first: its errors know more. */
export const SLACK = 250

/** An event loop that has not answered a heartbeat for this long is blocked, and not only slow. */
export const BLOCKED = 1000

/** How often to look. */
const TICK = 25

/** What {@link orLate} gives when time is up. */
export const LATE = Symbol('late')

/**
 * What the promise gives, or LATE as soon as `isLate` says so.
 * @template T
 * @param {Promise<T>} promise
 * @param {() => boolean} isLate asked now and then
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
 * The error for a handler that cannot wait any longer for an event loop that is blocked. Its traceback is where that is.
 * @param {NativeHandler} native
 * @param {string} what cannot go on
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
