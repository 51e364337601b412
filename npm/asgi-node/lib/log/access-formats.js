import { STATUS_CODES } from 'node:http'

/** @typedef {import('./types.js').AccessEntry} AccessEntry */

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** What {@link escaped} has to do with. */
const UNSAFE = /["\\]|[^ -~]/

/**
 * A client's text for use between quotes: characters that could end the quotes or the line, or move a terminal's cursor, are
 * escaped as Apache does it.
 * @param {string} text
 */
function escaped(text) {
  if (!UNSAFE.test(text)) return text
  return text.replaceAll(/["\\]|[^ -~]/g, (character) => {
    if (character === '"' || character === '\\') return `\\${character}`
    return [...Buffer.from(character)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')
  })
}

/** @param {AccessEntry} entry */
const clientOf = ({ clientAddress, clientPort }) => {
  if (clientAddress === null) return '-'
  return `${clientAddress.includes(':') ? `[${clientAddress}]` : clientAddress}:${clientPort}`
}

/**
 * uvicorn's format, and the duration:
 * `INFO:     127.0.0.1:50312 - "GET /items?page=2 HTTP/1.1" 200 OK 3.2ms`
 * @param {AccessEntry} entry
 */
export function forUvicorn(entry) {
  const { type, method, url, protocol, status, code, aborted } = entry
  const tenths = Math.round(entry.durationMs * 10)
  const end = `${Math.trunc(tenths / 10)}.${tenths % 10}ms${aborted ? ' aborted' : ''}`
  if (type === 'websocket') {
    const outcome = status === 101 ? `[accepted] ${code ?? '-'}` : String(status)
    return `INFO:     ${clientOf(entry)} - "WebSocket ${escaped(url)}" ${outcome} ${end}`
  }
  const phrase = STATUS_CODES[status] ?? (status === 499 ? 'Client Closed Request' : '')
  return `INFO:     ${clientOf(entry)} - "${escaped(`${method} ${url} ${protocol}`)}" ${status}${phrase && ` ${phrase}`} ${end}`
}

/**
 * The combined format of Apache and nginx, then the duration in seconds, like nginx's `$request_time`.
 * @param {AccessEntry} entry
 */
export function forClf(entry) {
  const { clientAddress, method, url, protocol, status, bytes, referer, userAgent } = entry
  const line = `${escaped(`${method} ${url} ${protocol}`)}" ${status} ${bytes || '-'} "${escaped(referer ?? '-')}" "${escaped(userAgent ?? '-')}`
  return `${clientAddress ?? '-'} - - [${clfTime(entry.time)}] "${line}" ${(entry.durationMs / 1000).toFixed(3)}`
}

/** The time that was formatted last: requests of one second have the same. */
const clf = { second: NaN, text: '' }

/** @param {Date} time */
function clfTime(time) {
  const second = Math.floor(time.getTime() / 1000)
  if (second === clf.second) return clf.text
  const two = (/** @type {number} */ value) => String(value).padStart(2, '0')
  const date = `${two(time.getUTCDate())}/${MONTHS[time.getUTCMonth()]}/${time.getUTCFullYear()}`
  clf.second = second
  clf.text = `${date}:${two(time.getUTCHours())}:${two(time.getUTCMinutes())}:${two(time.getUTCSeconds())} +0000`
  return clf.text
}

/**
 * One JSON object a line, with the names of `AccessEntry`.
 * @param {AccessEntry} entry
 */
export function forJson(entry) {
  return JSON.stringify({ ...entry, durationMs: Math.round(entry.durationMs * 1000) / 1000 })
}
