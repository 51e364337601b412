//! What may wait for apps beside their windows.
//!
//! A window bounds one exchange, and is small, because there may be very many of them. Where only few are large, which is the
//! rule, they may be as large as the largest window at once: the sum of all is what counts. A window that has to grow first
//! takes a body of a megabyte apart, and each piece costs a wake-up of both threads.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The sum of what waits, in bytes, up to which a single exchange may go beyond its window.
const LIMIT: usize = 32 * 1024 * 1024;

/// Of all exchanges of this process. A sum: nothing is read by its order.
static WAITING: AtomicUsize = AtomicUsize::new(0);

/// The bytes of one exchange that wait for its app, in this process or in a worker; they leave the sum with it.
#[derive(Debug, Default)]
pub struct Waiting(usize);

impl Waiting {
    /// How many they are.
    pub fn get(&self) -> usize {
        self.0
    }

    /// So many more. Most requests have no body: they leave the sum alone, which both threads would have to fetch.
    pub fn add(&mut self, bytes: usize) {
        if bytes > 0 {
            self.0 += bytes;
            WAITING.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// So many fewer.
    pub fn sub(&mut self, bytes: usize) {
        let bytes = bytes.min(self.0);
        if bytes > 0 {
            self.0 -= bytes;
            WAITING.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    /// None any more.
    pub fn clear(&mut self) {
        self.sub(self.0);
    }

    /// Whether so little waits in all exchanges that this one may go beyond its window.
    pub fn is_sum_small() -> bool {
        WAITING.load(Ordering::Relaxed) < LIMIT
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.clear();
    }
}
