//! One request as Python sees it: what `receive` and `send` are methods of.

use std::sync::Arc;

use asgi_node_core::framing::Version;
use asgi_node_core::{Emitted, Error, Exchange, Failure, Received, RequestHead, ResponseEvent, ResponseState};
use parking_lot::{Mutex, MutexGuard};
use pyo3::prelude::*;

use crate::application::Application;
use crate::asgi::names::names;
use crate::asgi::outgoing::{Outgoing, Piece};
use crate::asgi::party::Party;
use crate::asgi::receive::Receive;
use crate::asgi::suspension::resolve_all;
use crate::asgi::{http_send, sending};
use crate::errors::to_python;
use crate::event_loop::LoopSide;
use crate::interpreter::fork;

/// The response's progress; the GIL is held whenever it is locked, and no Python code runs meanwhile.
#[derive(Debug)]
pub(crate) struct Progress {
    pub(crate) state: ResponseState,
    pub(crate) outgoing: Outgoing,
    /// Futures that the next news resolves.
    waiters: Vec<Py<PyAny>>,
    /// Called when the client leaves.
    on_disconnect: Option<Py<PyAny>>,
    /// The app's task has ended.
    ended: bool,
    /// It ended without a complete response: nobody takes what tasks that it left behind still send.
    abandoned: bool,
}

/// One HTTP request and its response.
#[pyclass(frozen, module = "asgi_node._native")]
#[derive(Debug)]
pub struct HttpExchange {
    core: Arc<Exchange>,
    number: u64,
    side: Arc<LoopSide>,
    app: Arc<Application>,
    version: Version,
    extensions: u32,
    takes_trailers: bool,
    pub(crate) progress: Mutex<Progress>,
}

impl HttpExchange {
    pub(crate) fn new(
        core: Arc<Exchange>,
        side: Arc<LoopSide>,
        app: Arc<Application>,
        state: ResponseState,
        head: &RequestHead,
    ) -> Self {
        let progress = Progress {
            state,
            outgoing: Outgoing::default(),
            waiters: Vec::new(),
            on_disconnect: None,
            ended: false,
            abandoned: false,
        };
        Self {
            core,
            number: app.latest(),
            side,
            app,
            version: head.version(),
            extensions: head.extensions(),
            takes_trailers: head.takes_trailers(),
            progress: Mutex::new(progress),
        }
    }

    pub(crate) fn app(&self) -> &Application {
        &self.app
    }

    pub(crate) fn core(&self) -> &Arc<Exchange> {
        &self.core
    }

    pub(crate) fn version(&self) -> Version {
        self.version
    }

    /// Whether the connection supports this extension ([`asgi_node_core::head`]).
    pub(crate) fn supports(&self, extension: u32) -> bool {
        self.extensions & extension != 0
    }

    /// Whether the client said `TE: trailers`.
    pub(crate) fn takes_trailers(&self) -> bool {
        self.takes_trailers
    }

    /// The progress, for a `send` that needs the client to be there.
    pub(crate) fn connected(&self) -> PyResult<MutexGuard<'_, Progress>> {
        let progress = self.progress.lock();
        if !progress.state.is_complete() && (progress.abandoned || self.core.is_disconnected()) {
            return Err(to_python(&Error::ClientDisconnected));
        }
        Ok(progress)
    }

    /// Whether nobody takes what is sent: the client has left, or has been told of the app's failure.
    pub(crate) fn is_gone(&self) -> bool {
        self.progress.lock().abandoned || self.core.is_disconnected()
    }

    pub(crate) fn holds_start(&self) -> bool {
        self.progress.lock().outgoing.holds_start()
    }

    /// What `receive` finds: a disconnect as soon as the response is complete (checklist 45).
    pub(crate) fn received(&self) -> Received {
        let progress = self.progress.lock();
        let over = progress.state.is_complete() || progress.abandoned;
        drop(progress);
        if over {
            Received::Disconnected
        } else {
            self.core.receive()
        }
    }

    /// A future that the next news resolves.
    pub(crate) fn add_waiter<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let this = slf.get();
        let future = this.side.create_future(slf.py())?;
        this.progress.lock().waiters.push(future.clone().unbind());
        Self::watch(slf);
        Ok(future)
    }

    /// Wants [`Self::wake`] at the next news of the core.
    pub(crate) fn watch(slf: &Bound<'_, Self>) {
        let this = slf.get();
        this.side.wait(&this.core, Party::Http(slf.clone().unbind()));
    }

    /// Holds the start until the next turn of the loop.
    pub(crate) fn hold(slf: &Bound<'_, Self>) -> PyResult<()> {
        slf.get().side.hold(slf.py(), slf.clone().unbind())
    }

    /// The held start goes out by itself: no body event came in time.
    pub(crate) fn flush_start(slf: &Bound<'_, Self>) {
        let this = slf.get();
        this.progress.lock().outgoing.flush_start(&this.core);
    }

    /// The core has news: the window has opened, body has arrived, or the client has gone.
    pub(crate) fn wake(slf: &Bound<'_, Self>) {
        let this = slf.get();
        Self::pump(slf);
        this.wake_waiters(slf.py());
        Self::after_news(slf);
    }

    /// Calls what waits for the client to leave, or goes on waiting.
    fn after_news(slf: &Bound<'_, Self>) {
        let this = slf.get();
        let Some(callback) = this.progress.lock().on_disconnect.take() else {
            return;
        };
        if !this.core.await_disconnect() {
            this.progress.lock().on_disconnect = Some(callback);
            return Self::watch(slf);
        }
        if let Err(raised) = callback.bind(slf.py()).call0() {
            raised.write_unraisable(slf.py(), Some(slf.as_any()));
        }
    }

    /// Hands over what waits; is called again when the window opens.
    pub(crate) fn pump(slf: &Bound<'_, Self>) {
        let this = slf.get();
        let mut progress = this.progress.lock();
        if !progress.outgoing.is_waiting() {
            return;
        }
        match progress.outgoing.pump(slf.py(), &this.core) {
            Emitted::Open => {}
            Emitted::Full => {
                drop(progress);
                Self::watch(slf);
            }
            Emitted::Gone => progress.outgoing.clear(),
        }
    }

    /// Resolves the futures of all pending calls.
    pub(crate) fn wake_waiters(&self, py: Python<'_>) {
        let waiters = std::mem::take(&mut self.progress.lock().waiters);
        resolve_all(py, waiters);
    }

    /// The app's task has ended, once. `Some` is the failure; tells whether the host was told of it.
    fn end(&self, failure: Option<(Error, String)>) -> bool {
        if fork::is_child() {
            return false;
        }
        let mut progress = self.progress.lock();
        if std::mem::replace(&mut progress.ended, true) {
            return false;
        }
        self.app.done();
        if progress.state.is_complete() {
            return false;
        }
        let (error, traceback) = failure.unwrap_or_else(|| {
            // That was asked for.
            let error = if self.core.is_retiring() {
                Error::HandlerClosed
            } else {
                no_response(&progress)
            };
            (error, String::new())
        });
        progress.outgoing.clear();
        progress.abandoned = true;
        let started = progress.outgoing.is_started();
        drop(progress);
        self.core.emit(ResponseEvent::Failed(Failure {
            error,
            traceback,
            started,
        })) != Emitted::Gone
    }

    /// The app's task has ended without an exception. Whether that is the end of a stream of events: its handler is closing, and
    /// its client is to come again, not to hear of a broken connection.
    fn end_stream(slf: &Bound<'_, Self>) -> bool {
        let this = slf.get();
        let mut progress = this.progress.lock();
        // In this order: most responses are none, and the core has a lock of its own.
        if progress.ended || !progress.state.is_event_stream() || !this.core.is_retiring() {
            return false;
        }
        let Ok(plan) = progress.state.body(0, false) else {
            return false;
        };
        progress.ended = true;
        progress.outgoing.accept(Piece::Body {
            data: names(slf.py()).no_bytes.clone_ref(slf.py()),
            last: plan.completes,
        });
        drop(progress);
        this.app.done();
        Self::pump(slf);
        true
    }
}

fn no_response(progress: &Progress) -> Error {
    Error::AppNoResponse(
        if progress.state.is_started() {
            "the application returned before its response was complete (no final http.response.body)"
        } else {
            "the application returned without sending http.response.start"
        }
        .into(),
    )
}

#[pymethods]
impl HttpExchange {
    /// The host's number for it.
    #[getter]
    fn id(&self) -> u32 {
        self.core.id()
    }

    /// The how manieth request of its app it is, which the host's log has too.
    #[getter]
    fn number(&self) -> u64 {
        self.number
    }

    /// The ASGI `receive` of this request.
    fn receive(slf: Py<Self>) -> PyResult<Receive> {
        fork::check()?;
        Ok(Receive::new(Party::Http(slf)))
    }

    /// The ASGI `send` of this request. Takes the event when it is called, raises when it is awaited.
    fn send<'py>(slf: &Bound<'py, Self>, event: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let sent = fork::check().and_then(|()| http_send::send(slf, event));
        sent.or_else(|raised| sending::refused(slf.py(), raised))
    }

    /// The handler is closing: `receive()` gives `http.disconnect` where it would wait for it; `send()` goes on.
    fn retire(&self) {
        self.core.retire();
    }

    /// Whether the client has left before its response was complete, or the app was told so.
    #[getter]
    fn is_left(&self) -> bool {
        self.core.is_told() || (!self.progress.lock().state.is_complete() && self.core.is_disconnected())
    }

    /// Whether it is a stream of server-sent events whose app has not received the disconnect that [`Self::retire`] gives.
    #[getter]
    fn is_deaf_stream(&self) -> bool {
        self.progress.lock().state.is_event_stream() && !self.core.is_told()
    }

    /// Calls `callback()` on the event loop's thread when the client leaves before the app's task has ended.
    fn on_disconnect(slf: &Bound<'_, Self>, callback: Py<PyAny>) {
        slf.get().progress.lock().on_disconnect = Some(callback);
        Self::after_news(slf);
    }

    /// The app's task has ended: by an exception when `message` is given. Returns whether the host reports it; if not,
    /// the response was complete, or the client had gone, and reporting is up to the caller.
    #[pyo3(signature = (message=None, traceback=None))]
    fn finish(slf: &Bound<'_, Self>, message: Option<String>, traceback: Option<String>) -> PyResult<bool> {
        let this = slf.get();
        if fork::is_child() {
            fork::leave(slf.py())?;
        }
        let raised = message.is_some();
        let told = (raised || !Self::end_stream(slf))
            && this.end(message.map(|m| (Error::AppError(m), traceback.unwrap_or_default())));
        if raised || told {
            this.app.note_failure();
        }
        let mut progress = this.progress.lock();
        // What was accepted still goes out, though nobody awaits its send() any more.
        let done = !progress.outgoing.is_waiting();
        let callback = progress.on_disconnect.take();
        drop(progress);
        drop(callback);
        if done {
            this.side.forget(&this.core);
        }
        // A receive() that another task still waits in sees that the response is over.
        this.wake_waiters(slf.py());
        Ok(told)
    }
}

impl Drop for HttpExchange {
    fn drop(&mut self) {
        let destroyed = "the task of the application was destroyed before it ended";
        self.end(Some((Error::AppNoResponse(destroyed.into()), String::new())));
    }
}
