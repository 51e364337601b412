//! The values of an app's events, with the errors that name what is wrong with them.

use asgi_node_core::Error;
use pyo3::buffer::PyUntypedBuffer;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyInt, PyMemoryView, PyString, PyTuple};

use super::names::names;
use crate::errors::to_python;

/// Any iterable of two-item iterables of bytes (docs/asgi.md, 51, 64).
pub(super) fn for_each_header(
    headers: &Bound<'_, PyAny>,
    mut take: impl FnMut(&[u8], &[u8]) -> Result<(), Error>,
) -> PyResult<()> {
    let not_iterable = |_| wrong_type("'headers'", "an iterable of (name, value)", headers);
    for pair in headers.try_iter().map_err(not_iterable)? {
        let (name, value) = both(&pair?)?;
        let as_bytes = |what, item| bytes(what, item);
        take(
            as_bytes("a header's name", &name)?.as_bytes(),
            as_bytes("a header's value", &value)?.as_bytes(),
        )
        .map_err(|e| to_python(&e))?;
    }
    Ok(())
}

/// The members of a pair. Mostly it is a tuple, which needs no iterator.
fn both<'py>(pair: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    if let Ok(tuple) = pair.cast_exact::<PyTuple>()
        && tuple.len() == 2
    {
        return Ok((tuple.get_item(0)?, tuple.get_item(1)?));
    }
    let not_a_pair = || wrong_type("a header", "a pair of bytes, (name, value)", pair);
    let mut items = pair.try_iter().map_err(|_| not_a_pair())?;
    let (Some(name), Some(value), None) = (items.next(), items.next(), items.next()) else {
        return Err(not_a_pair());
    };
    Ok((name?, value?))
}

/// Bytes, or a snapshot of what gives bytes through the buffer protocol (`bytearray`, `memoryview`). Exactly `bytes`,
/// because we drop it where no code of a subclass (`__del__`) may run.
pub(super) fn bytes<'py>(what: &str, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    if let Ok(exact) = value.cast_exact::<PyBytes>() {
        return Ok(exact.clone());
    }
    if PyUntypedBuffer::get(value).is_err() {
        return Err(wrong_type(what, "bytes", value));
    }
    // Not bytes(value), which may give any subclass: only what is exactly bytes can be dropped without running code.
    let copy = PyMemoryView::from(value)?.call_method0(pyo3::intern!(value.py(), "tobytes"))?;
    Ok(copy.cast_into::<PyBytes>()?)
}

pub(super) fn flag(event: &Bound<'_, PyDict>, key: &Py<PyString>) -> PyResult<bool> {
    event.get_item(key)?.map_or(Ok(false), |value| value.is_truthy())
}

pub(super) fn wrong_type(what: &str, wanted: &str, value: &Bound<'_, PyAny>) -> PyErr {
    let got = value
        .get_type()
        .name()
        .map_or_else(|_| "?".to_owned(), |name| name.to_string());
    to_python(&Error::WrongType(format!("{what} must be {wanted}, not {got}")))
}

/// An event and its type.
pub(super) fn typed<'a, 'py>(event: &'a Bound<'py, PyAny>) -> PyResult<(&'a Bound<'py, PyDict>, Bound<'py, PyString>)> {
    let dict = event
        .cast::<PyDict>()
        .map_err(|_| wrong_type("an event", "a dict", event))?;
    let kind = required(dict, &names(event.py()).type_, "the event")?;
    match kind.cast_into::<PyString>() {
        Ok(kind) => Ok((dict, kind)),
        Err(other) => Err(wrong_type("'type'", "a str", &other.into_inner())),
    }
}

/// The error for an event that the connection does not take.
pub(super) fn unknown(kind: &str) -> PyErr {
    let text = format!("unknown or unsupported ASGI event type {kind:?}");
    to_python(&Error::WrongOrder(text))
}

/// The status of a response.
pub(super) fn status(of: &str, event: &Bound<'_, PyDict>) -> PyResult<u16> {
    let status = required(event, &names(event.py()).status, of)?;
    let number = status
        .cast::<PyInt>()
        .map_err(|_| wrong_type("'status'", "an int", &status))?;
    match number.extract::<u16>() {
        Ok(status) if (100..=999).contains(&status) => Ok(status),
        _ => Err(to_python(&Error::WrongValue(format!(
            "status {number} is outside 100 to 999"
        )))),
    }
}

/// A value that the event must have.
pub(super) fn required<'py>(event: &Bound<'py, PyDict>, key: &Py<PyString>, of: &str) -> PyResult<Bound<'py, PyAny>> {
    let missing = || to_python(&Error::WrongValue(format!("{of} has no '{}'", key.bind(event.py()))));
    event.get_item(key)?.ok_or_else(missing)
}
