//! `handleRequestSync`: the one caller that waits, on a condition variable and still without attaching to Python.
//!
//! The process may end meanwhile, by another thread: then Python answers nobody any more, and that thread would wait for this
//! one. So whoever blocks here looks up now and then.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use asgi_node_core::{Error, Exchange, Failure, Notify, ResponseEvent, Submission, Traced};
use napi::bindgen_prelude::Buffer;
use napi_derive::napi;
use parking_lot::{Condvar, Mutex};

use crate::application::{Application, is_ending};
use crate::errors::NativeFailure;

/// How long the process's end may wait for a thread that blocks.
const TURN: Duration = Duration::from_millis(20);

/// Blocks until something comes; `None` when nothing will.
#[cfg(feature = "python")]
pub(crate) fn receive<T>(receiver: &Receiver<T>) -> Option<T> {
    receive_before(receiver, None).ok().flatten()
}

/// The same, until the deadline, when it is an error.
pub(crate) fn receive_before<T>(receiver: &Receiver<T>, deadline: Option<Instant>) -> Result<Option<T>, Late> {
    loop {
        match receiver.recv_timeout(TURN) {
            Ok(value) => return Ok(Some(value)),
            Err(RecvTimeoutError::Timeout) if deadline.is_some_and(|deadline| Instant::now() >= deadline) => {
                return Err(Late);
            }
            Err(RecvTimeoutError::Timeout) if !is_ending() => {}
            Err(_) => return Ok(None),
        }
    }
}

/// The deadline has passed.
#[derive(Debug)]
pub(crate) struct Late;

/// A whole response, or why there is none.
#[napi(object)]
#[allow(missing_debug_implementations, reason = "only JavaScript holds it")]
pub struct SyncOutcome {
    /// The status code; 0 on failure.
    pub status: u32,
    /// `name\0value\0…`
    pub headers: String,
    /// The whole body.
    pub body: Option<Buffer>,
    /// Why there is no response.
    pub failure: Option<NativeFailure>,
}

impl From<Result<Whole, Traced>> for SyncOutcome {
    fn from(answered: Result<Whole, Traced>) -> Self {
        match answered {
            Ok(whole) => Self {
                status: whole.status.into(),
                headers: whole.headers.iter().map(|&byte| char::from(byte)).collect(),
                body: (!whole.body.is_empty()).then(|| whole.body.into()),
                failure: None,
            },
            Err(traced) => Self {
                status: 0,
                headers: String::new(),
                body: None,
                failure: Some(traced.into()),
            },
        }
    }
}

/// The host of one synchronous call.
#[derive(Default)]
struct SyncHost {
    news: Mutex<bool>,
    condition: Condvar,
}

impl Notify for SyncHost {
    fn notify(&self, _: Arc<Exchange>) {
        *self.news.lock() = true;
        self.condition.notify_one();
    }
}

/// A whole response.
#[derive(Default)]
pub(crate) struct Whole {
    pub(crate) status: u16,
    pub(crate) headers: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

impl Whole {
    /// Adds what an event brings; tells whether the response is complete with it.
    fn add(&mut self, event: ResponseEvent) -> Result<bool, Failure> {
        let last = event.is_last();
        match event {
            ResponseEvent::Complete { status, headers, body } | ResponseEvent::Start { status, headers, body } => {
                *self = Self {
                    status,
                    headers,
                    body: body.into(),
                };
            }
            ResponseEvent::Body(body) | ResponseEvent::End { body, .. } => self.body.extend_from_slice(&body),
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
        Ok(last)
    }
}

/// Answers one request while the caller waits, at most for the limit.
pub(crate) fn call(app: &Arc<Application>, request: Submission, limit: Option<Duration>) -> Result<Whole, Traced> {
    let host = Arc::new(SyncHost::default());
    let exchange = app.submit(request, Arc::clone(&host) as Arc<dyn Notify>)?;
    host.wait(&exchange, limit).map_err(|failure| {
        match failure.error {
            Error::RequestTimeout => app.give_up(&exchange),
            // It has told the host itself, or the process ends.
            _ => exchange.disconnect(),
        }
        Traced {
            error: failure.error,
            traceback: failure.traceback,
        }
    })
}

/// Why nobody waits any longer; `None` while the wait goes on.
fn given_up(is_ending: bool, deadline: Option<Instant>, now: Instant) -> Option<Error> {
    if is_ending {
        return Some(Error::HandlerClosed);
    }
    deadline
        .is_some_and(|deadline| now >= deadline)
        .then_some(Error::RequestTimeout)
}

impl SyncHost {
    /// Blocks until the exchange has its outcome, or until the limit.
    fn wait(&self, exchange: &Arc<Exchange>, limit: Option<Duration>) -> Result<Whole, Failure> {
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        let mut whole = Whole::default();
        loop {
            if let Err(error) = self.sleep(deadline) {
                return Err(Failure {
                    error,
                    traceback: String::new(),
                    started: false,
                    logged: false,
                });
            }
            for event in exchange.take_events() {
                if whole.add(event)? {
                    return Ok(whole);
                }
            }
        }
    }

    /// Blocks until there is news, or until the wait is given up.
    fn sleep(&self, deadline: Option<Instant>) -> Result<(), Error> {
        let mut news = self.news.lock();
        while !std::mem::take(&mut *news) {
            self.condition.wait_for(&mut news, TURN);
            if !*news && let Some(error) = given_up(is_ending(), deadline, Instant::now()) {
                return Err(error);
            }
        }
        Ok(())
    }
}
