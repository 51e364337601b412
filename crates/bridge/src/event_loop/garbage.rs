//! What the event loop must free.
//!
//! Threads without the GIL cannot free objects of Python: `PyO3` puts them into a pool, which the next thread that takes the
//! GIL empties. A loop with nothing to do takes it at no time, so it is woken when much has come together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use asgi_node_core::Waker;

/// So many bytes may wait for the next thread that takes the GIL.
const MOST: usize = 1024 * 1024;

/// How much waits to be freed.
pub(crate) struct Garbage {
    bytes: AtomicUsize,
    event_loop: Arc<dyn Waker>,
}

impl Garbage {
    pub(super) fn new(event_loop: Arc<dyn Waker>) -> Arc<Self> {
        Arc::new(Self {
            bytes: AtomicUsize::new(0),
            event_loop,
        })
    }

    /// An object of so many bytes is in the pool.
    pub(crate) fn add(&self, bytes: usize) {
        if self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes >= MOST {
            self.bytes.store(0, Ordering::Relaxed);
            // The pool is emptied as soon as Rust is called with the GIL.
            self.event_loop.wake();
        }
    }
}
