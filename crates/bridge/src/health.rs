//! An app's health in numbers, which can be read without Python.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

pub use asgi_node_core::Health;
use asgi_node_core::{Exchange, Unreturned};

/// The counters of an application.
#[derive(Debug)]
pub struct Counters {
    unreturned: Unreturned,
    submitted: AtomicU64,
    started: AtomicU64,
    failed: AtomicU64,
    body_was_dropped: AtomicBool,
}

impl Counters {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            unreturned: Unreturned::new(limit),
            submitted: AtomicU64::new(0),
            started: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            body_was_dropped: AtomicBool::new(false),
        }
    }

    /// The requests whose app has not returned.
    pub(crate) fn unreturned(&self) -> &Unreturned {
        &self.unreturned
    }

    /// The app of this request has returned, or will never be called. Only the first call counts.
    pub(crate) fn done(&self, exchange: &Exchange) {
        if self.unreturned.done(exchange) {
            exchange.tell_return();
        }
    }

    /// Whether an app has something to do.
    pub(crate) fn is_busy(&self) -> bool {
        self.unreturned.in_flight() + self.unreturned.abandoned() > 0
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
            in_flight: self.unreturned.in_flight(),
            abandoned: self.unreturned.abandoned(),
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
