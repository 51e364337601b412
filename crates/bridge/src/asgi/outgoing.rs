//! The body on its way to the host: in order, in pieces no larger than the window.
//!
//! A large body stays in the `bytes` object of the app and is copied out slice by slice as the host takes it, so a client
//! that reads nothing costs one window, whatever the size of the app's events. The pieces belong to the exchange, not to the
//! awaitable of `send`: cancelling that does not tear a hole into the body.

use std::collections::VecDeque;
use std::sync::Arc;

use asgi_node_core::{Emitted, Exchange, FileRange, ResponseEvent};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// A start that waits for the first body event.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) status: u16,
    pub(crate) headers: Vec<u8>,
}

/// One body event of the app, or what ends the response.
#[derive(Debug)]
pub(crate) enum Piece {
    /// Bytes; `last` when the response ends with them.
    Body { data: Py<PyBytes>, last: bool },
    /// Trailers; `last` when no more follow.
    Trailers { fields: Vec<u8>, last: bool },
    /// A range of a file; `None` once it has gone.
    File(Option<FileRange>),
}

/// What has been accepted and not yet handed to the host.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    pieces: VecDeque<Piece>,
    /// Bytes of the first piece that have gone.
    offset: usize,
    start: Option<Start>,
    /// Trailers so far, flat.
    trailers: Vec<u8>,
    accepted: u64,
    flushed: u64,
    started: bool,
}

impl Outgoing {
    /// Holds the start for the first body event.
    pub(crate) fn hold(&mut self, start: Start) {
        self.start = Some(start);
    }

    /// Whether the start is held.
    pub(crate) fn holds_start(&self) -> bool {
        self.start.is_some()
    }

    /// Whether the host has been given the start.
    pub(crate) fn is_started(&self) -> bool {
        self.started
    }

    /// Adds a piece; the ticket says when it has gone ([`Self::is_flushed`]).
    pub(crate) fn accept(&mut self, piece: Piece) -> u64 {
        self.pieces.push_back(piece);
        self.accepted += 1;
        self.accepted
    }

    /// Whether everything up to this ticket was handed over.
    pub(crate) fn is_flushed(&self, ticket: u64) -> bool {
        self.flushed >= ticket
    }

    /// Whether pieces wait.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.pieces.is_empty()
    }

    /// Drops what waits: the client has gone, or the app has failed.
    pub(crate) fn clear(&mut self) {
        self.pieces.clear();
        self.start = None;
    }

    /// Sends the held start by itself.
    pub(crate) fn flush_start(&mut self, exchange: &Arc<Exchange>) {
        if let Some(Start { status, headers }) = self.start.take() {
            self.started = true;
            exchange.emit(ResponseEvent::Start {
                status,
                headers,
                body: Vec::new(),
            });
        }
    }

    /// Hands over as much as the window allows. `Full` means that the exchange will tell when it opens.
    pub(crate) fn pump(&mut self, py: Python<'_>, exchange: &Arc<Exchange>) -> Emitted {
        while let Some(piece) = self.pieces.front_mut() {
            let room = exchange.poll_room();
            if room != Emitted::Open {
                return room;
            }
            let (event, whole) = match piece {
                Piece::Body { data, last } => {
                    let rest = &data.as_bytes(py)[self.offset..];
                    let slice = &rest[..rest.len().min(exchange.window())];
                    let whole = slice.len() == rest.len();
                    self.offset += slice.len();
                    (body_event(self.start.take(), slice.to_vec(), *last && whole), whole)
                }
                Piece::Trailers { fields, last } => {
                    if !self.trailers.is_empty() && !fields.is_empty() {
                        self.trailers.push(0);
                    }
                    self.trailers.extend_from_slice(fields);
                    let end = || ResponseEvent::End {
                        body: Vec::new(),
                        trailers: std::mem::take(&mut self.trailers),
                    };
                    (last.then(end), true)
                }
                Piece::File(range) => {
                    let file = range.take().map(ResponseEvent::File);
                    self.flush_start(exchange);
                    (file, true)
                }
            };
            self.started = true;
            if whole {
                self.pieces.pop_front();
                self.offset = 0;
                self.flushed += 1;
            }
            if let Some(event) = event
                && exchange.emit(event) == Emitted::Gone
            {
                return Emitted::Gone;
            }
        }
        Emitted::Open
    }
}

/// An empty piece in the middle says nothing to the host unless the start comes with it.
fn body_event(start: Option<Start>, body: Vec<u8>, last: bool) -> Option<ResponseEvent> {
    match (start, last) {
        (Some(Start { status, headers }), true) => Some(ResponseEvent::Complete { status, headers, body }),
        (Some(Start { status, headers }), false) => Some(ResponseEvent::Start { status, headers, body }),
        (None, true) => Some(ResponseEvent::End {
            body,
            trailers: Vec::new(),
        }),
        (None, false) if body.is_empty() => None,
        (None, false) => Some(ResponseEvent::Body(body)),
    }
}
