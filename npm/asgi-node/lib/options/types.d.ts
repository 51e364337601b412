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
   * The interface of the app. `'auto'`: ASGI 3, unless it is certainly a double callable of ASGI 2, or certainly WSGI: it takes
   * `(environ, start_response)`, as Flask's and Django's apps do. A plain function that returns a coroutine is ASGI 3.
   * `'wsgi'` needs the Python package a2wsgi; without it the error is WSGI_NOT_AVAILABLE: see docs/python.md.
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
   * The event loop. `'auto'` is uvloop if it is installed and works, else asyncio.
   * @default 'auto'
   */
  loop?: 'auto' | 'asyncio' | 'uvloop'
  /**
   * The app's lifespan. `'auto'`: run it, and go on without it if the app does not know the protocol; `'on'`: such an app is
   * a failure; `'off'`: never run it.
   * @default 'auto'
   */
  lifespan?: 'auto' | 'on' | 'off'
  /**
   * Milliseconds that the application may take to start, from its import to the end of its lifespan's start-up; 0 for no
   * limit. The time also runs while the application blocks its event loop: then `ready()` rejects with EVENT_LOOP_BLOCKED.
   * @default 60_000
   */
  startupTimeout?: number
  /**
   * Milliseconds that the lifespan's shutdown may take; 0 for no limit. The time also runs while the shutdown blocks the event
   * loop: then `close()` rejects with EVENT_LOOP_BLOCKED.
   * @default 60_000
   */
  shutdownTimeout?: number
  /**
   * Milliseconds that the end of the process waits for Python's threads and `atexit`, if all handlers have been closed before.
   * Threads get half of it. With several handlers, the longest counts. While a handler is open, the process waits only
   * 90 milliseconds. Default 10,000.
   */
  exitTimeout?: number
  /**
   * Closes the handler when it is aborted, as `close()` does; an error of closing goes to the console. If it is already aborted,
   * the handler is closed from the beginning.
   */
  signal?: AbortSignal
  /**
   * The path under which the app is mounted, `root_path` in the scope: '' or a path that starts with "/"; a slash at its end is
   * dropped. It is put in front of every `path` and `raw_path` (the ASGI HTTP specification, "path"), because a proxy that
   * mounts an app usually strips it; see {@link rootPathStripped}. If Express has mounted the listener, `req.baseUrl` is added
   * to `root_path`, and the path is that of `req.originalUrl`.
   * @default ''
   */
  rootPath?: string
  /**
   * Whether the paths of requests already hold `rootPath`: then it is not put in front of them.
   * @default false
   */
  rootPathStripped?: boolean
  /**
   * Changes the method, path, query and headers of a request before the app sees it (docs/rewriting.md): a rewriter, or the rules
   * of a `Rewriter`. It is applied to all requests and WebSockets, however they come. Paths are those that the client sent, with
   * mounts but without `rootPath`; a path that is moved out of its mount no longer has a `root_path`. `upgrade.match`,
   * `trustProxy` and `accessLog` use the original request. A rule that cannot be applied fails the request with
   * REWRITE_FAILED; a client gets 500.
   */
  rewriter?: AnyRewriter | readonly RewriteRule[]
  /**
   * The proxies that are trusted. `X-Forwarded-For` of a trusted proxy sets `client` in the scope (with port 0 unless it has a
   * port), `X-Forwarded-Proto` sets `scheme`. `false`: none; `true`: all; a number: that many; or a list, also as one string with
   * commas, of addresses, ranges such as `10.0.0.0/8`, `'loopback'`, `'linklocal'`, `'uniquelocal'` and `'unix'`, which is the
   * peer of a Unix socket. The client is the right-most address that is not trusted. Default false: both headers are in the
   * scope as they came, and have no effect.
   */
  trustProxy?: boolean | number | string | readonly string[]
  /**
   * Bytes per request and direction that may be under way before the sender waits: request body that the app has not received,
   * response body that the client has not taken. By default it starts at 65,536, grows to at most 1,048,576 for a side that keeps
   * up, and shrinks again for a side that does not. A given number does not grow: set one for servers with very many slow
   * clients, or with little memory.
   * @default 65_536
   */
  highWaterMark?: number
  /**
   * Requests that may be under way; more are refused with OVERLOADED, by the listener with 503.
   * @default 65_536
   */
  maxConcurrency?: number
  /**
   * The most bytes of a request body. A larger one is refused before the app is called if its content-length says so, else when
   * the limit is reached: with BODY_TOO_LARGE, by the listener with 413, or by a cut connection if the response has begun. The
   * app gets `http.disconnect`.
   * @default Infinity
   */
  maxBodySize?: number
  /**
   * Milliseconds from the start of a request to the end of its response; 0 for no limit. After that the caller gets
   * REQUEST_TIMEOUT; a client gets 504 or, in the middle of a response, a cut connection; the app gets `http.disconnect`. It
   * does not apply to WebSockets, which have `websocket.acceptTimeout`.
   *
   * A request whose app goes on no longer counts against `maxConcurrency`: `health().abandoned` counts it. The app is cancelled
   * if it has not returned after the same time again, at most 5,000 ms. An app whose client has left may go on for
   * `requestTimeout`.
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
   * Extensions of ASGI that the app is offered if the connection supports them: `pathsend` (Node sends a file that the app
   * names) and `zerocopysend` (Node sends a part of a file that the app has opened). They are faster for large files, but off
   * by default, because middleware that looks at response bodies does not know these events: see docs/http.md.
   */
  extensions?: { pathsend?: boolean; zerocopysend?: boolean }
  websocket?: WebSocketOptions
  upgrade?: UpgradeOptions
  /**
   * Gets records of Python's `logging`, and failures that are not reported elsewhere: a pino logger, or an object with its
   * methods (docs/logging.md). It gets the records that no log handler of the app takes, with `logger` (the name), their extra
   * fields and `err` (a PythonError with the traceback). Default: the console gets warnings and errors.
   */
  logger?: Logger
  /**
   * One line on stdout for each request that is over, even if the client has left. `true` or `'uvicorn'`: uvicorn's format;
   * `'combined'`: Apache's; both end with the duration. `'json'`: one object ({@link AccessEntry}) a line. A function gets the
   * object.
   * @default false
   */
  accessLog?: boolean | 'uvicorn' | 'combined' | 'json' | AccessFunction
  /**
   * Where lines of Python's stdout and stderr go: `'inherit'` is this process's own streams; a function is called for each
   * line, without its end.
   * @default 'inherit'
   */
  stdio?: 'inherit' | LineFunction
  /**
   * Milliseconds that Python's event loop may be blocked before `logger` gets one warning, with the Python stack of the loop's
   * thread; 0 for never. It is checked while a request is under way.
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
   * (RTLD_DEEPBIND). `'auto'` is true if that helps and is safe. Default 'auto'. The first handler of the process decides.
   */
  deepbind?: 'auto' | boolean
  /**
   * How many Python processes of its own the handler runs its application in (docs/workers.md). 0: none, the application runs in
   * this process. With workers a crash of Python ends one process and not this one, and Python uses more than one core; each has its own
   * memory, lifespan and `state`. An object says more: see {@link WorkerOptions}.
   * @default 0
   */
  workers?: number | WorkerOptions
  /**
   * Whether files of the application are watched, and the workers replaced when some have changed (docs/workers.md). From the moment
   * a change is seen, requests wait in this process for the new code, as long as `requestTimeout` lets them; sockets stay open. New
   * code that does not start is said to `logger`, and the requests go to the old one. Wants `workers`. An object says more: see
   * {@link ReloadOptions}. The handler has to start once: `ready()` rejects as without this option.
   * @default false
   */
  reload?: boolean | ReloadOptions
}

/** The option `workers` in detail. 0 is no limit, and the default of all but `count`. */
export interface WorkerOptions {
  /**
   * How many, 1 to 1024.
   * @default 1
   */
  count?: number
  /** Requests after which a worker is replaced. The new one is ready before the old one gets no more requests. */
  maxRequests?: number
  /** Up to so many requests more, by chance, so that not all workers are replaced at once. */
  maxRequestsJitter?: number
  /** Bytes of resident memory from which on a worker is replaced. Looked at each second while it works. Linux only. */
  maxMemory?: number
  /** Milliseconds after which a worker is replaced. */
  maxAge?: number
  /** Milliseconds for which the event loop of a worker may be blocked while requests wait for it: then it is killed (WORKER_DIED). */
  killBlockedAfter?: number
  /** What the system refuses a worker. `memory`: bytes of address space (RLIMIT_AS), above which Python raises MemoryError. */
  resourceLimits?: { memory?: number }
}

/** The option `reload` in detail. */
export interface ReloadOptions {
  /** Folders, with all that is in them, and files. Default: the docroot. */
  paths?: string | readonly string[]
  /** Names (`*.html`), or paths below a folder that is watched (`templates/**`), that count beside `*.py`. */
  include?: string | readonly string[]
  /** Names and paths that do not count, beside those with a dot in front, `__pycache__`, `node_modules`, `venv` and `site-packages`. */
  exclude?: string | readonly string[]
  /**
   * Milliseconds without a further change after which the new code is loaded.
   * @default 50
   */
  delay?: number
}
