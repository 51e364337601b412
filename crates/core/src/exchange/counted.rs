//! Where a request counts for as long as its app has not returned: in flight, or abandoned, when its host has given it up.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use super::Exchange;
use crate::error::Error;

const IN_FLIGHT: u8 = 0;
const ABANDONED: u8 = 1;
const RETURNED: u8 = 2;

/// Which of the three it is. The host's thread and the event loop's may change it at the same time.
#[derive(Debug, Default)]
pub(super) struct Counted(AtomicU8);

impl Exchange {
    /// The host has given it up while its app goes on; false when the app has returned, or it was abandoned before.
    pub(super) fn abandon(&self) -> bool {
        let counted = &self.counted.0;
        counted
            .compare_exchange(IN_FLIGHT, ABANDONED, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    /// Whether it was abandoned and its app goes on.
    pub fn is_abandoned(&self) -> bool {
        self.counted.0.load(Ordering::Acquire) == ABANDONED
    }

    /// The app has returned, or will never be called: tells whether it was abandoned; `None` when this was known.
    pub(super) fn note_return(&self) -> Option<bool> {
        match self.counted.0.swap(RETURNED, Ordering::AcqRel) {
            RETURNED => None,
            before => Some(before == ABANDONED),
        }
    }
}

/// Counts the requests of an application that has not returned from them, and refuses those above a limit.
#[derive(Debug)]
pub struct Unreturned {
    /// How many requests may be in flight; as many may be abandoned.
    limit: usize,
    in_flight: AtomicUsize,
    abandoned: AtomicUsize,
}

impl Unreturned {
    /// No request yet.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            in_flight: AtomicUsize::new(0),
            abandoned: AtomicUsize::new(0),
        }
    }

    /// Why there is no place for a request.
    pub fn overloaded(&self) -> Error {
        Error::Overloaded { limit: self.limit }
    }

    /// Counts one more request in flight, unless that is more than the limit.
    pub fn begin(&self) -> Result<(), Error> {
        // `SeqCst`: ordered against what the watchdog does before it goes to sleep.
        if self.in_flight.fetch_add(1, Ordering::SeqCst) >= self.limit {
            self.in_flight.fetch_sub(1, Ordering::AcqRel);
            return Err(self.overloaded());
        }
        Ok(())
    }

    /// The app of this request has returned, or will never be called. Only the first call counts, and returns true.
    pub fn done(&self, exchange: &Exchange) -> bool {
        let counter = match exchange.note_return() {
            Some(false) => &self.in_flight,
            Some(true) => &self.abandoned,
            None => return false,
        };
        counter.fetch_sub(1, Ordering::AcqRel);
        true
    }

    /// Moves a request from those in flight to the abandoned ones, which makes room for another. Does nothing if the limit
    /// of abandoned requests has been reached.
    pub fn abandon(&self, exchange: &Exchange) {
        // First: its app may return at any time, and takes it away from there.
        if self.abandoned.fetch_add(1, Ordering::SeqCst) < self.limit && exchange.abandon() {
            self.in_flight.fetch_sub(1, Ordering::AcqRel);
        } else {
            self.abandoned.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Requests that somebody waits for, and whose app has not returned.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    /// Requests that were abandoned, and whose app has not returned.
    pub fn abandoned(&self) -> usize {
        self.abandoned.load(Ordering::SeqCst)
    }
}
