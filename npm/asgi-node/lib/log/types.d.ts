/** The types for logging. */

/** The levels of a {@link Logger}. Python's DEBUG is `debug`, WARNING is `warn`, and CRITICAL is `fatal`. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal'

/** A method of a {@link Logger}, called with the fields of a line and its message. */
export type LogMethod = (object: Record<string, unknown>, message: string) => unknown

/**
 * The value of the option `logger`: pino, or an object of its shape. If a method throws, or returns a promise that
 * rejects, the console gets the line instead.
 */
export interface Logger {
  /**
   * The lowest level that it wants, for example `'info'`, or `'silent'`. It is read once.
   * @default all records that Python lets through
   */
  readonly level?: string
  /**
   * The method for records below DEBUG.
   * @default debug
   */
  trace?: LogMethod
  debug: LogMethod
  info: LogMethod
  warn: LogMethod
  error: LogMethod
  /**
   * The method for CRITICAL.
   * @default error
   */
  fatal?: LogMethod
}

/**
 * The function of the option `stdio`. It gets a line without its line end, and the stream that Python wrote it to. If it throws, or
 * returns a promise that rejects, `logger` gets the error.
 */
export type LineFunction = (line: string, stream: 'stdout' | 'stderr') => void

/** One request: the entry that the option `accessLog` gets at its end. */
export interface AccessEntry {
  /** When the request came. */
  readonly time: Date
  readonly type: 'http' | 'websocket'
  readonly method: string
  /** The target as the client sent it, with its query. */
  readonly url: string
  /** For example `'HTTP/1.1'`. */
  readonly protocol: string
  /** The client, behind the proxies that the option `trustProxy` trusts; null if unknown. */
  readonly clientAddress: string | null
  readonly clientPort: number | null
  readonly referer: string | null
  readonly userAgent: string | null
  /** 101 for an accepted WebSocket; 499 if the connection ended before there was a response. */
  readonly status: number
  /** The close code of an accepted WebSocket. */
  readonly code?: number
  /** Bytes of the response's body. */
  readonly bytes: number
  /** Milliseconds from its arrival to the end of its response, or of its connection. */
  readonly durationMs: number
  /** The response was not completed: the client has left, or the app has failed in the middle of it. For an accepted WebSocket: no close frame came (1006). */
  readonly aborted: boolean
}

/** The function of the option `accessLog`. Called once for each request, when it is over. */
export type AccessFunction = (entry: AccessEntry) => void
