//! How many bytes may be under way in one direction of an exchange.
//!
//! A window that is full stays so until half of it is free: otherwise each piece would put one thread to sleep and wake the
//! other. One that is free again within [`PROMPT`] has held up a side that keeps up, and grows; one that takes longer than
//! [`SLOW`] goes back to its first size. So a window has about the bytes that go by in 10 ms, and a slow side costs no more
//! memory than it did.

use std::time::{Duration, Instant};

/// A side that frees half of its window in this time is held up by the window.
const PROMPT: Duration = Duration::from_millis(10);

/// From here on a side is slow.
const SLOW: Duration = Duration::from_millis(100);

/// The part of what the host has taken so far that may be under way to it at most, beside the first size.
const SHARE: u64 = 32;

/// The first size of a window and the largest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes from the start on.
    pub least: usize,
    /// Bytes for a side that keeps up; no less than `least`.
    pub most: usize,
}

impl Limits {
    /// A window that keeps its size.
    pub fn fixed(size: usize) -> Self {
        Self {
            least: size,
            most: size,
        }
    }
}

/// The window of one direction. It is told of the load (the bytes that are under way) at every change of it.
#[derive(Debug)]
pub struct Window {
    limits: Limits,
    size: usize,
    full_since: Option<Instant>,
    /// Bytes so far, where growth is a share of them.
    taken: Option<u64>,
}

impl Window {
    /// For bytes that an application takes.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            size: limits.least,
            full_since: None,
            taken: None,
        }
    }

    /// For bytes that a socket takes. The first megabytes go into the kernel's buffers, also those of a client that never
    /// reads: so the window is never more than a share of what has gone.
    pub(crate) fn to_socket(limits: Limits) -> Self {
        Self {
            taken: Some(0),
            ..Self::new(limits)
        }
    }

    #[cfg(test)]
    fn size(&self) -> usize {
        self.size
    }

    /// What may go at once: one piece in the hands of the other side, and the next on its way.
    pub(crate) fn portion(&self) -> usize {
        self.limits.least.max(self.size / 2)
    }

    /// Whether more may follow beside this load. From the first `false` on it is full.
    pub fn has_room(&mut self, load: usize, clock: impl FnOnce() -> Instant) -> bool {
        let room = self.is_open(load);
        if !room && self.full_since.is_none() {
            self.full_since = Some(clock());
        }
        room
    }

    /// The same without becoming full.
    pub(crate) fn is_open(&self, load: usize) -> bool {
        self.full_since.is_none() && load < self.size
    }

    /// Nobody waits any more for it to open.
    pub fn forget(&mut self) {
        self.full_since = None;
    }

    /// So many bytes have been taken, and this load is left; tells whether it opens by that.
    pub fn take(&mut self, bytes: usize, load: usize, clock: impl FnOnce() -> Instant) -> bool {
        if let Some(taken) = &mut self.taken {
            *taken = taken.saturating_add(bytes as u64);
        }
        let Some(since) = self.full_since else { return false };
        if load > self.size / 2 {
            return false;
        }
        self.full_since = None;
        if self.limits.least < self.limits.most {
            self.adapt(clock().saturating_duration_since(since));
        }
        true
    }

    fn adapt(&mut self, waited: Duration) {
        if waited <= PROMPT {
            let share = self
                .taken
                .map_or(usize::MAX, |taken| usize::try_from(taken / SHARE).unwrap_or(usize::MAX));
            let larger = self.size.saturating_mul(2).min(self.limits.most).min(share);
            self.size = self.size.max(larger);
        } else if waited > SLOW {
            self.size = self.limits.least;
        }
    }
}

#[cfg(test)]
mod tests;
