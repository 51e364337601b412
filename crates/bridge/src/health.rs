//! An app's health in numbers, which can be read without Python.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use asgi_node_core::Exchange;
pub use asgi_node_core::Health;

/// The counters of an application.
#[derive(Debug)]
pub struct Counters {
    /// How many requests may be in flight; as many may be abandoned.
    limit: usize,
    in_flight: AtomicUsize,
    abandoned: AtomicUsize,
    submitted: AtomicU64,
    started: AtomicU64,
    failed: AtomicU64,
    body_was_dropped: AtomicBool,
}

impl Counters {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            in_flight: AtomicUsize::new(0),
            abandoned: AtomicUsize::new(0),
            submitted: AtomicU64::new(0),
            started: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            body_was_dropped: AtomicBool::new(false),
        }
    }

    /// How many requests may be in flight.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Counts one more request in flight; false, without counting it, if that is more than the limit.
    pub(crate) fn begin(&self) -> bool {
        // `SeqCst`: ordered against what the watchdog does before it goes to sleep.
        if self.in_flight.fetch_add(1, Ordering::SeqCst) >= self.limit {
            self.in_flight.fetch_sub(1, Ordering::AcqRel);
            return false;
        }
        true
    }

    /// The app of this request has returned, or will never be called. Only the first call counts.
    pub(crate) fn done(&self, exchange: &Exchange) {
        let counter = match exchange.note_return() {
            Some(false) => &self.in_flight,
            Some(true) => &self.abandoned,
            None => return,
        };
        counter.fetch_sub(1, Ordering::AcqRel);
        exchange.tell_return();
    }

    /// Moves a request from those in flight to the abandoned ones, which makes room for another. Does nothing if the limit
    /// of abandoned requests has been reached.
    pub(crate) fn abandon(&self, exchange: &Exchange) {
        // First: its app may return at any time, and takes it away from there.
        if self.abandoned.fetch_add(1, Ordering::SeqCst) < self.limit && exchange.abandon() {
            self.in_flight.fetch_sub(1, Ordering::AcqRel);
        } else {
            self.abandoned.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Requests whose app has not returned.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    /// Whether an app has something to do.
    pub(crate) fn is_busy(&self) -> bool {
        self.in_flight() + self.abandoned.load(Ordering::SeqCst) > 0
    }

    /// A request was queued for the event loop.
    pub(crate) fn note_submitted(&self) {
        self.submitted.fetch_add(1, Ordering::Relaxed);
    }

    /// The event loop has started a request. Returns its sequence number.
    pub(crate) fn note_started(&self) -> u64 {
        self.started.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The app has raised, or has not completed its response.
    pub(crate) fn note_failure(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// True once: the first time that this app has sent a body that is not allowed.
    pub(crate) fn is_first_dropped_body(&self) -> bool {
        !self.body_was_dropped.swap(true, Ordering::Relaxed)
    }

    /// The numbers, with the state of the event loop.
    pub(crate) fn health(&self, lag: Duration, blocked: Duration, kind: &'static str) -> Health {
        // Read the subtrahend first: a request may start between the two reads.
        let started = self.started.load(Ordering::Relaxed);
        let submitted = self.submitted.load(Ordering::Relaxed);
        Health {
            in_flight: self.in_flight(),
            abandoned: self.abandoned.load(Ordering::Acquire),
            queued: submitted.saturating_sub(started),
            requests: submitted,
            errors: self.failed.load(Ordering::Relaxed),
            lag,
            blocked,
            failed: false,
            r#loop: kind,
        }
    }
}
