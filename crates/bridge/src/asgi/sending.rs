//! What `send()` returns: an awaitable that is done already, one that waits for the host to take the bytes, or one that
//! raises what is wrong with the event.

use asgi_node_core::Error;
use parking_lot::Mutex;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::asgi::party::Party;
use crate::asgi::suspension::{Suspension, check_sent, stop};
use crate::errors::to_python;

/// The result of a `send` that had nothing to wait for. One object serves all.
#[pyclass(frozen, module = "asgi_node._native")]
#[derive(Debug)]
pub struct Sent;

/// The result of a `send` that waits for the host to take its bytes.
#[pyclass(frozen, module = "asgi_node._native")]
#[derive(Debug)]
pub struct Sending {
    pub(crate) party: Party,
    pub(crate) ticket: u64,
    pub(crate) suspension: Suspension,
}

/// The result of a `send` that was refused: raises when it is awaited, as a coroutine would. So `gather(send(a), send(b))`
/// and `create_task(send(a))` fail where their result is looked at.
#[pyclass(frozen, module = "asgi_node._native")]
#[derive(Debug)]
pub struct Refused(Mutex<Option<PyErr>>);

/// An awaitable that raises.
pub(crate) fn refused(py: Python<'_>, raised: PyErr) -> PyResult<Bound<'_, PyAny>> {
    Ok(Bound::new(py, Refused(Mutex::new(Some(raised))))?.into_any())
}

/// The awaitable for a ticket: done already when everything up to it was handed over.
pub(crate) fn settle(py: Python<'_>, party: Party, ticket: u64) -> PyResult<Bound<'_, PyAny>> {
    if party.is_flushed(ticket) {
        return sent(py);
    }
    if party.is_gone() {
        return Err(to_python(&Error::ClientDisconnected));
    }
    let sending = Sending {
        party,
        ticket,
        suspension: Suspension::default(),
    };
    Ok(Bound::new(py, sending)?.into_any())
}

/// The shared one.
pub(crate) fn sent(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    static SENT: PyOnceLock<Py<Sent>> = PyOnceLock::new();
    let shared = SENT.get_or_try_init(py, || Py::new(py, Sent))?;
    Ok(shared.bind(py).clone().into_any())
}

#[pymethods]
impl Sent {
    fn __await__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self) -> Option<Py<PyAny>> {
        None
    }

    fn send(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        check_sent(value)?;
        Err(stop(None))
    }

    #[pyo3(signature = (kind, value=None, traceback=None))]
    fn throw(
        &self,
        kind: &Bound<'_, PyAny>,
        value: Option<&Bound<'_, PyAny>>,
        traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let _ = traceback;
        Err(Suspension::default().throw(kind, value))
    }

    fn close(&self) {}
}

impl Sending {
    fn step<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        if let Some(future) = self.suspension.pending(py)? {
            return Ok(Some(future));
        }
        if self.party.is_flushed(self.ticket) {
            return Ok(None);
        }
        if self.party.is_gone() {
            return Err(to_python(&Error::ClientDisconnected));
        }
        self.suspension.wait(py, &self.party).map(Some)
    }
}

#[pymethods]
impl Sending {
    fn __await__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.step(py)
    }

    fn send<'py>(&self, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        check_sent(value)?;
        self.step(value.py())?.ok_or_else(|| stop(None))
    }

    #[pyo3(signature = (kind, value=None, traceback=None))]
    fn throw<'py>(
        &self,
        kind: &Bound<'py, PyAny>,
        value: Option<&Bound<'py, PyAny>>,
        traceback: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let _ = traceback;
        Err(self.suspension.throw(kind, value))
    }

    fn close(&self) {
        self.suspension.clear();
    }
}

#[pymethods]
impl Refused {
    fn __await__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self) -> PyResult<()> {
        let raised = self.0.lock().take();
        Err(raised.unwrap_or_else(|| PyRuntimeError::new_err("cannot reuse already awaited coroutine")))
    }

    fn send(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        check_sent(value)?;
        self.__next__()
    }

    #[pyo3(signature = (kind, value=None, traceback=None))]
    fn throw(
        &self,
        kind: &Bound<'_, PyAny>,
        value: Option<&Bound<'_, PyAny>>,
        traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let _ = traceback;
        self.close();
        Err(Suspension::default().throw(kind, value))
    }

    fn close(&self) {
        let raised = self.0.lock().take();
        drop(raised);
    }
}
