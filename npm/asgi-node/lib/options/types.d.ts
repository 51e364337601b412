/** The options of a handler, a part of index.d.ts. */
import type { AppTarget } from '../call/types.js'
import type { AccessEntry, AccessFunction, LineFunction, Logger } from '../log/types.js'
import type { AnyRewriter, RewriteRule } from '../rewriter/types.js'
import type { UpgradeOptions, WebSocketOptions } from '../websocket/types.js'

/** One of `app`, `appTarget` and `module` names the app. */
export interface PythonHandlerOptions {
  /** `'pkg.module:attribute'`, or in two parts. Imported by Python's own import system. */
  app?: string | AppTarget
  /** Another name for `app`. */
  appTarget?: string | AppTarget
  /** {@link AppTarget.module}, directly. */
  module?: string
  /** {@link AppTarget.attribute}, directly; with `module` only. */
  attribute?: string
  /** Folder that is put first on sys.path, and where a virtual environment is looked for. Default `process.cwd()`. */
  docroot?: string
  /**
   * The attribute is a function, plain or `async def`, that makes the app.
   * @default false
   */
  factory?: boolean
  /**
   * What the app speaks. `'auto'`: ASGI 3, unless it is certainly a double callable of ASGI 2, or certainly one of WSGI: it
   * takes `(environ, start_response)`, as Flask's and Django's do. A plain function that returns a coroutine is ASGI 3.
   * `'wsgi'` wants the Python package a2wsgi, else WSGI_NOT_AVAILABLE: see docs/python.md.
   * @default 'auto'
   */
  interface?: 'auto' | 'asgi3' | 'asgi2' | 'wsgi'
  /**
   * Requests that a WSGI app works on at once, each on a thread of its own; others wait. 1 to 1024.
   * @default 10
   */
  wsgiThreads?: number
  /** An interpreter: its path or a command name. Default: found, see the README. Not together with `venv`. */
  python?: string
  /** The folder of a virtual environment. */
  venv?: string
  /**
   * The event loop. `'auto'` is uvloop where it is installed and works, else asyncio.
   * @default 'auto'
   */
  loop?: 'auto' | 'asyncio' | 'uvloop'
  /**
   * The app's lifespan. `'auto'`: run it, and go on without if the app does not know the protocol; `'on'`: that is a
   * failure; `'off'`: never.
   * @default 'auto'
   */
  lifespan?: 'auto' | 'on' | 'off'
  /**
   * Milliseconds that the application may take to start, from its import to the end of its lifespan's start-up; 0 for no
   * limit. It counts while the application blocks its event loop, too: then `ready()` rejects with EVENT_LOOP_BLOCKED.
   * @default 60_000
   */
  startupTimeout?: number
  /**
   * Milliseconds that the lifespan's shutdown may take; 0 for no limit. It counts while the shutdown blocks the event loop,
   * too: then `close()` rejects with EVENT_LOOP_BLOCKED.
   * @default 60_000
   */
  shutdownTimeout?: number
  /**
   * Milliseconds that the end of the process waits for Python's threads and `atexit` when all handlers have been closed before;
   * threads get half of it. Of several handlers the longest counts. While a handler is open it is 90 milliseconds, whatever
   * this says. Default 10,000.
   */
  exitTimeout?: number
  /**
   * Closes the handler when it is aborted, as `close()` does; what that rejects with goes to the console. Aborted already:
   * the handler is closed from the beginning.
   */
  signal?: AbortSignal
  /**
   * The path under which the app is mounted, `root_path` in the scope: '' or one that starts with "/"; a slash at its end is
   * dropped. It is put in front of every `path` and `raw_path` (the ASGI HTTP specification, "path"), because a proxy that
   * mounts an app usually takes it away; see {@link rootPathStripped}. Where Express has mounted the listener, `req.baseUrl`
   * is added to `root_path`, and the path is that of `req.originalUrl`.
   * @default ''
   */
  rootPath?: string
  /**
   * The paths of requests hold `rootPath` already: it is not put in front of them.
   * @default false
   */
  rootPathStripped?: boolean
  /**
   * What happens to the method, path, query and headers of a request before the app sees it (docs/rewriting.md): a rewriter, or the rules
   * of a `Rewriter`. It is applied to all requests and WebSockets, however they come. Paths are those that the client sent, mounts
   * included and `rootPath` not; a path that is moved out of its mount has no `root_path` any more. `upgrade.match`, `trustProxy`
   * and `accessLog` go by what the client sent. A rule that cannot be applied to a request is REWRITE_FAILED, for a client 500.
   */
  rewriter?: AnyRewriter | readonly RewriteRule[]
  /**
   * Which proxies are believed when they say who the client is (`X-Forwarded-For`: `client` in the scope, with port 0 unless
   * they say it) and how it came (`X-Forwarded-Proto`: `scheme`): `false`, none; `true`, all; a number, that many of them; or
   * a list, also as one string with commas, of addresses, ranges such as `10.0.0.0/8`, `'loopback'`, `'linklocal'`,
   * `'uniquelocal'` and `'unix'`, which is the peer of a Unix socket. The client is the right-most address that is not
   * trusted. Default false: both headers are in the scope as they came, and mean nothing.
   */
  trustProxy?: boolean | number | string | readonly string[]
  /**
   * Bytes that may be on their way per request and direction before the sender waits: request body that the application has
   * not received, response body that the client has not taken. Left out, this is 65,536 and grows for a side that keeps up, to
   * at most 1,048,576, and goes back for one that does not. Given, it is that number and does not grow: for servers with very
   * many slow clients, or with little memory.
   * @default 65_536
   */
  highWaterMark?: number
  /**
   * Requests that may be on their way; above it they are refused with OVERLOADED, by the listener with 503.
   * @default 65_536
   */
  maxConcurrency?: number
  /**
   * Bytes of a request body. A larger one is refused before the app is called when its length says so, else when it comes to
   * that: BODY_TOO_LARGE, by the listener 413, or a cut connection where the response has begun; the app gets
   * `http.disconnect`.
   * @default Infinity
   */
  maxBodySize?: number
  /**
   * Milliseconds from the start of a request to the end of its response; after that the caller gets REQUEST_TIMEOUT, a
   * client 504 or, in the middle of a response, a cut connection, and the app `http.disconnect`; 0 is no limit. It does not
   * count for WebSockets, which have `websocket.acceptTimeout`.
   *
   * An app that goes on has its place among the `maxConcurrency` no longer: `health().abandoned` counts it. It is cancelled when
   * it has not returned after as long again, at most after 5,000 ms. One whose client has left may go on for `requestTimeout`.
   * @default 0
   */
  requestTimeout?: number
  /**
   * Whether the app's task is cancelled when the client leaves. By default it is not, as with other servers: it may wait
   * for `http.disconnect` in `receive()`, and its next `send()` raises.
   * @default false
   */
  cancelOnDisconnect?: boolean
  /**
   * Extensions of ASGI that the app is offered where the connection supports them: `pathsend` (Node sends a file that the
   * app names) and `zerocopysend` (a part of one that the app has opened). Faster for large files, and off by default,
   * because middleware that looks at response bodies does not know these events: see docs/http.md.
   */
  extensions?: { pathsend?: boolean; zerocopysend?: boolean }
  websocket?: WebSocketOptions
  upgrade?: UpgradeOptions
  /**
   * Where Python's `logging` and failures that nobody else is told of go: a pino logger, or an object with its methods
   * (docs/logging.md). A record that no log handler of the app takes comes here, with `logger` (its name), its extra fields
   * and `err` (a PythonError with the traceback). Default: the console gets warnings and errors.
   */
  logger?: Logger
  /**
   * One line on stdout for each request that is over, also where the client has left: `true` or `'uvicorn'` as uvicorn writes
   * it, `'combined'` as Apache does, both with the duration behind it, `'json'` one object ({@link AccessEntry}) a line; or a
   * function that gets the object.
   * @default false
   */
  accessLog?: boolean | 'uvicorn' | 'combined' | 'json' | AccessFunction
  /**
   * Where lines of Python's stdout and stderr go: `'inherit'`, to this process's own; or a function, called for each line
   * without its end.
   * @default 'inherit'
   */
  stdio?: 'inherit' | LineFunction
  /**
   * Milliseconds that Python's event loop may be blocked before `logger` is warned, once, with the Python stack of the loop's
   * thread; 0 for never. Looked at while a request is under way.
   * @default 1000
   */
  blockedThreshold?: number
  /**
   * Milliseconds that Python's event loop may be blocked before `live` of `health()` is false.
   * @default 30_000
   */
  unhealthyAfter?: number
  /**
   * Whether Python's extensions bind to their own libraries rather than to Node's copies of OpenSSL, zlib and libuv
   * (RTLD_DEEPBIND). `'auto'` is true where it helps and is safe. Default 'auto'. The first handler of the process decides.
   */
  deepbind?: 'auto' | boolean
}
