//! Where a handler's app is while it loads, serves and closes.

use std::sync::{Arc, OnceLock, Weak};

use asgi_node_core::{Config, Error, Traced};
use parking_lot::Mutex;

use crate::application::{Application, LoopHandle, give_up};
use crate::errors::NativeFailure;

/// Called once: with null, or with why there is no app.
pub(crate) type OnSettled = Box<dyn FnOnce(Option<NativeFailure>) + Send>;

#[derive(Default)]
enum App {
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

/// The app of a handler. A thread of Python's writes it when the app is there or gone. The environment's thread reads it for
/// every request.
#[derive(Default)]
pub(crate) struct AppSlot {
    app: Mutex<App>,
    /// Where the app runs. It is known while the app loads, and after everybody has stopped waiting for it.
    loop_handle: OnceLock<Arc<LoopHandle>>,
    /// Who waits for a close that is under way.
    closing: Mutex<Option<OnSettled>>,
}

impl AppSlot {
    /// The app, if it takes requests.
    pub(crate) fn app(&self) -> Result<Arc<Application>, Error> {
        match &*self.app.lock() {
            App::Loaded(app) => Ok(Arc::clone(app)),
            _ => Err(Error::HandlerClosed),
        }
    }

    /// The app, also while it closes.
    pub(crate) fn app_or_closing(&self) -> Option<Arc<Application>> {
        match &*self.app.lock() {
            App::Loaded(app) => Some(Arc::clone(app)),
            App::Closing(app) => app.upgrade(),
            _ => None,
        }
    }

    /// Where the app runs or loads.
    pub(crate) fn loop_handle(&self) -> Option<&Arc<LoopHandle>> {
        self.loop_handle.get()
    }

    /// Loads the app, once, and tells what became of it: null, or why it failed.
    pub(crate) fn load(self: &Arc<Self>, config: &Config, on_settled: OnSettled) {
        let mut app = self.app.lock();
        let known = match &mut *app {
            App::Unloaded => {
                *app = App::Loading(vec![on_settled]);
                drop(app);
                let (finding, loading) = (Arc::clone(self), Arc::clone(self));
                let found = move |loop_handle| drop(finding.loop_handle.set(loop_handle));
                return Application::load(config.clone(), found, move |loaded| loading.settle(loaded));
            }
            App::Loading(waiting) => return waiting.push(on_settled),
            App::Loaded(_) => None,
            App::Failed(traced) => Some(traced.clone().into()),
            App::Closing(_) | App::Closed => Some(Error::HandlerClosed.into()),
        };
        drop(app);
        on_settled(known);
    }

    fn settle(&self, loaded: Result<Arc<Application>, Traced>) {
        let (next, failure) = match loaded {
            Ok(app) => (App::Loaded(app), None),
            Err(traced) => (App::Failed(traced.clone()), Some(traced)),
        };
        let mut app = self.app.lock();
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

    /// Nobody waits any longer for a start or a close that is under way. If the app comes up all the same, it is closed.
    pub(crate) fn abandon(&self) {
        let mut app = self.app.lock();
        if let App::Loading(waiting) = &mut *app {
            let waiting = std::mem::take(waiting);
            *app = App::Closed;
            drop(app);
            self.stop_loading(waiting);
        } else {
            drop(app);
        }
        self.settle_close(None);
    }

    fn stop_loading(&self, waiting: Vec<OnSettled>) {
        for on_settled in waiting {
            on_settled(Some(Error::HandlerClosed.into()));
        }
        give_up(self.loop_handle());
    }

    /// Ends the app in order: after `timeout` milliseconds it cancels requests. Tells when it is down: null, or why the
    /// shutdown failed.
    pub(crate) fn close(self: &Arc<Self>, timeout: u32, on_settled: OnSettled) {
        let app = std::mem::replace(&mut *self.app.lock(), App::Closed);
        *self.closing.lock() = Some(on_settled);
        match app {
            App::Loaded(app) => {
                *self.app.lock() = App::Closing(Arc::downgrade(&app));
                let slot = Arc::clone(self);
                app.close(timeout.into(), move |closed| {
                    slot.settle_close(closed.err().map(Into::into));
                });
            }
            App::Loading(waiting) => {
                self.stop_loading(waiting);
                self.settle_close(None);
            }
            _ => self.settle_close(None),
        }
    }

    fn settle_close(&self, failure: Option<NativeFailure>) {
        let on_settled = self.closing.lock().take();
        if let Some(on_settled) = on_settled {
            on_settled(failure);
        }
    }

    /// Has a close that is under way wait `timeout` milliseconds from now, if it would wait longer.
    pub(crate) fn shorten_timeout(&self, timeout: u32) {
        let App::Closing(app) = &*self.app.lock() else {
            return;
        };
        if let Some(app) = app.upgrade() {
            app.shorten_timeout(timeout.into());
        }
    }

    /// Ends the app at once and waits for nothing: the environment ends, or everything has been closed in order.
    pub(crate) fn end(&self) {
        let app = std::mem::replace(&mut *self.app.lock(), App::Closed);
        match app {
            App::Loaded(app) => app.close(0, |_| {}),
            App::Closing(app) => {
                if let Some(app) = app.upgrade() {
                    app.shorten_timeout(0);
                }
            }
            App::Loading(_) => give_up(self.loop_handle()),
            _ => {}
        }
    }
}
