//! How an app is, in numbers.

use std::time::Duration;

/// See `Health` in npm/asgi-node/lib/index.d.ts.
#[derive(Debug, Clone, Copy)]
pub struct Health {
    /// Requests whose app has not returned.
    pub in_flight: usize,
    /// Requests that the host gave up and whose app has not returned: they are not in flight.
    pub abandoned: usize,
    /// Requests that the event loop has not started.
    pub queued: u64,
    /// All requests that were accepted so far.
    pub requests: u64,
    /// Those whose app raised, or did not complete its response.
    pub errors: u64,
    /// How far the event loop is behind.
    pub lag: Duration,
    /// How long it has not answered a heartbeat that is under way.
    pub blocked: Duration,
    /// Whether the event loop has ended, or no worker can start, so no request can continue.
    pub failed: bool,
    /// Which event loop it runs on.
    pub r#loop: &'static str,
}
