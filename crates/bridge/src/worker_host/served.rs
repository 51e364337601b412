//! One request in the worker: messages from Node go into its exchange, and the exchange's events go to Node.

use std::sync::Arc;

use asgi_node_core::message_queue::Closed;
use asgi_node_core::{Error, Exchange, Failure, ResponseEvent};
use asgi_node_worker::message::{Failed, Start};
use asgi_node_worker::wire::Wire;
use asgi_node_worker::{FromWorker, Hints, Ledger, Malformed, Outgoing, ToWorker};
use pyo3::prelude::*;

use crate::application::Application;
use crate::event_loop::{LoopSide, Service};
use asgi_node_core::RequestHead;

/// The most bytes of a body that go with a start or an end. As messages of their own they are not copied.
const AT_ONCE: usize = 16 * 1024;

/// Notes in the ledger that a request begins, before it begins.
pub(super) struct Begun {
    pub(super) app: Arc<Application>,
    pub(super) ledger: Arc<Ledger>,
    /// The request's sequence number in Node's handler.
    pub(super) number: u64,
}

impl Service for Begun {
    fn start(self: Arc<Self>, py: Python<'_>, side: &Arc<LoopSide>, exchange: Arc<Exchange>, head: &RequestHead) {
        // The file is in memory. It can fail only if the process has no memory left, and that shows elsewhere.
        drop(self.ledger.begin(exchange.id()));
        self.app.begin(py, side, exchange, head, Some(self.number));
    }

    fn forget(&self, exchange: &Exchange) {
        self.app.forget(exchange);
    }
}

/// One request.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "they are independent facts")]
pub(super) struct Served {
    exchange: Arc<Exchange>,
    /// The whole request body has come.
    is_complete: bool,
    /// Bytes and messages from Node for which no credit has been returned yet.
    pushed: (usize, u64),
    /// The end of the response has been sent to Node.
    finished: bool,
    returned: bool,
    /// The client has gone.
    gone: bool,
    hints: Hints,
}

impl Served {
    pub(super) fn new(exchange: Arc<Exchange>, is_complete: bool) -> Self {
        Self {
            exchange,
            is_complete,
            pushed: (0, 0),
            finished: false,
            returned: false,
            gone: false,
            hints: Hints::default(),
        }
    }

    /// Whether nothing more will come.
    pub(super) fn is_over(&self) -> bool {
        self.returned && (self.finished || self.gone)
    }

    /// Handles a message from Node.
    pub(super) fn receive(&mut self, app: &Arc<Application>, message: ToWorker) -> Result<(), Malformed> {
        let is_websocket = self.exchange.is_websocket();
        match message {
            ToWorker::Body(chunk, last) if !is_websocket && !self.is_complete => {
                self.is_complete = last;
                self.pushed.0 += chunk.len();
                self.exchange.push_body(chunk.into_vec(), last);
            }
            ToWorker::Message(message) if is_websocket => {
                self.pushed.0 += message.weight();
                self.pushed.1 += 1;
                self.exchange.push_message(message);
            }
            ToWorker::Closed(closed) if is_websocket => {
                self.gone = true;
                self.exchange.close(closed);
            }
            ToWorker::Faulted(code) if is_websocket => self.exchange.end_messages(Closed::with(code)),
            ToWorker::HalfClose if !is_websocket => self.exchange.half_close(),
            ToWorker::Disconnect => {
                self.gone = true;
                app.disconnect(&self.exchange);
            }
            ToWorker::GiveUp => {
                self.gone = true;
                app.give_up(&self.exchange);
            }
            ToWorker::Taken(bytes) => self.exchange.taken(bytes),
            other => {
                let (what, kind) = (other.kind(), if is_websocket { "WebSocket" } else { "request" });
                return Err(Malformed(format!("kind {what} for a {kind}, where it is not expected")));
            }
        }
        Ok(())
    }

    /// Node has gone.
    pub(super) fn leave(&mut self) {
        self.gone = true;
        self.exchange.disconnect();
    }

    /// The application has returned.
    pub(super) fn end(&mut self, id: u32, out: &mut Outgoing) {
        self.tell(id, out);
        self.returned = true;
        out.push(id, FromWorker::Returned);
    }

    /// Sends the exchange's events to Node.
    pub(super) fn tell(&mut self, id: u32, out: &mut Outgoing) {
        for event in self.exchange.take_events() {
            if self.gone {
                continue;
            }
            self.finished |= event.is_last();
            match event {
                ResponseEvent::Start {
                    status,
                    headers,
                    mut body,
                } => {
                    let later = body.split_off(body.len().min(AT_ONCE));
                    out.push(id, FromWorker::Start(Start { status, headers, body }));
                    if !later.is_empty() {
                        out.push(id, FromWorker::Body(later));
                    }
                }
                ResponseEvent::End { mut body, trailers } => {
                    if body.len() > AT_ONCE {
                        out.push(id, FromWorker::Body(std::mem::take(&mut body)));
                    }
                    out.push(id, FromWorker::End { body, trailers });
                }
                // It says nothing, and costs the window nothing.
                ResponseEvent::Body(bytes) if bytes.is_empty() => {}
                ResponseEvent::EarlyHint(links) if !self.hints.admit(&links) => {}
                event => out.push(id, self.message_of(event)),
            }
        }
    }

    /// The message that stands for an event.
    fn message_of(&mut self, event: ResponseEvent) -> FromWorker {
        match event {
            ResponseEvent::Complete { status, headers, body } => FromWorker::Complete(Start { status, headers, body }),
            ResponseEvent::Start { status, headers, body } => FromWorker::Start(Start { status, headers, body }),
            ResponseEvent::Body(bytes) => FromWorker::Body(bytes),
            ResponseEvent::End { body, trailers } => FromWorker::End { body, trailers },
            ResponseEvent::Failed(Failure {
                error,
                traceback,
                started,
                logged,
            }) => FromWorker::Failed {
                started,
                logged,
                why: failed(&error, traceback),
            },
            ResponseEvent::Resume => {
                // What still waits here is told with the next credit.
                let waiting = self.exchange.waiting();
                let (bytes, messages) = std::mem::replace(&mut self.pushed, (waiting, 0));
                FromWorker::Credit(bytes.saturating_sub(waiting), messages)
            }
            ResponseEvent::Continue => FromWorker::Continue,
            ResponseEvent::EarlyHint(links) => FromWorker::EarlyHint(links),
            ResponseEvent::File(range) => FromWorker::File {
                file: Some(range.file),
                offset: range.offset,
                length: range.length,
                last: range.last,
                weight: range.weight,
            },
            ResponseEvent::Accept(answer) => FromWorker::Accept(answer),
            ResponseEvent::Message(message) => FromWorker::Message(message),
            ResponseEvent::Close(closed) => FromWorker::Close(closed),
        }
    }
}

/// An error in the form of a message.
pub(super) fn failed(error: &Error, traceback: String) -> Failed {
    Failed {
        code: error.code().to_owned(),
        message: error.to_string(),
        traceback,
    }
}
