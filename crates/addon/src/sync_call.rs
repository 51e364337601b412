//! `handleRequestSync`: the one caller that waits, on a condition variable and still without attaching to Python.

use std::sync::Arc;
use std::time::{Duration, Instant};

use asgi_node_core::{Error, Exchange, Failure, Notify, ResponseEvent};
use parking_lot::{Condvar, Mutex};

/// The host of one synchronous call.
#[derive(Default)]
pub(crate) struct SyncHost {
    news: Mutex<bool>,
    bell: Condvar,
}

impl Notify for SyncHost {
    fn notify(&self, _: Arc<Exchange>) {
        *self.news.lock() = true;
        self.bell.notify_one();
    }
}

/// A whole response.
#[derive(Default)]
pub(crate) struct Whole {
    pub(crate) status: u16,
    pub(crate) headers: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

impl SyncHost {
    /// Blocks until the exchange has its outcome, or until the limit (the app gets `http.disconnect` then).
    pub(crate) fn wait(&self, exchange: &Arc<Exchange>, limit: Option<Duration>) -> Result<Whole, Failure> {
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        let mut whole = Whole::default();
        loop {
            let mut news = self.news.lock();
            while !std::mem::take(&mut *news) {
                let Some(deadline) = deadline else {
                    self.bell.wait(&mut news);
                    continue;
                };
                if self.bell.wait_until(&mut news, deadline).timed_out() {
                    drop(news);
                    exchange.disconnect();
                    let error = Error::RequestTimeout;
                    return Err(Failure {
                        error,
                        traceback: String::new(),
                        started: false,
                    });
                }
            }
            drop(news);
            for event in exchange.take_events() {
                let last = event.is_last();
                match event {
                    ResponseEvent::Complete { status, headers, body }
                    | ResponseEvent::Start { status, headers, body } => {
                        whole = Whole { status, headers, body };
                    }
                    ResponseEvent::Body(mut body) | ResponseEvent::End { mut body, .. } => whole.body.append(&mut body),
                    ResponseEvent::Failed(failure) => return Err(failure),
                    // The host offered none of these: there is no body to come, no interim response, no file, no WebSocket.
                    ResponseEvent::Resume
                    | ResponseEvent::Continue
                    | ResponseEvent::EarlyHint(_)
                    | ResponseEvent::File(_)
                    | ResponseEvent::Accept(_)
                    | ResponseEvent::Message(_)
                    | ResponseEvent::Close(_) => {}
                }
                if last {
                    return Ok(whole);
                }
            }
        }
    }
}
