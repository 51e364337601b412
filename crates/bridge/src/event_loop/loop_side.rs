//! The state that only the event loop's thread touches.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use asgi_node_core::{Error, Exchange};
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use super::garbage::Garbage;

/// A channel that waits for news of an exchange.
pub(crate) trait Listener: Send + Sync {
    /// The exchange has news.
    fn wake(self: Arc<Self>, py: Python<'_>);

    /// The event loop has failed: nothing wakes it any more.
    fn fail(self: Arc<Self>, py: Python<'_>, error: &Error);
}

/// The start of a response that is held back until the first piece of its body comes.
pub(crate) trait HeldStart: Send + Sync {
    /// Whether it has not yet been sent with a body.
    fn is_held(&self) -> bool;

    /// Sends it without a body.
    fn flush(&self);
}

/// One loop's state.
pub struct LoopSide {
    garbage: Arc<Garbage>,
    /// The listeners, by the address of the exchange (which its listener keeps alive).
    waiting: Mutex<HashMap<usize, Arc<dyn Listener>>>,
    held: Mutex<Vec<Arc<dyn HeldStart>>>,
    draining: AtomicBool,
    flush_scheduled: AtomicBool,
    bound: PyOnceLock<Running>,
}

struct Running {
    event_loop: Py<PyAny>,
    create_future: Py<PyAny>,
    call_soon: Py<PyAny>,
    flush: Py<PyAny>,
}

impl std::fmt::Debug for LoopSide {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoopSide")
            .field("waiting", &self.waiting.lock().len())
            .finish_non_exhaustive()
    }
}

impl LoopSide {
    pub(super) fn new(garbage: Arc<Garbage>) -> Self {
        Self {
            garbage,
            waiting: Mutex::default(),
            held: Mutex::default(),
            draining: AtomicBool::new(false),
            flush_scheduled: AtomicBool::new(false),
            bound: PyOnceLock::new(),
        }
    }

    /// What other threads leave for it to free.
    pub(crate) fn garbage(&self) -> &Arc<Garbage> {
        &self.garbage
    }

    /// Tells it which loop it belongs to; false if it already has one.
    pub(super) fn bind(self: &Arc<Self>, event_loop: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = event_loop.py();
        let running = Running {
            event_loop: event_loop.clone().unbind(),
            create_future: event_loop.getattr("create_future")?.unbind(),
            call_soon: event_loop.getattr("call_soon")?.unbind(),
            flush: Py::new(py, Flush(Arc::downgrade(self)))?.into_any(),
        };
        Ok(self.bound.set(py, running).is_ok())
    }

    fn bound(&self, py: Python<'_>) -> PyResult<&Running> {
        let missing = || pyo3::exceptions::PyRuntimeError::new_err("the event loop does not run");
        self.bound.get(py).ok_or_else(missing)
    }

    /// The asyncio loop.
    pub fn event_loop<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.bound(py)?.event_loop.bind(py).clone())
    }

    pub(crate) fn create_future<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.bound(py)?.create_future.bind(py).call0()
    }

    /// Registers a listener: [`Listener::wake`] is called at the next news.
    pub(crate) fn wait(&self, exchange: &Arc<Exchange>, listener: Arc<dyn Listener>) {
        let before = self.waiting.lock().insert(key(exchange), listener);
        drop(before);
    }

    /// Removes the listener of this exchange.
    pub(crate) fn forget(&self, exchange: &Arc<Exchange>) {
        let mut waiting = self.waiting.lock();
        // Usually no listener waits; then the hash is not needed.
        let forgotten = if waiting.is_empty() {
            None
        } else {
            waiting.remove(&key(exchange))
        };
        drop(waiting);
        drop(forgotten);
    }

    /// An exchange has news.
    pub(super) fn tell(&self, py: Python<'_>, exchange: &Arc<Exchange>) {
        let listener = self.waiting.lock().remove(&key(exchange));
        if let Some(listener) = listener {
            listener.wake(py);
        }
    }

    /// The loop has failed: fails all listeners.
    pub(super) fn fail(&self, py: Python<'_>, error: &Error) {
        let waiting = std::mem::take(&mut *self.waiting.lock());
        for listener in waiting.into_values() {
            listener.fail(py, error);
        }
        let held = std::mem::take(&mut *self.held.lock());
        drop(held);
    }

    /// Defers this start, and flushes it at the next iteration of the loop unless it has been sent with a body before.
    pub(crate) fn defer_start(&self, py: Python<'_>, start: Arc<dyn HeldStart>) -> PyResult<()> {
        self.held.lock().push(start);
        // During a drain, the end of the drain checks whether a flush is needed at all: usually it is not.
        if self.draining.load(Ordering::Relaxed) {
            Ok(())
        } else {
            self.schedule_flush(py)
        }
    }

    /// A drain begins: starts that are held during it need no flush of their own.
    pub(super) fn begin_drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// The drain has ended.
    pub(super) fn end_drain(&self, py: Python<'_>) -> PyResult<()> {
        self.draining.store(false, Ordering::Relaxed);
        // Not under the lock: this may drop the last reference to a channel. The vector is reused.
        let mut held = std::mem::take(&mut *self.held.lock());
        held.retain(|start| start.is_held());
        let any = !held.is_empty();
        let mut now = self.held.lock();
        held.append(&mut now);
        *now = held;
        drop(now);
        if any { self.schedule_flush(py) } else { Ok(()) }
    }

    fn schedule_flush(&self, py: Python<'_>) -> PyResult<()> {
        if !self.flush_scheduled.swap(true, Ordering::Relaxed) {
            let bound = self.bound(py)?;
            bound.call_soon.bind(py).call1((&bound.flush,))?;
        }
        Ok(())
    }

    fn flush(&self) {
        self.flush_scheduled.store(false, Ordering::Relaxed);
        let held = std::mem::take(&mut *self.held.lock());
        for start in held {
            start.flush();
        }
    }
}

/// Sends the held starts whose body did not come in time. Weak: it must not keep a loop alive that has ended.
#[pyclass(frozen)]
#[derive(Debug)]
struct Flush(Weak<LoopSide>);

#[pymethods]
impl Flush {
    fn __call__(&self) {
        if let Some(side) = self.0.upgrade() {
            side.flush();
        }
    }
}

/// The key of a waiting exchange: its address.
fn key(exchange: &Arc<Exchange>) -> usize {
    Arc::as_ptr(exchange).addr()
}
