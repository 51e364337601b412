//! The HTTP half of a channel (ASGI HTTP 2.5): what `receive` gives, and in which events a response reaches the host.

use std::collections::VecDeque;
use std::sync::Arc;

use asgi_node_core::framing::Version;
use asgi_node_core::protocol::limit::EXTERNAL;
use asgi_node_core::{
    Bytes, Error, Exchange, FileRange, Received, RequestHead, ResponseEvent, ResponseState, chunk_pool,
};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use super::channel::{Channel, Progress, Protocol, Raised};
use super::ffi;
use super::names::names;
use super::shared;
use crate::event_loop::{HeldStart, LoopSide};
use crate::health::Counters;

/// What is known of a request from its head.
#[derive(Debug)]
pub(super) struct Http {
    version: Version,
    extensions: u32,
    takes_trailers: bool,
}

impl Http {
    pub(super) fn version(&self) -> Version {
        self.version
    }

    /// Whether the connection supports this extension ([`asgi_node_core::head`]).
    pub(super) fn supports(&self, extension: u32) -> bool {
        self.extensions & extension != 0
    }

    /// Whether the client said `TE: trailers`.
    pub(super) fn takes_trailers(&self) -> bool {
        self.takes_trailers
    }
}

/// The progress of the response.
#[derive(Debug)]
pub(super) struct HttpState {
    pub(super) response: ResponseState,
    /// A start that waits for the first body event.
    start: Option<Start>,
    /// Trailers so far, flat.
    trailers: Vec<u8>,
}

impl HttpState {
    /// Keeps an accepted start for the first body event.
    pub(super) fn hold(&mut self, start: Start) {
        self.start = Some(start);
    }
}

/// Status and headers.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) status: u16,
    pub(super) headers: Vec<u8>,
}

impl Start {
    fn with(self, body: Bytes) -> ResponseEvent {
        let Self { status, headers } = self;
        ResponseEvent::Start { status, headers, body }
    }
}

/// What one event of the app hands over.
#[derive(Debug)]
pub(super) enum Piece {
    /// Bytes; `last` when the response ends with them.
    Body { data: Bytes, last: bool },
    /// No bytes; `last` when the response ends here.
    Empty { last: bool },
    /// Trailers; `last` when no more follow.
    Trailers { fields: Vec<u8>, last: bool },
    /// A range of a file.
    File(FileRange),
    /// What the host has been given, and has not taken: a file, until then not the app's to change, or more than the window has
    /// room for.
    AtHost,
}

impl Piece {
    /// All of these bytes.
    pub(super) fn body(data: &Bound<'_, PyBytes>, last: bool, side: &LoopSide) -> Self {
        Self::Body {
            data: shared::bytes(data, side),
            last,
        }
    }
}

impl Protocol for Http {
    type State = HttpState;
    type Piece = Piece;

    fn is_over(state: &HttpState) -> bool {
        state.response.is_complete()
    }

    fn passes_full_window(_: &Piece) -> bool {
        false
    }

    fn is_at_host(piece: &Piece) -> bool {
        matches!(piece, Piece::AtHost)
    }

    fn next_event(
        _: Python<'_>,
        state: &mut HttpState,
        piece: Piece,
        exchange: &Exchange,
    ) -> (Option<ResponseEvent>, Option<Piece>) {
        match piece {
            Piece::Body { mut data, last } => {
                let portion = data.split_to(exchange.portion(data.len()));
                let whole = data.is_empty();
                let waits = whole && exchange.overfills(portion.len());
                let left = if waits {
                    Some(Piece::AtHost)
                } else {
                    (!whole).then_some(Piece::Body { data, last })
                };
                (
                    body_event(state.start.take(), owned(portion, exchange), last && whole),
                    left,
                )
            }
            Piece::Empty { last } => (body_event(state.start.take(), Bytes::new(), last), None),
            Piece::Trailers { fields, last } => {
                if !state.trailers.is_empty() && !fields.is_empty() {
                    state.trailers.push(0);
                }
                state.trailers.extend_from_slice(&fields);
                let end = || ResponseEvent::End {
                    body: Bytes::new(),
                    trailers: std::mem::take(&mut state.trailers),
                };
                (last.then(end), None)
            }
            Piece::File(range) => match state.start.take() {
                Some(start) => (Some(start.with(Bytes::new())), Some(Piece::File(range))),
                None => (Some(ResponseEvent::File(range)), Some(Piece::AtHost)),
            },
            Piece::AtHost => (None, None),
        }
    }

    /// The body; a disconnect as soon as the response is complete (docs/asgi.md, 45).
    fn receive<'py>(channel: &Arc<Channel<Self>>, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        if channel.is_over_or_abandoned() {
            return disconnect_event(py).map(Some);
        }
        match channel.exchange().receive() {
            Received::Nothing => Ok(None),
            Received::Disconnected => disconnect_event(py).map(Some),
            Received::Body { chunks, more } => {
                let event = request_event(py, &chunks, more);
                chunk_pool::give_back(chunks);
                event.map(Some)
            }
        }
    }

    fn end(progress: &mut Progress<Self>, exchange: &Exchange, raised: Option<Raised>) -> Option<Raised> {
        let regular = raised.is_none();
        // Asked in this order: few responses are event streams, and the exchange has a lock of its own.
        if regular
            && progress.state.response.is_event_stream()
            && exchange.is_shutting_down()
            && let Ok(plan) = progress.state.response.body(0, false)
        {
            // Its client is to connect again, not to hear of a broken connection.
            progress.outgoing.accept(Piece::Empty { last: plan.completes });
            return None;
        }
        progress.state.start = None;
        let error = || {
            // The handler is closing: the app was asked to end.
            if regular && exchange.is_shutting_down() {
                Error::HandlerClosed
            } else {
                no_response(&progress.state.response)
            }
        };
        Some(raised.unwrap_or_else(|| Raised::without_exception(error())))
    }

    /// `receive()` gives `http.disconnect` where it would wait for it; `send()` goes on (docs/asgi.md, 134).
    fn begin_shutdown(channel: &Arc<Channel<Self>>, _: Python<'_>) {
        channel.exchange().begin_shutdown();
    }
}

/// The host makes Buffers of large pieces without a copy, and their memory is JavaScript's to change, unless it is lent.
fn owned(piece: Bytes, exchange: &Exchange) -> Bytes {
    if piece.len() < EXTERNAL || exchange.borrows() {
        return piece;
    }
    piece.to_vec().into()
}

/// An empty piece in the middle says nothing to the host unless the start comes with it.
fn body_event(start: Option<Start>, body: Bytes, last: bool) -> Option<ResponseEvent> {
    match (start, last) {
        (Some(Start { status, headers }), true) => Some(ResponseEvent::Complete { status, headers, body }),
        (Some(start), false) => Some(start.with(body)),
        (None, true) => Some(ResponseEvent::End {
            body,
            trailers: Vec::new(),
        }),
        (None, false) if body.is_empty() => None,
        (None, false) => Some(ResponseEvent::Body(body)),
    }
}

fn no_response(response: &ResponseState) -> Error {
    Error::AppNoResponse(
        if response.awaits_trailers() {
            "the application returned before its response was complete (no final http.response.trailers)"
        } else if response.is_started() {
            "the application returned before its response was complete (no final http.response.body)"
        } else {
            "the application returned without sending http.response.start"
        }
        .into(),
    )
}

fn disconnect_event(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let n = names(py);
    let event = PyDict::new(py);
    event.set_item(&n.type_, &n.disconnect)?;
    Ok(event)
}

/// The chunks as one `http.request`.
fn request_event<'py>(py: Python<'py>, chunks: &VecDeque<Vec<u8>>, more: bool) -> PyResult<Bound<'py, PyDict>> {
    let n = names(py);
    let event = PyDict::new(py);
    event.set_item(&n.type_, &n.request)?;
    if chunks.is_empty() {
        event.set_item(&n.body, &n.no_bytes)?;
    } else if let [chunk] = chunks.as_slices().0
        && chunks.len() == 1
    {
        event.set_item(&n.body, PyBytes::new(py, chunk))?;
    } else {
        let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
        event.set_item(&n.body, ffi::joined(py, &chunks)?)?;
    }
    event.set_item(&n.more_body, more)?;
    Ok(event)
}

impl Channel<Http> {
    /// The channel of this request.
    pub(super) fn http(
        exchange: Arc<Exchange>,
        number: u64,
        side: &Arc<LoopSide>,
        counters: &Arc<Counters>,
        head: &RequestHead,
    ) -> Arc<Self> {
        let state = HttpState {
            response: ResponseState::new(head.framing_method()),
            start: None,
            trailers: Vec::new(),
        };
        let protocol = Http {
            version: head.version(),
            extensions: head.extensions(),
            takes_trailers: head.takes_trailers(),
        };
        Self::new(exchange, number, side, counters, protocol, state)
    }

    /// Lets the start that [`HttpState::hold`] keeps go out at the next turn of the loop, if no body event takes it before.
    pub(super) fn schedule_start(self: &Arc<Self>, py: Python<'_>) -> PyResult<()> {
        self.side().defer_start(py, Arc::clone(self) as Arc<dyn HeldStart>)
    }

    /// Whether the client has left before its response was complete, or the app was told so.
    pub(super) fn client_left(&self) -> bool {
        self.exchange().is_disconnect_delivered() || (!self.is_over() && self.exchange().is_disconnected())
    }

    /// Whether it is a stream of events whose app has not received the disconnect that a shutdown gives.
    pub(super) fn is_unnotified_event_stream(&self) -> bool {
        self.progress().state.response.is_event_stream() && !self.exchange().is_disconnect_delivered()
    }
}

impl HeldStart for Channel<Http> {
    fn is_held(&self) -> bool {
        self.progress().state.start.is_some()
    }

    /// The start goes out by itself: no body event came in time.
    fn flush(&self) {
        let mut progress = self.progress();
        if let Some(start) = progress.state.start.take() {
            progress.started = true;
            self.exchange().emit(start.with(Bytes::new()));
        }
    }
}
