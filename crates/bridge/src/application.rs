//! One loaded app: what a handler serves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use asgi_node_core::{Error, Exchange, Failure, Notify, RequestHead, ResponseEvent, ResponseState, Windows};
use pyo3::prelude::*;

use crate::errors::{self, Traced};
use crate::event_loop::{EventLoop, LoopSide, Message};
use crate::exchange::HttpExchange;
use crate::scope::ScopeBuilder;

/// What a handler's options say about its app.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// `module:attribute`, or `None` when `module` and `attribute` are given.
    #[serde(default)]
    pub app: Option<String>,
    /// A module's dotted name.
    #[serde(default)]
    pub module: Option<String>,
    /// An attribute of it, dotted.
    #[serde(default)]
    pub attribute: Option<String>,
    /// Put first on `sys.path`.
    pub docroot: String,
    /// Whether the attribute is called to get the app.
    #[serde(default)]
    pub factory: bool,
    /// `auto`, `asyncio` or `uvloop`.
    #[serde(default = "auto")]
    pub r#loop: String,
    /// Bytes under way per direction and request.
    pub high_water_mark: usize,
    /// Requests in flight.
    pub max_concurrency: usize,
    /// Whether the app's task is cancelled when the client leaves.
    #[serde(default)]
    pub cancel_on_disconnect: bool,
    /// Milliseconds that a synchronous call may take; 0 for no limit. Other hosts have timers of their own.
    #[serde(default)]
    pub request_timeout: u64,
    /// The path under which the app is mounted, without a last slash.
    #[serde(default)]
    pub root_path: String,
    /// Whether the paths of requests hold it already; if not, it is put before them.
    #[serde(default)]
    pub root_path_stripped: bool,
}

impl Config {
    /// How long a synchronous call may take.
    pub fn time_limit(&self) -> Option<Duration> {
        (self.request_timeout > 0).then(|| Duration::from_millis(self.request_timeout))
    }
}

fn auto() -> String {
    "auto".into()
}

/// A loaded app on its event loop.
pub struct Application {
    event_loop: Arc<EventLoop>,
    /// `Runner.start(scope, exchange)` of `asgi_node.http`: makes the task.
    starter: Py<PyAny>,
    scopes: ScopeBuilder,
    window: usize,
    in_flight: AtomicUsize,
    limit: usize,
    closed: AtomicBool,
}

impl std::fmt::Debug for Application {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Application")
            .field("in_flight", &self.in_flight)
            .finish_non_exhaustive()
    }
}

/// What a host knows of a request when it submits it.
#[derive(Debug)]
pub struct Submission {
    /// The host's number for it.
    pub id: u32,
    /// The flat head.
    pub head: Vec<u8>,
    /// What is there of the body.
    pub body: Vec<u8>,
    /// Whether more of it follows by [`Exchange::push_body`].
    pub body_follows: bool,
    /// Whether the host takes everything at once: then there is no window towards it.
    pub collects: bool,
    /// Whether the client waits for `100 Continue`.
    pub expects_continue: bool,
}

impl Application {
    /// Imports the app. Runs on the event loop's thread, so that what the app makes at import belongs to the loop.
    pub fn load(
        py: Python<'_>,
        config: &Config,
        event_loop: Arc<EventLoop>,
        side: &LoopSide,
    ) -> Result<Arc<Self>, Traced> {
        let load = || -> PyResult<Py<PyAny>> {
            let (target, module, attribute) = (&config.app, &config.module, &config.attribute);
            let app = py
                .import("asgi_node.loading")?
                .call_method1("load_app", (target, module, attribute, &config.docroot, config.factory))?;
            let app = py.import("asgi_node.interface")?.call_method1("adapt", (app,))?;
            let cancel = config.cancel_on_disconnect;
            let runner = py
                .import("asgi_node.http")?
                .call_method1("Runner", (app, side.event_loop(py)?, &config.docroot, cancel))?;
            Ok(runner.getattr("start")?.unbind())
        };
        let starter = load().map_err(|raised| {
            errors::from_python(py, &raised, |message| Error::AppLoad {
                code: "APP_IMPORT_FAILED".into(),
                message,
            })
        })?;
        let scopes = ScopeBuilder::new(py, &config.root_path, config.root_path_stripped)
            .map_err(|raised| errors::from_python(py, &raised, Error::PythonStartFailed))?;
        Ok(Arc::new(Self {
            event_loop,
            starter,
            scopes,
            window: config.high_water_mark,
            in_flight: AtomicUsize::new(0),
            limit: config.max_concurrency,
            closed: AtomicBool::new(false),
        }))
    }

    /// Hands a request to the event loop. Called by the host; does not touch Python.
    pub fn submit(self: &Arc<Self>, request: Submission, host: Arc<dyn Notify>) -> Result<Arc<Exchange>, Error> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::HandlerClosed);
        }
        let head = RequestHead::parse(request.head)?;
        if self.in_flight.fetch_add(1, Ordering::AcqRel) >= self.limit {
            self.in_flight.fetch_sub(1, Ordering::AcqRel);
            return Err(Error::Overloaded { limit: self.limit });
        }
        let outbound = if request.collects { usize::MAX } else { self.window };
        let windows = Windows {
            inbound: self.window,
            outbound,
        };
        let event_loop = Arc::clone(&self.event_loop) as Arc<dyn Notify>;
        let exchange = Exchange::new(
            request.id,
            windows,
            request.body,
            !request.body_follows,
            event_loop,
            host,
        );
        if request.expects_continue {
            exchange.expect_continue();
        }
        let message = Message::Request(Arc::clone(self), Arc::clone(&exchange), head);
        self.event_loop.offer(message).map_err(|_| {
            self.done();
            Error::Overloaded { limit: self.limit }
        })?;
        Ok(exchange)
    }

    /// Starts the app's task for a request. Never raises: what goes wrong is the request's outcome.
    pub(crate) fn start(
        self: &Arc<Self>,
        py: Python<'_>,
        side: &Arc<LoopSide>,
        exchange: Arc<Exchange>,
        head: &RequestHead,
    ) {
        let core = Arc::clone(&exchange);
        let started = self.scopes.build(py, head).and_then(|scope| {
            let state = ResponseState::new(head.method());
            let exchange = HttpExchange::new(exchange, Arc::clone(side), Arc::clone(self), state, head);
            self.starter
                .bind(py)
                .call1((scope, Bound::new(py, exchange)?))
                .map(drop)
        });
        if let Err(raised) = started {
            // Without memory for a dict, say; the HttpExchange, if it got so far, has ended with its own failure.
            let failure = Failure {
                error: Error::AppError(raised.to_string()),
                traceback: errors::traceback(py, &raised),
                started: false,
            };
            core.emit(ResponseEvent::Failed(failure));
        }
    }

    /// One request fewer in flight.
    pub(crate) fn done(&self) {
        self.in_flight.fetch_sub(1, Ordering::AcqRel);
    }

    /// Requests whose app has not returned.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Acquire)
    }

    /// Refuses requests from now on.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }
}
