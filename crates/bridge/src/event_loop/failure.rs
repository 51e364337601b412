//! An event loop that cannot go on: everything under way on it fails, and whoever wants something of it is told.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use asgi_node_core::{Error, Failure, ResponseEvent};
use parking_lot::Mutex;
use pyo3::prelude::*;

use super::drain::Drain;
use super::handle::{EventLoop, Message};

/// Wants to know when its loop fails: an application, or whoever waits for one.
pub(crate) trait Dependent: Send + Sync {
    /// The loop has failed. Called once, on the loop's thread, or at once where it has failed before.
    fn loop_failed(&self, error: &Error);
}

/// Whether a loop has failed, and who wants to know.
#[derive(Default)]
pub(super) struct Failing {
    /// Looked at for every request.
    failed: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    error: Option<Error>,
    dependents: Vec<Weak<dyn Dependent>>,
}

impl std::fmt::Debug for Failing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Failing")
            .field("failure", &self.failure())
            .finish_non_exhaustive()
    }
}

impl Failing {
    fn failure(&self) -> Option<Error> {
        self.failed
            .load(Ordering::Acquire)
            .then(|| self.state.lock().error.clone())
            .flatten()
    }
}

impl EventLoop {
    /// Why it cannot go on, if it cannot.
    pub(crate) fn failure(&self) -> Option<Error> {
        self.failing().failure()
    }

    /// Has somebody told when the loop fails; at once if it has.
    pub(crate) fn tell_of_failure(&self, whom: &Arc<dyn Dependent>) {
        let mut state = self.failing().state.lock();
        let Some(error) = state.error.clone() else {
            state.dependents.retain(|known| known.strong_count() > 0);
            return state.dependents.push(Arc::downgrade(whom));
        };
        drop(state);
        whom.loop_failed(&error);
    }
}

impl Drain {
    /// The loop has ended, for this reason: fails what is under way, and refuses what comes.
    pub(super) fn fail(&self, py: Python<'_>, reason: String) {
        let error = Error::LoopFailed(reason);
        let failing = self.event_loop().failing();
        let dependents = {
            let mut state = failing.state.lock();
            state.error = Some(error.clone());
            std::mem::take(&mut state.dependents)
        };
        // In this order: whoever is refused a place in the inbox finds the reason.
        failing.failed.store(true, Ordering::Release);
        // One that is under way has its answer: the loop is not blocked, it is no more.
        self.event_loop().heartbeat().arrive(Instant::now());
        for message in self.close() {
            if let Message::Request(service, exchange, _) = message {
                service.forget();
                exchange.emit(ResponseEvent::Failed(Failure {
                    error: error.clone(),
                    traceback: String::new(),
                    started: false,
                }));
            }
        }
        for whom in dependents.iter().filter_map(Weak::upgrade) {
            whom.loop_failed(&error);
        }
        self.side().fail(py, &error);
    }
}
