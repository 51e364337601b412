/**
 * asgi-node: Python ASGI applications inside Node.js.
 *
 * These types are the manual: shapes, units, defaults and errors are said here.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import type { Duplex } from 'node:stream'
import type { CallOptions } from './call/types.js'
import type { Health } from './log/health-types.js'
import type { PythonErrorCode } from './native/error-codes.js'
import type { PythonHandlerOptions } from './options/types.js'
import type { PythonInfo } from './python/types.js'
import type { ExistenceCondition } from './rewriter/types.js'
import type { WebSocketResponse } from './websocket/types.js'

export type { AppTarget, CallOptions } from './call/types.js'
export type { Health, WorkerHealth } from './log/health-types.js'
export type { AccessEntry, AccessFunction, LineFunction, LogLevel, LogMethod, Logger } from './log/types.js'
export type { PythonErrorCode } from './native/error-codes.js'
export type { PythonHandlerOptions, ReloadOptions, WorkerOptions } from './options/types.js'
export type { PythonInfo } from './python/types.js'
export * from './rewriter/types.js'
export type { UpgradeOptions, WebSocketMessage, WebSocketOptions, WebSocketResponse } from './websocket/types.js'

/** What goes wrong in Python, between Python and Node, or on the way there. */
export class PythonError extends Error {
  constructor(code: PythonErrorCode, message: string, details?: { traceback?: string; cause?: unknown; fix?: string })
  name: string
  /** What to do about it, where that is known: the last sentence of the message. */
  fix?: string
  /** Stable; see {@link PythonErrorCode}. */
  code: PythonErrorCode
  /** The Python traceback as Python prints it, where an exception was the reason. */
  traceback: string | undefined
  /** The HTTP status that fits, on errors that {@link PythonHandler.middleware} hands to `next` and of WEBSOCKET_REJECTED. */
  status?: number
  /** With the status, the rest of what the app answered to a WebSocket. */
  headers?: Headers
  body?: Buffer
}

/** One value, or several under one name. Numbers are turned into strings. */
export type HeaderValue = string | number | readonly (string | number)[]

/**
 * Where headers come from: a plain object (`undefined` values are left out), pairs, a flat array as
 * `IncomingMessage.rawHeaders` has it, our {@link Headers}, the WHATWG class, a Map, or any iterable of pairs.
 * Pairs are arrays; an array whose first item is a string is flat.
 */
export type HeadersInit =
  | Headers
  | Readonly<Record<string, HeaderValue | undefined>>
  | Iterable<readonly [string, HeaderValue]>
  | readonly string[]

/**
 * HTTP headers in their order, duplicates kept. Names are case-insensitive and come out in lower case. Values are
 * latin-1: one character per byte (RFC 9110, 5.5); spaces around them are dropped.
 *
 * Throws a TypeError that names the header for an invalid name or value (CR, LF, NUL and everything above U+00FF).
 */
export class Headers {
  constructor(init?: HeadersInit | null)
  /** How many there are, duplicates counted. */
  readonly size: number
  /** The last value of this name, or null. */
  get(name: string): string | null
  /** All values of this name in their order; an empty array where there is none. */
  getAll(name: string): string[]
  /** All values of this name, joined by commas, or null. Wrong for set-cookie, whose values may hold commas. */
  getLine(name: string): string | null
  has(name: string): boolean
  /** Replaces all values of this name, in the place of the first of them. True when there was one. */
  set(name: string, value: HeaderValue): boolean
  /** Adds a value after all others. True when there was one of this name already. */
  add(name: string, value: string | number): boolean
  /** Removes all values of this name. True when there was one. */
  delete(name: string): boolean
  clear(): void
  /** Name and value of each header. A snapshot, as the other lists are. */
  entries(): [string, string][]
  /** Each name once, in the order of its first header. */
  keys(): string[]
  /** The value of each header. */
  values(): string[]
  forEach(callback: (value: string, name: string, headers: Headers) => void, thisArg?: unknown): void
  [Symbol.iterator](): IterableIterator<[string, string]>
  /** A string where a name has one value, an array where it has more. */
  toJSON(): Record<string, string | string[]>
}

/** Bytes as they are; a string as UTF-8. */
export type Chunk = string | Uint8Array

/**
 * A request body. Streams and iterables are read one chunk at a time, no faster than the app receives, and can be used
 * once; they are cancelled (destroyed) when the response ends before they do. A chunk is a string or a Uint8Array.
 */
export type RequestBody = Chunk | ReadableStream<Chunk> | AsyncIterable<Chunk>

/** The two ends of a connection, as a `net.Socket` has them. They become `client` and `server` in the scope. */
export interface SocketInfo {
  readonly localAddress?: string
  readonly localPort?: number
  readonly localFamily?: string
  readonly remoteAddress?: string
  readonly remotePort?: number
  readonly remoteFamily?: string
}

export interface RequestInit {
  /** Any token (RFC 9110, 9.1), sent as given: methods are case-sensitive. Default GET. */
  method?: string
  /**
   * `http(s)://host/path?query`, or only a path with its query, which means http and no Host header. Nothing is
   * normalised; characters outside ASCII and spaces are percent-encoded. An absolute URL gives the scope its scheme and
   * server, and a Host header unless `headers` has one.
   */
  url: string | URL
  headers?: HeadersInit | null
  /**
   * Bytes and strings are sent with their content-length unless `headers` says content-length or transfer-encoding.
   * Without a body, {@link Request.write} can make one.
   */
  body?: RequestBody | null
  /** `client` and `server` of the scope. Default: no client; the server is that of an absolute URL. */
  socket?: SocketInfo | null
  /** Where {@link ExistenceCondition} looks in `matches` and `rewrite`, unless these are told. A handler has a docroot of its own. */
  docroot?: string | null
  /** A WebSocket request, for {@link PythonHandler.handleStream}. Default false, true for ws: and wss: URLs. */
  websocket?: boolean
}

/**
 * An HTTP request for a {@link PythonHandler}.
 *
 * Throws a TypeError that says what is wrong: method, url, a header, the body.
 *
 * `new Request({ url, websocket: true })` is a `Request<true>`, from which {@link PythonHandler.handleStream} knows that its messages
 * are read; so say it of a ws: URL as well.
 */
export class Request<IsWebSocket extends boolean = boolean> {
  constructor(init: RequestInit & { websocket?: IsWebSocket })
  get method(): string
  set method(method: string)
  /** As it was given. */
  get url(): string
  set url(url: string | URL)
  /** The path of the url, without the query. */
  readonly path: string
  /** Live: what is changed here is sent. */
  get headers(): Headers
  set headers(headers: HeadersInit)
  /** The body that was given, a Buffer if it was bytes or a string; null where there is none or it is written. */
  get body(): Buffer | ReadableStream<Chunk> | AsyncIterable<Chunk> | null
  set body(body: RequestBody | null)
  readonly socket: SocketInfo | null
  get docroot(): string | null
  set docroot(docroot: string | null)
  readonly websocket: IsWebSocket
  /**
   * Adds to the body. Works before and after the request is handed to the handler, at any size.
   *
   * Await it for back-pressure: it resolves to true when the chunk has been handed over, which waits for room; or to
   * false when nobody will take it any more, because the response is complete or was given up. It never waits for its own caller: it resolves at
   * once before the request is sent, and while the response has more unread bytes than the high-water mark. Where the
   * source is large and the response may be read slowly, pass a stream as `body` instead: that is always bounded.
   *
   * A request that was sent before its first `write()` stays open for one with `handleStream` only, and only when its
   * method usually has a body (not GET, HEAD, DELETE, OPTIONS, TRACE, CONNECT) or its headers announce one
   * (content-length, transfer-encoding). Elsewhere write first: an empty chunk is enough.
   *
   * Bytes are not copied at once: do not change them before the response is there.
   *
   * Rejects with INVALID_REQUEST after the end of the body, or when it was given as `body`; with a TypeError for a chunk
   * that is neither a string nor bytes.
   */
  write(chunk: Chunk): Promise<boolean>
  /**
   * Adds a last chunk, if one is given, and ends the body. Ending a body that has ended, or was given, does nothing.
   * A WebSocket is closed with 1000 behind what was written; what the app answers to that can still be read.
   */
  end(chunk?: Chunk): Promise<void>
  toJSON(): { method: string; url: string; headers: Record<string, string | string[]>; body: Request['body'] }
}

export interface ResponseInit {
  /** 100 to 999. Default 200. */
  status?: number
  headers?: HeadersInit | null
  body?: Chunk | null
}

/** What an app answered. */
export class Response implements AsyncIterable<Buffer> {
  constructor(init?: ResponseInit)
  get status(): number
  set status(status: number)
  /** Names in lower case, order and duplicates (set-cookie) kept. */
  get headers(): Headers
  set headers(headers: HeadersInit)
  /** The whole body (empty where there is none); null for a response of `handleStream`. */
  readonly body: Buffer | null
  /** Whether the status is one from 200 to 299. */
  readonly ok: boolean
  /** The body as UTF-8. Of a response of `handleStream`: all that is still to come. A WebSocket rejects with a TypeError. */
  text(): Promise<string>
  /** The body parsed as JSON. Rejects with a SyntaxError where it is no JSON, and as {@link Response.text} does. */
  json(): Promise<any>
  /** A copy of the body. */
  arrayBuffer(): Promise<ArrayBuffer>
  /**
   * The next chunk of the body, null after the last one. What the app sends ahead of the reader is bounded by the
   * high-water mark. Rejects with a {@link PythonError} when the app fails after the response has begun, after all chunks
   * that came before; with the signal's reason, at once, when it is aborted.
   */
  next(): Promise<Buffer | null>
  /** How a WebSocket has ended: the close code (1011 where the app failed, 1006 where the signal was aborted), null while it is open. */
  readonly code: number | null
  readonly reason: string
  /** Closes a WebSocket. Throws a TypeError for a code (default 1000) or reason (123 bytes) that may not be sent. */
  close(code?: number, reason?: string): void
  /** Reads no further: the app gets `http.disconnect`. Leaving a `for await` loop early does the same. */
  return(): Promise<{ done: true; value: undefined }>
  [Symbol.asyncIterator](): AsyncIterableIterator<Buffer>
  toJSON(): { status: number; headers: Record<string, string | string[]>; body: Buffer | null }
}

/** What `handleRequest` and `handleRequestSync` give: a response whose body is there. */
export interface WholeResponse extends Response {
  readonly body: Buffer
}

/**
 * What {@link PythonHandler.fetch} may be told of the connection. All of it is optional, and whatever else is in there
 * (the bindings of an application) is left alone.
 */
export interface FetchEnv {
  /**
   * The message that the Request was made from, as Hono's node-server passes it. Its target, headers and socket are used
   * where the Request does not say otherwise. Taken from `request.runtime.node` too, where srvx puts it.
   */
  incoming?: IncomingMessage | Http2ServerRequest | undefined
  outgoing?: ServerResponse | Http2ServerResponse | undefined
  /** `client` of the scope: host and port. Default: what srvx, `incoming` or `remoteAddr` know, else none. */
  client?: readonly [host: string, port: number] | undefined
  /** Deno's. */
  remoteAddr?: { readonly hostname: string; readonly port: number } | undefined
  /**
   * Where the app is mounted: `root_path` of the scope. Must start with "/". Both a Request whose URL begins with it and
   * one from which the router has stripped it are understood. Default: what `incoming.url` has in front of the Request's
   * path, else the handler's.
   */
  rootPath?: string | undefined
}

/** {@link PythonHandler.fetch}. */
export interface Fetch {
  (request: globalThis.Request, env?: FetchEnv): Promise<globalThis.Response>
  /** What a server passes: Hono's `c.env`, say. */
  (request: globalThis.Request, env: unknown): Promise<globalThis.Response>
}

export interface MiddlewareOptions {
  /**
   * A response of the app with status 404 is thrown away, whatever its body, and the next handler is called. It finds
   * the request as it came, but for a request body: that has gone to Python. Default false.
   */
  fallthrough?: boolean
}

/** A handler for Express, Connect and whatever calls handlers as they do. */
export type Middleware = (req: IncomingMessage | Http2ServerRequest, res: ServerResponse | Http2ServerResponse, next: (error?: any) => void) => void

/**
 * A Python ASGI application, started in this process and called without a network.
 *
 * ```js
 * const python = new PythonHandler({ app: 'main:app' })
 * createServer(python.listener).listen(3000)
 * ```
 *
 * An idle handler does not keep the process alive; a request that Python works on does.
 */
export class PythonHandler {
  /**
   * Checks the options at once (TypeError that names what is wrong) and returns; Python and the app start in the
   * background. A failure to start is what {@link ready} and every request reject with.
   */
  constructor(options: PythonHandlerOptions)

  /** The interpreter of this process; null until a handler of this thread has started it. */
  static readonly python: PythonInfo | null

  /**
   * Resolves when the interpreter is up and the app has started.
   *
   * @throws PythonError that prevented it: EVENT_LOOP_BLOCKED or LIFESPAN_STARTUP_FAILED after `startupTimeout`
   * @example
   * ```js
   * const python = new PythonHandler({ app: 'main:app' })
   * await python.ready()
   * ```
   */
  ready(): Promise<void>

  /**
   * The whole response at once.
   *
   * @throws PythonError APP_ERROR, APP_NO_RESPONSE, OVERLOADED, REQUEST_TIMEOUT, BODY_TOO_LARGE, INVALID_REQUEST,
   *   REWRITE_FAILED, HANDLER_CLOSED, or why the handler did not start
   * @throws TypeError for what is not a request; the error of a body stream; the reason of `signal`
   * @example
   * ```js
   * const { status, body } = await python.handleRequest({ url: '/items?page=2' })
   * ```
   */
  handleRequest(request: Request | RequestInit, options?: CallOptions): Promise<WholeResponse>

  /**
   * Opens a WebSocket without a socket (docs/websocket.md): resolves when the app has accepted it; read its messages with `for await`
   * or `next()`, send by {@link Request.write}. Rejects with WEBSOCKET_REJECTED, and the answer's `status`, `headers` and `body`,
   * when the app refuses, and as {@link handleRequest} does.
   */
  handleStream(request: Request<true> | (RequestInit & { websocket: true }), options?: CallOptions): Promise<WebSocketResponse>
  /**
   * Resolves at `http.response.start`; read the body with `for await` or {@link Response.next}. Rejects as
   * {@link handleRequest} does; what goes wrong later, the body rejects with. A response that nobody holds any more is
   * cancelled, and the app gets `http.disconnect`.
   *
   * @example
   * ```js
   * const response = await python.handleStream({ url: '/report.csv' })
   * for await (const chunk of response) process.stdout.write(chunk)
   * ```
   */
  handleStream(request: Request | RequestInit, options?: CallOptions): Promise<Response>

  /**
   * The same as {@link handleRequest}, blocking this thread until the answer is there (and until Python has started).
   * The body must be complete.
   *
   * @throws what {@link handleRequest} rejects with, and SYNC_REENTRANT while an event of a response is being delivered
   * @example
   * ```js
   * const { status } = python.handleRequestSync({ url: '/ready' })
   * ```
   */
  handleRequestSync(request: Request | RequestInit): WholeResponse

  /**
   * For `node:http`, `node:https` and `node:http2`: `createServer(python.listener)`, also as `checkContinue` listener; bound.
   * A body that has been read before is taken from `req.rawBody`, if that is a Buffer, and answered with 500 if not.
   *
   * Answers 500 where the app fails before its response, 504 after `requestTimeout`, 503 above `maxConcurrency` and after
   * {@link close}. It destroys the connection where the app fails in the middle. The client never sees an exception's text.
   *
   * @example
   * ```js
   * createServer(python.listener).on('upgrade', python.upgrade).listen(3000)
   * ```
   */
  readonly listener: (req: IncomingMessage | Http2ServerRequest, res: ServerResponse | Http2ServerResponse) => void

  /**
   * `server.on('upgrade', python.upgrade)`; bound. The app decides before the handshake is completed: it accepts, closes (403)
   * or sends a response of its own; when it fails, the client gets 500, later close code 1011. {@link close} ends
   * WebSockets with 1012. An upgrade that is not ours is left to the other 'upgrade' listeners: docs/websocket.md.
   *
   * @example
   * ```js
   * server.on('upgrade', python.upgrade)
   * ```
   */
  readonly upgrade: (req: IncomingMessage, socket: Duplex, head: Buffer) => void

  /**
   * WHATWG Request in, Response out; bound: `serve({ fetch: python.fetch })`, `app.mount('/py', python.fetch)`.
   *
   * Both bodies are streamed with back-pressure. Aborting `request.signal` and cancelling the response's body give the
   * app `http.disconnect`. Header values of one name are joined by ", ", except set-cookie.
   *
   * Resolves when the app has started its response, with a plain one of our own (400, 413, 431, 500, 503, 504) where it fails
   * before; an exception's text goes to the log, never into a Response. Where it fails in the middle, the body's stream
   * breaks off with a {@link PythonError} whose `cause` has the details. What a Response cannot have is mapped: a status
   * above 599 becomes 500 with the app's headers and body (RFC 9110, 15), 1xx is a failure of the app, and the body of a 204, 205, 304
   * or an answer to HEAD is dropped.
   *
   * Rejects, always for a reason on the caller's side, with the reason of `request.signal`, the error of the request's
   * body, BODY_ALREADY_READ, or a TypeError for a request or an `env` that is none. When the client of a server has left, it
   * resolves with an empty 499 instead. A body that is longer or shorter than its content-length is answered with 400, and the
   * app gets `http.disconnect`.
   *
   * The second argument is what Hono and others pass: see {@link FetchEnv}. What is not an object is ignored. A body that
   * nobody holds any more is cancelled.
   *
   * @example
   * ```js
   * const response = await python.fetch(new Request('http://localhost/items'))
   * ```
   */
  readonly fetch: Fetch

  /**
   * The signature of the global `fetch`, for SDKs that take one as an option; bound. A relative URL is one of the
   * application, and so is every other: no network is asked. Redirects within an origin are followed as `fetch` does.
   *
   * Rejects as {@link fetch} does, and with a TypeError "fetch failed" whose `cause` has code REDIRECT_FAILED: for a redirect
   * to another origin, more than 20 redirects, a redirect with `redirect: 'error'`, or one with a body that cannot be sent again.
   *
   * @example
   * ```js
   * const api = createClient({ baseUrl: 'http://localhost', fetch: python.client })
   * const response = await python.client('/items', { method: 'POST', body: JSON.stringify({ name: 'tea' }) })
   * ```
   */
  readonly client: (input: string | URL | globalThis.Request, init?: globalThis.RequestInit) => Promise<globalThis.Response>

  /**
   * For Express and Connect: `app.use('/api', python.middleware())`. Where it is mounted is `root_path` in the scope.
   *
   * An error before the response has begun goes to `next`, with a `status`: why the handler did not start, APP_ERROR and APP_NO_RESPONSE
   * (500), OVERLOADED and HANDLER_CLOSED (503), REQUEST_TIMEOUT (504), INVALID_REQUEST (400), BODY_TOO_LARGE (413),
   * HEADERS_TOO_LARGE (431). After that the connection
   * is destroyed, as by {@link listener}. Mount it in front of body parsers: where the body has been read already, the error is
   * BODY_ALREADY_READ, unless `req.rawBody` is a Buffer with it.
   *
   * @throws TypeError for an unknown option
   * @example
   * ```js
   * app.use('/api', python.middleware())
   * ```
   */
  middleware(options?: MiddlewareOptions): Middleware

  /**
   * Refuses requests from now on (HANDLER_CLOSED, and 503 by the listener), lets those that are under way come to their end,
   * then ends the app's lifespan. An event stream, or whoever waits for the client to leave, gets `http.disconnect` at once;
   * what is still under way after `timeout` milliseconds (default 30,000) is cancelled. The clients of WebSockets get 1012, and
   * no more time to answer than what is left of `timeout`, and five seconds, before their sockets are destroyed. It happens
   * once; repeated, it can only shorten the wait, as `close({ timeout: 0 })` on a second Ctrl-C does. The option `signal`
   * closes, too.
   *
   * With `delay`, a handler that is ready takes requests for so many milliseconds more (default 0), while `health()` says already that it
   * is not ready and draining: a load balancer needs some time to hear of it. `timeout` counts from then on. Repeated without `delay`, it
   * takes no more requests at once.
   *
   * @throws TypeError for an unknown option, or options that are not an object; the handler is not closed then
   * @throws PythonError LIFESPAN_SHUTDOWN_FAILED when the app's shutdown failed, EVENT_LOOP_BLOCKED when Python cannot go on;
   *   everything of the handler is released all the same
   * @example
   * ```js
   * process.once('SIGTERM', () => server.close(() => python.close()))
   * ```
   */
  close(options?: { timeout?: number; delay?: number }): Promise<void>
  [Symbol.asyncDispose](): Promise<void>

  /**
   * Replaces all workers by new ones, one after the other, and resolves when the last is ready: new code, a new lifespan, and no
   * request that fails. Each old worker finishes the requests that it has; its WebSockets are closed with 1012.
   *
   * Rejects with the reason when a new worker does not come up (`APP_IMPORT_FAILED` and so on): then the old ones go on. Throws a
   * TypeError without the option `workers`, and HANDLER_CLOSED.
   *
   * @example
   * process.on('SIGHUP', () => python.reload().catch(console.error))
   */
  reload(): Promise<void>

  /**
   * How it is, for a health check: at once, and without waiting for Python (docs/health.md). Each call sends the event loop a
   * heartbeat, so that the next one knows whether it was answered.
   *
   * @example
   * ```js
   * const { ready, live, inFlight } = python.health()
   * ```
   */
  health(): Health
}
