//! Requests that nobody waits for and whose app goes on: they must not keep the place of others for ever.

use std::sync::Arc;

use asgi_node_core::Exchange;
use pyo3::prelude::*;

use super::Application;
use super::lifecycle::seconds;

impl Application {
    /// The time of this request is over: it is no longer in flight, its app gets a disconnect, and is cancelled when it does not
    /// end by itself.
    pub fn give_up(self: &Arc<Self>, exchange: &Arc<Exchange>) {
        exchange.disconnect();
        self.counters.unreturned().abandon(exchange);
        self.watch_overdue();
    }

    /// Nobody waits for this request any more; its app has the time that it would have had.
    pub fn disconnect(self: &Arc<Self>, exchange: &Arc<Exchange>) {
        exchange.disconnect();
        if self.request_timeout > 0 {
            self.watch_overdue();
        }
    }

    /// Has the runner look after what goes on though nobody waits for it.
    fn watch_overdue(self: &Arc<Self>) {
        let this = Arc::clone(self);
        self.event_loop.call(move |py, _| {
            let runner = this.runner.bind(py);
            if let Err(raised) = runner.call_method1("watch_overdue", (seconds(this.request_timeout),)) {
                raised.write_unraisable(py, None);
            }
        });
    }
}
