/** How a handler is: what `health()` gives. */
export interface Health {
  /** Requests are served: the app has started, nobody has closed the handler, and the event loop is not blocked for long. */
  readonly ready: boolean
  /** False where only a restart helps: the start failed, or the event loop has been blocked for `unhealthyAfter`. */
  readonly live: boolean
  /** Closing, or closed. */
  readonly draining: boolean
  /** Requests and WebSockets whose app has not returned. */
  readonly inFlight: number
  /**
   * Requests that `requestTimeout` has given up, and WebSockets that `websocket.acceptTimeout` has, whose app has not returned.
   * They are not in flight. At most `maxConcurrency`; above it, requests that are given up stay in flight.
   */
  readonly abandoned: number
  /** Requests that were accepted and that Python's event loop has not come to. */
  readonly queued: number
  /**
   * Milliseconds that the event loop took to come to the latest beat, or that it has been at it so far if that is more. Beats
   * are sent while requests are under way and by each call of `health()`.
   */
  readonly loopLagMs: number
  /** WebSockets of a server that are open. */
  readonly sockets: number
  /** Requests and WebSockets that were accepted so far. */
  readonly requestsTotal: number
  /** Those whose app raised, or did not complete its response. */
  readonly errorsTotal: number
  readonly python: {
    /** Whether the interpreter runs. */
    readonly running: boolean
    /** '3.11.7', say; null before it runs, as the next one is. */
    readonly version: string | null
    readonly executable: string | null
    /** The event loop that this handler runs on, 'asyncio' or 'uvloop'; null before its app is loaded. */
    readonly loop: string | null
    /** Milliseconds for which the event loop has not answered a heartbeat that is under way; 0 when none is. */
    readonly blockedMs: number
  }
}
