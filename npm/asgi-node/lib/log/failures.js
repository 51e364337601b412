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
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout'
})

/**
 * Logs a failed request whose error does not reach the user's code.
 * @param {Log} log
 * @param {import('../native/outcome.js').Outcome} outcome
 * @param {FailedRequest} request
 * @param {number} number of the request; 0 if it was not sent to the app
 */
export function logFailure(log, { error }, request, number) {
  const { method, url = '', originalUrl } = request
  // The id that other logs use for the request (pino-http, Fastify) is more useful than ours.
  const id = typeof request.id === 'string' || typeof request.id === 'number' ? request.id : number
  const err = error instanceof Error ? error : new Error(`A value that is not an Error was thrown: ${String(error)}`)
  const target = withoutQuery(typeof originalUrl === 'string' ? originalUrl : url)
  const object = { method, path: pathOf(target), id, err }
  // Neither the app nor our code failed: other JavaScript threw, for example a patched res.writeHead.
  if (!(error instanceof PythonError)) return log.write('error', object, 'A request failed in JavaScript')
  const what = error.code === 'APP_ERROR' ? 'Exception in ASGI application' : `${error.code}: ${error.message}`
  log.write('error', object, `${what}: ${method} ${target}`)
}

/** Logs that have already reported a server with conflicting listeners. @type {WeakSet<Log>} */
const warned = new WeakSet()

/**
 * Logs once that another listener has answered a WebSocket that is meant for the application.
 * @param {Log} log
 * @param {string | undefined} url
 */
export function logTaken(log, url = '/') {
  if (warned.has(log)) return
  warned.add(log)
  const what = "Another 'upgrade' listener of the server has answered a WebSocket that is the application's. Option upgrade.match says which are"
  log.write('error', { path: pathOf(url) }, `${what}; a WebSocketServer of ws beside it needs noServer`)
}

/** Only the path: the query may hold secrets. @param {string} url */
function withoutQuery(url) {
  const end = url.search(/[?#]/)
  return end < 0 ? url : url.slice(0, end)
}

/** @param {string} url */
function pathOf(url) {
  return withoutQuery(url.replace(/^[a-z]+:\/\/[^/?#]*/i, '')) || '/'
}
