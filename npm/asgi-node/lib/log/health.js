import { pythonInfo } from '../python/start.js'

/**
 * The facts that the native side knows.
 * @typedef {import('../native/binding.js').NativeHealth} NativeHealth
 *
 * The same, for a handler that may not have a loop yet.
 * @typedef {Omit<NativeHealth, 'loop'> & { loop: string | null }} KnownHealth
 */

/**
 * @param {'new' | 'starting' | 'ready' | 'failed' | 'draining' | 'closing' | 'closed'} state of the handler
 * @param {boolean} failed whether its start has failed; closing it does not undo that
 * @param {KnownHealth} known
 * @param {number} sockets
 * @param {number} unhealthyAfter milliseconds
 * @param {import('../native/workers-binding.js').Worker[] | null} workers null where the application runs in this process
 * @returns {import('../index.js').Health}
 */
export function healthOf(state, failed, known, sockets, unhealthyAfter, workers) {
  const python = pythonInfo()
  // Health is judged by the figure that is shown: it does not show 1,000 ms before `unhealthyAfter: 1000` is reached.
  const blockedMs = Math.floor(known.blocked)
  const blocked = blockedMs >= unhealthyAfter
  return {
    ready: state === 'ready' && !blocked && !known.failed && (workers === null || workers.some(isReady)),
    live: !failed && !blocked && !known.failed,
    draining: state === 'draining' || state === 'closing' || state === 'closed',
    inFlight: known.inFlight,
    abandoned: known.abandoned,
    queued: known.queued,
    loopLagMs: Math.round(known.lag * 1000) / 1000,
    sockets,
    requestsTotal: known.requests,
    errorsTotal: known.errors,
    python: {
      running: python !== null,
      version: python?.version ?? null,
      executable: python?.executable ?? null,
      loop: known.loop,
      blockedMs
    },
    ...(workers === null ? {} : { workers: workers.map(healthOfWorker) })
  }
}

/** @param {import('../native/workers-binding.js').Worker} worker */
export function isReady({ state }) {
  return state === 'ready'
}

/**
 * @param {import('../native/workers-binding.js').Worker} worker
 * @returns {import('./health-types.js').WorkerHealth}
 */
function healthOfWorker({ pid, state, inFlight, requests, restarts, rss, lag }) {
  return {
    pid,
    state: /** @type {'starting' | 'ready' | 'draining'} */ (state),
    inFlight,
    requestsTotal: requests,
    restarts,
    rss,
    loopLagMs: Math.round(lag * 1000) / 1000
  }
}
