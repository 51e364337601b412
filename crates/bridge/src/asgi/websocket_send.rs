//! `send()` of a WebSocket: the app's events, validated before anything changes (ASGI WebSocket 2.5, "Accept" to "Denial
//! Response").

use std::sync::Arc;

use asgi_node_core::message_queue::{Closed, Message};
use asgi_node_core::websocket::{self, Closing, NORMAL};
use asgi_node_core::{Bytes, Error, HeaderBlock, ResponseEvent, Version};
use pyo3::prelude::*;
use pyo3::types::{PyBytesMethods, PyDict, PyInt, PyString, PyStringMethods};

use super::awaitable::Awaitable;
use super::channel::{Channel, Progress, Waitable};
use super::fields::{bytes, flag, for_each_header, status, typed, unknown, wrong_type};
use super::names::names;
use super::shared;
use super::websocket::WebSocket;
use crate::errors::to_python;

/// Accepts one event.
pub(super) fn send<'py>(
    channel: &Arc<Channel<WebSocket>>,
    event: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, Awaitable>> {
    let py = event.py();
    let (event, kind) = typed(event)?;
    let ticket = match kind.to_str()? {
        "websocket.send" => message(channel, event)?,
        "websocket.accept" => accept(channel, event)?,
        "websocket.close" => match close(channel, event)? {
            Some(ticket) => ticket,
            None => return Awaitable::done(py),
        },
        "websocket.http.response.start" => {
            deny(channel, event)?;
            return Awaitable::done(py);
        }
        "websocket.http.response.body" => denial_body(channel, event)?,
        other => return Err(unknown(other)),
    };
    channel.advance(py);
    Awaitable::until_flushed(py, Arc::clone(channel) as Arc<dyn Waitable>, ticket)
}

fn message(channel: &Channel<WebSocket>, event: &Bound<'_, PyDict>) -> PyResult<u64> {
    let n = names(event.py());
    channel.progress().state.socket.message().map_err(|e| to_python(&e))?;
    let given = |key| Ok::<_, PyErr>(event.get_item(key)?.filter(|value| !value.is_none()));
    let (is_text, data) = match (given(&n.text)?, given(&n.bytes)?) {
        (Some(text), None) => (true, shared::text(&exact_text("'text'", &text)?, channel.side())?),
        (None, Some(data)) => (false, shared::bytes(&bytes("'bytes'", &data)?, channel.side())),
        (both, _) => {
            let how_many = if both.is_some() { "both" } else { "neither" };
            let text = format!("websocket.send has {how_many} of 'text' and 'bytes': it takes one of them");
            return Err(to_python(&Error::WrongValue(text)));
        }
    };
    let mut progress = channel.connected()?;
    // Looked at again: taking the values may have run code of theirs.
    progress.state.socket.message().map_err(|e| to_python(&e))?;
    let message = Message { is_text, data };
    Ok(progress.outgoing.accept(ResponseEvent::Message(message)))
}

/// Text that has a UTF-8 form (lone surrogates have none), as exactly a `str`: we drop it where no code of a subclass may
/// run.
fn exact_text<'py>(what: &str, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyString>> {
    let text = value.cast::<PyString>().map_err(|_| wrong_type(what, "a str", value))?;
    let utf8 = text.to_str()?;
    Ok(match value.cast_exact::<PyString>() {
        Ok(exact) => exact.clone(),
        Err(_) => PyString::new(value.py(), utf8),
    })
}

/// A `str` or nothing.
fn optional_text<'py>(event: &Bound<'py, PyDict>, key: &Py<PyString>) -> PyResult<Option<Bound<'py, PyString>>> {
    let what = format!("'{}'", key.bind(event.py()));
    let value = event.get_item(key)?.filter(|value| !value.is_none());
    value.map(|value| exact_text(&what, &value)).transpose()
}

fn accept(channel: &Channel<WebSocket>, event: &Bound<'_, PyDict>) -> PyResult<u64> {
    let n = names(event.py());
    let may = |progress: &Progress<WebSocket>| progress.state.socket.may_answer("websocket.accept");
    may(&channel.progress()).map_err(|e| to_python(&e))?;
    let chosen = optional_text(event, &n.subprotocol)?;
    let chosen = chosen.as_ref().map(PyStringMethods::to_str).transpose()?;
    let mut headers = HeaderBlock::default();
    if let Some(given) = event.get_item(&n.headers)?.filter(|given| !given.is_none()) {
        for_each_header(&given, |name, value| {
            websocket::add_accept_header(&mut headers, name, value)
        })?;
    }
    let mut progress = channel.connected()?;
    progress
        .state
        .socket
        .accept(chosen, channel.protocol().offered())
        .map_err(|e| to_python(&e))?;
    // One character of an offer was one byte in its header.
    let mut flat: Vec<u8> = chosen.unwrap_or_default().chars().map(|c| c as u8).collect();
    let headers = headers.into_flat();
    if !headers.is_empty() {
        flat.push(0);
        flat.extend_from_slice(&headers);
    }
    Ok(progress.outgoing.accept(ResponseEvent::Accept(flat)))
}

/// `None` where the other side has closed before: closing twice is no error. Handlers close in `except` blocks, and a
/// `ClientDisconnected` raised there would hide the exception that is being handled.
fn close(channel: &Channel<WebSocket>, event: &Bound<'_, PyDict>) -> PyResult<Option<u64>> {
    let n = names(event.py());
    let may = match channel.progress().state.socket.may_close() {
        Err(Error::ClientDisconnected) => return Ok(None),
        may => may.map_err(|e| to_python(&e))?,
    };
    if may == Closing::Refuse {
        // What else the event says has nowhere to go, and may be of any type.
        let Ok(mut progress) = channel.connected() else {
            return Ok(None);
        };
        progress.state.socket.close(0, "").map_err(|e| to_python(&e))?;
        return Ok(Some(progress.outgoing.accept(websocket::refusal())));
    }
    let code = match event.get_item(&n.code)?.filter(|code| !code.is_none()) {
        None => i64::from(NORMAL),
        Some(code) => {
            let number = code
                .cast::<PyInt>()
                .map_err(|_| wrong_type("'code'", "an int", &code))?;
            // One that is too large for a number of ours is too large for a frame, and is named as it was given.
            let extracted = number.extract::<i64>();
            extracted.map_err(|_| to_python(&websocket::no_close_code(number.to_string())))?
        }
    };
    let reason = optional_text(event, &n.reason)?;
    let reason = reason.as_ref().map_or(Ok(""), PyStringMethods::to_str)?;
    // The state stays where the client has closed, so that `receive` still gives its code and reason.
    let mut socket = channel.progress().state.socket.clone();
    socket.close(code, reason).map_err(|e| to_python(&e))?;
    let Ok(mut progress) = channel.connected() else {
        return Ok(None);
    };
    let closed = socket.closed().cloned().unwrap_or_else(Closed::abnormal);
    progress.state.socket = socket;
    Ok(Some(progress.outgoing.accept(ResponseEvent::Close(closed))))
}

/// The extension "WebSocket Denial Response". The start waits for the body, as that of a response does; it is not sent by
/// itself, because nobody reads a denial as a stream.
fn deny(channel: &Channel<WebSocket>, event: &Bound<'_, PyDict>) -> PyResult<()> {
    let kind = "websocket.http.response.start";
    let n = names(event.py());
    let may = |progress: &Progress<WebSocket>| progress.state.socket.may_answer(kind);
    may(&channel.progress()).map_err(|e| to_python(&e))?;
    let status = status(kind, event)?;
    let mut headers = HeaderBlock::default();
    if let Some(given) = event.get_item(&n.headers)? {
        // HTTP/2's rule drops connection headers: the connection ends with a denial, which is ours to say.
        for_each_header(&given, |name, value| headers.add(name, value, Version::Http2))?;
    }
    headers.fit(status, Version::Http11);
    let mut progress = channel.connected()?;
    progress
        .state
        .socket
        .deny(status, &headers)
        .map_err(|e| to_python(&e))?;
    progress.state.denial = Some((status, headers.into_flat()));
    Ok(())
}

fn denial_body(channel: &Channel<WebSocket>, event: &Bound<'_, PyDict>) -> PyResult<u64> {
    let n = names(event.py());
    let data = match event.get_item(&n.body)? {
        Some(data) => bytes("'body'", &data)?,
        None => n.no_bytes.bind(event.py()).clone(),
    };
    let more = flag(event, &n.more_body)?;
    let mut progress = channel.connected()?;
    let length = data.as_bytes().len() as u64;
    let plan = progress
        .state
        .socket
        .denial_body(length, more)
        .map_err(|e| to_python(&e))?;
    let body = if plan.sends {
        shared::bytes(&data, channel.side())
    } else {
        Bytes::new()
    };
    let event = match (progress.state.denial.take(), plan.completes) {
        (Some((status, headers)), true) => ResponseEvent::Complete { status, headers, body },
        (Some((status, headers)), false) => ResponseEvent::Start { status, headers, body },
        (None, true) => ResponseEvent::End {
            body,
            trailers: Vec::new(),
        },
        (None, false) => ResponseEvent::Body(body),
    };
    Ok(progress.outgoing.accept(event))
}
