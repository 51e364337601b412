/** Requests, responses and headers, a part of index.d.ts. */
import type { PythonError, PythonHandler } from '../index.js'
import type { ExistenceCondition } from '../rewriter/types.js'

/** One value, or several values for one name. Numbers become strings. */
export type HeaderValue = string | number | readonly (string | number)[]

/**
 * Headers in one of these forms: a plain object (`undefined` values are left out), pairs, a flat array such as
 * `IncomingMessage.rawHeaders`, our {@link Headers}, the WHATWG class, a Map, or any iterable of pairs. Pairs are arrays. An array
 * whose first item is a string is a flat array.
 */
export type HeadersInit =
  | Headers
  | Readonly<Record<string, HeaderValue | undefined>>
  | Iterable<readonly [string, HeaderValue]>
  | readonly string[]

/**
 * HTTP headers. The order and duplicates are kept. Names are case-insensitive and are returned in lower case. Values are
 * latin-1, one character per byte (RFC 9110, 5.5). Spaces around a value are dropped.
 *
 * @throws TypeError that names the header, for an invalid name or value (CR, LF, NUL, or a character above U+00FF)
 * @example
 * ```js
 * const headers = new Headers({ accept: 'text/html' })
 * headers.add('accept', 'application/json')
 * headers.getAll('Accept') // ['text/html', 'application/json']
 * ```
 */
export class Headers {
  constructor(init?: HeadersInit | null)
  /** The number of headers, including duplicates. */
  readonly size: number
  /** The last value of this name, or null. */
  get(name: string): string | null
  /** All values of this name in their order; an empty array if there is none. */
  getAll(name: string): string[]
  /** All values of this name, joined by commas, or null. Do not use this for set-cookie, whose values may contain commas. */
  getLine(name: string): string | null
  has(name: string): boolean
  /** Replaces all values of this name, at the position of the first one. Returns true if there was one. */
  set(name: string, value: HeaderValue): boolean
  /** Adds a value after all others. Returns true if this name had a value already. */
  add(name: string, value: string | number): boolean
  /** Removes all values of this name. Returns true if there was one. */
  delete(name: string): boolean
  clear(): void
  /** The name and value of each header. Like `keys` and `values`, this is a copy. */
  entries(): [string, string][]
  /** Each name once, in the order of its first header. */
  keys(): string[]
  /** The value of each header. */
  values(): string[]
  forEach(callback: (value: string, name: string, headers: Headers) => void, thisArg?: unknown): void
  [Symbol.iterator](): IterableIterator<[string, string]>
  /** An object with a string for a name with one value, and an array for a name with more. */
  toJSON(): Record<string, string | string[]>
}

/** A piece of a body: bytes, or a string, which is sent as UTF-8. */
export type Chunk = string | Uint8Array

/**
 * A request body. Streams and iterables are read one chunk at a time, no faster than the app receives them. They can be used
 * once. If the response ends earlier, they are cancelled (destroyed). A chunk is a string or a Uint8Array.
 */
export type RequestBody = Chunk | ReadableStream<Chunk> | AsyncIterable<Chunk>

/** The two ends of a connection, with the names of `net.Socket`. They become `client` and `server` in the scope. */
export interface SocketInfo {
  readonly localAddress?: string
  readonly localPort?: number
  readonly localFamily?: string
  readonly remoteAddress?: string
  readonly remotePort?: number
  readonly remoteFamily?: string
}

export interface RequestInit {
  /**
   * The method: any token (RFC 9110, 9.1). It is sent unchanged, because methods are case-sensitive.
   * @default 'GET'
   */
  method?: string
  /**
   * `http(s)://host/path?query`, or only a path with its query. The URL is not normalised; spaces and characters outside ASCII are
   * percent-encoded. An absolute URL sets the scope's scheme and server, and the Host header unless `headers` has one. Without it,
   * the scheme is http, and there is no Host header.
   */
  url: string | URL
  headers?: HeadersInit | null
  /**
   * The body. Bytes and strings are sent with a content-length, unless `headers` has content-length or transfer-encoding. If there
   * is no body, {@link Request.write} can create one.
   * @default null
   */
  body?: RequestBody | null
  /**
   * `client` and `server` of the scope.
   * @default no client; the server of an absolute URL
   */
  socket?: SocketInfo | null
  /**
   * The folder for {@link ExistenceCondition} in `matches` and `rewrite`, unless these get a docroot. A handler uses its own docroot.
   * @default null
   */
  docroot?: string | null
  /**
   * Whether this is a WebSocket request, for {@link PythonHandler.handleStream}.
   * @default true for ws: and wss: URLs, otherwise false
   */
  websocket?: boolean
}

/**
 * An HTTP request for a {@link PythonHandler}.
 *
 * For a WebSocket write `new Request({ url, websocket: true })`, even with a ws: URL. This has the type `Request<true>`, and so
 * {@link PythonHandler.handleStream} returns the type for messages.
 *
 * @throws TypeError that says what is wrong: the method, the url, a header or the body
 * @example
 * ```js
 * const request = new Request({ method: 'POST', url: '/items', body: JSON.stringify({ name: 'tea' }) })
 * ```
 */
export class Request<IsWebSocket extends boolean = boolean> {
  constructor(init: RequestInit & { websocket?: IsWebSocket })
  get method(): string
  set method(method: string)
  /** The url as it was set. */
  get url(): string
  set url(url: string | URL)
  /** The path of the url, without the query. */
  readonly path: string
  /** The headers. Changes to this object are sent. */
  get headers(): Headers
  set headers(headers: HeadersInit)
  /** The body as it was set; a Buffer for bytes or a string. It is null if there is none, or if it is written with `write`. */
  get body(): Buffer | ReadableStream<Chunk> | AsyncIterable<Chunk> | null
  set body(body: RequestBody | null)
  /** `client` and `server` of the scope; null if they were not set. */
  readonly socket: SocketInfo | null
  /** The folder for {@link ExistenceCondition} in `matches` and `rewrite`; null if it was not set. */
  get docroot(): string | null
  set docroot(docroot: string | null)
  /** Whether it opens a WebSocket. */
  readonly websocket: IsWebSocket
  /**
   * Adds a chunk to the body: before or after the request is passed to the handler, and of any size.
   *
   * Await it for back-pressure. It waits for room, and resolves to true when the chunk has been handed over. It resolves to false
   * if nobody will take the chunk any more, because the response is complete or cancelled. It does not wait where that could block
   * its own caller: before the request is sent, and while the response has more unread bytes than the high-water mark. So for a large
   * source and a slow reader of the response, pass a stream as `body` instead. A stream is always bounded.
   *
   * Write the first chunk before you send the request; an empty chunk is enough. There is one exception: `handleStream` accepts the
   * first `write()` later, if the method usually has a body (not GET, HEAD, DELETE, OPTIONS, TRACE or CONNECT), or if the headers
   * announce a body (content-length, transfer-encoding).
   *
   * Bytes are not copied at once, so do not change them before the response has come.
   *
   * @throws PythonError INVALID_REQUEST after the end of the body, or if the request has a `body`
   * @throws TypeError for a chunk that is not a string or bytes
   * @example
   * ```js
   * const request = new Request({ method: 'POST', url: '/upload' })
   * const answer = python.handleStream(request)
   * await request.write('first,')
   * await request.end('last')
   * const response = await answer
   * ```
   */
  write(chunk: Chunk): Promise<boolean>
  /**
   * Adds a last chunk, if there is one, and ends the body. If the body has ended already, or was passed as `body`, this does nothing.
   * A WebSocket is closed with 1000 after the written messages. The app's answers to them can still be read.
   */
  end(chunk?: Chunk): Promise<void>
  toJSON(): { method: string; url: string; headers: Record<string, string | string[]>; body: Request['body'] }
}

export interface ResponseInit {
  /**
   * The status, from 100 to 999.
   * @default 200
   */
  status?: number
  headers?: HeadersInit | null
  body?: Chunk | null
}

/** The response of an app. */
export class Response implements AsyncIterable<Buffer> {
  constructor(init?: ResponseInit)
  get status(): number
  set status(status: number)
  /** The headers, with names in lower case. The order and duplicates (set-cookie) are kept. */
  get headers(): Headers
  set headers(headers: HeadersInit)
  /** The whole body, which may be empty; null for a response of `handleStream`. */
  readonly body: Buffer | null
  /** Whether the status is from 200 to 299. */
  readonly ok: boolean
  /** The body as UTF-8. For a response of `handleStream`, the rest of the body. Rejects with a TypeError for a WebSocket. */
  text(): Promise<string>
  /** The body, parsed as JSON. Rejects with a SyntaxError if it is not JSON, and like {@link Response.text}. */
  json(): Promise<any>
  /** A copy of the body. */
  arrayBuffer(): Promise<ArrayBuffer>
  /**
   * The next chunk of the body; null after the last one. The high-water mark limits how much the app can send ahead of the reader.
   *
   * @throws PythonError if the app fails after the response has begun; all chunks before that come first
   * @throws the reason of `signal`, at once, if it is aborted
   */
  next(): Promise<Buffer | null>
  /** The close code of a WebSocket; null while it is open. 1011: the app has failed. 1006: the signal was aborted. */
  readonly code: number | null
  /** The reason of the close frame; '' if there is none. */
  readonly reason: string
  /**
   * Closes a WebSocket. The code is 1000 by default.
   *
   * @throws TypeError for a code or a reason (at most 123 bytes) that may not be sent
   */
  close(code?: number, reason?: string): void
  /** Stops reading: the app gets `http.disconnect`. Leaving a `for await` loop early does the same. */
  return(): Promise<{ done: true; value: undefined }>
  [Symbol.asyncIterator](): AsyncIterableIterator<Buffer>
  toJSON(): { status: number; headers: Record<string, string | string[]>; body: Buffer | null }
}

/** The result of `handleRequest` and `handleRequestSync`: a response with its whole body. */
export interface WholeResponse extends Response {
  readonly body: Buffer
}
