//! How an app comes up and goes down: both are coroutines on its event loop, which call one Rust closure at their end.

use std::sync::Arc;
use std::time::Duration;

use asgi_node_core::Error;
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple};

use super::Application;
use crate::errors::{self, Traced};
use crate::event_loop::{Dependent, EventLoop, LoopSide, threads};
use crate::interpreter::{self, exit};
use crate::log_queue::PyLogQueue;
use asgi_node_core::Config;

impl Application {
    /// Imports an app on its event loop, which is started for it if need be, and waits for its start-up; then calls `done`,
    /// once. Before the import, which may block that loop, `found` gets the loop.
    pub fn load(
        config: Config,
        found: impl FnOnce(Arc<EventLoop>) + Send + 'static,
        done: impl FnOnce(Result<Arc<Self>, Traced>) + Send + 'static,
    ) {
        // Also for one that does not come up: what it has given to `atexit` may tell somebody why.
        exit::be_patient(config.exit_timeout);
        // While it comes up no end of the process is an orderly one: it may block Python for ever.
        let opening = exit::Open::new();
        let done = Once::new(move |loaded| {
            opening.close();
            done(loaded);
        });
        let waiting = Arc::new(Waiting(done.clone()));
        let job = move |py: Python<'_>| match threads::event_loop(py, &config.r#loop) {
            Err(traced) => waiting.0.call(Err(traced)),
            Ok(event_loop) => {
                found(Arc::clone(&event_loop));
                Self::open_soon(config, &event_loop, waiting);
            }
        };
        if let Err(refused) = interpreter::try_run(job) {
            done.call(Err(refused.into()));
        }
    }

    /// The same on a loop that is there.
    pub(crate) fn load_on(
        config: Config,
        event_loop: &Arc<EventLoop>,
        done: impl FnOnce(Result<Arc<Self>, Traced>) + Send + 'static,
    ) {
        Self::open_soon(config, event_loop, Arc::new(Waiting(Once::new(done))));
    }

    fn open_soon(config: Config, event_loop: &Arc<EventLoop>, waiting: Arc<Waiting>) {
        event_loop.tell_of_failure(&waiting.0.dependent());
        let own = Arc::clone(event_loop);
        event_loop.call(move |py, side| Self::open(py, &config, own, side, &waiting));
    }

    fn open(py: Python<'_>, config: &Config, event_loop: Arc<EventLoop>, side: &LoopSide, waiting: &Arc<Waiting>) {
        let (opened, own) = (Arc::clone(waiting), config.clone());
        let finish = move |args: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| -> PyResult<()> {
            let py = args.py();
            let (runner, raised) = args.extract::<(Bound<'_, PyAny>, Option<Bound<'_, PyAny>>)>()?;
            opened.0.call(match raised {
                Some(raised) => Err(errors::from_python(
                    py,
                    &PyErr::from_value(raised),
                    Error::AppImportFailed,
                )),
                None => Self::new(&own, Arc::clone(&event_loop), &runner)
                    .map_err(|raised| errors::from_python(py, &raised, Error::PythonStartFailed)),
            });
            Ok(())
        };
        let open = || {
            py.import("asgi_node.runtime.application")?.call_method1(
                "open_application",
                (
                    side.event_loop(py)?,
                    &config.app,
                    &config.docroot,
                    config.factory,
                    &config.interface,
                    config.wsgi_threads,
                    &config.lifespan,
                    seconds(config.startup_timeout),
                    config.cancel_on_disconnect,
                    PyLogQueue::of(config),
                    PyCFunction::new_closure(py, None, None, finish)?,
                ),
            )
        };
        if let Err(raised) = open() {
            waiting
                .0
                .call(Err(errors::from_python(py, &raised, Error::AppImportFailed)));
        }
    }

    /// Refuses requests, ends what is under way (after `timeout` milliseconds by cancelling it) and the app's lifespan;
    /// then calls `done`, once.
    pub fn close(self: &Arc<Self>, timeout: u64, done: impl FnOnce(Result<(), Traced>) + Send + 'static) {
        self.refuse();
        let (this, closing) = (Arc::clone(self), Arc::clone(self));
        let done = Once::new(move |closed| {
            closing.open.close();
            done(closed);
        });
        // Kept here, so that a loop that fails before this runs finds whom to tell.
        *self.closing.lock() = Some(done.dependent());
        self.event_loop.tell_of_failure(&done.dependent());
        // Behind all requests that were accepted: they have started when this runs.
        self.event_loop
            .call(move |py, side| this.close_on_loop(py, side, timeout, &done));
    }

    /// Has a close that is under way wait `timeout` milliseconds from now, if it would wait longer.
    pub fn shorten_timeout(self: &Arc<Self>, timeout: u64) {
        let this = Arc::clone(self);
        self.event_loop.call(move |py, _| {
            let runner = this.runner.bind(py);
            if let Err(raised) = runner.call_method1("shorten_timeout", (seconds(timeout),)) {
                raised.write_unraisable(py, None);
            }
        });
    }

    fn close_on_loop(self: Arc<Self>, py: Python<'_>, side: &LoopSide, timeout: u64, done: &Once<Result<(), Traced>>) {
        let (closed, this) = (done.clone(), Arc::clone(&self));
        let finish = move |args: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| -> PyResult<()> {
            // Kept until its close is over, so that the time which that may take can be shortened.
            let _ = &this;
            let (_, raised) = args.extract::<(Bound<'_, PyAny>, Option<Bound<'_, PyAny>>)>()?;
            closed.call(raised.map_or(Ok(()), |r| {
                Err(errors::from_python(
                    args.py(),
                    &PyErr::from_value(r),
                    Error::ShutdownFailed,
                ))
            }));
            Ok(())
        };
        let close = || {
            let callback = PyCFunction::new_closure(py, None, None, finish)?;
            let times = (seconds(timeout), seconds(self.shutdown_timeout));
            let arguments = (side.event_loop(py)?, &self.runner, times.0, times.1, callback);
            py.import("asgi_node.runtime.application")?
                .call_method1("close_application", arguments)
        };
        if let Err(raised) = close() {
            done.call(Err(errors::from_python(py, &raised, Error::ShutdownFailed)));
        }
    }
}

/// A callback that is called at most once, from whichever of its copies comes first.
struct Once<T>(Arc<Mutex<Option<Callback<T>>>>);

type Callback<T> = Box<dyn FnOnce(T) + Send>;

impl<T> Clone for Once<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Once<T> {
    fn new(callback: impl FnOnce(T) + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Some(Box::new(callback)))))
    }

    fn call(&self, value: T) {
        let callback = self.0.lock().take();
        if let Some(callback) = callback {
            callback(value);
        }
    }
}

impl<T: 'static> Once<Result<T, Traced>> {
    /// The same as one who is told of a loop's failure.
    fn dependent(&self) -> Arc<dyn Dependent> {
        Arc::clone(&self.0) as Arc<dyn Dependent>
    }
}

impl<T> Dependent for Mutex<Option<Callback<Result<T, Traced>>>> {
    fn loop_failed(&self, error: &Error) {
        let callback = self.lock().take();
        if let Some(callback) = callback {
            callback(Err(error.clone().into()));
        }
    }
}

/// Whoever waits for an app. Dropped with the call that was to load it when the event loop ends before that: then they hear
/// of it, and nobody waits for ever.
struct Waiting(Once<Result<Arc<Application>, Traced>>);

impl Drop for Waiting {
    fn drop(&mut self) {
        let ended = "the event loop could not be started; the exception that ended it is in the log";
        self.0.call(Err(Error::PythonStartFailed(ended.into()).into()));
    }
}

/// Milliseconds as Python has them.
pub(super) fn seconds(milliseconds: u64) -> f64 {
    Duration::from_millis(milliseconds).as_secs_f64()
}
