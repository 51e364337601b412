/** The option `logger` and what belongs to it. */

/** The levels of a {@link Logger}, Python's DEBUG being `debug`, WARNING `warn` and CRITICAL `fatal`. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal'

/** A method of a {@link Logger}, called with the fields of a line and its message. */
export type LogMethod = (object: Record<string, unknown>, message: string) => unknown

/**
 * What the option `logger` takes: pino, or anything of its shape. A method that throws, or returns a
 * promise that rejects, does no harm: the console gets the line in its place.
 */
export interface Logger {
  /** From which level on it wants records: `'info'`, say, or `'silent'`. Read once. Default: all that Python lets through. */
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
 * What the option `stdio` takes: a line without its end, and where it was written. A function that throws, or returns a
 * promise that rejects, is told to `logger`.
 */
export type LineFunction = (line: string, stream: 'stdout' | 'stderr') => void

/** A request that is over, as the option `accessLog` tells of it. */
export interface AccessEntry {
  /** When it came. */
  readonly time: Date
  readonly type: 'http' | 'websocket'
  readonly method: string
  /** The target as the client sent it, with its query. */
  readonly url: string
  /** `'HTTP/1.1'`, say. */
  readonly protocol: string
  /** The client, behind proxies that the option `trustProxy` believes; null where there is none. */
  readonly clientAddress: string | null
  readonly clientPort: number | null
  readonly referer: string | null
  readonly userAgent: string | null
  /** 101 for a WebSocket that was accepted; 499 where the connection ended before there was a response. */
  readonly status: number
  /** Of a WebSocket that was accepted: its close code. */
  readonly code?: number
  /** Of the response's body. */
  readonly bytes: number
  /** From its arrival to the end of its response, or of its connection. */
  readonly durationMs: number
  /** The response did not come to its end: the client has left, or the app has failed in the middle of it. */
  readonly aborted: boolean
}

/** What the option `accessLog` takes. Called once for each request, when it is over. */
export type AccessFunction = (entry: AccessEntry) => void
