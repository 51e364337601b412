//! Every error of asgi-node, in one place.
//!
//! They have two readers. An app that called `send` wrongly gets a Python exception ([`Error::raises`]). A Node developer
//! gets a `PythonError` with a stable [`Error::code`].

/// The kind of Python exception that an error becomes in the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Raises {
    /// `TypeError`: a value of the wrong type.
    Type,
    /// `ValueError`: a value of the right type that HTTP does not allow.
    Value,
    /// `RuntimeError`: an event that is not allowed now.
    Runtime,
    /// `asgi_node.ClientDisconnected`, a subclass of `OSError` (ASGI HTTP 2.4).
    Disconnected,
}

/// What can go wrong, with the message that the user reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A value in an event has the wrong type. Becomes a Python `TypeError`.
    #[error("{0}")]
    WrongType(String),
    /// An event lacks a key, or HTTP forbids a value. Becomes a Python `ValueError`.
    #[error("{0}")]
    WrongValue(String),
    /// An event that is unknown, was not advertised, or comes at the wrong time. Becomes a Python `RuntimeError`.
    #[error("{0}")]
    WrongOrder(String),
    /// `send` after the client has gone. Becomes a Python `ClientDisconnected`.
    #[error("the client has disconnected")]
    ClientDisconnected,

    /// The bridge was used in a process that was forked from the serving process. Becomes a Python `RuntimeError`.
    #[error("this process was forked from the one that serves: receive and send work only there")]
    ForkedProcess,

    /// The flat head that the host handed over is malformed. Becomes a JS `PythonError`.
    #[error("malformed request: {0}")]
    InvalidRequest(String),
    /// A rule of the handler's rewriter turns this request into an invalid one. Becomes a JS `PythonError`, 500 on the wire.
    #[error("{rule}: {reason}")]
    RewriteFailed {
        /// The rule, as the user wrote it.
        rule: String,
        /// What is wrong with the result.
        reason: String,
    },
    /// The handler has its maximum number of requests in flight. Becomes a JS `PythonError`, 503 on the wire.
    #[error("{limit} requests are in flight, which is the limit (option maxConcurrency)")]
    Overloaded {
        /// The limit that was reached.
        limit: usize,
    },
    /// The handler was closed before or while the request was under way. Becomes a JS `PythonError`.
    #[error("The handler is closed")]
    HandlerClosed,
    /// The app raised. Becomes a JS `PythonError`; the traceback travels beside it.
    #[error("{0}")]
    AppError(String),
    /// The app returned without a complete response. Becomes a JS `PythonError`.
    #[error("{0}")]
    AppNoResponse(String),
    /// The app has not completed its response in time. Becomes a JS `PythonError`, 504 on the wire.
    #[error("The application has not completed its response in time (option requestTimeout)")]
    RequestTimeout,
    /// The event loop of the app cannot go on. Becomes a JS `PythonError`, 503 on the wire.
    #[error("the event loop of Python has ended, so its requests cannot continue: {0}")]
    LoopFailed(String),
    /// The event loop is blocked, so a start could not go on in time. Becomes a JS `PythonError`.
    #[error("{0}")]
    LoopBlocked(String),
    /// Node cannot hold a value of the response. Becomes a JS `PythonError`.
    #[error("{what} of {bytes} bytes is more than this Node can hold, or there is no memory for it")]
    ResponseTooLarge {
        /// Which value.
        what: &'static str,
        /// Its size.
        bytes: usize,
    },
    /// The worker that served the request has died. Becomes a JS `PythonError`, 502 on the wire.
    #[error("{0}")]
    WorkerDied(String),
    /// The interpreter could not be started. Becomes a JS `PythonError`.
    #[error("{0}")]
    PythonStartFailed(String),
    /// Another interpreter already runs; a process can have only one. Becomes a JS `PythonError`.
    #[error(
        "this process already runs {running}, so {wanted} cannot be started: one process has one interpreter. \
         Give both handlers the same `python` or `venv`, or run the second app in a process of its own (option `workers: 1`)"
    )]
    PythonConflict {
        /// The interpreter that runs.
        running: String,
        /// The one that was asked for.
        wanted: String,
    },
    /// The import of the app raised. Becomes a JS `PythonError`.
    #[error("{0}")]
    AppImportFailed(String),
    /// The app's lifespan did not start up in time. Becomes a JS `PythonError`.
    #[error("{0}")]
    StartupFailed(String),
    /// The app's lifespan did not shut down. Becomes a JS `PythonError`.
    #[error("{0}")]
    ShutdownFailed(String),
    /// `asgi_node.loading` refused the app; it chose the code and the message. Becomes a JS `PythonError`.
    #[error("{message}")]
    AppLoad {
        /// One of the `APP_…` and `MODULE_CONFLICT` codes of `asgi_node.errors`.
        code: String,
        /// What was wrong, where, and what to do.
        message: String,
    },
}

impl Error {
    /// The stable code that JavaScript sees.
    pub fn code(&self) -> &str {
        match self {
            Self::WrongType(_) | Self::WrongValue(_) | Self::WrongOrder(_) => "ASGI_PROTOCOL_ERROR",
            Self::ClientDisconnected => "CLIENT_DISCONNECTED",
            Self::ForkedProcess => "FORKED_PROCESS",
            Self::InvalidRequest(_) => "INVALID_REQUEST",
            Self::RewriteFailed { .. } => "REWRITE_FAILED",
            Self::Overloaded { .. } => "OVERLOADED",
            Self::HandlerClosed => "HANDLER_CLOSED",
            Self::AppError(_) => "APP_ERROR",
            Self::AppNoResponse(_) => "APP_NO_RESPONSE",
            Self::RequestTimeout => "REQUEST_TIMEOUT",
            Self::LoopFailed(_) => "EVENT_LOOP_FAILED",
            Self::LoopBlocked(_) => "EVENT_LOOP_BLOCKED",
            Self::ResponseTooLarge { .. } => "RESPONSE_TOO_LARGE",
            Self::WorkerDied(_) => "WORKER_DIED",
            Self::PythonStartFailed(_) => "PYTHON_START_FAILED",
            Self::PythonConflict { .. } => "PYTHON_CONFLICT",
            Self::AppImportFailed(_) => "APP_IMPORT_FAILED",
            Self::StartupFailed(_) => "LIFESPAN_STARTUP_FAILED",
            Self::ShutdownFailed(_) => "LIFESPAN_SHUTDOWN_FAILED",
            Self::AppLoad { code, .. } => code,
        }
    }

    /// The exception that the app gets.
    pub fn raises(&self) -> Raises {
        match self {
            Self::WrongType(_) => Raises::Type,
            Self::WrongValue(_) => Raises::Value,
            Self::ClientDisconnected => Raises::Disconnected,
            _ => Raises::Runtime,
        }
    }
}

/// A host-facing error with the Python traceback behind it.
#[derive(Debug, Clone)]
pub struct Traced {
    /// What the host reports.
    pub error: Error,
    /// The traceback as Python prints it; empty when no exception was the reason.
    pub traceback: String,
}

impl From<Error> for Traced {
    fn from(error: Error) -> Self {
        Self {
            error,
            traceback: String::new(),
        }
    }
}
