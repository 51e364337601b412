//! How an app is, as JavaScript sees it.

use std::time::Duration;

use napi_derive::napi;

/// What the native side knows of `handler.health()`.
#[napi(object)]
#[derive(Debug)]
pub struct NativeHealth {
    /// Requests whose app has not returned.
    pub in_flight: f64,
    /// Requests that were given up and whose app has not returned: they are not in flight.
    pub abandoned: f64,
    /// Requests that the event loop has not come to.
    pub queued: f64,
    /// All requests that were accepted so far.
    pub requests: f64,
    /// Those whose app raised, or did not complete its response.
    pub errors: f64,
    /// Milliseconds that the event loop is behind.
    pub lag: f64,
    /// Milliseconds for which it has not answered a heartbeat that is under way; 0 when none is.
    pub blocked: f64,
    /// Whether the event loop has ended, or no worker can start, so no request can continue.
    pub failed: bool,
    /// The event loop that it runs on: `asyncio` or `uvloop`.
    pub r#loop: String,
}

impl From<asgi_node_core::Health> for NativeHealth {
    #[allow(
        clippy::cast_precision_loss,
        reason = "nobody counts to 2^53 requests, which take 285 years at a million a second"
    )]
    fn from(health: asgi_node_core::Health) -> Self {
        let milliseconds = |duration: Duration| duration.as_secs_f64() * 1000.0;
        Self {
            in_flight: health.in_flight as f64,
            abandoned: health.abandoned as f64,
            queued: health.queued as f64,
            requests: health.requests as f64,
            errors: health.errors as f64,
            lag: milliseconds(health.lag),
            blocked: milliseconds(health.blocked),
            failed: health.failed,
            r#loop: health.r#loop.to_owned(),
        }
    }
}
