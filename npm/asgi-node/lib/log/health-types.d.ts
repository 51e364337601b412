/** The health of a handler: the result of `health()`. */
export interface Health {
  /** Requests are served: the app has started, the handler is not closed, and the event loop is not blocked for long. */
  readonly ready: boolean
  /** False if only a restart helps: the start failed, or the event loop has been blocked for `unhealthyAfter`. */
  readonly live: boolean
  /** `close()` has been called, whether or not requests are still taken ({@link PythonHandler.close}, `delay`). */
  readonly draining: boolean
  /** Requests and WebSockets whose app has not returned. */
  readonly inFlight: number
  /**
   * Requests that `requestTimeout` has given up, and WebSockets that `websocket.acceptTimeout` has, whose app has not returned.
   * They are not in flight. At most `maxConcurrency`; above it, requests that are given up stay in flight.
   */
  readonly abandoned: number
  /** Requests that were accepted, but that Python's event loop has not started. */
  readonly queued: number
  /**
   * Milliseconds that the event loop took to answer the latest heartbeat, or that the one under way has waited so far, if that
   * is more. Heartbeats are sent while requests are under way, and by each call of `health()`.
   */
  readonly loopLagMs: number
  /** WebSockets of a server that are open. */
  readonly sockets: number
  /** Requests and WebSockets that were accepted so far. */
  readonly requestsTotal: number
  /** Requests whose app raised, or did not complete its response. */
  readonly errorsTotal: number
  readonly python: {
    /** Whether the interpreter runs. */
    readonly running: boolean
    /** For example '3.11.7'; null before it runs, like the next one. */
    readonly version: string | null
    readonly executable: string | null
    /** The event loop that this handler runs on, 'asyncio' or 'uvloop'; null before its app is loaded. */
    readonly loop: string | null
    /** Milliseconds for which the event loop has not answered a heartbeat; 0 if none is under way. */
    readonly blockedMs: number
  }
  /** With the option `workers`: how each of them is, also those that start and those that are drained. */
  readonly workers?: readonly WorkerHealth[]
}

/** How one worker is, as it has said last. Each call of `health()` asks them all anew, so that the next one knows more. */
export interface WorkerHealth {
  /** Its process. */
  readonly pid: number
  /** `'starting'` until its application is up; `'draining'` when it only finishes what it has. */
  readonly state: 'starting' | 'ready' | 'draining'
  /** Requests and WebSockets whose app has not returned. */
  readonly inFlight: number
  /** All that it was given. */
  readonly requestsTotal: number
  /** How many workers were in its place before it. */
  readonly restarts: number
  /** Bytes of resident memory; 0 where the system does not tell (macOS). */
  readonly rss: number
  /** As `loopLagMs` of the handler. */
  readonly loopLagMs: number
}
