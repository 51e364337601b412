//! The failure of an event loop, and the objects that are notified of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use asgi_node_core::Error;
use parking_lot::Mutex;

/// Notified when its loop fails: an application, or a caller that waits for one.
pub(crate) trait Dependent: Send + Sync {
    /// The loop has failed. Called once, on the loop's thread; or at once, if the loop had already failed.
    fn loop_failed(&self, error: &Error);
}

/// Whether a loop has failed, and its dependents.
#[derive(Default)]
pub(super) struct Failing {
    /// Separate from `state`, because it is read for every request.
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
    /// Why the loop cannot go on, if it cannot.
    pub(super) fn failure(&self) -> Option<Error> {
        self.failed
            .load(Ordering::Acquire)
            .then(|| self.state.lock().error.clone())
            .flatten()
    }

    /// Tells this dependent when the loop fails; at once if it has failed.
    pub(super) fn tell(&self, whom: &Arc<dyn Dependent>) {
        let mut state = self.state.lock();
        let Some(error) = state.error.clone() else {
            state.dependents.retain(|known| known.strong_count() > 0);
            return state.dependents.push(Arc::downgrade(whom));
        };
        drop(state);
        whom.loop_failed(&error);
    }

    /// Notes that the loop has failed, and why. Returns the dependents to tell.
    pub(super) fn set(&self, error: &Error) -> Vec<Weak<dyn Dependent>> {
        let mut state = self.state.lock();
        state.error = Some(error.clone());
        let dependents = std::mem::take(&mut state.dependents);
        drop(state);
        self.failed.store(true, Ordering::Release);
        dependents
    }
}
