/** The types of WebSockets, a part of index.d.ts. */
import type { Response } from '../index.js'

/** Limits and timing of WebSockets. */
export interface WebSocketOptions {
  /** Bytes of one message, decompressed. A larger one ends the connection with 1009. Default 16 MiB. */
  maxPayload?: number
  /** Messages that may wait for the app (and no more than `highWaterMark` bytes); then the socket is not read. Default 32. */
  maxQueue?: number
  /** Fragments of one message. More end the connection with 1008. Default 131,072. */
  maxFragments?: number
  /** Milliseconds between pings to the client; 0 for none. Default 20,000. */
  pingInterval?: number
  /**
   * Milliseconds that a pong may take before the connection is cut, not counting those in which the client still takes what was sent
   * before the ping; 0 for no limit. Default 20,000.
   */
  pingTimeout?: number
  /** Milliseconds that the app may take to accept or refuse; then the client gets 503; 0 for no limit. Default 10,000. */
  acceptTimeout?: number
  /**
   * Whether messages are compressed for clients that offer it (RFC 7692), with windows of 4 KiB, which take little memory.
   * Default true.
   */
  perMessageDeflate?: boolean
}

/** Which upgrades are taken. */
export interface UpgradeOptions {
  /**
   * The path of a request whose upgrade is ours: '/ws' takes that and all below it. Default: every path. A WebSocket for another path
   * is left to the other 'upgrade' listeners of the server; where there are none, or none of them takes it within
   * `acceptTimeout`, it gets 404 (docs/websocket.md). A function must answer at once, not with a promise.
   */
  match?: string | RegExp | ((path: string) => boolean)
}

/** A message of a WebSocket, as `for await` over its Response gives it. Text is UTF-8. */
export interface WebSocketMessage {
  readonly data: Buffer
  readonly isBinary: boolean
}

/**
 * What {@link PythonHandler.handleStream} gives for a WebSocket: a Response with status 101 and the headers of
 * `websocket.accept`, whose loop gives messages with their kind. `next()` gives the bytes alone.
 */
export interface WebSocketResponse extends Omit<Response, typeof Symbol.asyncIterator> {
  [Symbol.asyncIterator](): AsyncIterableIterator<WebSocketMessage>
}
