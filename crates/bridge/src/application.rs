//! One loaded app: what a handler serves. It takes requests from a host's thread and starts them on the event loop's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use asgi_node_core::{Error, Exchange, Failure, Limits, Notify, RequestHead, ResponseEvent, Windows, websocket};
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::PyDict;

pub use asgi_node_core::Submission;

use crate::asgi::{PyChannel, ScopeBuilder};
use crate::errors;
use crate::event_loop::{Dependent, EventLoop, LoopSide, Message, Service, watchdog};
use crate::health::{Counters, Health};
use crate::interpreter::exit;
use asgi_node_core::Config;

mod lifecycle;
mod overdue;

/// A loaded app on its event loop.
pub struct Application {
    event_loop: Arc<EventLoop>,
    /// `Runner.start(scope, channel)` of `asgi_node.runtime.runner`: makes the task.
    starter: Py<PyAny>,
    /// The `Runner` itself.
    runner: Py<PyAny>,
    scopes: ScopeBuilder,
    counters: Arc<Counters>,
    window: Limits,
    /// Milliseconds that a request may take; 0 for no limit.
    request_timeout: u64,
    /// The same for what the app receives.
    inbound: Limits,
    /// The host is notified whenever the app has received so many bytes of a request body; 0 for never.
    receipt: usize,
    shutdown_timeout: u64,
    max_queue: usize,
    /// Extensions that this app is not offered.
    withheld: u32,
    closed: AtomicBool,
    open: exit::Open,
    /// Whoever waits for the end of [`Self::close`].
    closing: Mutex<Option<Arc<dyn Dependent>>>,
}

impl std::fmt::Debug for Application {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Application")
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

impl Application {
    /// An app that is up already: what `runner`, a `Runner` of `asgi_node.runtime.runner`, runs.
    pub(crate) fn new(config: &Config, event_loop: Arc<EventLoop>, runner: &Bound<'_, PyAny>) -> PyResult<Arc<Self>> {
        let window = config.window();
        let app = Arc::new(Self {
            event_loop,
            starter: runner.getattr("start")?.unbind(),
            scopes: ScopeBuilder::new(
                &runner.getattr("state")?.cast_into()?,
                &config.root_path,
                config.root_path_stripped,
            )?,
            runner: runner.clone().unbind(),
            counters: Arc::new(Counters::new(config.max_concurrency)),
            window,
            request_timeout: config.request_timeout,
            // A window that one byte fills opens by each receipt.
            inbound: if config.tells_receipts {
                Limits::fixed(1)
            } else {
                window
            },
            // Less than half of the window that the host has, which opens again at half.
            receipt: if config.tells_receipts {
                (window.least / 4).max(1)
            } else {
                0
            },
            shutdown_timeout: config.shutdown_timeout,
            max_queue: if config.tells_receipts { 1 } else { config.max_queue },
            withheld: config.extensions.withheld(),
            closed: AtomicBool::new(false),
            open: exit::Open::new(),
            closing: Mutex::default(),
        });
        app.event_loop
            .tell_of_failure(&(Arc::clone(&app) as Arc<dyn Dependent>));
        if let (Some(log_queue), 1..) = (&config.log_queue, config.blocked_threshold) {
            let threshold = Duration::from_millis(config.blocked_threshold);
            watchdog::watch(&app.event_loop, &app.counters, Arc::clone(log_queue), threshold);
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
        self.submit_for(Arc::clone(self) as Arc<dyn Service>, request, host)
    }

    /// The same for a host that does something of its own before a request starts.
    pub(crate) fn submit_for(
        &self,
        service: Arc<dyn Service>,
        request: Submission,
        host: Arc<dyn Notify>,
    ) -> Result<Arc<Exchange>, Error> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::HandlerClosed);
        }
        if let Some(error) = self.event_loop.failure() {
            return Err(error);
        }
        let mut head = RequestHead::parse(request.head)?;
        head.withhold(self.withheld);
        self.counters.unreturned().begin()?;
        let outbound = if request.collects {
            Limits::fixed(usize::MAX)
        } else {
            self.window
        };
        let windows = Windows {
            inbound: self.inbound,
            outbound,
            lent: if request.borrows { outbound.most } else { 0 },
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
        if self.receipt > 0 {
            exchange.tell_receipts(self.receipt);
        }
        if request.body_follows
            && let Some(length) = head.body_length()
        {
            exchange.expect_body(length);
        }
        let message = Message::Request(service, Arc::clone(&exchange), head);
        if !self.event_loop.offer_quietly(message) {
            self.counters.done(&exchange);
            let failure = self.event_loop.failure();
            return Err(failure.unwrap_or(self.counters.unreturned().overloaded()));
        }
        self.counters.note_submitted();
        watchdog::wake();
        Ok(exchange)
    }

    /// Starts a request. `number` is its sequence number in the host; without one, the requests are numbered here.
    pub(crate) fn begin(
        &self,
        py: Python<'_>,
        side: &Arc<LoopSide>,
        exchange: Arc<Exchange>,
        head: &RequestHead,
        number: Option<u64>,
    ) {
        let started = self.counters.note_started();
        let own = Arc::clone(&exchange);
        if let Err(raised) = self.run(py, side, exchange, head, number.unwrap_or(started)) {
            // Without memory for a dict, say.
            let failure = Failure {
                error: Error::AppError(errors::message(&raised)),
                traceback: errors::traceback(py, &raised),
                started: false,
                logged: false,
            };
            self.counters.note_failure();
            self.counters.done(&own);
            own.emit(ResponseEvent::Failed(failure));
        }
    }

    /// Makes scope and channel, and starts the task. From then on the Python half ends the channel, whatever happens.
    fn run(
        &self,
        py: Python<'_>,
        side: &Arc<LoopSide>,
        exchange: Arc<Exchange>,
        head: &RequestHead,
        number: u64,
    ) -> PyResult<()> {
        let make = || -> PyResult<(Bound<'_, PyDict>, Bound<'_, PyChannel>)> {
            if exchange.is_websocket() {
                let offered = websocket::subprotocols(head.headers());
                let scope = self.scopes.build_websocket(py, head, &offered)?;
                let channel = PyChannel::websocket(exchange, number, side, &self.counters, offered);
                Ok((scope, Bound::new(py, channel)?))
            } else {
                let scope = self.scopes.build(py, head)?;
                let channel = PyChannel::http(exchange, number, side, &self.counters, head);
                Ok((scope, Bound::new(py, channel)?))
            }
        };
        let (scope, channel) = make()?;
        self.starter.bind(py).call1((scope, channel)).map(drop)
    }

    /// Requests whose app has not returned.
    pub fn in_flight(&self) -> usize {
        self.counters.unreturned().in_flight()
    }

    /// How it is. Sends the loop a heartbeat too, so that the next call knows more. Does not touch Python.
    pub fn health(&self) -> Health {
        let now = Instant::now();
        let heartbeat = self.event_loop.heartbeat();
        let blocked = heartbeat.pending(now).unwrap_or_default();
        let health = Health {
            failed: self.event_loop.failure().is_some(),
            ..self
                .counters
                .health(heartbeat.lag(now), blocked, self.event_loop.kind())
        };
        self.event_loop.send_heartbeat();
        watchdog::wake();
        health
    }

    /// Refuses requests from now on.
    pub fn refuse(&self) {
        self.closed.store(true, Ordering::Release);
    }
}

impl Service for Application {
    fn start(self: Arc<Self>, py: Python<'_>, side: &Arc<LoopSide>, exchange: Arc<Exchange>, head: &RequestHead) {
        self.begin(py, side, exchange, head, None);
    }

    fn forget(&self, exchange: &Exchange) {
        self.counters.done(exchange);
    }
}

impl Dependent for Application {
    /// Nothing that is under way goes on.
    fn loop_failed(&self, error: &Error) {
        Python::attach(|py| {
            if let Err(raised) = self.runner.bind(py).call_method1("fail", (error.to_string(),)) {
                raised.write_unraisable(py, None);
            }
        });
    }
}
