//! The WebSocket half of a channel (ASGI WebSocket 2.5): what `receive` gives, and how the socket ends.

use std::sync::Arc;

use asgi_node_core::message_queue::{Closed, Message, ReceivedMessage};
use asgi_node_core::websocket::{NORMAL, RESTART, SocketState};
use asgi_node_core::{Error, Exchange, Failure, ResponseEvent};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

use super::channel::{Channel, Progress, Protocol, Raised};
use super::names::names;
use crate::event_loop::LoopSide;
use crate::health::Counters;

/// What is known of a WebSocket from its handshake.
#[derive(Debug)]
pub(super) struct WebSocket {
    /// The sub-protocols that the client offers.
    offered: Vec<String>,
}

impl WebSocket {
    pub(super) fn offered(&self) -> &[String] {
        &self.offered
    }
}

/// The progress of the socket.
#[derive(Debug, Default)]
pub(super) struct WebSocketState {
    pub(super) socket: SocketState,
    /// The status and headers of a denial, which wait for its first piece of body.
    pub(super) denial: Option<(u16, Vec<u8>)>,
    /// `websocket.connect` was given to the app.
    connected: bool,
}

impl Protocol for WebSocket {
    type State = WebSocketState;
    type Piece = ResponseEvent;

    fn is_over(state: &WebSocketState) -> bool {
        state.socket.closed().is_some()
    }

    fn passes_full_window(event: &ResponseEvent) -> bool {
        event.body_len() == 0
    }

    fn is_at_host(_: &ResponseEvent) -> bool {
        false
    }

    fn next_event(
        _: Python<'_>,
        _: &mut WebSocketState,
        event: ResponseEvent,
        _: &Exchange,
    ) -> (Option<ResponseEvent>, Option<ResponseEvent>) {
        (Some(event), None)
    }

    /// The handshake comes first, whatever was sent before (docs/asgi.md, 82). After the app's own close only that comes (85,
    /// 98), while a WebSocket that was closed for its app receives first what the client had sent by then (112).
    fn receive<'py>(channel: &Arc<Channel<Self>>, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let mut progress = channel.progress();
        if !std::mem::replace(&mut progress.state.connected, true) {
            drop(progress);
            return typed(py, &names(py).connect).map(Some);
        }
        let closed = progress.state.socket.closed().cloned();
        let by_app = progress.state.socket.is_closed_by_app();
        drop(progress);
        if let Some(closed) = closed.as_ref().filter(|_| by_app) {
            return disconnect_event(py, closed).map(Some);
        }
        match channel.exchange().receive_message() {
            ReceivedMessage::Nothing => closed.map(|closed| disconnect_event(py, &closed)).transpose(),
            ReceivedMessage::Message(message) => message_event(py, &message).map(Some),
            ReceivedMessage::Closed(closed) => {
                channel.conclude(py, &closed);
                disconnect_event(py, &closed).map(Some)
            }
        }
    }

    fn end(progress: &mut Progress<Self>, _: &Exchange, raised: Option<Raised>) -> Option<Raised> {
        if raised.is_none() && progress.state.socket.is_open() {
            // A plain return after accept ends the WebSocket normally, behind what was sent (docs/asgi.md, 88).
            progress.close(Closed::with(NORMAL));
            return None;
        }
        Some(raised.unwrap_or_else(|| Raised::without_exception(unanswered(progress))))
    }

    /// The client gets a close frame, or 503 when it still waits for its handshake; the app gets `websocket.disconnect`,
    /// behind what the client has sent (docs/asgi.md, 108, 112). A client that has closed already is told nothing, and the app
    /// gets its code.
    fn begin_shutdown(channel: &Arc<Channel<Self>>, py: Python<'_>) {
        let mut progress = channel.progress();
        if progress.state.socket.is_open() {
            if channel.exchange().is_disconnected() {
                return;
            }
            let closed = Closed::with(RESTART);
            // A client that goes on sending, and does not read its close frame, must not put off the app's disconnect.
            channel.exchange().end_messages(closed.clone());
            progress.close(closed);
        } else if progress.state.socket.is_undecided() {
            progress.state.socket.end(Closed::abnormal());
            let failure = Failure {
                error: Error::HandlerClosed,
                traceback: String::new(),
                started: progress.started,
                logged: false,
            };
            progress.outgoing.accept(ResponseEvent::Failed(failure));
        }
        drop(progress);
        channel.pump(py);
        channel.wake_waiters(py);
    }
}

impl Progress<WebSocket> {
    /// Closes an open WebSocket for its app, behind what was sent.
    fn close(&mut self, closed: Closed) {
        self.state.socket.end(closed.clone());
        self.outgoing.accept(ResponseEvent::Close(closed));
    }
}

impl Channel<WebSocket> {
    /// The channel of this WebSocket.
    pub(super) fn websocket(
        exchange: Arc<Exchange>,
        number: u64,
        side: &Arc<LoopSide>,
        counters: &Arc<Counters>,
        offered: Vec<String>,
    ) -> Arc<Self> {
        Self::new(
            exchange,
            number,
            side,
            counters,
            WebSocket { offered },
            WebSocketState::default(),
        )
    }

    /// The app learns of the end. Where the host still takes what it sends (the client broke the protocol), it has answered
    /// all that it is going to: now the host closes, behind that (docs/asgi.md, 102).
    fn conclude(self: &Arc<Self>, py: Python<'_>, closed: &Closed) {
        let mut progress = self.progress();
        if self.exchange().is_disconnected() || !progress.state.socket.is_open() {
            return;
        }
        progress.close(closed.clone());
        drop(progress);
        self.pump(py);
    }

    /// Whether it is closed, or its client has left.
    pub(super) fn client_left(&self) -> bool {
        self.exchange().is_disconnected() || self.is_over()
    }
}

fn unanswered(progress: &Progress<WebSocket>) -> Error {
    Error::AppNoResponse(
        if progress.started || progress.state.denial.is_some() {
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

/// One of the two keys, never both: apps ask with `in` as well as with `get` (docs/asgi.md, 89).
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
