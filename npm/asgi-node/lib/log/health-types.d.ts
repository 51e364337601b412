/** The health of a handler: the result of `health()`. */
export interface Health {
  /**
   * Whether requests are served: the app has started, the handler is not closed, and the event loop has not been blocked for long.
   * With the option `workers`, at least one worker is ready.
   */
  readonly ready: boolean
  /**
   * False if only a restart helps: the start failed, the event loop has been blocked for `unhealthyAfter`, or it has ended
   * (EVENT_LOOP_FAILED). Also false while no worker is ready and new ones fail again and again; true again as soon as one starts.
   */
  readonly live: boolean
  /** Whether `close()` has been called. With its option `delay`, requests may still be taken ({@link PythonHandler.close}). */
  readonly draining: boolean
  /** Requests and WebSockets whose app has not returned. */
  readonly inFlight: number
  /**
   * Requests whose `requestTimeout` is over, and WebSockets whose `websocket.acceptTimeout` is over, but whose app has not returned.
   * They are not in flight. There are at most `maxConcurrency` of them; above that, such requests still count as in flight.
   */
  readonly abandoned: number
  /** Accepted requests that Python's event loop has not started yet. */
  readonly queued: number
  /**
   * Milliseconds that the event loop took to answer the latest heartbeat. If a heartbeat under way has waited longer, it is that time.
   * Heartbeats are sent while requests are under way, and by each call of `health()`.
   */
  readonly loopLagMs: number
  /** Open WebSockets of a server. */
  readonly sockets: number
  /** All requests and WebSockets that were accepted so far. */
  readonly requestsTotal: number
  /** Requests whose app raised an exception or did not complete its response, and requests that were lost with a worker. */
  readonly errorsTotal: number
  readonly python: {
    /** Whether the interpreter runs in this process: false with the option `workers`. */
    readonly running: boolean
    /** For example '3.11.7'; null before it runs. */
    readonly version: string | null
    readonly executable: string | null
    /** The event loop that this handler runs on, 'asyncio' or 'uvloop'; null before its app is loaded. */
    readonly loop: string | null
    /** Milliseconds for which the event loop has not answered a heartbeat; 0 if none is under way. */
    readonly blockedMs: number
  }
  /** The state of each worker, with the option `workers`. It includes workers that are starting or draining. */
  readonly workers?: readonly WorkerHealth[]
}

/** The last known state of one worker. Each call of `health()` asks all workers, so that the next call has newer values. */
export interface WorkerHealth {
  /** Its process id. */
  readonly pid: number
  /** `'starting'` until its application is ready; `'draining'` while it only finishes its requests. */
  readonly state: 'starting' | 'ready' | 'draining'
  /** Requests and WebSockets whose app has not returned. */
  readonly inFlight: number
  /** All requests that it has got. */
  readonly requestsTotal: number
  /** The number of workers that were in its place before. */
  readonly restarts: number
  /** Bytes of resident memory; 0 if the system does not tell (macOS). */
  readonly rss: number
  /** Like `loopLagMs` of the handler. */
  readonly loopLagMs: number
}
