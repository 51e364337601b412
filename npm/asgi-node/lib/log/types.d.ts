/** The option `logger` and what belongs to it. */

/** The levels of a {@link Logger}, Python's DEBUG being `debug`, WARNING `warn` and CRITICAL `fatal`. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal'

/** A method of a {@link Logger}, called with the fields of a line and its message. */
export type LogMethod = (object: Record<string, unknown>, message: string) => unknown

/**
 * The value of the option `logger`: pino, or an object of its shape. If a method throws, or returns a promise that
 * rejects, the console gets the line instead.
 */
export interface Logger {
  /** The lowest level that it wants, such as `'info'`, or `'silent'`. Read once. Default: all records that Python lets through. */
  readonly level?: string
  /** Default: `debug`. */
  trace?: LogMethod
  debug: LogMethod
  info: LogMethod
  warn: LogMethod
  error: LogMethod
  /** Default: `error`. */
  fatal?: LogMethod
}

/**
 * The function of the option `stdio`: it gets a line without its end, and the stream that it was written to. If it throws, or
 * returns a promise that rejects, `logger` gets the error.
 */
export type LineFunction = (line: string, stream: 'stdout' | 'stderr') => void

/** A request that is over: the entry that the option `accessLog` gets. */
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
  /** The response was not completed: the client has left, or the app has failed in the middle of it. */
  readonly aborted: boolean
}

/** The function of the option `accessLog`. Called once for each request, when it is over. */
export type AccessFunction = (entry: AccessEntry) => void
