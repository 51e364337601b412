/** The code of a `PythonError`. Stable: match on it, not on the message. */
export type PythonErrorCode =
  /** There is no such module; the message says where Python looked. */
  | 'APP_NOT_FOUND'
  /** The module has no such attribute; the message lists those that it has. */
  | 'APP_ATTRIBUTE_NOT_FOUND'
  /** The import of the module, or the factory, raised an exception: see `traceback`. */
  | 'APP_IMPORT_FAILED'
  /** The attribute's value cannot be called. */
  | 'APP_NOT_CALLABLE'
  /** No interpreter was found; the message lists what was tried. */
  | 'PYTHON_NOT_FOUND'
  /** The interpreter has no shared library; the message says which package to install. */
  | 'LIBPYTHON_NOT_FOUND'
  /** Older than CPython 3.11, free-threaded, or another implementation. */
  | 'PYTHON_UNSUPPORTED'
  /** The interpreter did not start. */
  | 'PYTHON_START_FAILED'
  /**
   * The worker that served the request has ended. The message has its exit code or signal, its last lines on stderr, and the number
   * of requests that were lost. Requests that it had not begun are not lost: another worker gets them.
   */
  | 'WORKER_DIED'
  /** This process already runs another interpreter. There can be only one. */
  | 'PYTHON_CONFLICT'
  /** Two open handlers without workers need different modules with the same name, or a module hides one of Python's. */
  | 'MODULE_CONFLICT'
  /** The files of this package for this platform are missing. */
  | 'NATIVE_NOT_FOUND'
  /** Thrown by `import`: there is no build for this platform, or the Node version is too old. */
  | 'UNSUPPORTED_PLATFORM'
  /** The app did not accept a WebSocket: `status`, `headers` and `body` are its response. */
  | 'WEBSOCKET_REJECTED'
  /** The app raised an exception: see `traceback`. */
  | 'APP_ERROR'
  /** The exception of a log record of Python's `logging`. Only a `logger` gets it. */
  | 'PYTHON_EXCEPTION'
  /** The app returned without a complete response. */
  | 'APP_NO_RESPONSE'
  /** The handler was closed before the request, or while it was under way. */
  | 'HANDLER_CLOSED'
  /** A rule of `rewriter` turned this request into an invalid one; the message names the rule. */
  | 'REWRITE_FAILED'
  /**
   * The event loop of Python has ended, for example because an application has closed its selector. No handler on that loop can
   * continue its requests, and `live` of `health()` is false. A new handler gets a new loop.
   */
  | 'EVENT_LOOP_FAILED'
  /** More than `maxConcurrency` requests are under way. */
  | 'OVERLOADED'
  /** The request body is larger than `maxBodySize`. */
  | 'BODY_TOO_LARGE'
  /** A body, a message or a text of the app is larger than Node can hold, or there was no memory for it. */
  | 'RESPONSE_TOO_LARGE'
  /** The request has more header fields than the server keeps (`maxHeadersCount`). */
  | 'HEADERS_TOO_LARGE'
  /** The app had not completed its response after `requestTimeout`. */
  | 'REQUEST_TIMEOUT'
  /** Python's event loop is blocked, so a start or a close could not go on in time: `traceback` shows where. */
  | 'EVENT_LOOP_BLOCKED'
  /** The app's lifespan start-up failed or took too long. The message is the app's, or `traceback` shows where. */
  | 'LIFESPAN_STARTUP_FAILED'
  /** The app's lifespan shutdown failed or took too long. */
  | 'LIFESPAN_SHUTDOWN_FAILED'
  /** The option `loop` is `uvloop`, and uvloop is not installed. */
  | 'LOOP_NOT_AVAILABLE'
  /** The app is a WSGI application, and the package a2wsgi is not installed: the message has the command. */
  | 'WSGI_NOT_AVAILABLE'
  /** `handleRequestSync` was called inside a callback that is receiving a response. */
  | 'SYNC_REENTRANT'
  /** The request is not valid, its body has been used already, or the body's length is not its content-length. */
  | 'INVALID_REQUEST'
  /** Something, for example a body parser, has read the body of the request before Python could. */
  | 'BODY_ALREADY_READ'
  /** A handler's `client` cannot follow a redirect: the message says which one, and why. */
  | 'REDIRECT_FAILED'
  | (string & {})
