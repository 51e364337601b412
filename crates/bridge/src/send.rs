//! `send()`: the app's events, validated before anything changes (HTTP specification, "Response Start", "Response Body";
//! checklist 51 to 66). What is wrong raises in the app and leaves a usable response.

use std::path::Path;

use asgi_node_core::{Emitted, Error, HeaderBlock, ResponseEvent, head};
use pyo3::buffer::PyUntypedBuffer;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyInt, PyString};

use crate::errors::to_python;
use crate::exchange::HttpExchange;
use crate::names::names;
use crate::outgoing::{Piece, Start};
use crate::suspension::{Suspension, check_sent, stop};

/// The result of a `send` that had nothing to wait for. One object serves all.
#[pyclass(frozen, module = "asgi_node._native")]
#[derive(Debug)]
pub struct Sent;

/// The result of a `send` that waits for the host to take its bytes.
#[pyclass(frozen, module = "asgi_node._native")]
#[derive(Debug)]
pub struct Sending {
    exchange: Py<HttpExchange>,
    ticket: u64,
    suspension: Suspension,
}

/// Accepts one event.
pub(crate) fn send<'py>(exchange: &Bound<'py, HttpExchange>, event: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = exchange.py();
    let n = names(py);
    let event = event
        .cast::<PyDict>()
        .map_err(|_| wrong_type("an event", "a dict", event))?;
    let kind = event
        .get_item(&n.type_)?
        .ok_or_else(|| to_python(&Error::WrongValue("the event has no 'type'".into())))?;
    let kind = kind
        .cast::<PyString>()
        .map_err(|_| wrong_type("'type'", "a str", &kind))?;
    let ticket = match kind.to_str()? {
        "http.response.body" => body(exchange, event)?,
        "http.response.start" => {
            start(exchange, event)?;
            return sent(py);
        }
        "http.response.trailers" if exchange.get().supports(head::TRAILERS) => trailers(exchange, event)?,
        "http.response.pathsend" if exchange.get().supports(head::PATHSEND) => pathsend(exchange, event)?,
        "http.response.early_hint" if exchange.get().supports(head::EARLY_HINT) => {
            early_hint(exchange.get(), event)?;
            return sent(py);
        }
        other => {
            let text = format!("{other:?} is no event that this connection takes");
            return Err(to_python(&Error::WrongOrder(text)));
        }
    };
    let this = exchange.get();
    HttpExchange::pump(exchange);
    let complete = this.progress.lock().state.is_complete();
    if complete {
        this.wake_waiters(py);
    }
    settle(exchange, ticket)
}

/// The awaitable for a ticket.
fn settle<'py>(exchange: &Bound<'py, HttpExchange>, ticket: u64) -> PyResult<Bound<'py, PyAny>> {
    let py = exchange.py();
    let this = exchange.get();
    if this.progress.lock().outgoing.is_flushed(ticket) {
        return sent(py);
    }
    if this.core().is_disconnected() {
        return Err(to_python(&Error::ClientDisconnected));
    }
    let sending = Sending {
        exchange: exchange.clone().unbind(),
        ticket,
        suspension: Suspension::default(),
    };
    Ok(Bound::new(py, sending)?.into_any())
}

fn sent(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    static SENT: PyOnceLock<Py<Sent>> = PyOnceLock::new();
    let shared = SENT.get_or_try_init(py, || Py::new(py, Sent))?;
    Ok(shared.bind(py).clone().into_any())
}

fn start(exchange: &Bound<'_, HttpExchange>, event: &Bound<'_, PyDict>) -> PyResult<()> {
    let py = exchange.py();
    let n = names(py);
    let this = exchange.get();
    this.progress.lock().state.may_start().map_err(|e| to_python(&e))?;
    let status = event
        .get_item(&n.status)?
        .ok_or_else(|| to_python(&Error::WrongValue("http.response.start has no 'status'".into())))?;
    let number = status
        .cast::<PyInt>()
        .map_err(|_| wrong_type("'status'", "an int", &status))?;
    let status = number.extract::<u16>().unwrap_or(u16::MAX);
    if !(100..=999).contains(&status) {
        return Err(to_python(&Error::WrongValue(format!(
            "status {number} is outside 100 to 999"
        ))));
    }
    let mut headers = headers(this, event)?;
    headers.fit(status, this.version());
    let wants_trailers = flag(event, &n.trailers)?;
    if this.core().is_disconnected() {
        return Err(to_python(&Error::ClientDisconnected));
    }
    let mut progress = this.progress.lock();
    // Looked at again: iterating the app's headers may have run code that sent something.
    progress
        .state
        .start(status, &headers, wants_trailers)
        .map_err(|e| to_python(&e))?;
    progress.outgoing.hold(Start {
        status,
        headers: headers.into_flat(),
    });
    drop(progress);
    HttpExchange::hold(exchange)
}

fn headers(this: &HttpExchange, event: &Bound<'_, PyDict>) -> PyResult<HeaderBlock> {
    let Some(headers) = event.get_item(&names(event.py()).headers)? else {
        return Ok(HeaderBlock::default());
    };
    let mut block = HeaderBlock::with_capacity(headers.len().unwrap_or(0));
    for_each_header(&headers, |name, value| block.add(name, value, this.version()))?;
    Ok(block)
}

/// Any iterable of two-item iterables of bytes (checklist 51, 64).
fn for_each_header(
    headers: &Bound<'_, PyAny>,
    mut take: impl FnMut(&[u8], &[u8]) -> Result<(), Error>,
) -> PyResult<()> {
    let not_iterable = |_| wrong_type("'headers'", "an iterable of (name, value)", headers);
    for pair in headers.try_iter().map_err(not_iterable)? {
        let pair = pair?;
        let not_a_pair = || wrong_type("a header", "a pair of bytes, (name, value)", &pair);
        let mut items = pair.try_iter().map_err(|_| not_a_pair())?;
        let (Some(name), Some(value), None) = (items.next(), items.next(), items.next()) else {
            return Err(not_a_pair());
        };
        let (name, value) = (name?, value?);
        let as_bytes = |what, item| bytes(what, item);
        take(
            as_bytes("a header's name", &name)?.as_bytes(),
            as_bytes("a header's value", &value)?.as_bytes(),
        )
        .map_err(|e| to_python(&e))?;
    }
    Ok(())
}

fn body(exchange: &Bound<'_, HttpExchange>, event: &Bound<'_, PyDict>) -> PyResult<u64> {
    let py = exchange.py();
    let n = names(py);
    let this = exchange.get();
    let data = match event.get_item(&n.body)? {
        Some(data) => bytes("'body'", &data)?,
        None => n.no_bytes.bind(py).clone(),
    };
    let more = flag(event, &n.more_body)?;
    let mut progress = this.progress.lock();
    if this.core().is_disconnected() && !progress.state.is_complete() {
        return Err(to_python(&Error::ClientDisconnected));
    }
    let plan = progress
        .state
        .body(data.as_bytes().len(), more)
        .map_err(|e| to_python(&e))?;
    let data = if plan.sends { data } else { n.no_bytes.bind(py).clone() };
    let ticket = progress.outgoing.accept(Piece::Body {
        data: data.unbind(),
        last: plan.completes,
    });
    drop(progress);
    if plan.drops {
        warn_of_dropped_body(py)?;
    }
    Ok(ticket)
}

fn warn_of_dropped_body(py: Python<'_>) -> PyResult<()> {
    let logger = py.import("logging")?.call_method1("getLogger", ("asgi_node",))?;
    logger.call_method1(
        "warning",
        ("a response with status 1xx, 204 or 304 has no body: it was dropped",),
    )?;
    Ok(())
}

fn trailers(exchange: &Bound<'_, HttpExchange>, event: &Bound<'_, PyDict>) -> PyResult<u64> {
    let n = names(exchange.py());
    let this = exchange.get();
    let mut block = HeaderBlock::default();
    if let Some(headers) = event.get_item(&n.headers)? {
        for_each_header(&headers, |name, value| block.add_trailer(name, value))?;
    }
    let more = flag(event, &n.more_trailers)?;
    let mut progress = this.progress.lock();
    if this.core().is_disconnected() && !progress.state.is_complete() {
        return Err(to_python(&Error::ClientDisconnected));
    }
    let complete = progress.state.trailers(more).map_err(|e| to_python(&e))?;
    let fields = if this.takes_trailers() {
        block.into_flat()
    } else {
        Vec::new()
    };
    Ok(progress.outgoing.accept(Piece::Trailers { fields, last: complete }))
}

/// A file of the app's machine is the rest of the body; the host sends it without Python (checklist 124).
fn pathsend(exchange: &Bound<'_, HttpExchange>, event: &Bound<'_, PyDict>) -> PyResult<u64> {
    let this = exchange.get();
    let wrong = |text: String| to_python(&Error::WrongValue(text));
    let path = event
        .get_item(&names(exchange.py()).path)?
        .ok_or_else(|| wrong("http.response.pathsend has no 'path'".into()))?;
    let path = path
        .cast::<PyString>()
        .map_err(|_| wrong_type("'path'", "a str", &path))?
        .to_str()?
        .to_owned();
    if !Path::new(&path).is_absolute() {
        return Err(wrong(format!("'path' must be absolute, not {path:?}")));
    }
    let file = std::fs::metadata(&path)?;
    if !file.is_file() {
        return Err(wrong(format!("{path:?} is no regular file")));
    }
    let mut progress = this.progress.lock();
    if this.core().is_disconnected() && !progress.state.is_complete() {
        return Err(to_python(&Error::ClientDisconnected));
    }
    let plan = progress.state.file(file.len()).map_err(|e| to_python(&e))?;
    Ok(progress.outgoing.accept(if plan.sends {
        Piece::File(path)
    } else {
        Piece::Body {
            data: names(exchange.py()).no_bytes.clone_ref(exchange.py()),
            last: plan.completes,
        }
    }))
}

/// `103 Early Hints`: before the start, or after it while its headers have not gone out (checklist 127).
fn early_hint(this: &HttpExchange, event: &Bound<'_, PyDict>) -> PyResult<()> {
    let links = event
        .get_item(&names(event.py()).links)?
        .ok_or_else(|| to_python(&Error::WrongValue("http.response.early_hint has no 'links'".into())))?;
    let mut values = Vec::new();
    for link in links
        .try_iter()
        .map_err(|_| wrong_type("'links'", "an iterable of bytes", &links))?
    {
        let link = bytes("a link", &link?)?;
        HeaderBlock::default()
            .add(b"link", link.as_bytes(), this.version())
            .map_err(|e| to_python(&e))?;
        values.push(link);
    }
    let progress = this.progress.lock();
    if progress.outgoing.is_started() || progress.state.is_complete() {
        return Err(to_python(&Error::WrongOrder(
            "http.response.early_hint was sent after the headers".into(),
        )));
    }
    match this.core().emit(ResponseEvent::EarlyHint(
        values.iter().map(PyBytesMethods::as_bytes).collect::<Vec<_>>().join(&0),
    )) {
        Emitted::Gone => Err(to_python(&Error::ClientDisconnected)),
        _ => Ok(()),
    }
}

/// Bytes, or a snapshot of what gives bytes through the buffer protocol (`bytearray`, `memoryview`).
fn bytes<'py>(what: &str, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    if let Ok(exact) = value.cast::<PyBytes>() {
        return Ok(exact.clone());
    }
    if PyUntypedBuffer::get(value).is_err() {
        return Err(wrong_type(what, "bytes", value));
    }
    let copy = value.py().get_type::<PyBytes>().call1((value,))?;
    Ok(copy.cast_into::<PyBytes>()?)
}

fn flag(event: &Bound<'_, PyDict>, key: &Py<PyString>) -> PyResult<bool> {
    event.get_item(key)?.map_or(Ok(false), |value| value.is_truthy())
}

fn wrong_type(what: &str, wanted: &str, value: &Bound<'_, PyAny>) -> PyErr {
    let got = value
        .get_type()
        .name()
        .map_or_else(|_| "?".to_owned(), |name| name.to_string());
    to_python(&Error::WrongType(format!("{what} must be {wanted}, not {got}")))
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
        let exchange = self.exchange.bind(py);
        if exchange.get().progress.lock().outgoing.is_flushed(self.ticket) {
            return Ok(None);
        }
        if exchange.get().core().is_disconnected() {
            return Err(to_python(&Error::ClientDisconnected));
        }
        self.suspension.wait(exchange).map(Some)
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
