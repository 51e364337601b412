/**
 * asgi-node: Python ASGI applications inside Node.js.
 *
 * These types are the manual. They document shapes, units, defaults and errors.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import type { Duplex } from 'node:stream'
import type { CallOptions } from './call/types.js'
import type { Health } from './log/health-types.js'
import type { Headers, Request, RequestInit, Response, WholeResponse } from './message/types.js'
import type { PythonErrorCode } from './native/error-codes.js'
import type { PythonHandlerOptions } from './options/types.js'
import type { PythonInfo } from './python/types.js'
import type { WebSocketResponse } from './websocket/types.js'

export type { AppTarget, CallOptions } from './call/types.js'
export type { Health, WorkerHealth } from './log/health-types.js'
export type { AccessEntry, AccessFunction, LineFunction, LogLevel, LogMethod, Logger } from './log/types.js'
export * from './message/types.js'
export type { PythonErrorCode } from './native/error-codes.js'
export type { PythonHandlerOptions, ReloadOptions, WorkerOptions } from './options/types.js'
export type { PythonInfo } from './python/types.js'
export * from './rewriter/types.js'
export type { UpgradeOptions, WebSocketMessage, WebSocketOptions, WebSocketResponse } from './websocket/types.js'

/**
 * An error in Python, or between Node and Python. Match on its `code`.
 *
 * @example
 * ```js
 * try {
 *   await python.handleRequest({ url: '/' })
 * } catch (error) {
 *   if (error instanceof PythonError && error.code === 'APP_ERROR') console.error(error.traceback)
 * }
 * ```
 */
export class PythonError extends Error {
  constructor(code: PythonErrorCode, message: string, details?: { traceback?: string; cause?: unknown; fix?: string })
  name: string
  /** What you can do, if that is known. The message ends with it. */
  fix?: string
  /** Stable; see {@link PythonErrorCode}. */
  code: PythonErrorCode
  /** The Python traceback, as Python prints it, if the reason was an exception. */
  traceback: string | undefined
  /** The HTTP status: on errors that {@link PythonHandler.middleware} passes to `next`, and on WEBSOCKET_REJECTED. */
  status?: number
  /** On WEBSOCKET_REJECTED: the headers of the app's response. */
  headers?: Headers
  /** On WEBSOCKET_REJECTED: the body of the app's response. */
  body?: Buffer
}

/**
 * Information for {@link PythonHandler.fetch} about the connection. Everything is optional. Other properties, such as the bindings
 * of an application, are ignored.
 */
export interface FetchEnv {
  /**
   * The Node message from which the Request was created, as Hono's node-server passes it. Its target, headers and socket are used
   * unless the Request has other ones. It is also read from `request.runtime.node`, where srvx puts it.
   */
  incoming?: IncomingMessage | Http2ServerRequest | undefined
  /** The Node response. It shows whether the client has left. */
  outgoing?: ServerResponse | Http2ServerResponse | undefined
  /**
   * `client` of the scope: host and port.
   * @default from srvx, `incoming` or `remoteAddr`; otherwise none
   */
  client?: readonly [host: string, port: number] | undefined
  /** The address of the client, as Deno passes it. */
  remoteAddr?: { readonly hostname: string; readonly port: number } | undefined
  /**
   * Where the app is mounted: `root_path` of the scope. It must start with "/". The URL of the Request may contain it or not, because
   * some routers strip it.
   * @default the part of `incoming.url` before the Request's path; otherwise the handler's option
   */
  rootPath?: string | undefined
}

/** The type of {@link PythonHandler.fetch}. */
export interface Fetch {
  (request: globalThis.Request, env?: FetchEnv): Promise<globalThis.Response>
  /** With an environment of a server, for example Hono's `c.env`. */
  (request: globalThis.Request, env: unknown): Promise<globalThis.Response>
}

export interface MiddlewareOptions {
  /**
   * Whether the next handler is called if the app responds with 404. The app's response is dropped. The next handler gets the
   * request as it came, but without its body, which Python has read.
   * @default false
   */
  fallthrough?: boolean
}

/** A handler for Express, Connect, and other frameworks with the same kind of handlers. */
export type Middleware = (req: IncomingMessage | Http2ServerRequest, res: ServerResponse | Http2ServerResponse, next: (error?: any) => void) => void

/**
 * A Python ASGI application inside this process, which is called without a network. With the option `workers` it runs in
 * processes of its own.
 *
 * ```js
 * const python = new PythonHandler({ app: 'main:app' })
 * createServer(python.listener).listen(3000)
 * ```
 *
 * An idle handler does not keep the process alive. A request that is under way in Python does.
 */
export class PythonHandler {
  /**
   * Checks the options and returns at once. Python and the app start in the background. If the start fails, {@link ready} and every
   * request reject with the reason.
   *
   * @throws TypeError that names the wrong option
   */
  constructor(options: PythonHandlerOptions)

  /** The interpreter of this process. It is null until a handler of this thread has started it. */
  static readonly python: PythonInfo | null

  /**
   * Resolves when the interpreter and the app have started. With the option `workers`, a later call resolves when a worker is ready;
   * while no worker is ready and new ones fail again and again, it rejects with their error.
   *
   * @throws PythonError the reason of a failed start; after `startupTimeout` EVENT_LOOP_BLOCKED or LIFESPAN_STARTUP_FAILED
   * @example
   * ```js
   * const python = new PythonHandler({ app: 'main:app' })
   * await python.ready()
   * ```
   */
  ready(): Promise<void>

  /**
   * Sends a request and resolves to the whole response.
   *
   * @throws PythonError APP_ERROR, APP_NO_RESPONSE, OVERLOADED, REQUEST_TIMEOUT, BODY_TOO_LARGE, RESPONSE_TOO_LARGE, INVALID_REQUEST,
   *   REWRITE_FAILED, HANDLER_CLOSED, WORKER_DIED, EVENT_LOOP_FAILED, or the reason of a failed start
   * @throws TypeError if the argument is not a request
   * @throws the error of a body stream, or the reason of `signal`
   * @example
   * ```js
   * const { status, body } = await python.handleRequest({ url: '/items?page=2' })
   * ```
   */
  handleRequest(request: Request | RequestInit, options?: CallOptions): Promise<WholeResponse>

  /**
   * Opens a WebSocket without a socket (docs/websocket.md). It resolves when the app has accepted. Read messages with `for await` or
   * `next()`, and send them with {@link Request.write}.
   *
   * @throws PythonError WEBSOCKET_REJECTED, with the `status`, `headers` and `body` of the app's response, if the app refuses
   * @throws the errors of {@link handleRequest}
   * @example
   * ```js
   * const request = new Request({ url: '/ws', websocket: true })
   * const socket = await python.handleStream(request)
   * await request.write('hello')
   * for await (const { data } of socket) console.log(String(data))
   * ```
   */
  handleStream(request: Request<true> | (RequestInit & { websocket: true }), options?: CallOptions): Promise<WebSocketResponse>
  /**
   * Sends a request and resolves at `http.response.start`. Read the body with `for await` or {@link Response.next}. If something fails
   * later, reading the body rejects. A response that has been garbage-collected is cancelled, and the app gets `http.disconnect`.
   *
   * @throws the errors of {@link handleRequest}
   * @example
   * ```js
   * const response = await python.handleStream({ url: '/report.csv' })
   * for await (const chunk of response) process.stdout.write(chunk)
   * ```
   */
  handleStream(request: Request | RequestInit, options?: CallOptions): Promise<Response>

  /**
   * The same as {@link handleRequest}, but it blocks this thread until the response has come, and before that until Python has
   * started. The body must be complete.
   *
   * @throws the errors of {@link handleRequest}, and SYNC_REENTRANT inside a callback that is receiving a response
   * @example
   * ```js
   * const { status } = python.handleRequestSync({ url: '/ready' })
   * ```
   */
  handleRequestSync(request: Request | RequestInit): WholeResponse

  /**
   * The listener for `node:http`, `node:https` and `node:http2`: `createServer(python.listener)`. It also works for `checkContinue`.
   * It is bound. If other code has read the body before, it is taken from `req.rawBody`; if that is not a Buffer, the response is 500.
   *
   * The client gets 500 if the app fails before its response, 502 if its worker dies, 504 after `requestTimeout`, and 503 above
   * `maxConcurrency` or after {@link close}. If the app fails in the middle of its response, the connection is destroyed. The client never gets an exception's
   * text.
   *
   * @example
   * ```js
   * createServer(python.listener).on('upgrade', python.upgrade).listen(3000)
   * ```
   */
  readonly listener: (req: IncomingMessage | Http2ServerRequest, res: ServerResponse | Http2ServerResponse) => void

  /**
   * The listener for upgrades: `server.on('upgrade', python.upgrade)`. It is bound. The app decides before the handshake is complete:
   * it accepts, closes (403), or sends its own response. If the app fails, the client gets 500, or close code 1011 after the
   * handshake. If its worker dies, that is 502, or 1012. {@link close} ends WebSockets with 1012. Other upgrades are left to the other 'upgrade' listeners (docs/websocket.md).
   *
   * @example
   * ```js
   * server.on('upgrade', python.upgrade)
   * ```
   */
  readonly upgrade: (req: IncomingMessage, socket: Duplex, head: Buffer) => void

  /**
   * Takes a WHATWG Request and resolves to a Response: `serve({ fetch: python.fetch })`, `app.mount('/py', python.fetch)`. It is bound.
   *
   * Both bodies are streamed with back-pressure. When `request.signal` is aborted, or the response's body is cancelled, the app gets
   * `http.disconnect`. Header values with the same name are joined by ", ", except set-cookie.
   *
   * It resolves when the app has started its response. If the app fails before that, the Response is a plain one of our own (400, 413,
   * 431, 500, 502, 503, 504). An exception's text goes to the log, never into a Response. If the app fails later, the body's stream
   * ends with a {@link PythonError}, whose `cause` has the details.
   *
   * Some responses are not possible in WHATWG's class. A status above 599 becomes 500, with the app's headers and body (RFC 9110, 15).
   * A status 1xx counts as a failure of the app. The body of 204, 205, 304 and of a response to HEAD is dropped.
   *
   * If the client of a server has left, it resolves to an empty 499 and does not reject. If the length of a body is not its
   * content-length, the Response is 400, and the app gets `http.disconnect`.
   *
   * The second argument is the environment that Hono and others pass: see {@link FetchEnv}. A value that is not an object is ignored.
   * A response body that has been garbage-collected is cancelled.
   *
   * @throws the reason of `request.signal`, or the error of the request's body
   * @throws PythonError BODY_ALREADY_READ
   * @throws TypeError for an invalid request or `env`
   * @example
   * ```js
   * const response = await python.fetch(new globalThis.Request('http://localhost/items'))
   * ```
   */
  readonly fetch: Fetch

  /**
   * Has the signature of the global `fetch`, for SDKs with a `fetch` option. It is bound. Every URL goes to the application, relative
   * or absolute; nothing goes to the network. Redirects within an origin are followed.
   *
   * @throws the errors of {@link fetch}
   * @throws TypeError "fetch failed", whose `cause` has the code REDIRECT_FAILED: for a redirect to another origin, more than 20
   *   redirects, a redirect with `redirect: 'error'`, or a redirect with a body that cannot be sent again
   *
   * @example
   * ```js
   * const api = createClient({ baseUrl: 'http://localhost', fetch: python.client })
   * const response = await python.client('/items', { method: 'POST', body: JSON.stringify({ name: 'tea' }) })
   * ```
   */
  readonly client: (input: string | URL | globalThis.Request, init?: globalThis.RequestInit) => Promise<globalThis.Response>

  /**
   * A handler for Express and Connect: `app.use('/api', python.middleware())`. The mount path is `root_path` in the scope. Mount it
   * before body parsers. If one of them has read the body, the error is BODY_ALREADY_READ, unless `req.rawBody` is a Buffer with it.
   *
   * An error before the response has begun goes to `next`, with a `status`: APP_ERROR, APP_NO_RESPONSE, REWRITE_FAILED, BODY_ALREADY_READ
   * and the reason of a failed start (500), WORKER_DIED (502), OVERLOADED, HANDLER_CLOSED and EVENT_LOOP_FAILED (503),
   * REQUEST_TIMEOUT (504), INVALID_REQUEST (400), BODY_TOO_LARGE (413), HEADERS_TOO_LARGE (431). A later error destroys the connection, as with {@link listener}.
   *
   * @throws TypeError for an unknown option
   * @example
   * ```js
   * app.use('/api', python.middleware())
   * ```
   */
  middleware(options?: MiddlewareOptions): Middleware

  /**
   * Closes the handler. From now on it refuses requests (HANDLER_CLOSED; the listener answers 503). Requests under way are completed.
   * Then the app's lifespan ends.
   *
   * An event stream, or an app that waits for its client to leave, gets `http.disconnect` at once. Requests that are still under way
   * after `timeout` milliseconds are cancelled (default 30,000). Clients of WebSockets get close code 1012. They have the rest of
   * `timeout`, and at most five seconds, to answer; then their sockets are destroyed.
   *
   * A second call can only shorten the wait, for example `close({ timeout: 0 })` on a second Ctrl-C. The option `signal` closes the
   * handler, too.
   *
   * With `delay`, a ready handler takes requests for this many more milliseconds (default 0). During that time `health()` reports that it
   * is draining and not ready, so that a load balancer can notice. `timeout` begins after `delay`. A second call without `delay` ends
   * it at once.
   *
   * @throws TypeError for an unknown option, or options that are not an object; then the handler is not closed
   * @throws PythonError LIFESPAN_SHUTDOWN_FAILED if the app's shutdown failed, EVENT_LOOP_BLOCKED if Python cannot go on; the handler
   *   is released all the same
   * @example
   * ```js
   * process.once('SIGTERM', () => server.close(() => python.close()))
   * ```
   */
  close(options?: { timeout?: number; delay?: number }): Promise<void>
  /** For `await using`: the same as `close()`. */
  [Symbol.asyncDispose](): Promise<void>

  /**
   * Replaces all workers by new ones, one after the other, and resolves when the last one is ready. The new workers run the new code,
   * with a new lifespan. No request fails that ends within `workers.drainTimeout`: each old worker finishes its requests. Its WebSockets
   * are closed with 1012.
   *
   * @throws PythonError the reason, for example APP_IMPORT_FAILED, if a new worker does not start; then the old ones go on
   * @throws PythonError HANDLER_CLOSED
   * @throws TypeError without the option `workers`
   *
   * @example
   * ```js
   * process.on('SIGHUP', () => python.reload().catch(console.error))
   * ```
   */
  reload(): Promise<void>

  /**
   * The state of the handler, for a health check (docs/health.md). It returns at once and does not wait for Python. Each call sends the
   * event loop a heartbeat, so that the next call can tell whether the loop has answered.
   *
   * @example
   * ```js
   * const { ready, live, inFlight } = python.health()
   * ```
   */
  health(): Health
}
