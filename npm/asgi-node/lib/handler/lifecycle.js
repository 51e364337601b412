import { closedError, PythonError, errorFromFailure } from '../native/errors.js'
import { startFailedOutcome } from '../native/outcome.js'
import { LIMIT } from '../native/protocol.js'
import { addExitHook, removeExitHook } from '../python/exit-hooks.js'
import { startPython, startPythonSync } from '../python/start.js'
import { findWorkers, findWorkersSync } from '../python/workers.js'
import { healthOf, isReady } from '../log/health.js'
import { closeTimes } from '../options/options.js'
import { Following } from './following.js'
import { BLOCKED, LATE, SLACK, blockedError, deadlineIn, orLate } from './clocks.js'

/** @typedef {import('../options/options.js').Settings} Settings */
/** @typedef {import('../native/exchanges.js').Exchanges} Exchanges */
/** @typedef {import('../native/errors.js').NativeFailure} NativeFailure */
/** @typedef {import('../python/start.js').NativeHandler} NativeHandler */
/** @typedef {import('../websocket/exchange.js').Sockets} Sockets */

/**
 * The addon that runs the application, and the configuration of its native handler. The addon for workers has more functions.
 * @typedef {{ addon: { NativeHandler: new (...options: ConstructorParameters<typeof import('../native/binding.js').NativeHandler>) => NativeHandler }, config: string }} Runtime
 *
 * @typedef {import('../native/workers-binding.js').NativeHandler} WorkersHandler
 */

/**
 * - `new`: nothing has been done yet
 * - `starting`: Python is being found and started, or the application is being loaded
 * - `ready`: the application takes requests
 * - `failed`: the application did not start
 * - `draining`: close() has been called with a delay, and requests are still taken
 * - `closing`: requests are refused
 * - `closed`: everything has ended
 * @typedef {'new' | 'starting' | 'ready' | 'failed' | 'draining' | 'closing' | 'closed'} State
 */

/** Which state may follow which. @type {Readonly<Record<State, readonly State[]>>} */
const NEXT = {
  new: ['starting', 'closing'],
  starting: ['ready', 'failed', 'closing'],
  ready: ['draining', 'closing'],
  draining: ['closing'],
  failed: ['closing'],
  closing: ['closed'],
  closed: []
}

/** Milliseconds that a client gets to answer the close frame, even after `timeout`. */
const CLOSE_FRAME_MS = 250

/** The life of one handler: its start, its state and its end. */
export class Lifecycle {
  /** @type {State} */
  #state = 'new'
  #settings
  #exchanges
  #sockets
  /** The environment for workers: as it is now, whatever the caller changes before Python is found. @type {NodeJS.ProcessEnv} */
  #env
  /** @type {NativeHandler | null} */
  #native = null
  /** Why it did not start. @type {unknown} */
  #failure
  /** Whether the reason has been logged. */
  #reported = false
  #starting
  /** @type {Following | null} */
  #following = null
  /** @type {Promise<void> | null} */
  #closing = null
  /** When close() stops taking requests, by `performance.now()`. It never moves to a later time. */
  #drained = Infinity
  /** When close() stops waiting for requests, by `performance.now()`. It never moves to a later time. */
  #deadline = Infinity
  /** The last values that the native side gave. @type {import('../log/health.js').KnownHealth} */
  #known = { inFlight: 0, abandoned: 0, queued: 0, requests: 0, errors: 0, lag: 0, blocked: 0, failed: false, loop: null }
  /** `signal` closes the handler. Nobody gets that promise, so a failure is logged. */
  #onAbort = () => void this.close().catch((error) => this.#report(error))
  /** Delivers Python's last log records before the end. */
  #drain = () => this.#native?.drain()

  /**
   * @param {Settings} settings
   * @param {Exchanges} exchanges
   * @param {Sockets} sockets
   */
  constructor(settings, exchanges, sockets) {
    this.#settings = settings
    this.#exchanges = exchanges
    this.#sockets = sockets
    this.#env = settings.workers === null ? process.env : { ...process.env }
    // This comes before the application is read, so that no change is missed.
    if (settings.reload !== null) this.#following = new Following(settings.reload, { pauseRequests: this.#pauseRequests, renew: this.#renew }, settings.log)
    this.#starting = this.#start()
    // Each ready() and each request rejects with the failure. Before the first of them it must not count as an unhandled rejection.
    this.#starting.catch(() => {})
    const { signal } = settings
    signal?.addEventListener('abort', this.#onAbort, { once: true })
    if (signal?.aborted) this.#onAbort()
  }

  get isReady() {
    return this.#state === 'ready' || this.#state === 'draining'
  }

  /** The native half. Only for a handler that is ready. */
  get native() {
    return /** @type {NativeHandler} */ (this.#native)
  }

  get #isEnding() {
    return this.#state === 'closing' || this.#state === 'closed'
  }

  /** @param {State} next */
  #enter(next) {
    if (!NEXT[this.#state].includes(next)) throw new Error(`A handler that is ${this.#state} cannot become ${next}`)
    this.#state = next
  }

  async #start() {
    // The constructor must return at once. Looking for Python takes this thread some milliseconds, so that comes after the
    // caller's code.
    await Promise.resolve()
    try {
      if (this.#state === 'new') this.#enter('starting')
      const [runtime] = await Promise.all([this.#runtime(), this.#following?.ready()])
      if (this.#isEnding) return
      const native = this.#nativeOf(runtime)
      const deadline = deadlineIn(this.#settings.startupTimeout) + SLACK
      const started = await orLate(native.start(), () => {
        // Each call sends a heartbeat, so that we know whether the loop runs.
        native.blocked()
        return performance.now() > deadline
      })
      this.#started(started === LATE ? await this.#stopStarting(native) : started)
    } catch (error) {
      throw this.#failed(error)
    }
  }

  /** The same for a caller that cannot wait. It overtakes #start, which then finds the work done. */
  startSync() {
    if (this.isReady) return this.#following?.flush()
    if (this.#isEnding) throw closedError()
    if (this.#state === 'failed') throw this.#failure
    try {
      if (this.#state === 'new') this.#enter('starting')
      const { startupTimeout } = this.#settings
      const failure = this.#nativeOf(this.#runtimeSync()).startSync(startupTimeout && startupTimeout + SLACK)
      if (failure?.code === 'EVENT_LOOP_BLOCKED') failure.message = `${this.#lateText()}: ${failure.message}`
      this.#started(failure)
    } catch (error) {
      throw this.#failed(error)
    }
  }

  /** Finds what runs the application: Python in this process, or workers. @returns {Promise<Runtime>} */
  async #runtime() {
    const settings = this.#settings
    return settings.workers === null ? { addon: await startPython(settings), config: settings.config } : findWorkers(settings, this.#env)
  }

  /** The same, but it blocks. @returns {Runtime} */
  #runtimeSync() {
    const settings = this.#settings
    return settings.workers === null ? { addon: startPythonSync(settings), config: settings.config } : findWorkersSync(settings, this.#env)
  }

  #lateText() {
    return `The application has not started within ${this.#settings.startupTimeout} ms (option startupTimeout)`
  }

  /**
   * The time to start is over. If the application still comes up later, it is closed.
   * @param {NativeHandler} native
   * @returns {Promise<NativeFailure | null>} null: the start has ended in the meantime
   */
  async #stopStarting(native) {
    if (this.#state !== 'starting') return null
    const error = native.blocked() < BLOCKED ? new PythonError('LIFESPAN_STARTUP_FAILED', this.#lateText()) : await blockedError(native, this.#lateText())
    if (this.#state !== 'starting') return null
    native.abandon()
    this.#report(error)
    this.#reported = true
    throw error
  }

  /** @param {Runtime} runtime */
  #nativeOf({ addon, config }) {
    if (this.#native === null) {
      this.#native = new addon.NativeHandler(config, this.#exchanges.deliver, this.#settings.rewriter)
      addExitHook(this.#drain)
    }
    this.#exchanges.native = this.#native
    return this.#native
  }

  /** @param {NativeFailure | null} failure */
  #started(failure) {
    if (failure) throw errorFromFailure(failure)
    if (this.#state !== 'starting') return
    this.#enter('ready')
    this.#following?.begin()
  }

  /** @param {unknown} error */
  #failed(error) {
    // Every caller gets the first failure.
    if (this.#state === 'starting') {
      this.#enter('failed')
      this.#failure = error
      void this.#following?.close()
      // Deliver what the app has logged about it. Nothing more will come.
      this.#drain()
      removeExitHook(this.#drain)
    }
    return this.#failure ?? error
  }

  /**
   * Waits for a start, and with workers until one of them is ready: the first ones may have died since.
   * @returns {Promise<void>}
   */
  async ready() {
    await this.#hasStarted()
    if (this.#settings.workers === null) return
    const native = /** @type {WorkersHandler} */ (this.native)
    const isDecided = () => this.#isEnding || native.failure() !== null || native.workers().some(isReady)
    if (!isDecided()) await orLate(new Promise(() => {}), isDecided)
    if (this.#isEnding) throw closedError()
    const failure = native.failure()
    if (failure) throw errorFromFailure(failure)
  }

  async #hasStarted() {
    if (this.#state === 'new' || this.#state === 'starting') await this.#starting.catch(() => {})
    if (this.#isEnding) throw closedError()
    if (this.#state === 'failed') throw this.#failure
  }

  /**
   * The same for a request. It waits no longer than the request may take.
   * @param {number} [timeout] milliseconds; 0 for no limit
   * @returns {Promise<void>}
   */
  async readyForRequest(timeout = this.#settings.requestTimeout) {
    if (timeout === 0) return this.#hasStarted()
    const deadline = deadlineIn(timeout)
    if ((await orLate(this.#hasStarted(), () => performance.now() > deadline)) !== LATE) return
    throw new PythonError('REQUEST_TIMEOUT', 'The application has not started in time for this request (option requestTimeout)')
  }

  /**
   * The outcome of a request that the handler cannot take, for a caller who gets the error.
   * @param {unknown} error of {@link readyForRequest}
   */
  unavailable(error) {
    return startFailedOutcome(this.#isEnding ? closedError() : error)
  }

  /**
   * The same for a client, who does not get the error. Logs once why the application has not started.
   * @param {unknown} error of {@link readyForRequest}
   */
  unavailableToClient(error) {
    const outcome = this.unavailable(error)
    if (outcome.status === 500 && !this.#reported) {
      this.#report(error)
      this.#reported = true
    }
    return outcome
  }

  /** Logs an error that no caller gets. @param {unknown} error */
  #report(error) {
    this.#settings.log.write('error', { err: error }, error instanceof Error ? error.message : String(error))
  }

  /**
   * Replaces all workers by new ones.
   * @returns {Promise<void>}
   */
  async reload() {
    if (this.#settings.workers === null) {
      throw new TypeError('reload() replaces workers, and this handler has none. Python in this process cannot load modules again: set the option `workers`')
    }
    await this.#hasStarted()
    await this.#replaceWorkers()
  }

  async #replaceWorkers() {
    const failure = await /** @type {WorkersHandler} */ (this.native).reload()
    if (failure) throw errorFromFailure(failure)
  }

  /** Files have changed: new requests wait for the new code. */
  #pauseRequests = () => {
    if (this.isReady) /** @type {WorkersHandler} */ (this.native).hold()
  }

  /** Loads the new code. It starts the reload before it returns, because its caller may be about to block this thread. */
  #renew = () => {
    this.#pauseRequests()
    return this.#replaceWorkers()
  }

  /**
   * @param {{ timeout?: number, delay?: number }} [options]
   * @returns {Promise<void>}
   */
  close(options) {
    const { delay, timeout } = closeTimes(options)
    const now = performance.now()
    this.#drained = Math.min(this.#drained, now + delay)
    this.#deadline = Math.min(this.#deadline, now + delay + timeout)
    if (this.#closing === null) this.#closing = delay > 0 && this.#state === 'ready' ? this.#drainFirst() : this.#close()
    else if (this.#isEnding) this.#native?.shortenTimeout(timeout)
    return this.#closing
  }

  /** Load balancers have time to notice that the handler is no longer ready. */
  async #drainFirst() {
    this.#enter('draining')
    await orLate(new Promise(() => {}), () => performance.now() >= this.#drained)
    await this.#close()
  }

  async #close() {
    this.#enter('closing')
    void this.#following?.close()
    this.#exchanges.closing = true
    this.#known = this.#native?.health() ?? this.#known
    // The signal may live much longer than this handler.
    this.#settings.signal?.removeEventListener('abort', this.#onAbort)
    // An import cannot be interrupted, so a start that is under way is waited for.
    const started = await orLate(this.#starting.catch(() => {}), () => performance.now() > this.#deadline + SLACK)
    const native = this.#native
    try {
      if (native !== null) await this.#end(native, started === LATE)
    } finally {
      this.#enter('closed')
    }
  }

  /**
   * @param {NativeHandler} native
   * @param {boolean} isLate whether the application has not started yet
   */
  async #end(native, isLate) {
    this.#exchanges.keepAlive()
    const what = 'The application could not be shut down'
    const early = isLate ? await this.#notStarted(native, what) : null
    const ended = await this.#shutDown(native)
    const error = ended === LATE ? await blockedError(native, what) : (early ?? (ended && errorFromFailure(ended)))
    if (error?.code === 'EVENT_LOOP_BLOCKED') this.#report(error)
    native.abandon()
    // Deliver the responses that are complete before the end.
    native.drain()
    this.#exchanges.failAll(closedError())
    // Each client has its close frame. Some will not answer it, and their sockets would keep the process alive.
    this.#sockets.endBy(Math.max(this.#deadline, performance.now() + CLOSE_FRAME_MS))
    this.#exchanges.release()
    removeExitHook(this.#drain)
    native.release()
    if (error) throw error
  }

  /**
   * @param {NativeHandler} native
   * @param {string} what
   */
  async #notStarted(native, what) {
    return native.blocked() < BLOCKED ? new PythonError('LIFESPAN_STARTUP_FAILED', `${what}: it has not started in time`) : blockedError(native, what)
  }

  /**
   * @param {NativeHandler} native
   * @returns {Promise<NativeFailure | null | typeof LATE>} LATE: Python cannot go on
   */
  #shutDown(native) {
    const closed = native.close(Math.max(0, Math.round(this.#deadline - performance.now())))
    const limit = this.#settings.shutdownTimeout || Infinity
    /** The time from which only the lifespan's shutdown is left. @type {number | null} */
    let since = null
    return orLate(closed, () => {
      const now = performance.now()
      const blocked = native.blocked() >= BLOCKED
      const health = native.health()
      const busy = health !== null && health.inFlight + health.abandoned > 0
      if (!busy || (!blocked && now > this.#deadline + LIMIT.CANCEL_GRACE + SLACK)) since ??= now
      // A loop that runs keeps its own time limit, and its error says more.
      if (!blocked) return false
      return now > SLACK + (since === null ? this.#deadline : since + limit)
    })
  }

  /** @returns {import('../index.js').Health} */
  health() {
    const blocked = this.#state === 'closed' ? 0 : (this.#native?.blocked() ?? 0)
    this.#known = this.#native?.health() ?? { ...this.#known, inFlight: 0, abandoned: 0, queued: 0, blocked }
    const { unhealthyAfter } = this.#settings
    const workers = this.#settings.workers === null ? null : (/** @type {WorkersHandler | null} */ (this.#native)?.workers() ?? [])
    return healthOf(this.#state, this.#failure !== undefined, this.#known, this.#sockets.size, unhealthyAfter, workers)
  }
}
