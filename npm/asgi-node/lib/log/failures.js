import { PythonError } from '../native/errors.js'

/** @typedef {import('./logger.js').Log} Log */
/** @typedef {{ method?: string, url?: string, originalUrl?: string, id?: unknown }} FailedRequest */

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

/**
 * Tells the log of a request that failed, where no code of the user's gets the error.
 * @param {Log} log
 * @param {import('../native/outcome.js').Outcome} outcome
 * @param {FailedRequest} request
 * @param {number} number of the request; 0 when it was not sent off
 */
export function logFailure(log, { error }, request, number) {
  const { method, url = '', originalUrl } = request
  // The id that others know the request by (pino-http, Fastify) is worth more than ours.
  const id = typeof request.id === 'string' || typeof request.id === 'number' ? request.id : number
  const err = error instanceof Error ? error : new Error(`Something that is no Error was thrown: ${String(error)}`)
  const target = withoutQuery(typeof originalUrl === 'string' ? originalUrl : url)
  const object = { method, path: pathOf(target), id, err }
  // Not the app's, nor on the way there: something threw here, as a patched res.writeHead may.
  if (!(error instanceof PythonError)) return log.write('error', object, 'A request failed in JavaScript')
  const what = error.code === 'APP_ERROR' ? 'Exception in ASGI application' : `${error.code}: ${error.message}`
  log.write('error', object, `${what}: ${method} ${target}`)
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

/** The query may hold secrets. @param {string} url */
function withoutQuery(url) {
  const end = url.search(/[?#]/)
  return end < 0 ? url : url.slice(0, end)
}

/** @param {string} url */
function pathOf(url) {
  return withoutQuery(url.replace(/^[a-z]+:\/\/[^/?#]*/i, '')) || '/'
}
