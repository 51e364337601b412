import { DEFAULT, LIMIT } from '../native/protocol.js'
import { milliseconds, whole } from './checks.js'
import { groupOf } from './names.js'

/**
 * The option `workers`, checked, in the names of crates/core/src/config.rs. Times are in milliseconds; 0 is no limit.
 * @typedef {object} WorkerSettings
 * @property {number} count
 * @property {number} maxRequests
 * @property {number} maxRequestsJitter
 * @property {number} maxMemory bytes
 * @property {number} maxAge
 * @property {number} killBlockedAfter
 * @property {number} addressSpace bytes
 * @property {number} drainTimeout never 0
 */

const NAMES = ['count', 'maxRequests', 'maxRequestsJitter', 'maxMemory', 'maxAge', 'killBlockedAfter', 'drainTimeout', 'resourceLimits']

const processes = whole('processes', 1, LIMIT.PROCESSES)
const requests = whole('requests', 0, Number.MAX_SAFE_INTEGER)
const bytes = whole('bytes', 0, Number.MAX_SAFE_INTEGER)

/**
 * @param {unknown} value
 * @returns {WorkerSettings | null} null: the application runs in this process
 */
export function workersOf(value) {
  if (value === 0) return null
  const isGroup = typeof value === 'object' && value !== null
  const given = isGroup ? groupOf(value, 'workers', NAMES, `a number of processes, or an object with ${NAMES.join(', ')}`) : { count: value }
  const { count = 1, resourceLimits = {} } = given
  const { memory = 0 } = groupOf(resourceLimits, 'workers.resourceLimits', ['memory'])
  /** @param {string} name @param {import('./checks.js').Check<number>} check */
  const number = (name, check, unset = 0) => check(given[name] === undefined ? unset : given[name], `workers.${name}`)
  return {
    count: processes(count, isGroup ? 'workers.count' : 'workers'),
    maxRequests: number('maxRequests', requests),
    maxRequestsJitter: number('maxRequestsJitter', requests),
    maxMemory: number('maxMemory', bytes),
    maxAge: number('maxAge', milliseconds),
    killBlockedAfter: number('killBlockedAfter', milliseconds),
    addressSpace: bytes(memory, 'workers.resourceLimits.memory'),
    drainTimeout: number('drainTimeout', milliseconds, DEFAULT.CLOSE_TIMEOUT) || LIMIT.NUMBER
  }
}
