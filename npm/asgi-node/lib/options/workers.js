import { DEFAULT } from '../native/protocol.js'
import { show } from '../native/errors.js'
import { optionsOf } from './names.js'

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
 * @property {number} drainTimeout
 */

/** More processes than this are a mistake. */
const MOST = 1024

const NAMES = ['count', 'maxRequests', 'maxRequestsJitter', 'maxMemory', 'maxAge', 'killBlockedAfter', 'resourceLimits']

/**
 * @param {unknown} value
 * @returns {WorkerSettings | null} null: the application runs in this process
 */
export function workersOf(value) {
  if (value === undefined || value === 0) return null
  const given = typeof value === 'object' && value !== null ? optionsOf(value, NAMES, 'option workers') : { count: value }
  const { count = 1, resourceLimits = {} } = given
  whole(count, typeof value === 'object' ? 'workers.count' : 'workers', 1, MOST, 'processes')
  const { memory = 0 } = optionsOf(resourceLimits, ['memory'], 'option workers.resourceLimits')
  const number = (/** @type {string} */ name, most = Number.MAX_SAFE_INTEGER) => {
    const own = given[name] ?? 0
    whole(own, `workers.${name}`, 0, most, '')
    return Number(own)
  }
  whole(memory, 'workers.resourceLimits.memory', 0, Number.MAX_SAFE_INTEGER, 'bytes')
  return {
    count: Number(count),
    maxRequests: number('maxRequests'),
    maxRequestsJitter: number('maxRequestsJitter'),
    maxMemory: number('maxMemory'),
    maxAge: number('maxAge', 0x7fffffff),
    killBlockedAfter: number('killBlockedAfter', 0x7fffffff),
    addressSpace: Number(memory),
    drainTimeout: DEFAULT.CLOSE_TIMEOUT
  }
}

/**
 * @param {unknown} value
 * @param {string} name
 * @param {number} least
 * @param {number} most
 * @param {string} what
 */
function whole(value, name, least, most, what) {
  if (Number.isInteger(value) && Number(value) >= least && Number(value) <= most) return
  const unit = what === '' ? 'a whole number' : `a whole number of ${what}`
  throw new TypeError(`Option ${name} must be ${unit} from ${least} to ${most}, not ${show(value)}`)
}
