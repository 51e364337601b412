//! Hands the events of exchanges, and what was said in Python, to JavaScript.

use std::cell::Cell;
use std::sync::Arc;

use asgi_node_core::log_queue::Dropped;
use asgi_node_core::{Exchange, ResponseEvent};
use napi::Env;

use crate::delivery::Parcel;
use crate::event_sink::EventSink;
use crate::ffi::{Delivered, Delivery};
use crate::state::State;

/// Log records and lines that are handed over before JavaScript's other work comes in between.
const SAID_AT_ONCE: usize = 256;

thread_local! {
    /// Whether a handler of this environment is inside `deliver`.
    static DELIVERING: Cell<bool> = const { Cell::new(false) };
}

/// Whether JavaScript runs inside `deliver`: a synchronous call from there would wait for itself.
pub(crate) fn is_delivering() -> bool {
    DELIVERING.get()
}

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
        DELIVERING.set(true);
        'batch: for exchange in batch.drain(..) {
            for event in exchange.take_events() {
                if !self.deliver_event(&delivery, &exchange, event) {
                    break 'batch;
                }
            }
        }
        Self::drain_log_queue(&delivery, &sink);
        DELIVERING.set(false);
        self.batch.set(batch);
    }

    /// Hands over what was said in Python; tells whether there was anything.
    fn drain_log_queue(delivery: &Delivery<'_>, sink: &EventSink) -> bool {
        let mut said = Vec::new();
        let dropped = sink.log_queue().take(SAID_AT_ONCE, &mut said);
        let lost = (dropped != Dropped::default()).then(|| Parcel::dropped(dropped));
        let mut any = false;
        for parcel in said.into_iter().map(Parcel::said).chain(lost) {
            any = true;
            let dropped = parcel.as_dropped();
            let delivered = match delivery.deliver(parcel) {
                Delivered::Refused(_) => delivery.deliver(Parcel::dropped(dropped)),
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
        let is_file = matches!(event, ResponseEvent::File(_));
        // A file that ends the response keeps its number until it has been sent.
        let (last, ends) = (event.is_last() && !is_file, event.is_last() && is_file);
        if !self.open.borrow().knows(exchange) {
            // Given up by JavaScript between two events.
            return true;
        }
        if last {
            // Before the call, because the number is free for a new request as soon as JavaScript knows of the end.
            drop(self.open.borrow_mut().remove(id));
        }
        let parcel = Parcel::new(id, event);
        match delivery.deliver(parcel) {
            Delivered::Taken => {
                exchange.taken(bytes);
                if ends && self.open.borrow().knows(exchange) {
                    drop(self.open.borrow_mut().remove(id));
                }
            }
            Delivered::Held => self.open.borrow_mut().hold(id, bytes, ends),
            Delivered::Refused(refusal) => {
                drop(self.open.borrow_mut().remove(id));
                exchange.disconnect();
                return delivery.deliver(Parcel::refused(id, refusal)) != Delivered::Stopped;
            }
            Delivered::Stopped => return false,
        }
        true
    }
}
