//! One request in Node. Towards its exchange it acts as the application. It sends the request to a worker, and the answer back.
//!
//! It sends the worker what its window has room for (and more, while little waits in all requests together), and for a WebSocket at
//! most `messages`. Then it waits until the worker returns credit. The worker, too, sends only what fits into its window, which
//! opens again when JavaScript takes the bytes.

use std::sync::Arc;
use std::time::Instant;

use asgi_node_core::message_queue::Closed;
use asgi_node_core::message_queue::ReceivedMessage;
use asgi_node_core::protocol::close_code::RESTART;
use asgi_node_core::{
    Emitted, Error, Exchange, Failure, FileRange, Limits, Received, ResponseEvent, Submission, Waiting, Window, Windows,
};
use asgi_node_worker::frame::LARGEST;
use asgi_node_worker::message::{Failed, Start};
use asgi_node_worker::wire::Wire;
use asgi_node_worker::{FromWorker, Malformed, Outgoing, ToWorker};

use crate::order::Order;

/// What a worker may get before it returns credit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RelayLimits {
    pub(crate) windows: Windows,
    /// The most messages of a WebSocket.
    pub(crate) messages: u64,
}

/// What the worker knows of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClientSide {
    Here,
    /// An HTTP client has closed its side.
    HalfClosed,
    /// The client of a WebSocket has broken the protocol.
    Faulted,
    /// The client has gone, or nobody waits for the request any more.
    Gone,
}

/// One request.
#[derive(Debug)]
pub(crate) struct Relay {
    exchange: Arc<Exchange>,
    limits: RelayLimits,
    /// Everything that was sent, until the application has begun. Another worker may have to get it again.
    kept: Vec<ToWorker>,
    begun: bool,
    /// Bytes and messages that the application has not received yet.
    outstanding: (Waiting, u64),
    /// How many bytes they may be; and how many while little waits in all exchanges. Before an application has received anything,
    /// it may be one that does not.
    window: Window,
    spread: usize,
    /// Bytes that JavaScript has taken, but the worker does not know of yet.
    untold: usize,
    /// The whole request body has been sent.
    is_sent: bool,
    client: ClientSide,
    /// How much of the response JavaScript has got.
    order: Order,
    /// The application has returned.
    pub(crate) returned: bool,
}

impl Relay {
    /// `number` is the request's in the handler. `length` is what the client has announced of a body that follows.
    pub(crate) fn new(
        exchange: Arc<Exchange>,
        request: Submission,
        number: u64,
        limits: RelayLimits,
        length: Option<usize>,
    ) -> Self {
        let Submission {
            head,
            body,
            body_follows,
            collects,
            expects_continue,
            is_websocket,
            ..
        } = request;
        exchange.relay();
        let most = limits.windows.inbound.most;
        let request = ToWorker::Request {
            number,
            collects,
            expects_continue,
            is_websocket,
            body_follows,
            head,
            body: body.into(),
        };
        Self {
            exchange,
            limits,
            kept: vec![request],
            begun: false,
            outstanding: (Waiting::default(), 0),
            window: Window::new(limits.windows.inbound),
            spread: length.filter(|length| *length <= most).unwrap_or_default(),
            untold: 0,
            is_sent: !body_follows,
            client: ClientSide::Here,
            order: Order::new(is_websocket),
            returned: false,
        }
    }

    pub(crate) fn exchange(&self) -> &Arc<Exchange> {
        &self.exchange
    }

    fn is_gone(&self) -> bool {
        self.client == ClientSide::Gone
    }

    /// Whether nothing more will come, from either side.
    pub(crate) fn is_over(&self) -> bool {
        self.returned && (self.order.is_over() || self.is_gone())
    }

    /// Whether nobody waits for the request any more, and no worker has got it yet.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.exchange.await_disconnect()
    }

    /// Sends the request to a worker. If another worker had it before, everything that was sent there is sent again.
    pub(crate) fn begin(&mut self, id: u32, out: &mut Outgoing) {
        self.client = ClientSide::Here;
        for message in &mut self.kept {
            out.put(id, message);
        }
        self.pump(id, out);
    }

    /// Sends what is new in the exchange to the worker.
    pub(crate) fn pump(&mut self, id: u32, out: &mut Outgoing) {
        if self.is_gone() {
            return;
        }
        loop {
            if self.exchange.is_websocket() {
                self.pump_messages(id, out);
            } else {
                self.pump_body(id, out);
            }
            self.tell(id, out);
            if self.is_gone() || !self.exchange.await_disconnect() {
                return;
            }
        }
    }

    /// Whether the worker may get more of the body.
    fn has_room(&mut self) -> bool {
        let load = self.outstanding.0.get();
        (load < self.spread && Waiting::is_sum_small()) || self.window.has_room(load, Instant::now)
    }

    fn pump_body(&mut self, id: u32, out: &mut Outgoing) {
        if self.exchange.is_disconnected() {
            return self.leave(id, out);
        }
        while self.is_sent || self.has_room() {
            match self.exchange.receive() {
                // The body was sent with the request.
                Received::Body { .. } if self.is_sent => {}
                Received::Body { chunks, more } => {
                    self.is_sent = !more;
                    let mut chunks = chunks.into_iter().peekable();
                    while let Some(chunk) = chunks.next() {
                        self.outstanding.0.add(chunk.len());
                        let last = !more && chunks.peek().is_none();
                        self.send(id, ToWorker::Body(chunk.into(), last), out);
                        if last {
                            return;
                        }
                    }
                    if !more {
                        self.send(id, ToWorker::Body(Vec::new().into(), true), out);
                    }
                }
                Received::Disconnected => {
                    if !self.exchange.is_disconnected() && self.client != ClientSide::HalfClosed {
                        self.client = ClientSide::HalfClosed;
                        out.push(id, ToWorker::HalfClose);
                    }
                    return;
                }
                Received::Nothing => return,
            }
        }
    }

    /// The client has gone, or its time is over.
    fn leave(&mut self, id: u32, out: &mut Outgoing) {
        self.client = ClientSide::Gone;
        // The worker drops what its application has not received.
        self.outstanding.0.clear();
        // Also when all of the response has come: behind a file the application waits in `send()` until the client has it.
        if !self.returned {
            if out.forget(id, ToWorker::REQUEST) {
                // The worker has never heard of it.
                self.returned = true;
                return;
            }
            let is_over = self.exchange.is_abandoned();
            out.push(
                id,
                if is_over {
                    ToWorker::GiveUp
                } else {
                    ToWorker::Disconnect
                },
            );
        }
    }

    fn pump_messages(&mut self, id: u32, out: &mut Outgoing) {
        let gone = self.exchange.is_disconnected();
        if gone && self.exchange.is_abandoned() {
            return self.leave(id, out);
        }
        while gone
            || (self.outstanding.1 < self.limits.messages
                && self.window.has_room(self.outstanding.0.get(), Instant::now))
        {
            match self.exchange.receive_message() {
                ReceivedMessage::Message(message) => {
                    self.outstanding.0.add(message.weight());
                    self.outstanding.1 += 1;
                    self.send(id, ToWorker::Message(message), out);
                }
                ReceivedMessage::Closed(closed) if gone => {
                    self.client = ClientSide::Gone;
                    return out.push(id, ToWorker::Closed(closed));
                }
                ReceivedMessage::Closed(closed) => {
                    if self.client != ClientSide::Faulted {
                        self.client = ClientSide::Faulted;
                        out.push(id, ToWorker::Faulted(closed.code));
                    }
                    return;
                }
                ReceivedMessage::Nothing => return,
            }
        }
    }

    fn send(&mut self, id: u32, mut message: ToWorker, out: &mut Outgoing) {
        out.put(id, &mut message);
        if !self.begun {
            self.kept.push(message);
        }
    }

    /// Tells the worker how much JavaScript has taken, if it is enough for a message.
    fn tell(&mut self, id: u32, out: &mut Outgoing) {
        let enough = self.limits.windows.outbound.least / 4;
        if self.untold > 0 && self.untold >= enough && self.exchange.poll_room() == Emitted::Open {
            out.push(id, ToWorker::Taken(std::mem::take(&mut self.untold)));
        }
    }

    /// Handles a message of the worker.
    pub(crate) fn receive(&mut self, id: u32, message: FromWorker, out: &mut Outgoing) -> Result<(), Malformed> {
        self.begin_here();
        match message {
            FromWorker::Returned => {
                self.returned = true;
                return Ok(());
            }
            // When the client has gone, nothing is counted any more.
            FromWorker::Credit(..) if self.is_gone() => return Ok(()),
            FromWorker::Credit(bytes, messages) => self.credit(bytes, messages)?,
            message => {
                let event = self.event_of(id, message)?;
                self.emit(event)?;
            }
        }
        self.pump(id, out);
        Ok(())
    }

    /// The application has received so much.
    fn credit(&mut self, bytes: usize, messages: u64) -> Result<(), Malformed> {
        let (waiting, count) = &mut self.outstanding;
        let had = waiting.get();
        let Some(left) = count.checked_sub(messages).filter(|_| bytes <= had) else {
            return Err(Malformed(format!(
                "credit for {bytes} bytes and {messages} messages, where {had} and {count} are under way"
            )));
        };
        *count = left;
        waiting.sub(bytes);
        self.window.take(bytes, waiting.get(), Instant::now);
        // It receives.
        let most = self.limits.windows.inbound.most;
        if self.spread < most {
            self.spread = most;
            self.exchange.note_receipt();
        }
        Ok(())
    }

    /// The event that a message of the worker stands for.
    fn event_of(&self, id: u32, message: FromWorker) -> Result<ResponseEvent, Malformed> {
        Ok(match message {
            FromWorker::Complete(Start { status, headers, body }) => ResponseEvent::Complete { status, headers, body },
            FromWorker::Start(Start { status, headers, body }) => ResponseEvent::Start { status, headers, body },
            FromWorker::Body(bytes) => ResponseEvent::Body(bytes),
            FromWorker::End { body, trailers } => ResponseEvent::End { body, trailers },
            FromWorker::Failed { logged, why, .. } => ResponseEvent::Failed(Failure {
                logged,
                ..failure(why, self.order.is_under_way())
            }),
            FromWorker::Continue => ResponseEvent::Continue,
            FromWorker::EarlyHint(links) => ResponseEvent::EarlyHint(links),
            FromWorker::File {
                file: Some(file),
                offset,
                length,
                last,
                weight,
            } => ResponseEvent::File(FileRange {
                file,
                offset,
                length,
                last,
                weight,
            }),
            FromWorker::Accept(answer) => ResponseEvent::Accept(answer),
            FromWorker::Message(message) => ResponseEvent::Message(message),
            FromWorker::Close(closed) => ResponseEvent::Close(closed),
            other => {
                let what = other.kind();
                return Err(Malformed(format!(
                    "kind {what} belongs to no request, and has the number {id}"
                )));
            }
        })
    }

    fn emit(&mut self, event: ResponseEvent) -> Result<(), Malformed> {
        if self.order.admit(&event)? {
            self.fit(&event)?;
            self.untold = self.untold.saturating_add(event.body_len());
            self.exchange.emit(event);
        }
        Ok(())
    }

    /// Checks that the window has room for an event. The worker has waited for that before it sent the event.
    fn fit(&self, event: &ResponseEvent) -> Result<(), Malformed> {
        let Limits { least, most } = self.limits.windows.outbound;
        let weight = event.body_len();
        if self.exchange.is_websocket() && !matches!(event, ResponseEvent::Message(_)) {
            // The body of a refusal goes whole, in pieces.
            return Ok(());
        }
        // What the worker sends at once comes in pieces of one frame: behind the first of them the window may be full.
        let at_once = least.max(most / 2);
        let behind = (at_once.div_ceil(LARGEST) - 1).saturating_mul(LARGEST);
        if weight > 0 && self.untold >= most.saturating_add(behind) {
            return Err(Malformed(format!(
                "{weight} bytes for a full window: {} bytes of {most} are under way",
                self.untold
            )));
        }
        if self.exchange.is_websocket() {
            // A message goes whole.
            return Ok(());
        }
        match event {
            ResponseEvent::File(_) if weight != most => Err(Malformed(format!(
                "a file that counts as {weight} bytes, where it fills a window of {most}"
            ))),
            _ if weight > most => Err(Malformed(format!("a piece of {weight} bytes for a window of {most}"))),
            _ => Ok(()),
        }
    }

    /// Whether its application is known to have begun.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun
    }

    /// The application has begun, so the copy for another worker is no longer needed.
    pub(crate) fn begin_here(&mut self) {
        if !std::mem::replace(&mut self.begun, true) {
            self.kept = Vec::new();
        }
    }

    /// Fails the request: no worker will answer it.
    pub(crate) fn fail(&mut self, error: Error) {
        self.returned = true;
        let started = self.order.is_under_way();
        let event = if self.exchange.is_websocket() && started {
            ResponseEvent::Close(Closed::with(RESTART))
        } else {
            ResponseEvent::Failed(Failure {
                error,
                traceback: String::new(),
                started,
                logged: false,
            })
        };
        // Both may come at any time.
        drop(self.emit(event));
    }

    /// Whether somebody still waits for the end of the response.
    pub(crate) fn is_waited_for(&self) -> bool {
        !self.order.is_over() && !self.is_gone()
    }
}

/// A worker's error, in the form of this process's errors.
pub(crate) fn failure(why: Failed, started: bool) -> Failure {
    Failure {
        error: Error::AppLoad {
            code: why.code,
            message: why.message,
        },
        traceback: why.traceback,
        started,
        logged: false,
    }
}

#[cfg(test)]
mod tests;
