/** The types for WebSockets, a part of index.d.ts. */
import type { Response } from '../index.js'

/** Limits and timing of WebSockets. */
export interface WebSocketOptions {
  /**
   * The most bytes of one message, decompressed. A larger message ends the connection with 1009.
   * @default 16777216
   */
  maxPayload?: number
  /**
   * The most messages that may wait for the app, with at most `highWaterMark` bytes. Above this the socket is not read.
   * @default 32
   */
  maxQueue?: number
  /**
   * The most fragments of one message. More fragments end the connection with 1008.
   * @default 131072
   */
  maxFragments?: number
  /**
   * Milliseconds between pings to the client; 0 for no pings.
   * @default 20000
   */
  pingInterval?: number
  /**
   * Milliseconds that a pong may take before the connection is cut; 0 for no limit. The time in which the client still reads data
   * that was sent before the ping does not count.
   * @default 20000
   */
  pingTimeout?: number
  /**
   * Milliseconds that the app may take to accept or refuse; 0 for no limit. After that the client gets 503.
   * @default 10000
   */
  acceptTimeout?: number
  /**
   * Whether messages are compressed for clients that offer it (RFC 7692). The windows have 4 KiB, which takes little memory.
   * @default true
   */
  perMessageDeflate?: boolean
}

/** Which upgrades the handler takes. */
export interface UpgradeOptions {
  /**
   * The paths whose upgrades the handler takes. `'/ws'` stands for that path and everything below it. A function must return the
   * result itself, not a promise. A WebSocket for another path is left to the other 'upgrade' listeners of the server. If none of
   * them takes it within `acceptTimeout`, it gets 404 (docs/websocket.md).
   * @default every path
   */
  match?: string | RegExp | ((path: string) => boolean)
}

/** A message of a WebSocket, as `for await` over its Response yields it. Text is UTF-8. */
export interface WebSocketMessage {
  readonly data: Buffer
  readonly isBinary: boolean
}

/**
 * The result of {@link PythonHandler.handleStream} for a WebSocket: a Response with status 101 and the headers of
 * `websocket.accept`. `for await` over it yields messages with their kind. `next()` returns the bytes alone.
 */
export interface WebSocketResponse extends Omit<Response, typeof Symbol.asyncIterator> {
  [Symbol.asyncIterator](): AsyncIterableIterator<WebSocketMessage>
}
