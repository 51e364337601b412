/** The options of a handler, a part of index.d.ts. */
import type { AppTarget } from '../call/types.js'
import type { AccessEntry, AccessFunction, LineFunction, Logger } from '../log/types.js'
import type { AnyRewriter, RewriteRule } from '../rewriter/types.js'
import type { UpgradeOptions, WebSocketOptions } from '../websocket/types.js'

/** Options of a {@link PythonHandler}. One of `app`, `appTarget` and `module` is required. */
export interface PythonHandlerOptions {
  /** The app: `'pkg.module:attribute'`, or an object with the two parts. Python imports it with its own import system. */
  app?: string | AppTarget
  /** Another name for `app`. */
  appTarget?: string | AppTarget
  /** The module of the app, as {@link AppTarget.module}. */
  module?: string
  /**
   * The attribute of the app, as {@link AppTarget.attribute}. Only together with `module`.
   * @default 'app'
   */
  attribute?: string
  /**
   * The folder that is put first on `sys.path`. A virtual environment is looked for there, too.
   * @default process.cwd()
   */
  docroot?: string
  /**
   * Whether the attribute is a function, plain or `async def`, that returns the app.
   * @default false
   */
  factory?: boolean
  /**
   * The interface of the app. `'auto'` means ASGI 3, unless the app is certainly an ASGI 2 double callable or certainly WSGI. A WSGI
   * app takes `(environ, start_response)`, as those of Flask and Django. A plain function that returns a coroutine is ASGI 3.
   * `'wsgi'` needs the Python package a2wsgi. Without it, the error is WSGI_NOT_AVAILABLE: see docs/python.md.
   * @default 'auto'
   */
  interface?: 'auto' | 'asgi3' | 'asgi2' | 'wsgi'
  /**
   * The most requests that a WSGI app handles at once, each on its own thread; from 1 to 1024. Others wait.
   * @default 10
   */
  wsgiThreads?: number
  /**
   * The interpreter: its path or a command name. Not together with `venv`.
   * @default found as the README describes
   */
  python?: string
  /** The folder of a virtual environment. Not together with `python`. */
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
   * Threads get half of it. With several handlers, the longest time is used. While a handler is open, the process waits only
   * 90 milliseconds.
   * @default 10_000
   */
  exitTimeout?: number
  /**
   * When it is aborted, the handler is closed, as by `close()`. An error of closing goes to `logger`. If it is already aborted, the
   * handler is closed from the beginning.
   */
  signal?: AbortSignal
  /**
   * The path where the app is mounted, `root_path` in the scope: '' or a path that starts with "/". A slash at its end is dropped.
   * It is put before every `path` and `raw_path` (the ASGI HTTP specification, "path"), because a proxy that mounts an app usually
   * strips it; see {@link rootPathStripped}. If Express has mounted the listener, `req.baseUrl` is added to `root_path`, and the
   * path is that of `req.originalUrl`.
   * @default ''
   */
  rootPath?: string
  /**
   * Whether the paths of requests already begin with `rootPath`. Then it is not added.
   * @default false
   */
  rootPathStripped?: boolean
  /**
   * Changes the method, path, query and headers of a request before the app sees it (docs/rewriting.md): a rewriter, or the rules
   * of a `Rewriter`. It is applied to all requests and WebSockets. Paths are those that the client sent, with mounts but without
   * `rootPath`. A path that is moved out of its mount no longer has a `root_path`. `upgrade.match`, `trustProxy` and `accessLog` use
   * the original request. If a rule cannot be applied, the request fails with REWRITE_FAILED, and a client gets 500.
   */
  rewriter?: AnyRewriter | readonly RewriteRule[]
  /**
   * The proxies that are trusted. `X-Forwarded-For` of a trusted proxy sets `client` in the scope (with port 0 unless it has a
   * port), and `X-Forwarded-Proto` sets `scheme`. `false` trusts none, `true` trusts all, and a number trusts that many. A list, also as
   * one string with commas, has addresses, ranges such as `10.0.0.0/8`, `'loopback'`, `'linklocal'`, `'uniquelocal'` and `'unix'`
   * (the peer of a Unix socket). The client is the right-most address that is not trusted. With `false` both headers are in the scope
   * as they came, and have no effect.
   * @default false
   */
  trustProxy?: boolean | number | string | readonly string[]
  /**
   * Bytes per request and direction that may be under way before the sender waits: the request body that the app has not received, and
   * the response body that the client has not taken. By default the limit starts at 65,536. It grows to at most 1,048,576 for a side
   * that keeps up, and shrinks again for a side that does not. A number that you set does not grow. Set one for servers with very many
   * slow clients or with little memory.
   * @default 65_536
   */
  highWaterMark?: number
  /**
   * The most requests under way. More requests are refused with OVERLOADED; the listener answers 503.
   * @default 65_536
   */
  maxConcurrency?: number
  /**
   * The most bytes of a request body. A larger one is refused with BODY_TOO_LARGE: before the app is called if its content-length is
   * larger, otherwise when the limit is reached. The listener answers 413, or cuts the connection if the response has begun. The app
   * gets `http.disconnect`.
   * @default Infinity
   */
  maxBodySize?: number
  /**
   * Milliseconds from the start of a request to the end of its response; 0 for no limit. After that the caller gets REQUEST_TIMEOUT. A
   * client gets 504, or a cut connection in the middle of a response. The app gets `http.disconnect`. WebSockets have
   * `websocket.acceptTimeout` instead.
   *
   * If the app goes on, its request no longer counts against `maxConcurrency`, but in `health().abandoned`. After the same time again,
   * and at most 5,000 ms, the app is cancelled. An app whose client has left may go on for `requestTimeout`.
   * @default 0
   */
  requestTimeout?: number
  /**
   * Whether the app's task is cancelled when the client leaves. By default it is not, as with other servers. The app gets
   * `http.disconnect` from `receive()`, and its next `send()` raises an exception.
   * @default false
   */
  cancelOnDisconnect?: boolean
  /**
   * ASGI extensions that are offered to the app if the connection supports them: `pathsend` (Node sends a file that the app names) and
   * `zerocopysend` (Node sends a part of a file that the app has opened). They are faster for large files. They are off by default,
   * because middleware that reads response bodies may not know these events: see docs/http.md.
   * @default { pathsend: false, zerocopysend: false }
   */
  extensions?: { pathsend?: boolean; zerocopysend?: boolean }
  /** Limits and timing of WebSockets. */
  websocket?: WebSocketOptions
  /** Which upgrades the handler takes. */
  upgrade?: UpgradeOptions
  /**
   * The logger: a pino logger, or an object with its methods (docs/logging.md). It gets failures that are not reported elsewhere, and
   * those records of Python's `logging` that no log handler of the app takes. Each record has `logger` (its name), its extra fields
   * and `err` (a PythonError with the traceback).
   * @default warnings and errors go to the console
   */
  logger?: Logger
  /**
   * The access log: one line on stdout for each request at its end, even if the client has left. `true` or `'uvicorn'` is uvicorn's
   * format, `'combined'` is Apache's; both end with the duration. `'json'` writes one object ({@link AccessEntry}) per line. A function
   * gets the object.
   * @default false
   */
  accessLog?: boolean | 'uvicorn' | 'combined' | 'json' | AccessFunction
  /**
   * Where lines of Python's stdout and stderr go. `'inherit'` means the streams of this process. A function is called with each line,
   * without its line end.
   * @default 'inherit'
   */
  stdio?: 'inherit' | LineFunction
  /**
   * Milliseconds that Python's event loop may be blocked before `logger` gets one warning, with the Python stack of the loop's thread;
   * 0 for no warning. It is checked while a request is under way.
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
   * (RTLD_DEEPBIND). `'auto'` is true if that helps and is safe. The first handler of the process decides.
   * @default 'auto'
   */
  deepbind?: 'auto' | boolean
  /**
   * The number of Python processes that run the application (docs/workers.md). With 0 the application runs in this process. With
   * workers, a crash of Python ends one worker and not this process, and Python can use several cores. Each worker has its own memory,
   * lifespan and `state`. For more settings pass an object: see {@link WorkerOptions}.
   * @default 0
   */
  workers?: number | WorkerOptions
  /**
   * Whether the application's files are watched, and the workers are replaced when files change (docs/workers.md). It needs `workers`.
   * As soon as a change is seen, requests wait in this process for the new code, up to `requestTimeout`. Sockets stay open. If the new
   * code does not start, `logger` gets the reason, and the requests go to the old workers. The first start must succeed: `ready()`
   * rejects as without this option. For more settings pass an object: see {@link ReloadOptions}.
   * @default false
   */
  reload?: boolean | ReloadOptions
}

/** The option `workers` as an object. For all limits, 0 means no limit, and is the default. */
export interface WorkerOptions {
  /**
   * The number of workers, from 1 to 1024.
   * @default 1
   */
  count?: number
  /**
   * Replaces a worker after this many requests. The old worker gets requests until the new one is ready.
   * @default 0
   */
  maxRequests?: number
  /**
   * Adds a random number of requests up to this to `maxRequests`, so that not all workers are replaced at the same time.
   * @default 0
   */
  maxRequestsJitter?: number
  /**
   * Replaces a worker whose resident memory has this many bytes. It is checked every second while the worker has requests. Linux only.
   * @default 0
   */
  maxMemory?: number
  /**
   * Replaces a worker after this many milliseconds.
   * @default 0
   */
  maxAge?: number
  /**
   * Kills a worker (WORKER_DIED) whose event loop has been blocked for this many milliseconds while requests wait for it.
   * @default 0
   */
  killBlockedAfter?: number
  /**
   * The milliseconds that a replaced worker has to finish its requests: by `maxRequests`, `maxMemory`, `maxAge`, `reload()` or the
   * option `reload`. Those that take longer are cancelled, and fail with WORKER_DIED (502). 0 is no limit: the old worker stays as
   * long as one of its responses, for example an event stream, does not end.
   * @default 30_000
   */
  drainTimeout?: number
  /**
   * Limits by the operating system. `memory` is the most bytes of address space (RLIMIT_AS); above it Python raises MemoryError.
   * @default { memory: 0 }
   */
  resourceLimits?: { memory?: number }
}

/** The option `reload` as an object. */
export interface ReloadOptions {
  /**
   * The folders (with everything in them) and files to watch.
   * @default the docroot
   */
  paths?: string | readonly string[]
  /**
   * More files to watch in addition to `*.py`: names (`*.html`), or paths below a watched folder (`templates/**`).
   * @default []
   */
  include?: string | readonly string[]
  /**
   * Names and paths to ignore, in addition to names that begin with a dot, `__pycache__`, `node_modules`, `venv` and `site-packages`.
   * @default []
   */
  exclude?: string | readonly string[]
  /**
   * The new code is loaded when nothing has changed for this many milliseconds.
   * @default 50
   */
  delay?: number
}
