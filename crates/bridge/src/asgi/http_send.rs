//! `send()`: the app's events, validated before anything changes (HTTP specification, "Response Start", "Response Body";
//! checklist 51 to 66). What is wrong raises in the app and leaves a usable response.

use asgi_node_core::{Error, HeaderBlock, head};
use pyo3::prelude::*;
use pyo3::types::{PyBytesMethods, PyDict, PyStringMethods};

use crate::asgi::extensions;
use crate::asgi::fields::{bytes, flag, for_each_header, status, typed, unknown};
use crate::asgi::http::HttpExchange;
use crate::asgi::names::names;
use crate::asgi::outgoing::{Piece, Start};
use crate::asgi::party::Party;
use crate::asgi::sending::{sent, settle};
use crate::errors::to_python;

/// Accepts one event.
pub(crate) fn send<'py>(exchange: &Bound<'py, HttpExchange>, event: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = exchange.py();
    let (event, kind) = typed(event)?;
    let ticket = match kind.to_str()? {
        "http.response.body" => body(exchange, event)?,
        "http.response.start" => {
            start(exchange, event)?;
            return sent(py);
        }
        "http.response.trailers" if exchange.get().supports(head::TRAILERS) => extensions::trailers(exchange, event)?,
        "http.response.pathsend" if exchange.get().supports(head::PATHSEND) => extensions::pathsend(exchange, event)?,
        "http.response.zerocopysend" if exchange.get().supports(head::ZEROCOPYSEND) => {
            extensions::zerocopysend(exchange, event)?
        }
        "http.response.early_hint" if exchange.get().supports(head::EARLY_HINT) => {
            extensions::early_hint(exchange.get(), event)?;
            return sent(py);
        }
        other => return Err(unknown(other)),
    };
    let this = exchange.get();
    HttpExchange::pump(exchange);
    let complete = this.progress.lock().state.is_complete();
    if complete {
        this.wake_waiters(py);
    }
    settle(py, Party::Http(exchange.clone().unbind()), ticket)
}

fn start(exchange: &Bound<'_, HttpExchange>, event: &Bound<'_, PyDict>) -> PyResult<()> {
    let py = exchange.py();
    let n = names(py);
    let this = exchange.get();
    this.progress.lock().state.may_start().map_err(|e| to_python(&e))?;
    let status = status("http.response.start", event)?;
    let mut headers = headers(this, event)?;
    headers.fit(status, this.version());
    // Where they are not offered nobody could complete a response that waits for them.
    let wants_trailers = flag(event, &n.trailers)? && this.supports(head::TRAILERS);
    if this.is_gone() {
        return Err(to_python(&Error::ClientDisconnected));
    }
    let mut progress = this.progress.lock();
    if !(wants_trailers && progress.state.can_end_with_trailers(status, &headers)) {
        headers.without_trailers();
    }
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
    // A guess, and within bounds: `__len__` may say anything.
    let mut block = HeaderBlock::with_capacity(headers.len().unwrap_or(0).min(64));
    for_each_header(&headers, |name, value| block.add(name, value, this.version()))?;
    Ok(block)
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
    let mut progress = this.connected()?;
    let plan = progress
        .state
        .body(data.as_bytes().len() as u64, more)
        .map_err(|e| to_python(&e))?;
    let data = if plan.sends { data } else { n.no_bytes.bind(py).clone() };
    let ticket = progress.outgoing.accept(Piece::Body {
        data: data.unbind(),
        last: plan.completes,
    });
    drop(progress);
    if plan.drops && this.app().is_first_dropped_body() {
        warn_of_dropped_body(py);
    }
    Ok(ticket)
}

/// Said once: an app that does this does it with every such response. The event was right: nothing is raised.
fn warn_of_dropped_body(py: Python<'_>) {
    let text = "the application sent a body with a status that has none (1xx, 204 or 304): it is dropped (said once)";
    let warn = || -> PyResult<()> {
        let logger = py.import("logging")?.call_method1("getLogger", ("asgi_node",))?;
        logger.call_method1("warning", (text,)).map(drop)
    };
    if let Err(raised) = warn() {
        raised.write_unraisable(py, None);
    }
}
