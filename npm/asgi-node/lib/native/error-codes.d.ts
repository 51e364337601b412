/** The code of a `PythonError`. Stable: match on it, not on the message. */
export type PythonErrorCode =
  /** The module is not there; the message says where Python looked. */
  | 'APP_NOT_FOUND'
  /** The module has no such attribute; the message lists those that it has. */
  | 'APP_ATTRIBUTE_NOT_FOUND'
  /** Importing the module, or calling the factory, raised: see `traceback`. */
  | 'APP_IMPORT_FAILED'
  /** What the attribute holds cannot be called. */
  | 'APP_NOT_CALLABLE'
  /** No interpreter was found; the message lists what was tried. */
  | 'PYTHON_NOT_FOUND'
  /** The interpreter has no shared library; the message says which package to install. */
  | 'LIBPYTHON_NOT_FOUND'
  /** Older than CPython 3.11, free-threaded, or another implementation. */
  | 'PYTHON_UNSUPPORTED'
  /** The interpreter did not come up. */
  | 'PYTHON_START_FAILED'
  /**
   * The worker that served the request has ended: the message has its exit code or signal, its last lines on stderr, and how many
   * requests were lost with it. Requests that it had not begun are not lost: another worker gets them.
   */
  | 'WORKER_DIED'
  /** This process runs another interpreter already: there can be one. */
  | 'PYTHON_CONFLICT'
  /** Two handlers want different modules of one name. */
  | 'MODULE_CONFLICT'
  /** The files of this package for this platform are missing. */
  | 'NATIVE_NOT_FOUND'
  /** Thrown by `import`: there is no build for this platform, or this Node is too old. */
  | 'UNSUPPORTED_PLATFORM'
  /** The app did not accept a WebSocket: see `status`, `headers` and `body` of its answer. */
  | 'WEBSOCKET_REJECTED'
  /** The app raised: see `traceback`. */
  | 'APP_ERROR'
  /** The exception of a record of Python's `logging`; it comes to a `logger` only. */
  | 'PYTHON_EXCEPTION'
  /** The app returned without a complete response. */
  | 'APP_NO_RESPONSE'
  /** The handler was closed before the request, or while it was on its way. */
  | 'HANDLER_CLOSED'
  /** A rule of `rewriter` makes of this request what no request can be; the message names the rule. */
  | 'REWRITE_FAILED'
  /**
   * The event loop of Python has ended, because an application has closed its selector, say. No request goes on, here or in any
   * handler on that loop; `live` of `health()` is false. A new handler gets a new loop.
   */
  | 'EVENT_LOOP_FAILED'
  /** More than `maxConcurrency` requests are on their way. */
  | 'OVERLOADED'
  /** The request body is larger than `maxBodySize`. */
  | 'BODY_TOO_LARGE'
  /** A body, a message or a text of the app's is larger than Node can hold, or there was no memory for it. */
  | 'RESPONSE_TOO_LARGE'
  /** The request has more header fields than the server keeps (`maxHeadersCount`). */
  | 'HEADERS_TOO_LARGE'
  /** The app had not completed its response after `requestTimeout`. */
  | 'REQUEST_TIMEOUT'
  /** Something blocks Python's event loop, so that a start or a close could not go on in time: `traceback` is where. */
  | 'EVENT_LOOP_BLOCKED'
  /** The app's lifespan start-up failed, or took too long: the message is the app's, or `traceback` says where. */
  | 'LIFESPAN_STARTUP_FAILED'
  /** The app's lifespan shutdown failed, or took too long. */
  | 'LIFESPAN_SHUTDOWN_FAILED'
  /** uvloop was asked for and is not installed. */
  | 'LOOP_NOT_AVAILABLE'
  /** The app is one of WSGI, and a2wsgi, which serves those, is not installed: the message has the command. */
  | 'WSGI_NOT_AVAILABLE'
  /** `handleRequestSync` was called from within a callback that Python's answer is being delivered to. */
  | 'SYNC_REENTRANT'
  /** The request cannot be sent as it is, its body has been used, or is longer or shorter than its content-length. */
  | 'INVALID_REQUEST'
  /** The body of a request has been read before it came to Python, by a body parser say. */
  | 'BODY_ALREADY_READ'
  /** `client` of a handler cannot follow a redirect: the message says which, and why. */
  | 'REDIRECT_FAILED'
  | (string & {})
