//! One loaded app: what a handler serves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use asgi_node_core::{Error, Exchange, Failure, Notify, RequestHead, ResponseEvent, ResponseState, Windows, websocket};
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple};

use crate::asgi::http::HttpExchange;
use crate::asgi::scope::ScopeBuilder;
use crate::asgi::websocket::WebSocketExchange;
use crate::config::Config;
use crate::errors::{self, Traced};
use crate::event_loop::watchdog;
use crate::event_loop::{EventLoop, LoopSide, Message};
use crate::health::Health;
use crate::journal::Desk;

/// A loaded app on its event loop.
pub struct Application {
    event_loop: Arc<EventLoop>,
    /// `Runner.start(scope, exchange)` of `asgi_node.runtime.runner`: makes the task.
    starter: Py<PyAny>,
    /// The `Runner` itself.
    runner: Py<PyAny>,
    scopes: ScopeBuilder,
    window: usize,
    in_flight: AtomicUsize,
    limit: usize,
    shutdown_timeout: u64,
    max_queue: usize,
    /// Extensions that this app is not offered.
    withheld: u32,
    closed: AtomicBool,
    body_was_dropped: AtomicBool,
    submitted: AtomicU64,
    started: AtomicU64,
    failed: AtomicU64,
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
#[allow(clippy::struct_excessive_bools, reason = "they are independent facts")]
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
    /// Whether the request asks for a WebSocket: there is no body then, and messages follow by [`Exchange::push_message`].
    pub is_websocket: bool,
}

impl Application {
    /// Imports the app and waits for its start-up; then calls `done`, once, on the event loop's thread.
    pub fn load(
        py: Python<'_>,
        config: &Config,
        event_loop: Arc<EventLoop>,
        side: &LoopSide,
        done: impl FnOnce(Result<Arc<Self>, Traced>) + Send + 'static,
    ) {
        let done = Once::new(done);
        let (told, own) = (done.clone(), config.clone());
        let import_failed = |message| Error::AppLoad {
            code: "APP_IMPORT_FAILED".into(),
            message,
        };
        let finish = move |args: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| -> PyResult<()> {
            let py = args.py();
            let (runner, raised) = args.extract::<(Bound<'_, PyAny>, Option<Bound<'_, PyAny>>)>()?;
            told.call(match raised {
                Some(raised) => Err(errors::from_python(py, &PyErr::from_value(raised), import_failed)),
                None => Self::new(&own, Arc::clone(&event_loop), &runner)
                    .map_err(|raised| errors::from_python(py, &raised, Error::PythonStartFailed)),
            });
            Ok(())
        };
        let open = || {
            let (target, module, attribute) = (&config.app, &config.module, &config.attribute);
            // Python's calls take twelve arguments of a tuple, no more.
            let keywords = PyDict::new(py);
            keywords.set_item("journal", Desk::of(config))?;
            py.import("asgi_node.runtime.application")?.call_method(
                "open_application",
                (
                    side.event_loop(py)?,
                    target,
                    module,
                    attribute,
                    &config.docroot,
                    config.factory,
                    &config.interface,
                    config.wsgi_threads,
                    &config.lifespan,
                    seconds(config.startup_timeout),
                    config.cancel_on_disconnect,
                    PyCFunction::new_closure(py, None, None, finish)?,
                ),
                Some(&keywords),
            )
        };
        if let Err(raised) = open() {
            done.call(Err(errors::from_python(py, &raised, import_failed)));
        }
    }

    /// An app that is up already: what `runner`, a `Runner` of `asgi_node.runtime.runner`, runs.
    pub(crate) fn new(config: &Config, event_loop: Arc<EventLoop>, runner: &Bound<'_, PyAny>) -> PyResult<Arc<Self>> {
        let app = Arc::new(Self {
            event_loop,
            starter: runner.getattr("start")?.unbind(),
            scopes: ScopeBuilder::new(
                &runner.getattr("state")?.cast_into()?,
                &config.root_path,
                config.root_path_stripped,
            )?,
            runner: runner.clone().unbind(),
            window: config.high_water_mark,
            in_flight: AtomicUsize::new(0),
            limit: config.max_concurrency,
            shutdown_timeout: config.shutdown_timeout,
            max_queue: config.max_queue,
            withheld: config.extensions.withheld(),
            closed: AtomicBool::new(false),
            body_was_dropped: AtomicBool::new(false),
            submitted: AtomicU64::new(0),
            started: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        });
        if let (Some(journal), 1..) = (&config.journal, config.blocked_threshold) {
            watchdog::watch(
                &app,
                Arc::clone(journal),
                Duration::from_millis(config.blocked_threshold),
            );
        }
        Ok(app)
    }

    /// Hands a request to the event loop. Called by the host; does not touch Python.
    pub fn submit(self: &Arc<Self>, request: Submission, host: Arc<dyn Notify>) -> Result<Arc<Exchange>, Error> {
        let exchange = self.submit_quietly(request, host)?;
        self.wake();
        Ok(exchange)
    }

    /// Has the event loop look at what was submitted quietly.
    pub fn wake(&self) {
        self.event_loop.wake();
    }

    /// The same for a host that has more requests at hand: [`Self::wake`] must follow, so that one wake-up serves them all.
    pub fn submit_quietly(
        self: &Arc<Self>,
        request: Submission,
        host: Arc<dyn Notify>,
    ) -> Result<Arc<Exchange>, Error> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::HandlerClosed);
        }
        let mut head = RequestHead::parse(request.head)?;
        head.withhold(self.withheld);
        // In one order with what the watcher does before it goes to sleep.
        if self.in_flight.fetch_add(1, Ordering::SeqCst) >= self.limit {
            self.in_flight.fetch_sub(1, Ordering::AcqRel);
            return Err(Error::Overloaded { limit: self.limit });
        }
        let outbound = if request.collects { usize::MAX } else { self.window };
        let windows = Windows {
            inbound: self.window,
            outbound,
        };
        let event_loop = Arc::clone(&self.event_loop) as Arc<dyn Notify>;
        let exchange = if request.is_websocket {
            Exchange::websocket(request.id, windows, self.max_queue, event_loop, host)
        } else {
            let complete = !request.body_follows;
            Exchange::new(request.id, windows, request.body, complete, event_loop, host)
        };
        if request.expects_continue {
            exchange.expect_continue();
        }
        let message = Message::Request(Arc::clone(self), Arc::clone(&exchange), head);
        self.event_loop.offer_quietly(message).map_err(|_| {
            self.done();
            Error::Overloaded { limit: self.limit }
        })?;
        self.submitted.fetch_add(1, Ordering::Relaxed);
        watchdog::nudge();
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
        self.started.fetch_add(1, Ordering::Relaxed);
        let core = Arc::clone(&exchange);
        let started = if exchange.is_websocket() {
            self.start_websocket(py, side, exchange, head)
        } else {
            self.start_http(py, side, exchange, head)
        };
        if let Err(raised) = started {
            // Without memory for a dict, say.
            let failure = Failure {
                error: Error::AppError(errors::message(&raised)),
                traceback: errors::traceback(py, &raised),
                started: false,
            };
            self.note_failure();
            core.emit(ResponseEvent::Failed(failure));
        }
    }

    /// Whether this app has never before sent a body where none may be.
    pub(crate) fn is_first_dropped_body(&self) -> bool {
        !self.body_was_dropped.swap(true, Ordering::Relaxed)
    }

    fn start_http(
        self: &Arc<Self>,
        py: Python<'_>,
        side: &Arc<LoopSide>,
        exchange: Arc<Exchange>,
        head: &RequestHead,
    ) -> PyResult<()> {
        let made = self.scopes.build(py, head).and_then(|scope| {
            let state = ResponseState::new(head.method());
            let exchange = HttpExchange::new(exchange, Arc::clone(side), Arc::clone(self), state, head);
            Ok((scope, Bound::new(py, exchange)?.into_any()))
        });
        self.run(py, made)
    }

    fn start_websocket(
        self: &Arc<Self>,
        py: Python<'_>,
        side: &Arc<LoopSide>,
        exchange: Arc<Exchange>,
        head: &RequestHead,
    ) -> PyResult<()> {
        let offered = websocket::subprotocols(head.headers());
        let made = self.scopes.build_websocket(py, head, &offered).and_then(|scope| {
            let exchange = WebSocketExchange::new(exchange, Arc::clone(side), Arc::clone(self), offered);
            Ok((scope, Bound::new(py, exchange)?.into_any()))
        });
        self.run(py, made)
    }

    /// Starts the task. From here on the Python half ends the exchange, whatever happens.
    fn run(&self, py: Python<'_>, made: PyResult<(Bound<'_, PyDict>, Bound<'_, PyAny>)>) -> PyResult<()> {
        let (scope, exchange) = made.inspect_err(|_| self.done())?;
        self.starter.bind(py).call1((scope, exchange)).map(drop)
    }

    /// One request fewer in flight.
    pub(crate) fn done(&self) {
        self.in_flight.fetch_sub(1, Ordering::AcqRel);
    }

    /// Requests whose app has not returned.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    /// The number of the request that was started last. For the event loop's thread.
    pub(crate) fn latest(&self) -> u64 {
        self.started.load(Ordering::Relaxed)
    }

    /// The app has raised, or has not completed its response.
    pub(crate) fn note_failure(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn event_loop(&self) -> &Arc<EventLoop> {
        &self.event_loop
    }

    /// How it is. Asks the loop for a beat too, so that the next call knows more. Does not touch Python.
    pub fn health(&self) -> Health {
        let now = Instant::now();
        let pulse = self.event_loop.pulse();
        // First what is subtracted: a request may start between the two.
        let started = self.started.load(Ordering::Relaxed);
        let submitted = self.submitted.load(Ordering::Relaxed);
        let health = Health {
            in_flight: self.in_flight(),
            queued: submitted.saturating_sub(started),
            requests: submitted,
            errors: self.failed.load(Ordering::Relaxed),
            lag: pulse.lag(now),
            blocked: pulse.pending(now).unwrap_or_default(),
            r#loop: self.event_loop.kind(),
        };
        self.event_loop.beat();
        watchdog::nudge();
        health
    }

    /// Refuses requests from now on.
    pub fn refuse(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Refuses requests, ends what is under way (after `timeout` milliseconds by cancelling it) and the app's lifespan;
    /// then calls `done`, once.
    pub fn close(self: &Arc<Self>, timeout: u64, done: impl FnOnce(Result<(), Traced>) + Send + 'static) {
        self.refuse();
        let this = Arc::clone(self);
        // Behind all requests that were accepted: they have started when this runs.
        self.event_loop
            .call(move |py, side| this.close_on_loop(py, side, timeout, &Once::new(done)));
    }

    /// Has a close that is under way wait `timeout` milliseconds from now, if it would wait longer.
    pub fn hurry(self: &Arc<Self>, timeout: u64) {
        let this = Arc::clone(self);
        self.event_loop.call(move |py, _| {
            if let Err(raised) = this
                .runner
                .bind(py)
                .call_method1("shorten_timeout", (seconds(timeout),))
            {
                raised.write_unraisable(py, None);
            }
        });
    }

    fn close_on_loop(&self, py: Python<'_>, side: &LoopSide, timeout: u64, done: &Once<Result<(), Traced>>) {
        let failed = |message| Error::AppLoad {
            code: "LIFESPAN_SHUTDOWN_FAILED".into(),
            message,
        };
        let told = done.clone();
        let finish = move |args: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| -> PyResult<()> {
            let (_, raised) = args.extract::<(Bound<'_, PyAny>, Option<Bound<'_, PyAny>>)>()?;
            told.call(raised.map_or(Ok(()), |r| {
                Err(errors::from_python(args.py(), &PyErr::from_value(r), failed))
            }));
            Ok(())
        };
        let close = || {
            let callback = PyCFunction::new_closure(py, None, None, finish)?;
            let times = (seconds(timeout), seconds(self.shutdown_timeout));
            let arguments = (side.event_loop(py)?, &self.runner, times.0, times.1, callback);
            py.import("asgi_node.runtime.application")?
                .call_method1("close_application", arguments)
        };
        if let Err(raised) = close() {
            done.call(Err(errors::from_python(py, &raised, failed)));
        }
    }
}

/// A callback that is called at most once, from whichever of its copies comes first.
struct Once<T>(Arc<Mutex<Option<Callback<T>>>>);

type Callback<T> = Box<dyn FnOnce(T) + Send>;

impl<T> Clone for Once<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Once<T> {
    fn new(callback: impl FnOnce(T) + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Some(Box::new(callback)))))
    }

    fn call(&self, value: T) {
        let callback = self.0.lock().take();
        if let Some(callback) = callback {
            callback(value);
        }
    }
}

/// Milliseconds as Python has them.
fn seconds(milliseconds: u64) -> f64 {
    Duration::from_millis(milliseconds).as_secs_f64()
}
