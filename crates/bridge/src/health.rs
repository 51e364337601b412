//! How an app is, in numbers that need no Python to be read.

use std::time::Duration;

/// See `Health` in npm/asgi-node/lib/index.d.ts.
#[derive(Debug, Clone, Copy)]
pub struct Health {
    /// Requests whose app has not returned.
    pub in_flight: usize,
    /// Those of them that the event loop has not come to.
    pub queued: u64,
    /// All requests that were accepted so far.
    pub requests: u64,
    /// Those whose app raised, or did not complete its response.
    pub errors: u64,
    /// How far the event loop is behind.
    pub lag: Duration,
    /// How long it has not come to a beat that is under way.
    pub blocked: Duration,
    /// Which event loop it runs on.
    pub r#loop: &'static str,
}
