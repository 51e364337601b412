//! Where a request counts for as long as its app has not returned: in flight, or abandoned, when its host has given it up.

use std::sync::atomic::{AtomicU8, Ordering};

use super::Exchange;

const IN_FLIGHT: u8 = 0;
const ABANDONED: u8 = 1;
const RETURNED: u8 = 2;

/// Which of the three it is. The host's thread and the event loop's may change it at the same time.
#[derive(Debug, Default)]
pub(super) struct Counted(AtomicU8);

impl Exchange {
    /// The host has given it up while its app goes on; false when the app has returned, or it was abandoned before.
    pub fn abandon(&self) -> bool {
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
    pub fn note_return(&self) -> Option<bool> {
        match self.counted.0.swap(RETURNED, Ordering::AcqRel) {
            RETURNED => None,
            before => Some(before == ABANDONED),
        }
    }
}
