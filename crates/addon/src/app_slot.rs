//! Where a handler's app is while it loads, serves and closes.
//!
//! Written by a thread of Python's when the app is there, read by the environment's thread for every request.

use std::sync::{Arc, OnceLock, Weak};

use asgi_node_core::{Config, Error, Traced};
use parking_lot::Mutex;

use crate::application::{Application, Place, give_up};
use crate::errors::NativeFailure;

/// The app of a handler.
#[derive(Default)]
pub(crate) enum App {
    #[default]
    Unloaded,
    /// On its way; these want to know.
    Loading(Vec<OnSettled>),
    Loaded(Arc<Application>),
    Failed(Traced),
    /// On its way down: kept by what is still under way.
    Closing(Weak<Application>),
    Closed,
}

/// Called once: with null, or with why there is no app.
pub(crate) type OnSettled = Box<dyn FnOnce(Option<NativeFailure>) + Send>;

/// The event loop of a handler, known before its app is.
pub(crate) type Home = Arc<OnceLock<Arc<Place>>>;

/// Loads the app, once, and tells what became of it: null, or why it failed.
pub(crate) fn load(slot: &Arc<Mutex<App>>, home: &Home, config: &Config, on_settled: OnSettled) {
    let mut app = slot.lock();
    let known = match &mut *app {
        App::Unloaded => {
            *app = App::Loading(vec![on_settled]);
            drop(app);
            let (slot, home) = (Arc::clone(slot), Arc::clone(home));
            let found = move |event_loop| drop(home.set(event_loop));
            return Application::load(config.clone(), found, move |loaded| settle(&slot, loaded));
        }
        App::Loading(waiting) => return waiting.push(on_settled),
        App::Loaded(_) => None,
        App::Failed(traced) => Some(traced.clone().into()),
        App::Closing(_) | App::Closed => Some(Error::HandlerClosed.into()),
    };
    drop(app);
    on_settled(known);
}

/// Nobody waits for the app any longer. If it comes up all the same, it is closed.
pub(crate) fn abandon(slot: &Mutex<App>, home: &Home) {
    let mut app = slot.lock();
    if let App::Loading(waiting) = &mut *app {
        let waiting = std::mem::take(waiting);
        *app = App::Closed;
        drop(app);
        for on_settled in waiting {
            on_settled(Some(Error::HandlerClosed.into()));
        }
        give_up(home.get());
    }
}

fn settle(slot: &Mutex<App>, loaded: Result<Arc<Application>, Traced>) {
    let (next, failure) = match loaded {
        Ok(app) => (App::Loaded(app), None),
        Err(traced) => (App::Failed(traced.clone()), Some(traced)),
    };
    let mut app = slot.lock();
    let before = std::mem::replace(&mut *app, App::Closed);
    if let App::Loading(waiting) = before {
        *app = next;
        drop(app);
        for on_settled in waiting {
            on_settled(failure.clone().map(Into::into));
        }
    } else if let App::Loaded(orphan) = next {
        // The environment has gone while the app was loading: nobody will close it but us.
        drop(app);
        orphan.close(0, |_| {});
    }
}
