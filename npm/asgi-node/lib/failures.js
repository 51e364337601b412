import { PythonError } from './errors.js'

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
 * @param {unknown} error
 * @param {{ method?: string, url?: string, originalUrl?: string }} request
 */
export function logFailure(error, { method, url, originalUrl }) {
  if (statusOf(error) !== 500) return
  // Not the app's, nor on the way there: something threw here, as a patched res.writeHead may.
  if (!(error instanceof PythonError)) return console.error(error)
  const { code, message, traceback } = error
  const what = code === 'APP_ERROR' ? 'Exception in ASGI application' : `${code}: ${message}`
  console.error(`${what}: ${method} ${originalUrl ?? url}${traceback ? `\n${traceback.trimEnd()}` : ''}`)
}
