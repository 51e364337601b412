//! Hands the events of exchanges, and what was said in Python, to JavaScript.

use std::sync::Arc;

use asgi_node_core::log_queue::Dropped;
use asgi_node_core::{Exchange, ResponseEvent};
use napi::Env;

use crate::delivery::{JsEvent, is_lent};
use crate::event_sink::EventSink;
use crate::ffi::{Delivered, Delivery};
use crate::open::AfterDrain;
use crate::state::State;

/// Log records and lines that are handed over before JavaScript's other work comes in between.
const LOG_BATCH: usize = 256;

impl State {
    /// Hands all events to JavaScript.
    pub(crate) fn drain(&self, env: &Env) {
        let Some(sink) = self.sink.borrow().clone() else {
            return;
        };
        let Some(callback) = self.deliver.get() else { return };
        let Some(delivery) = Delivery::new(env, callback) else {
            return;
        };
        let mut batch = self.batch.take();
        sink.take(&mut batch);
        'batch: for exchange in batch.drain(..) {
            for event in exchange.take_events() {
                if !self.deliver_event(&delivery, &exchange, event) {
                    break 'batch;
                }
            }
        }
        Self::drain_log_queue(&delivery, &sink);
        self.batch.set(batch);
    }

    /// Hands over what was said in Python; tells whether there was anything.
    fn drain_log_queue(delivery: &Delivery<'_>, sink: &EventSink) -> bool {
        let mut entries = Vec::new();
        let dropped = sink.log_queue().take(LOG_BATCH, &mut entries);
        let lost = (dropped != Dropped::default()).then(|| JsEvent::dropped(dropped));
        let mut any = false;
        for event in entries.into_iter().map(JsEvent::log_entry).chain(lost) {
            any = true;
            let dropped = event.as_dropped();
            let delivered = match delivery.deliver(event) {
                Delivered::Refused(_) => delivery.deliver(JsEvent::dropped(dropped)),
                delivered => delivered,
            };
            if delivered == Delivered::Stopped {
                return false;
            }
        }
        any
    }

    /// The same until nothing is left.
    pub(crate) fn drain_all(&self, env: &Env) {
        self.drain(env);
        let (Some(sink), Some(callback)) = (self.sink.borrow().clone(), self.deliver.get()) else {
            return;
        };
        let Some(delivery) = Delivery::new(env, callback) else {
            return;
        };
        while Self::drain_log_queue(&delivery, &sink) {}
    }

    /// Hands over one event; false when JavaScript cannot run any more.
    fn deliver_event(&self, delivery: &Delivery<'_>, exchange: &Arc<Exchange>, event: ResponseEvent) -> bool {
        let (id, bytes) = (exchange.id(), event.body_len());
        if !self.open.borrow().knows(exchange) {
            // Given up by JavaScript between two events.
            return true;
        }
        let (event, after) = split(exchange, event);
        if event.is_last() && after == AfterDrain::More {
            // Before the call, because the number is free for a new request as soon as JavaScript knows of the end.
            drop(self.open.borrow_mut().remove(id));
        }
        let event = JsEvent::new(exchange, event);
        match delivery.deliver(event) {
            Delivered::Taken => {
                exchange.taken(bytes);
                if after != AfterDrain::More && self.open.borrow().knows(exchange) {
                    drop(self.open.borrow_mut().remove(id));
                    if let AfterDrain::End(trailers) = after {
                        return delivery.deliver(JsEvent::end(id, trailers)) != Delivered::Stopped;
                    }
                }
            }
            Delivered::Held => self.open.borrow_mut().add_unacknowledged(id, bytes, after),
            Delivered::Refused(refusal) => {
                drop(self.open.borrow_mut().remove(id));
                exchange.disconnect();
                return delivery.deliver(JsEvent::refused(id, refusal)) != Delivered::Stopped;
            }
            Delivered::Stopped => return false,
        }
        true
    }

    /// The end of a response, of which JavaScript has taken the rest; its number is free.
    pub(crate) fn deliver_end(&self, env: &Env, id: u32, trailers: Vec<u8>) {
        let Some(delivery) = self.deliver.get().and_then(|callback| Delivery::new(env, callback)) else {
            return;
        };
        delivery.deliver(JsEvent::end(id, trailers));
    }
}

/// An event that ends its response with many bytes becomes two, so that the request is under way until JavaScript has taken
/// them: a file keeps its number, and behind a piece that is lent comes its end.
fn split(exchange: &Exchange, event: ResponseEvent) -> (ResponseEvent, AfterDrain) {
    match event {
        ResponseEvent::File(range) => {
            let after = if range.last {
                AfterDrain::Nothing
            } else {
                AfterDrain::More
            };
            (ResponseEvent::File(range), after)
        }
        ResponseEvent::Complete { status, headers, body } if is_lent(exchange, &body) => (
            ResponseEvent::Start { status, headers, body },
            AfterDrain::End(Vec::new()),
        ),
        ResponseEvent::End { body, trailers } if is_lent(exchange, &body) => {
            (ResponseEvent::Body(body), AfterDrain::End(trailers))
        }
        event => (event, AfterDrain::More),
    }
}
