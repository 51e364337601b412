//! `send()` of HTTP: the app's events, validated before anything changes (ASGI HTTP 2.5, "Response Start", "Response Body").
//! What is wrong raises in the app and leaves a usable response.

use std::sync::Arc;

use asgi_node_core::{Error, HeaderBlock, head};
use pyo3::prelude::*;
use pyo3::types::{PyBytesMethods, PyDict, PyStringMethods};

use super::awaitable::Awaitable;
use super::channel::{Channel, Waitable};
use super::fields::{bytes, flag, for_each_header, status, typed, unknown};
use super::http::{Http, Piece, Start};
use super::http_extensions as extensions;
use super::names::names;
use crate::errors::to_python;

/// Accepts one event.
pub(super) fn send<'py>(channel: &Arc<Channel<Http>>, event: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Awaitable>> {
    let py = event.py();
    let http = channel.protocol();
    let (event, kind) = typed(event)?;
    let ticket = match kind.to_str()? {
        "http.response.body" => body(channel, event)?,
        "http.response.start" => {
            start(channel, event)?;
            return Awaitable::done(py);
        }
        "http.response.trailers" if http.supports(head::TRAILERS) => extensions::trailers(channel, event)?,
        "http.response.pathsend" if http.supports(head::PATHSEND) => extensions::pathsend(channel, event)?,
        "http.response.zerocopysend" if http.supports(head::ZEROCOPYSEND) => extensions::zerocopysend(channel, event)?,
        "http.response.early_hint" if http.supports(head::EARLY_HINT) => {
            extensions::early_hint(channel, event)?;
            return Awaitable::done(py);
        }
        other => return Err(unknown(other)),
    };
    channel.advance(py);
    Awaitable::until_flushed(py, Arc::clone(channel) as Arc<dyn Waitable>, ticket)
}

fn start(channel: &Arc<Channel<Http>>, event: &Bound<'_, PyDict>) -> PyResult<()> {
    let py = event.py();
    let n = names(py);
    let http = channel.protocol();
    let may_start = channel.progress().state.response.may_start();
    may_start.map_err(|e| to_python(&e))?;
    let status = status("http.response.start", event)?;
    let mut headers = headers(http, event)?;
    headers.fit(status, http.version());
    // Where they are not offered nobody could complete a response that waits for them.
    let wants_trailers = flag(event, &n.trailers)? && http.supports(head::TRAILERS);
    if channel.is_gone() {
        return Err(to_python(&Error::ClientDisconnected));
    }
    let mut progress = channel.progress();
    if !(wants_trailers && progress.state.response.can_end_with_trailers(status, &headers)) {
        headers.without_trailers();
    }
    // Looked at again: iterating the app's headers may have run code that sent something.
    progress
        .state
        .response
        .start(status, &headers, wants_trailers)
        .map_err(|e| to_python(&e))?;
    progress.state.hold(Start {
        status,
        headers: headers.into_flat(),
    });
    drop(progress);
    channel.schedule_start(py)
}

fn headers(http: &Http, event: &Bound<'_, PyDict>) -> PyResult<HeaderBlock> {
    let Some(headers) = event.get_item(&names(event.py()).headers)? else {
        return Ok(HeaderBlock::default());
    };
    // A guess, and within bounds: `__len__` may say anything.
    let mut block = HeaderBlock::with_capacity(headers.len().unwrap_or(0).min(64));
    for_each_header(&headers, |name, value| block.add(name, value, http.version()))?;
    Ok(block)
}

fn body(channel: &Arc<Channel<Http>>, event: &Bound<'_, PyDict>) -> PyResult<u64> {
    let py = event.py();
    let n = names(py);
    let data = match event.get_item(&n.body)? {
        Some(data) => Some(bytes("'body'", &data)?),
        None => None,
    };
    let more = flag(event, &n.more_body)?;
    let length = data.as_ref().map_or(0, |data| data.as_bytes().len());
    let mut progress = channel.connected()?;
    let plan = progress
        .state
        .response
        .body(length as u64, more)
        .map_err(|e| to_python(&e))?;
    let piece = match data.filter(|_| plan.sends) {
        Some(data) => Piece::body(&data, plan.completes, channel.side()),
        None => Piece::Empty { last: plan.completes },
    };
    let ticket = progress.outgoing.accept(piece);
    drop(progress);
    if plan.drops && channel.counters().is_first_dropped_body() {
        warn_of_dropped_body(py);
    }
    Ok(ticket)
}

/// Said once: an app that does this does it with every such response. The event was right: nothing is raised.
fn warn_of_dropped_body(py: Python<'_>) {
    let text = "the application sent a body with a status that has none (1xx, 204 or 304). The body was dropped. This is logged once.";
    let warn = || -> PyResult<()> {
        let logger = py.import("logging")?.call_method1("getLogger", ("asgi_node",))?;
        logger.call_method1("warning", (text,)).map(drop)
    };
    if let Err(raised) = warn() {
        raised.write_unraisable(py, None);
    }
}
