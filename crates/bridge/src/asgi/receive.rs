//! `receive()`: the awaitable that gives the app its next event, and what that is for an HTTP request (HTTP specification,
//! "Request" and "Disconnect").

use asgi_node_core::Received;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::asgi::names::names;
use crate::asgi::party::Party;
use crate::asgi::suspension::{Suspension, check_sent, stop};

/// One call of `receive()`. A coroutine to all who ask, so that `asyncio.create_task(receive())` works.
#[pyclass(frozen, module = "asgi_node._native")]
#[derive(Debug)]
pub struct Receive {
    party: Party,
    suspension: Suspension,
}

impl Receive {
    pub(crate) fn new(party: Party) -> Self {
        Self {
            party,
            suspension: Suspension::default(),
        }
    }

    /// The event, or the future to yield.
    fn step<'py>(&self, py: Python<'py>) -> PyResult<Step<'py>> {
        if let Some(future) = self.suspension.pending(py)? {
            return Ok(Step::Wait(future));
        }
        match self.party.next_event(py)? {
            None => Ok(Step::Wait(self.suspension.wait(py, &self.party)?)),
            Some(event) => Ok(Step::Event(event)),
        }
    }
}

enum Step<'py> {
    Wait(Bound<'py, PyAny>),
    Event(Bound<'py, PyDict>),
}

/// What an HTTP request has found, as its event; `None` when there is nothing yet.
pub(crate) fn event(py: Python<'_>, received: Received) -> PyResult<Option<Bound<'_, PyDict>>> {
    let n = names(py);
    let event = PyDict::new(py);
    let (chunks, more) = match received {
        Received::Body { chunks, more } => (chunks, more),
        Received::Disconnected => {
            event.set_item(&n.type_, &n.disconnect)?;
            return Ok(Some(event));
        }
        Received::Nothing => return Ok(None),
    };
    event.set_item(&n.type_, &n.request)?;
    let length = chunks.iter().map(Vec::len).sum();
    if length == 0 {
        event.set_item(&n.body, &n.no_bytes)?;
    } else {
        let body = PyBytes::new_with(py, length, |mut room| {
            for chunk in &chunks {
                let (head, tail) = room.split_at_mut(chunk.len());
                head.copy_from_slice(chunk);
                room = tail;
            }
            Ok(())
        })?;
        event.set_item(&n.body, body)?;
    }
    event.set_item(&n.more_body, more)?;
    Ok(Some(event))
}

#[pymethods]
impl Receive {
    fn __await__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self.step(py)? {
            Step::Wait(future) => Ok(future),
            Step::Event(event) => Err(stop(Some(event.into_any()))),
        }
    }

    fn send<'py>(&self, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        check_sent(value)?;
        self.__next__(value.py())
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
