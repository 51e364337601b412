//! The host in Python: what the addon is for Node, for tests and tools that run inside a Python of their own.
//!
//! A [`Host`] is one app on one event loop. A [`Call`] is one request: it is submitted once. Its caller then waits for
//! events, on any thread and without the GIL; or the caller's asyncio loop watches a [`Notifier`].
//! Everything else (heads, scopes, validation, windows, disconnects) is what Node's host uses: `Application` and `Exchange`.
//!
//! # Threads
//!
//! The event loop's thread calls [`Notify::notify`] while it holds the exchange's lock, so `notify` takes no lock of
//! Python: it sets a flag and wakes the caller. A waiting caller has detached from Python and holds only its [`Call`]'s lock.

mod call;
mod event;
mod notifier;

use std::sync::Arc;

use asgi_node_core::protocol::default;
use asgi_node_core::{Error, Notify};
use parking_lot::Mutex;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use crate::application::{Application, Submission};
use crate::event_loop::{Drain, EventLoop};
use asgi_node_core::config::{Config, Extensions};

pub use call::Call;
pub use event::HostEvent;
pub use notifier::Notifier;

/// One app on one event loop; it takes requests.
#[pyclass(frozen, module = "asgi_node._native")]
#[derive(Debug)]
pub struct Host {
    event_loop: Arc<EventLoop>,
    drain: Py<Drain>,
    app: Mutex<Option<Arc<Application>>>,
}

/// Why a request was refused.
fn refused(error: &Error) -> PyErr {
    match error {
        Error::InvalidRequest(_) => PyValueError::new_err(error.to_string()),
        _ => PyRuntimeError::new_err(error.to_string()),
    }
}

#[pymethods]
impl Host {
    #[new]
    fn new(py: Python<'_>) -> PyResult<Self> {
        let (event_loop, drain) = Drain::pair()?;
        Ok(Self {
            event_loop,
            drain: Py::new(py, drain)?,
            app: Mutex::new(None),
        })
    }

    /// The object for the event loop to watch: `drain.bind(loop)`, then `loop.add_reader(drain.fileno(), drain)`, on its thread.
    #[getter]
    fn drain(&self, py: Python<'_>) -> Py<Drain> {
        self.drain.clone_ref(py)
    }

    /// Serves the app of this `Runner`. Call it once, on the event loop's thread, after the app's start-up.
    #[pyo3(signature = (
        runner, *, root_path="", root_path_stripped=false, high_water_mark=default::HIGH_WATER_MARK,
        max_queue=default::MAX_QUEUE, max_concurrency=default::MAX_CONCURRENCY, pathsend=false, zerocopysend=false
    ))]
    #[allow(
        clippy::too_many_arguments,
        clippy::fn_params_excessive_bools,
        reason = "they are options, and keywords in Python"
    )]
    fn serve(
        &self,
        runner: &Bound<'_, PyAny>,
        root_path: &str,
        root_path_stripped: bool,
        high_water_mark: usize,
        max_queue: usize,
        max_concurrency: usize,
        pathsend: bool,
        zerocopysend: bool,
    ) -> PyResult<()> {
        let config = Config {
            root_path: root_path.to_owned(),
            root_path_stripped,
            high_water_mark,
            // As for the option: what is given stays.
            largest_window: match high_water_mark {
                default::HIGH_WATER_MARK => default::LARGEST_WINDOW,
                given => given,
            },
            max_queue,
            max_concurrency,
            extensions: Extensions { pathsend, zerocopysend },
            ..Config::default()
        };
        let app = Application::new(&config, Arc::clone(&self.event_loop), runner)?;
        let before = self.app.lock().replace(app);
        drop(before);
        Ok(())
    }

    /// Sends a request to the app. `head` is the flat head of `asgi_node.host.head()`, `body` the first part of the body.
    #[pyo3(signature = (call, head, body, *, body_follows=false, expects_continue=false, is_websocket=false))]
    #[allow(
        clippy::fn_params_excessive_bools,
        reason = "they are independent facts, and keywords in Python"
    )]
    fn submit(
        &self,
        call: &Bound<'_, Call>,
        head: &[u8],
        body: &[u8],
        body_follows: bool,
        expects_continue: bool,
        is_websocket: bool,
    ) -> PyResult<()> {
        let call = call.get();
        let app = self.app.lock().clone();
        let app = app.ok_or_else(|| refused(&Error::HandlerClosed))?;
        call.claim()?;
        let submission = Submission {
            id: call.id(),
            head: head.to_vec(),
            body: body.to_vec(),
            body_follows,
            collects: false,
            borrows: false,
            expects_continue,
            is_websocket,
        };
        let exchange = app.submit(submission, call.host() as Arc<dyn Notify>);
        call.begin(exchange.map_err(|error| refused(&error))?)
    }

    /// Calls `callback()` on the event loop's thread, after all requests that were submitted before.
    fn call_soon(&self, callback: Py<PyAny>) {
        self.event_loop.call(move |py, _| {
            if let Err(raised) = callback.bind(py).call0() {
                raised.write_unraisable(py, Some(callback.bind(py)));
            }
        });
    }

    /// Requests whose app has not returned.
    #[getter]
    fn in_flight(&self) -> usize {
        self.app.lock().as_ref().map_or(0, |app| app.in_flight())
    }

    /// Refuses requests from now on.
    fn refuse(&self) {
        if let Some(app) = &*self.app.lock() {
            app.refuse();
        }
    }

    /// Drops the app and everything that is queued. The event loop must no longer watch `drain`.
    fn release(&self) {
        let app = self.app.lock().take();
        self.event_loop.close();
        drop(app);
    }
}
