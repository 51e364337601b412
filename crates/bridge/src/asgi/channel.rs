//! One ASGI channel: what `receive` and `send` of a request and of a WebSocket have in common.
//!
//! A channel connects an [`Exchange`] of the core with the calls of an app that wait for it. What differs between HTTP and
//! WebSocket is a [`Protocol`].
//!
//! # Locks
//!
//! `progress` is locked by threads that hold the GIL only, and no Python code runs meanwhile. It is locked before the
//! exchange's own lock, never after it.

use std::fmt::Debug;
use std::sync::Arc;

use asgi_node_core::{Emitted, Error, Exchange, Failure, ResponseEvent};
use parking_lot::{Mutex, MutexGuard};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::outgoing::Outgoing;
use crate::errors::to_python;
use crate::event_loop::{Listener, LoopSide};
use crate::health::Counters;
use crate::interpreter::fork;

/// What a protocol adds to a channel. Functions that get the [`Progress`] run while it is locked.
pub(super) trait Protocol: Debug + Send + Sync + Sized + 'static {
    /// Which events the app may still send, and what waits with them.
    type State: Debug + Send;
    /// What one event of the app hands to the host.
    type Piece: Debug + Send;

    /// Whether the app has sent everything, or may send nothing more: its response is complete, its WebSocket closed.
    fn is_over(state: &Self::State) -> bool;

    /// Whether this piece may pass when the window is full: it holds no bytes of body or message.
    fn passes_full_window(piece: &Self::Piece) -> bool;

    /// Whether the host has been given this piece, and has not taken all of it yet.
    fn is_at_host(piece: &Self::Piece) -> bool;

    /// The next event of this piece for the host, and what is left of the piece.
    fn next_event(
        py: Python<'_>,
        state: &mut Self::State,
        piece: Self::Piece,
        exchange: &Exchange,
    ) -> (Option<ResponseEvent>, Option<Self::Piece>);

    /// What `receive` gives; `None` when it has to wait.
    fn receive<'py>(channel: &Arc<Channel<Self>>, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>>;

    /// The app's task has ended, and its channel is not over. The failure to report; `None` when this is a regular end.
    fn end(progress: &mut Progress<Self>, exchange: &Exchange, raised: Option<Raised>) -> Option<Raised>;

    /// The handler is closing.
    fn begin_shutdown(channel: &Arc<Channel<Self>>, py: Python<'_>);
}

/// Why an app's task ended.
#[derive(Debug)]
pub(super) struct Raised {
    error: Error,
    traceback: String,
    /// The app has logged it.
    logged: bool,
}

impl Raised {
    /// For a task that ended without an exception of the app's own.
    pub(super) fn without_exception(error: Error) -> Self {
        Self {
            error,
            traceback: String::new(),
            logged: false,
        }
    }
}

/// What changes during the life of a channel.
#[derive(Debug)]
pub(super) struct Progress<P: Protocol> {
    pub(super) state: P::State,
    pub(super) outgoing: Outgoing<P::Piece>,
    /// The host has been given something.
    pub(super) started: bool,
    /// Futures that the next change of the exchange resolves.
    waiters: Vec<Py<PyAny>>,
    /// Called when the client leaves.
    on_disconnect: Option<Py<PyAny>>,
    /// The app's task has ended.
    ended: bool,
    /// The app failed and the host has been told: whatever tasks that it left behind still send is dropped.
    abandoned: bool,
}

/// One request or one WebSocket, between its app and its host.
#[derive(Debug)]
pub(super) struct Channel<P: Protocol> {
    exchange: Arc<Exchange>,
    number: u64,
    side: Arc<LoopSide>,
    counters: Arc<Counters>,
    protocol: P,
    progress: Mutex<Progress<P>>,
}

impl<P: Protocol> Channel<P> {
    pub(super) fn new(
        exchange: Arc<Exchange>,
        number: u64,
        side: &Arc<LoopSide>,
        counters: &Arc<Counters>,
        protocol: P,
        state: P::State,
    ) -> Arc<Self> {
        Arc::new(Self {
            exchange,
            number,
            side: Arc::clone(side),
            counters: Arc::clone(counters),
            protocol,
            progress: Mutex::new(Progress {
                state,
                outgoing: Outgoing::default(),
                started: false,
                waiters: Vec::new(),
                on_disconnect: None,
                ended: false,
                abandoned: false,
            }),
        })
    }

    pub(super) fn exchange(&self) -> &Arc<Exchange> {
        &self.exchange
    }

    /// Whether nobody will read what the app has not sent yet: the client has left, or the host has given the request up.
    pub(super) fn is_unwanted(&self) -> bool {
        !self.is_over() && self.exchange.is_disconnected()
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn side(&self) -> &LoopSide {
        &self.side
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(super) fn protocol(&self) -> &P {
        &self.protocol
    }

    pub(super) fn progress(&self) -> MutexGuard<'_, Progress<P>> {
        self.progress.lock()
    }

    /// The progress, for a `send` that needs the client to be there.
    pub(super) fn connected(&self) -> PyResult<MutexGuard<'_, Progress<P>>> {
        let progress = self.progress.lock();
        if !P::is_over(&progress.state) && (progress.abandoned || self.exchange.is_disconnected()) {
            return Err(to_python(&Error::ClientDisconnected));
        }
        Ok(progress)
    }

    /// Whether everything that the app has to send was sent.
    pub(super) fn is_over(&self) -> bool {
        P::is_over(&self.progress.lock().state)
    }

    /// Whether `receive` has nothing more to wait for on this side.
    pub(super) fn is_over_or_abandoned(&self) -> bool {
        let progress = self.progress.lock();
        P::is_over(&progress.state) || progress.abandoned
    }

    /// Hands over what waits, after an event of the app; wakes other calls when it was the last one.
    pub(super) fn advance(self: &Arc<Self>, py: Python<'_>) {
        self.pump(py);
        if self.is_over() {
            // A receive() that another task waits in sees that it is over.
            self.wake_waiters(py);
        }
    }

    /// Hands over what waits, as far as the window allows; is called again when the window opens.
    pub(super) fn pump(self: &Arc<Self>, py: Python<'_>) {
        let mut progress = self.progress.lock();
        match progress.pump(py, &self.exchange) {
            Emitted::Open => {}
            Emitted::Full => {
                drop(progress);
                self.watch();
            }
            Emitted::Gone => {
                let dropped = progress.outgoing.abandon();
                drop(progress);
                drop(dropped);
            }
        }
    }

    /// Asks for [`Listener::wake`] when the exchange changes next.
    fn watch(self: &Arc<Self>) {
        let listener = Arc::clone(self) as Arc<dyn Listener>;
        self.side.wait(&self.exchange, listener);
    }

    /// Resolves the futures of all pending calls; each call then checks whether its wait is over.
    pub(super) fn wake_waiters(&self, py: Python<'_>) {
        let waiters = std::mem::take(&mut self.progress.lock().waiters);
        for future in waiters {
            let future = future.bind(py);
            let resolve = || -> PyResult<()> {
                if !future.call_method0(pyo3::intern!(py, "done"))?.is_truthy()? {
                    future.call_method1(pyo3::intern!(py, "set_result"), (py.None(),))?;
                }
                Ok(())
            };
            if let Err(raised) = resolve() {
                raised.write_unraisable(py, Some(future));
            }
        }
    }

    /// Calls `callback()` when the client leaves before the app's task has ended.
    pub(super) fn on_disconnect(self: &Arc<Self>, py: Python<'_>, callback: Py<PyAny>) {
        let before = self.progress.lock().on_disconnect.replace(callback);
        drop(before);
        self.check_disconnect(py);
    }

    /// Calls what waits for the client to leave, or goes on waiting.
    fn check_disconnect(self: &Arc<Self>, py: Python<'_>) {
        let Some(callback) = self.progress.lock().on_disconnect.take() else {
            return;
        };
        if !self.exchange.await_disconnect() {
            self.progress.lock().on_disconnect = Some(callback);
            return self.watch();
        }
        if let Err(raised) = callback.bind(py).call0() {
            raised.write_unraisable(py, Some(callback.bind(py)));
        }
    }

    /// The app's task has ended: by an exception when there is a message. Returns whether the host reports it.
    pub(super) fn finish(
        self: &Arc<Self>,
        py: Python<'_>,
        message: Option<String>,
        traceback: Option<String>,
        logged: bool,
    ) -> PyResult<bool> {
        if fork::is_child() {
            fork::leave(py)?;
        }
        let raised = message.map(|message| Raised {
            error: Error::AppError(message),
            traceback: traceback.unwrap_or_default(),
            logged,
        });
        let is_failure = raised.is_some();
        let reported = self.end(raised);
        if is_failure || reported {
            self.counters.note_failure();
        }
        let callback = self.progress.lock().on_disconnect.take();
        drop(callback);
        // What was accepted still goes out, though nobody awaits its send() any more.
        self.pump(py);
        if !self.progress.lock().outgoing.is_waiting() {
            self.side.forget(&self.exchange);
        }
        // A receive() that another task still waits in sees that the channel is over.
        self.wake_waiters(py);
        Ok(reported)
    }

    /// The event loop has failed: no task goes on, and what has not been handed over never will be.
    pub(super) fn fail(&self, error: &Error) {
        if self.end(Some(Raised::without_exception(error.clone()))) {
            return;
        }
        let progress = self.progress.lock();
        if progress.outgoing.is_waiting() {
            self.report(progress, Raised::without_exception(error.clone()));
        }
    }

    /// Records, once, that the app's task has ended. Returns whether the host was told of a failure.
    fn end(&self, raised: Option<Raised>) -> bool {
        if fork::is_child() {
            return false;
        }
        let mut progress = self.progress.lock();
        if std::mem::replace(&mut progress.ended, true) {
            return false;
        }
        self.counters.done(&self.exchange);
        if P::is_over(&progress.state) {
            return false;
        }
        match P::end(&mut progress, &self.exchange, raised) {
            Some(raised) => self.report(progress, raised) != Emitted::Gone,
            None => false,
        }
    }

    /// Tells the host of a failure in place of all that still waits.
    fn report(&self, mut progress: MutexGuard<'_, Progress<P>>, raised: Raised) -> Emitted {
        let dropped = progress.outgoing.abandon();
        progress.abandoned = true;
        let started = progress.started;
        drop(progress);
        // May free Python objects, whose finalizers may run Python code: not while the progress is locked.
        drop(dropped);
        self.exchange.emit(ResponseEvent::Failed(Failure {
            error: raised.error,
            traceback: raised.traceback,
            started,
            logged: raised.logged,
        }))
    }
}

impl<P: Protocol> Progress<P> {
    /// Hands over as much as the window allows. `Full`: the exchange tells when the window opens.
    fn pump(&mut self, py: Python<'_>, exchange: &Arc<Exchange>) -> Emitted {
        while let Some(piece) = self.outgoing.front() {
            if P::is_at_host(piece) {
                if exchange.is_taken() {
                    drop(self.outgoing.take());
                    self.outgoing.settle(None);
                    continue;
                }
                match exchange.poll_room() {
                    Emitted::Open => continue,
                    closed => return closed,
                }
            }
            match exchange.poll_room() {
                Emitted::Open => {}
                Emitted::Full if P::passes_full_window(piece) => {}
                closed => return closed,
            }
            let Some(piece) = self.outgoing.take() else { break };
            let (event, left) = P::next_event(py, &mut self.state, piece, exchange);
            self.outgoing.settle(left);
            self.started = true;
            if let Some(event) = event
                && exchange.emit(event) == Emitted::Gone
            {
                return Emitted::Gone;
            }
        }
        Emitted::Open
    }
}

impl<P: Protocol> Listener for Channel<P> {
    /// The window has opened, something has arrived, or the client has gone.
    fn wake(self: Arc<Self>, py: Python<'_>) {
        self.pump(py);
        self.wake_waiters(py);
        self.check_disconnect(py);
    }

    fn fail(self: Arc<Self>, _: Python<'_>, error: &Error) {
        Self::fail(&self, error);
    }
}

/// A channel whose calls of `receive` and `send` can wait, whatever its protocol.
pub(super) trait Waitable: Debug + Send + Sync {
    /// What `receive` gives; `None` when it has to wait.
    fn receive(self: Arc<Self>, py: Python<'_>) -> PyResult<Option<Bound<'_, PyDict>>>;

    /// Whether everything up to this ticket was handed to the host.
    fn is_flushed(&self, ticket: u64) -> bool;

    /// Whether nobody takes what is sent: the client has left, or has been told of the app's failure.
    fn is_gone(&self) -> bool;

    /// A future that the next change of the exchange resolves.
    fn add_waiter(self: Arc<Self>, py: Python<'_>) -> PyResult<Bound<'_, PyAny>>;
}

impl<P: Protocol> Waitable for Channel<P> {
    fn receive(self: Arc<Self>, py: Python<'_>) -> PyResult<Option<Bound<'_, PyDict>>> {
        P::receive(&self, py)
    }

    fn is_flushed(&self, ticket: u64) -> bool {
        self.progress.lock().outgoing.is_flushed(ticket)
    }

    fn is_gone(&self) -> bool {
        self.progress.lock().abandoned || self.exchange.is_disconnected()
    }

    fn add_waiter(self: Arc<Self>, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        let future = self.side.create_future(py)?;
        self.progress.lock().waiters.push(future.clone().unbind());
        self.watch();
        Ok(future)
    }
}

impl<P: Protocol> Drop for Channel<P> {
    fn drop(&mut self) {
        let destroyed = "the task of the application was destroyed before it ended";
        self.end(Some(Raised::without_exception(Error::AppNoResponse(destroyed.into()))));
    }
}
