//! What `receive()` and `send()` return: one awaitable, which is a coroutine to all who ask, so that
//! `asyncio.create_task(receive())` works.
//!
//! It waits on an asyncio future, made only when there is something to wait for. A message is taken when the awaitable is
//! resumed, never stored in the future: so cancelling a pending `receive()` loses nothing (docs/asgi.md, 11).

use std::sync::Arc;

use asgi_node_core::Error;
use parking_lot::Mutex;
use pyo3::exceptions::{PyRuntimeError, PyStopIteration, PyTypeError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

use super::channel::Waitable;
use crate::errors::to_python;

/// One call of `receive()` or `send()`.
#[pyclass(frozen, module = "asgi_node._native")]
#[derive(Debug)]
pub struct Awaitable {
    call: Call,
    /// The iterator of the future that is waited for.
    pending: Mutex<Option<Py<PyAny>>>,
}

/// What is awaited.
#[derive(Debug)]
enum Call {
    /// `receive()`: the next event.
    Receive(Arc<dyn Waitable>),
    /// `send()` that waits until the host has been given everything up to this ticket.
    Send(Arc<dyn Waitable>, u64),
    /// `send()` that had nothing to wait for.
    Done,
    /// `send()` of a wrong event: raises when it is awaited, as a coroutine would. So `gather(send(a), send(b))` and
    /// `create_task(send(a))` fail where their result is looked at. Empty once it has raised.
    Raise(Mutex<Option<Box<PyErr>>>),
}

impl Awaitable {
    fn new(call: Call) -> Self {
        Self {
            call,
            pending: Mutex::default(),
        }
    }

    /// A call of `receive()`.
    pub(super) fn receive(channel: Arc<dyn Waitable>) -> Self {
        Self::new(Call::Receive(channel))
    }

    /// The call of `send()` that got this ticket.
    pub(super) fn until_flushed(py: Python<'_>, channel: Arc<dyn Waitable>, ticket: u64) -> PyResult<Bound<'_, Self>> {
        if channel.is_flushed(ticket) {
            return Self::done(py);
        }
        if channel.is_gone() {
            return Err(to_python(&Error::ClientDisconnected));
        }
        Bound::new(py, Self::new(Call::Send(channel, ticket)))
    }

    /// A call of `send()` that has nothing to wait for. One object serves all.
    pub(super) fn done(py: Python<'_>) -> PyResult<Bound<'_, Self>> {
        static DONE: PyOnceLock<Py<Awaitable>> = PyOnceLock::new();
        let shared = DONE.get_or_try_init(py, || Py::new(py, Self::new(Call::Done)))?;
        Ok(shared.bind(py).clone())
    }

    /// A call of `send()` that raises.
    pub(super) fn raise(py: Python<'_>, raised: PyErr) -> PyResult<Bound<'_, Self>> {
        Bound::new(py, Self::new(Call::Raise(Mutex::new(Some(Box::new(raised))))))
    }

    fn step<'py>(&self, py: Python<'py>) -> PyResult<Step<'py>> {
        if let Some(future) = self.pending(py)? {
            return Ok(Step::Wait(future));
        }
        let channel = match &self.call {
            Call::Done => return Ok(Step::Done),
            Call::Raise(raised) => {
                let raised = raised.lock().take();
                let again = || Box::new(PyRuntimeError::new_err("cannot reuse already awaited coroutine"));
                return Err(*raised.unwrap_or_else(again));
            }
            Call::Receive(channel) => match Arc::clone(channel).receive(py)? {
                Some(event) => return Ok(Step::Event(event.into_any())),
                None => channel,
            },
            Call::Send(channel, ticket) if channel.is_flushed(*ticket) => return Ok(Step::Done),
            Call::Send(channel, _) if channel.is_gone() => return Err(to_python(&Error::ClientDisconnected)),
            Call::Send(channel, _) => channel,
        };
        self.wait(py, channel).map(Step::Wait)
    }

    /// The future, for the task to yield, while the wait goes on; `None` when it is over or has not begun.
    fn pending<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(iterator) = self.pending.lock().as_ref().map(|iterator| iterator.clone_ref(py)) else {
            return Ok(None);
        };
        match iterator.bind(py).call_method0(pyo3::intern!(py, "__next__")) {
            Ok(future) => Ok(Some(future)),
            Err(ended) => {
                self.forget();
                if ended.is_instance_of::<PyStopIteration>(py) {
                    Ok(None)
                } else {
                    Err(ended)
                }
            }
        }
    }

    /// Waits for the channel's next news; gives the future for the task to yield.
    fn wait<'py>(&self, py: Python<'py>, channel: &Arc<dyn Waitable>) -> PyResult<Bound<'py, PyAny>> {
        let future = Arc::clone(channel).add_waiter(py)?;
        let iterator = future.call_method0(pyo3::intern!(py, "__await__"))?;
        let yielded = iterator.call_method0(pyo3::intern!(py, "__next__"))?;
        *self.pending.lock() = Some(iterator.unbind());
        Ok(yielded)
    }

    /// Lets go of the future.
    fn forget(&self) {
        let iterator = self.pending.lock().take();
        drop(iterator);
    }
}

enum Step<'py> {
    /// The future to yield.
    Wait(Bound<'py, PyAny>),
    /// The result of `receive()`.
    Event(Bound<'py, PyAny>),
    /// `send()` is done.
    Done,
}

#[pymethods]
impl Awaitable {
    fn __await__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    /// `None` ends the iteration without a value, and without an exception object.
    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self.step(py)? {
            Step::Wait(future) => Ok(Some(future)),
            Step::Event(event) => Err(stop(Some(event))),
            Step::Done => Ok(None),
        }
    }

    /// `coroutine.send`: what `__next__` is, as a method; only `None` can be sent.
    fn send<'py>(&self, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        if !value.is_none() {
            return Err(PyTypeError::new_err("can only send None to this awaitable"));
        }
        self.__next__(value.py())?.ok_or_else(|| stop(None))
    }

    /// `coroutine.throw`: ends the wait with this exception.
    #[pyo3(signature = (kind, value=None, traceback=None))]
    fn throw<'py>(
        &self,
        kind: &Bound<'py, PyAny>,
        value: Option<&Bound<'py, PyAny>>,
        traceback: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let _ = traceback;
        self.close();
        let Ok(class) = kind.cast::<PyType>() else {
            return Err(PyErr::from_value(kind.clone()));
        };
        let instance = match value {
            Some(value) if value.is_instance(class).unwrap_or(false) => Ok(value.clone()),
            Some(value) if !value.is_none() => class.call1((value,)),
            _ => class.call0(),
        };
        Err(instance.map_or_else(|error| error, PyErr::from_value))
    }

    fn close(&self) {
        self.forget();
        if let Call::Raise(raised) = &self.call {
            let raised = raised.lock().take();
            drop(raised);
        }
    }
}

/// The end of an iteration, as an exception.
fn stop(value: Option<Bound<'_, PyAny>>) -> PyErr {
    PyStopIteration::new_err((value.map(Bound::unbind),))
}
