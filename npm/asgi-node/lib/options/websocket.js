import { show } from '../native/errors.js'
import { DEFAULT } from '../native/protocol.js'

/** @typedef {import('../index.js').WebSocketOptions} WebSocketOptions */
/** @typedef {import('../index.js').UpgradeOptions} UpgradeOptions */
/** @typedef {(path: string) => boolean} Match */

/**
 * @typedef {object} WebSocketSettings
 * @property {number} maxPayload bytes
 * @property {number} maxQueue messages
 * @property {number} maxFragments of one message
 * @property {number} pingInterval milliseconds, 0 for never
 * @property {number} pingTimeout milliseconds, 0 for none
 * @property {number} acceptTimeout milliseconds, 0 for none
 * @property {boolean} perMessageDeflate
 * @property {Match} matches whether a path is the app's
 */

const LARGEST = 0x7fffffff

/** @type {Readonly<Record<keyof WebSocketOptions, [fallback: number | boolean, least: number, unit: string]>>} */
const OPTIONS = {
  maxPayload: [DEFAULT.MAX_PAYLOAD, 1, 'a number of bytes from 1'],
  maxQueue: [DEFAULT.MAX_QUEUE, 1, 'a number of messages from 1'],
  maxFragments: [DEFAULT.MAX_FRAGMENTS, 1, 'a number of fragments from 1'],
  pingInterval: [DEFAULT.PING_INTERVAL, 0, 'a number of milliseconds from 0'],
  pingTimeout: [DEFAULT.PING_TIMEOUT, 0, 'a number of milliseconds from 0'],
  acceptTimeout: [DEFAULT.ACCEPT_TIMEOUT, 0, 'a number of milliseconds from 0'],
  perMessageDeflate: [true, 0, '']
}

/**
 * @param {unknown} value
 * @param {string} name
 * @param {readonly string[]} known
 * @returns {Record<string, unknown>}
 */
function group(value, name, known) {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TypeError(`Option ${name} must be an object with ${known.join(', ')}, not ${show(value)}`)
  }
  for (const key of Object.keys(value)) {
    if (!known.includes(key)) throw new TypeError(`Unknown option ${show(`${name}.${key}`)}: ${name} has ${known.join(', ')}`)
  }
  return /** @type {Record<string, unknown>} */ (value)
}

/**
 * @param {unknown} value the option `websocket`
 * @returns {Omit<WebSocketSettings, 'matches'>}
 */
export function checkWebSocket(value) {
  const given = group(value, 'websocket', Object.keys(OPTIONS))
  const entries = Object.entries(OPTIONS).map(([name, [fallback, least, unit]]) => {
    const chosen = given[name] ?? fallback
    if (typeof fallback === 'boolean') {
      if (typeof chosen !== 'boolean') throw new TypeError(`Option websocket.${name} must be a boolean, not ${show(chosen)}`)
    } else if (!Number.isInteger(chosen) || Number(chosen) < least || Number(chosen) > LARGEST) {
      throw new TypeError(`Option websocket.${name} must be ${unit} to 2^31 - 1, not ${show(chosen)}`)
    }
    return [name, chosen]
  })
  return Object.fromEntries(entries)
}

/**
 * Any truthy value counts, as with `Array.prototype.filter`, except a promise, which is always truthy.
 * @param {(path: string) => unknown} match
 * @returns {Match}
 */
function answering(match) {
  // One error for all paths, so that code that logs it can recognise it.
  const late = new TypeError('The function of option upgrade.match must answer at once, not with a promise: let the application refuse')
  return (path) => {
    const answer = /** @type {{ then?: unknown } | null | undefined} */ (match(path))
    if (typeof answer?.then !== 'function') return Boolean(answer)
    answer.then(undefined, () => {})
    throw late
  }
}

/**
 * @param {unknown} value the option `upgrade`
 * @returns {Match}
 */
export function checkUpgrade(value) {
  const { match } = group(value, 'upgrade', ['match'])
  if (match === undefined) return () => true
  if (typeof match === 'function') return answering(/** @type {(path: string) => unknown} */ (match))
  if (match instanceof RegExp) return (path) => path.search(match) >= 0
  if (typeof match !== 'string' || match[0] !== '/') {
    throw new TypeError(`Option upgrade.match must be a path that starts with "/", a RegExp or a function, not ${show(match)}`)
  }
  // '/ws' matches '/ws' and the paths below it, not '/wsx'.
  const below = match.endsWith('/') ? match : `${match}/`
  return (path) => path === match || path.startsWith(below)
}
