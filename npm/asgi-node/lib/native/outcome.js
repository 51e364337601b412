import { PythonError } from './errors.js'

/**
 * What became of a request. It is made here, once for each request, and everything else is written from it: the answer of
 * the transport, the access log and the failure log.
 *
 * - `completed`: the application has sent its whole response.
 * - `refused`: there is no response of the application, and nobody has to be told why: the client's fault, or the limits
 *   and the life of the handler.
 * - `failed`: the application or code beside it has failed. The failure log says why.
 * - `disconnected`: the client left first.
 *
 * @typedef {object} Outcome
 * @property {'completed' | 'refused' | 'failed' | 'disconnected'} kind
 * @property {number} status of the response, which is the application's where that had started
 * @property {unknown} error why it was refused or failed; null otherwise
 * @property {boolean} started whether the application's response had started
 */

/** The status of a request whose client left before there was a response: what nginx logs. Nobody receives it. */
export const CLIENT_CLOSED = 499

/** Of a request that a worker died of: the log says so for each, as for those that the application fails. */
const BAD_GATEWAY = 502

/** Failures that are neither the application's fault nor ours: a server that logged them could be made to fill its disk. */
const REFUSALS = new Map([
  ['INVALID_REQUEST', 400],
  ['BODY_TOO_LARGE', 413],
  ['HEADERS_TOO_LARGE', 431],
  ['OVERLOADED', 503],
  ['HANDLER_CLOSED', 503],
  // Said once, when it happens.
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
 * A request that will have no whole response.
 * @param {unknown} error
 * @param {number} [started] the status of the application's response; 0 when it has not started
 * @returns {Outcome}
 */
export function failedOutcome(error, started = 0) {
  const status = statusOf(error)
  return { kind: status === 500 || status === BAD_GATEWAY ? 'failed' : 'refused', status: started || status, error, started: started > 0 }
}

/**
 * A request that the handler answers itself because its application does not run.
 * @param {number} status
 * @returns {Outcome}
 */
export function unavailableOutcome(status) {
  return { kind: 'refused', status, error: null, started: false }
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
