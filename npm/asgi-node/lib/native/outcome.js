import { PythonError } from './errors.js'
import { CLOSE_CODE } from './protocol.js'

/**
 * How a request ended. Each request gets one outcome, and only this file creates them. The transport's answer, the access log
 * and the failure log are written from it.
 *
 * - `completed`: the application has sent its whole response.
 * - `refused`: the application sends no response, and nothing has to be logged. The reason is a mistake of the client, a limit
 *   or the state of the handler.
 * - `failed`: the application, or code beside it, has failed. The failure log says why.
 * - `disconnected`: the client left first.
 *
 * @typedef {object} Outcome
 * @property {'completed' | 'refused' | 'failed' | 'disconnected'} kind
 * @property {number} status of the response; the application's if its response had started
 * @property {unknown} error why it was refused or failed; null otherwise
 * @property {boolean} started whether the application's response had started
 */

/** The status for the log of a request whose client left before there was a response, as nginx logs it. No client gets it. */
export const CLIENT_CLOSED = 499

/** The status of a request whose worker died. Each one is logged, like those that the application fails. */
const BAD_GATEWAY = 502

/** Failures that are neither the application's fault nor ours. They are not logged, because clients could fill the disk with them. */
const REFUSALS = new Map([
  ['INVALID_REQUEST', 400],
  ['BODY_TOO_LARGE', 413],
  ['HEADERS_TOO_LARGE', 431],
  ['OVERLOADED', 503],
  ['HANDLER_CLOSED', 503],
  // Logged once, when it happens.
  ['EVENT_LOOP_FAILED', 503],
  ['REQUEST_TIMEOUT', 504],
  ['WORKER_DIED', BAD_GATEWAY]
])

/**
 * The status for a client whose request failed for this reason.
 * @param {unknown} error
 */
export function statusOf(error) {
  return (error instanceof PythonError && REFUSALS.get(error.code)) || 500
}

/**
 * The code with which an accepted WebSocket ends for this reason.
 * @param {unknown} error
 */
export function closeCodeOf(error) {
  return statusOf(error) === 503 ? CLOSE_CODE.RESTART : CLOSE_CODE.INTERNAL_ERROR
}

/**
 * A request that will have no whole response.
 * @param {unknown} error
 * @param {number} [started] the status of the application's response; 0 when it has not started
 * @returns {Outcome}
 */
export function failedOutcome(error, started = 0) {
  const status = statusOf(error)
  return { kind: status === 500 || status === BAD_GATEWAY ? 'failed' : 'refused', status: started || status, error, started: started > 0 }
}

/** What may keep a request waiting until it is refused. Anything else is the reason why the application has not started. */
const WAITING = new Set(['HANDLER_CLOSED', 'REQUEST_TIMEOUT'])

/**
 * A request that never came to the application, because that does not run. The status says nothing of the reason: a worker that
 * dies during its start is no bad gateway.
 * @param {unknown} error why it does not run
 * @returns {Outcome}
 */
export function startFailedOutcome(error) {
  const status = error instanceof PythonError && WAITING.has(error.code) ? statusOf(error) : 500
  return { kind: 'refused', status, error, started: false }
}

/**
 * A request whose whole response has been delivered.
 * @param {number} status
 * @returns {Outcome}
 */
export function completedOutcome(status) {
  return { kind: 'completed', status, error: null, started: true }
}

/**
 * A request whose client has left.
 * @param {number} status of the response that had started; 0 when it has not
 * @returns {Outcome}
 */
export function disconnectedOutcome(status) {
  return { kind: 'disconnected', status: status || CLIENT_CLOSED, error: null, started: status > 0 }
}
