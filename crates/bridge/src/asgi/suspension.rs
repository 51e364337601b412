//! How our awaitables wait: on an asyncio future, made only when there is something to wait for.
//!
//! A message is taken when the awaitable is resumed, never stored in the future: so cancelling a pending `receive()` loses
//! nothing (checklist 11).

use parking_lot::Mutex;
use pyo3::exceptions::{PyStopIteration, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::PyType;

use crate::asgi::party::Party;

/// The iterator of the future that is waited for.
#[derive(Debug, Default)]
pub(crate) struct Suspension(Mutex<Option<Py<PyAny>>>);

impl Suspension {
    /// Still waiting? Then the future, for the task to yield; `None` when the wait is over or never began.
    pub(crate) fn pending<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(iterator) = self.0.lock().as_ref().map(|i| i.clone_ref(py)) else {
            return Ok(None);
        };
        match iterator.bind(py).call_method0(pyo3::intern!(py, "__next__")) {
            Ok(future) => Ok(Some(future)),
            Err(ended) => {
                self.clear();
                if ended.is_instance_of::<PyStopIteration>(py) {
                    Ok(None)
                } else {
                    Err(ended)
                }
            }
        }
    }

    /// Waits for the exchange's next news; gives the future for the task to yield.
    pub(crate) fn wait<'py>(&self, py: Python<'py>, party: &Party) -> PyResult<Bound<'py, PyAny>> {
        let future = party.add_waiter(py)?;
        let iterator = future.call_method0(pyo3::intern!(py, "__await__"))?;
        let yielded = iterator.call_method0(pyo3::intern!(py, "__next__"))?;
        *self.0.lock() = Some(iterator.unbind());
        Ok(yielded)
    }

    /// Forgets the future: the awaitable was cancelled or closed.
    pub(crate) fn clear(&self) {
        let iterator = self.0.lock().take();
        drop(iterator);
    }

    /// `coroutine.throw`: ends the wait with this exception.
    pub(crate) fn throw(&self, kind: &Bound<'_, PyAny>, value: Option<&Bound<'_, PyAny>>) -> PyErr {
        self.clear();
        let Ok(class) = kind.cast::<PyType>() else {
            return PyErr::from_value(kind.clone());
        };
        let instance = match value {
            Some(value) if value.is_instance(class).unwrap_or(false) => Ok(value.clone()),
            Some(value) if !value.is_none() => class.call1((value,)),
            _ => class.call0(),
        };
        instance.map_or_else(|error| error, PyErr::from_value)
    }
}

/// Resolves the futures of pending calls; each looks for itself whether its wait is over.
pub(crate) fn resolve_all(py: Python<'_>, futures: Vec<Py<PyAny>>) {
    for future in futures {
        let future = future.bind(py);
        let resolve = || -> PyResult<()> {
            if !future.call_method0(pyo3::intern!(py, "done"))?.is_truthy()? {
                future.call_method1(pyo3::intern!(py, "set_result"), (py.None(),))?;
            }
            Ok(())
        };
        if let Err(raised) = resolve() {
            raised.write_unraisable(py, Some(future));
        }
    }
}

/// `coroutine.send`: what `__next__` is, as a method; only `None` can be sent.
pub(crate) fn check_sent(value: &Bound<'_, PyAny>) -> PyResult<()> {
    if value.is_none() {
        Ok(())
    } else {
        Err(PyTypeError::new_err("can only send None to this awaitable"))
    }
}

/// The end of an iteration, as an exception for `send()`.
pub(crate) fn stop(value: Option<Bound<'_, PyAny>>) -> PyErr {
    PyStopIteration::new_err((value.map(Bound::unbind),))
}
