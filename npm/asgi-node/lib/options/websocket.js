import { show } from '../native/errors.js'
import { DEFAULT } from '../native/protocol.js'
import { boolean, milliseconds, whole } from './checks.js'
import { groupOf } from './names.js'

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

/** @type {Readonly<Record<keyof WebSocketOptions, [fallback: number | boolean, check: import('./checks.js').Check<number | boolean>]>>} */
const OPTIONS = {
  maxPayload: [DEFAULT.MAX_PAYLOAD, whole('bytes', 1)],
  maxQueue: [DEFAULT.MAX_QUEUE, whole('messages', 1)],
  maxFragments: [DEFAULT.MAX_FRAGMENTS, whole('fragments', 1)],
  pingInterval: [DEFAULT.PING_INTERVAL, milliseconds],
  pingTimeout: [DEFAULT.PING_TIMEOUT, milliseconds],
  acceptTimeout: [DEFAULT.ACCEPT_TIMEOUT, milliseconds],
  perMessageDeflate: [true, boolean]
}

/**
 * @param {unknown} value the option `websocket`
 * @returns {Omit<WebSocketSettings, 'matches'>}
 */
export function webSocketOf(value) {
  const given = groupOf(value, 'websocket', Object.keys(OPTIONS))
  const entries = Object.entries(OPTIONS).map(([name, [fallback, check]]) => [name, check(given[name] ?? fallback, `websocket.${name}`)])
  return Object.fromEntries(entries)
}

/**
 * Any truthy value counts, as with `Array.prototype.filter`, except a promise, which is always truthy.
 * @param {(path: string) => unknown} match
 * @returns {Match}
 */
function answering(match) {
  // One error for all paths, so that code that logs it can recognise it.
  const late = new TypeError('The function of option upgrade.match must return a boolean, not a promise: refuse WebSockets in the application instead')
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
export function matchOf(value) {
  const { match } = groupOf(value, 'upgrade', ['match'])
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
