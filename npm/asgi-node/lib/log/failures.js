import { PythonError } from '../native/errors.js'

/** @typedef {import('./logger.js').Log} Log */

/** What a client may know about a failure. @type {Readonly<Record<number, string>>} */
export const PLAIN = Object.freeze({
  400: 'Bad Request',
  404: 'Not Found',
  405: 'Method Not Allowed',
  413: 'Content Too Large',
  426: 'Upgrade Required',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
  504: 'Gateway Timeout'
})

/** Failures that are no fault of the app's or ours: a server that logged them could be made to fill its disk. */
const QUIET = new Map([
  ['INVALID_REQUEST', 400],
  ['BODY_TOO_LARGE', 413],
  ['HEADERS_TOO_LARGE', 431],
  ['OVERLOADED', 503],
  ['HANDLER_CLOSED', 503],
  ['REQUEST_TIMEOUT', 504]
])

/**
 * The status for a client whose request failed for this reason.
 * @param {unknown} error
 */
export function statusOf(error) {
  return (error instanceof PythonError && QUIET.get(error.code)) || 500
}

/**
 * Tells the log of a failure that nobody else is told of.
 * @param {Log} log
 * @param {unknown} error
 * @param {{ method?: string, url?: string, originalUrl?: string, id?: unknown }} request
 * @param {number} number of the request; 0 when it was not sent off
 */
export function logFailure(log, error, request, number) {
  if (statusOf(error) !== 500) return
  const { method, url = '', originalUrl = url } = request
  // The id that others know the request by (pino-http, Fastify) is worth more than ours.
  const id = typeof request.id === 'string' || typeof request.id === 'number' ? request.id : number
  const err = error instanceof Error ? error : new Error(`Something that is no Error was thrown: ${String(error)}`)
  const object = { method, path: pathOf(originalUrl), id, err }
  // Not the app's, nor on the way there: something threw here, as a patched res.writeHead may.
  if (!(error instanceof PythonError)) return log.write('error', object, 'A request failed in JavaScript')
  const what = error.code === 'APP_ERROR' ? 'Exception in ASGI application' : `${error.code}: ${error.message}`
  log.write('error', object, `${what}: ${method} ${originalUrl}`)
}

/** Logs that know that the server has listeners which get in each other's way. @type {WeakSet<Log>} */
const warned = new WeakSet()

/**
 * Tells, once, of a WebSocket of the application's that somebody else has answered.
 * @param {Log} log
 * @param {string | undefined} url
 */
export function logTaken(log, url = '/') {
  if (warned.has(log)) return
  warned.add(log)
  const what = "Another 'upgrade' listener of the server has answered a WebSocket that is the application's. Option upgrade.match says which are"
  log.write('error', { path: pathOf(url) }, `${what}; a WebSocketServer of ws beside it needs noServer`)
}

/** Without the query, which may hold what is nobody's business. @param {string} url */
function pathOf(url) {
  const path = url.replace(/^[a-z]+:\/\/[^/?#]*/i, '')
  const end = path.search(/[?#]/)
  return (end < 0 ? path : path.slice(0, end)) || '/'
}
