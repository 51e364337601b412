//! One WebSocket as Python sees it (WebSocket specification 2.5): what `receive` and `send` are methods of.

use std::collections::VecDeque;
use std::sync::Arc;

use asgi_node_core::message_queue::{Closed, Message, ReceivedMessage};
use asgi_node_core::websocket::{NORMAL, RESTART, SocketState};
use asgi_node_core::{Emitted, Error, Exchange, Failure, ResponseEvent};
use parking_lot::{Mutex, MutexGuard};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

use crate::application::Application;
use crate::asgi::names::names;
use crate::asgi::party::Party;
use crate::asgi::receive::Receive;
use crate::asgi::suspension::resolve_all;
use crate::asgi::{sending, websocket_send};
use crate::errors::to_python;
use crate::event_loop::LoopSide;
use crate::interpreter::fork;

/// Something on its way to the host. A message stays in the object of the app until there is room for it.
#[derive(Debug)]
pub(crate) enum Piece {
    /// Exactly a `str`.
    Text(Py<PyString>),
    /// Exactly `bytes`.
    Binary(Py<PyBytes>),
    /// Anything but a message.
    Event(ResponseEvent),
}

/// The WebSocket's progress; the GIL is held whenever it is locked, and no Python code runs meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) state: SocketState,
    /// The status and headers of a denial, which wait for its first piece of body.
    pub(crate) denial: Option<(u16, Vec<u8>)>,
    pieces: VecDeque<Piece>,
    accepted: u64,
    flushed: u64,
    /// The host has been given the start of a denial, or the app has accepted.
    started: bool,
    /// `websocket.connect` was given to the app.
    connected: bool,
    /// Futures that the next news resolves.
    waiters: Vec<Py<PyAny>>,
    /// Called when the client leaves.
    on_disconnect: Option<Py<PyAny>>,
    /// The app's task has ended.
    ended: bool,
}

impl Progress {
    /// Adds a piece; the ticket says when it has gone.
    pub(crate) fn add(&mut self, piece: Piece) -> u64 {
        self.pieces.push_back(piece);
        self.accepted += 1;
        self.accepted
    }

    /// Whether everything up to this ticket was handed over.
    pub(crate) fn is_flushed(&self, ticket: u64) -> bool {
        self.flushed >= ticket
    }

    /// Hands over as much as the window allows. `Full` means that the exchange will tell when it opens.
    fn pump(&mut self, py: Python<'_>, core: &Arc<Exchange>) -> Emitted {
        while let Some(piece) = self.pieces.front() {
            let weightless = matches!(piece, Piece::Event(event) if event.body_len() == 0);
            let room = core.poll_room();
            if room == Emitted::Gone || (room == Emitted::Full && !weightless) {
                return room;
            }
            let event = match self.pieces.pop_front() {
                Some(Piece::Event(event)) => event,
                Some(Piece::Binary(data)) => message(false, data.as_bytes(py)),
                // What has no UTF-8 was refused when it was sent.
                Some(Piece::Text(text)) => message(true, text.to_str(py).unwrap_or_default().as_bytes()),
                None => break,
            };
            self.flushed += 1;
            self.started = true;
            if core.emit(event) == Emitted::Gone {
                return Emitted::Gone;
            }
        }
        Emitted::Open
    }
}

fn message(is_text: bool, data: &[u8]) -> ResponseEvent {
    ResponseEvent::Message(Message {
        is_text,
        data: data.to_vec(),
    })
}

/// One WebSocket.
#[pyclass(frozen, module = "asgi_node._native")]
#[derive(Debug)]
pub struct WebSocketExchange {
    core: Arc<Exchange>,
    number: u64,
    side: Arc<LoopSide>,
    app: Arc<Application>,
    /// The sub-protocols that the client offers.
    offered: Vec<String>,
    pub(crate) progress: Mutex<Progress>,
}

impl WebSocketExchange {
    pub(crate) fn new(core: Arc<Exchange>, side: Arc<LoopSide>, app: Arc<Application>, offered: Vec<String>) -> Self {
        Self {
            core,
            number: app.latest(),
            side,
            app,
            offered,
            progress: Mutex::default(),
        }
    }

    pub(crate) fn core(&self) -> &Arc<Exchange> {
        &self.core
    }

    pub(crate) fn offered(&self) -> &[String] {
        &self.offered
    }

    /// The progress, for a `send` that needs the client to be there.
    pub(crate) fn present(&self) -> PyResult<MutexGuard<'_, Progress>> {
        let progress = self.progress.lock();
        if self.core.is_disconnected() && progress.state.closed().is_none() {
            return Err(to_python(&Error::ClientDisconnected));
        }
        Ok(progress)
    }

    /// What `receive` gives; `None` when it has to wait. The handshake comes first, whatever was sent before (checklist 82);
    /// after the app's own close only that comes (checklist 85, 98), while one that was closed for it receives first what the
    /// client had sent by then (checklist 112).
    pub(crate) fn next_event<'py>(slf: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let (this, py) = (slf.get(), slf.py());
        let mut progress = this.progress.lock();
        if !std::mem::replace(&mut progress.connected, true) {
            drop(progress);
            return typed(py, &names(py).connect).map(Some);
        }
        let closed = progress.state.closed().cloned();
        let by_app = progress.state.is_closed_by_app();
        drop(progress);
        if let Some(closed) = closed.as_ref().filter(|_| by_app) {
            return disconnect_event(py, closed).map(Some);
        }
        match this.core.receive_message() {
            ReceivedMessage::Nothing => closed.map(|closed| disconnect_event(py, &closed)).transpose(),
            ReceivedMessage::Message(message) => message_event(py, &message).map(Some),
            ReceivedMessage::Closed(closed) => {
                Self::conclude(slf, &closed);
                disconnect_event(py, &closed).map(Some)
            }
        }
    }

    /// The app learns of the end. Where the host still takes what it sends (the client broke the protocol), it has answered
    /// all that it is going to: now the host closes, behind that (checklist 102).
    fn conclude(slf: &Bound<'_, Self>, closed: &Closed) {
        let this = slf.get();
        let mut progress = this.progress.lock();
        if this.core.is_disconnected() || !progress.state.is_open() {
            return;
        }
        progress.state.retire(closed.clone());
        progress.add(Piece::Event(ResponseEvent::Close(closed.clone())));
        drop(progress);
        Self::pump(slf);
    }

    /// A future that the next news resolves.
    pub(crate) fn add_waiter<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let this = slf.get();
        let future = this.side.create_future(slf.py())?;
        this.progress.lock().waiters.push(future.clone().unbind());
        Self::watch(slf);
        Ok(future)
    }

    fn watch(slf: &Bound<'_, Self>) {
        let this = slf.get();
        this.side.wait(&this.core, Party::WebSocket(slf.clone().unbind()));
    }

    /// The core has news: the window has opened, a message has arrived, or the client has gone.
    pub(crate) fn wake(slf: &Bound<'_, Self>) {
        Self::pump(slf);
        slf.get().wake_waiters(slf.py());
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
        match progress.pump(slf.py(), &this.core) {
            Emitted::Open => {}
            Emitted::Full => {
                drop(progress);
                Self::watch(slf);
            }
            Emitted::Gone => {
                let dropped = std::mem::take(&mut progress.pieces);
                drop(progress);
                drop(dropped);
            }
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
        if progress.state.closed().is_some() {
            return false;
        }
        if failure.is_none() && progress.state.is_open() {
            // A plain return after accept ends the WebSocket normally, behind what was sent (checklist 88).
            let closed = Closed::with(NORMAL);
            progress.state.retire(closed.clone());
            progress.add(Piece::Event(ResponseEvent::Close(closed)));
            return false;
        }
        let (error, traceback) = failure.unwrap_or_else(|| (unanswered(&progress), String::new()));
        let started = progress.started;
        let dropped = std::mem::take(&mut progress.pieces);
        drop(progress);
        drop(dropped);
        self.core.emit(ResponseEvent::Failed(Failure {
            error,
            traceback,
            started,
        })) != Emitted::Gone
    }
}

fn unanswered(progress: &Progress) -> Error {
    Error::AppNoResponse(
        if progress.started || progress.denial.is_some() {
            "the application returned before its denial was complete (no final websocket.http.response.body)"
        } else {
            "the application returned without sending websocket.accept or websocket.close"
        }
        .into(),
    )
}

fn typed<'py>(py: Python<'py>, kind: &Py<PyString>) -> PyResult<Bound<'py, PyDict>> {
    let event = PyDict::new(py);
    event.set_item(&names(py).type_, kind)?;
    Ok(event)
}

/// One of the two keys, never both: apps ask with `in` as well as with `get` (checklist 89).
fn message_event<'py>(py: Python<'py>, message: &Message) -> PyResult<Bound<'py, PyDict>> {
    let n = names(py);
    let event = typed(py, &n.socket_receive)?;
    if message.is_text {
        event.set_item(&n.text, String::from_utf8_lossy(&message.data))?;
    } else {
        event.set_item(&n.bytes, PyBytes::new(py, &message.data))?;
    }
    Ok(event)
}

fn disconnect_event<'py>(py: Python<'py>, closed: &Closed) -> PyResult<Bound<'py, PyDict>> {
    let n = names(py);
    let event = typed(py, &n.socket_disconnect)?;
    event.set_item(&n.code, closed.code)?;
    event.set_item(&n.reason, &closed.reason)?;
    Ok(event)
}

#[pymethods]
impl WebSocketExchange {
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

    /// The ASGI `receive` of this WebSocket.
    fn receive(slf: Py<Self>) -> PyResult<Receive> {
        fork::check()?;
        Ok(Receive::new(Party::WebSocket(slf)))
    }

    /// The ASGI `send` of this WebSocket. Takes the event when it is called, raises when it is awaited.
    fn send<'py>(slf: &Bound<'py, Self>, event: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let sent = fork::check().and_then(|()| websocket_send::send(slf, event));
        sent.or_else(|raised| sending::refused(slf.py(), raised))
    }

    /// Whether it is closed, or its client has left.
    #[getter]
    fn is_left(&self) -> bool {
        self.core.is_disconnected() || self.progress.lock().state.closed().is_some()
    }

    /// Calls `callback()` on the event loop's thread when the client leaves before the app's task has ended.
    fn on_disconnect(slf: &Bound<'_, Self>, callback: Py<PyAny>) {
        slf.get().progress.lock().on_disconnect = Some(callback);
        Self::after_news(slf);
    }

    /// The handler is closing: the client gets a close frame, or 503 when it still waits for its handshake; the app gets
    /// `websocket.disconnect`, behind what the client has sent (checklist 108, 112). A client that has closed already is
    /// told nothing, and the app gets its code.
    fn retire(slf: &Bound<'_, Self>) {
        let this = slf.get();
        let mut progress = this.progress.lock();
        if progress.state.is_open() {
            if this.core.is_disconnected() {
                return;
            }
            let closed = Closed::with(RESTART);
            // A client that goes on sending, and does not read its close frame, must not put off the app's disconnect.
            this.core.end_messages(closed.clone());
            progress.state.retire(closed.clone());
            progress.add(Piece::Event(ResponseEvent::Close(closed)));
        } else if progress.state.is_undecided() {
            progress.state.retire(Closed::abnormal());
            let (error, started) = (Error::HandlerClosed, progress.started);
            progress.add(Piece::Event(ResponseEvent::Failed(Failure {
                error,
                traceback: String::new(),
                started,
            })));
        }
        drop(progress);
        Self::pump(slf);
        this.wake_waiters(slf.py());
    }

    /// The app's task has ended: by an exception when `message` is given. Returns whether the host reports it; if not,
    /// the WebSocket was closed, or the client had gone, and reporting is up to the caller.
    #[pyo3(signature = (message=None, traceback=None))]
    fn finish(slf: &Bound<'_, Self>, message: Option<String>, traceback: Option<String>) -> PyResult<bool> {
        let this = slf.get();
        if fork::is_child() {
            fork::leave(slf.py())?;
        }
        let raised = message.is_some();
        let told = this.end(message.map(|m| (Error::AppError(m), traceback.unwrap_or_default())));
        if raised || told {
            this.app.note_failure();
        }
        let callback = this.progress.lock().on_disconnect.take();
        drop(callback);
        this.side.forget(&this.core);
        // What was sent and not awaited still goes out.
        Self::pump(slf);
        this.wake_waiters(slf.py());
        Ok(told)
    }
}

impl Drop for WebSocketExchange {
    fn drop(&mut self) {
        let destroyed = "the task of the application was destroyed before it ended";
        self.end(Some((Error::AppNoResponse(destroyed.into()), String::new())));
    }
}
