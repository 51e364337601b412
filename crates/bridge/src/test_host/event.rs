//! A response event as a Python caller gets it.

use std::os::fd::IntoRawFd;

use asgi_node_core::{FileRange, ResponseEvent};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

use crate::asgi::names::names;

/// One event. Its `kind` decides which attributes have a value; the others are empty.
#[pyclass(frozen, get_all, module = "asgi_node._native")]
#[derive(Debug)]
pub struct HostEvent {
    kind: Py<PyString>,
    status: u16,
    headers: Py<PyList>,
    data: Py<PyBytes>,
    text: String,
    traceback: String,
    started: bool,
    range: Option<(i32, u64, u64)>,
    weight: usize,
    last: bool,
}

impl HostEvent {
    pub(crate) fn new(py: Python<'_>, event: ResponseEvent) -> PyResult<Self> {
        let (weight, last) = (event.body_len(), event.is_last());
        let made = |kind: &str| Self {
            kind: PyString::intern(py, kind).unbind(),
            status: 0,
            headers: PyList::empty(py).unbind(),
            data: names(py).no_bytes.clone_ref(py),
            text: String::new(),
            traceback: String::new(),
            started: false,
            range: None,
            weight,
            last,
        };
        let bytes = |data: &[u8]| PyBytes::new(py, data).unbind();
        Ok(match event {
            ResponseEvent::Complete { status, headers, body } | ResponseEvent::Start { status, headers, body } => {
                Self {
                    status,
                    headers: pairs(py, &headers)?,
                    data: bytes(&body),
                    ..made("start")
                }
            }
            ResponseEvent::Body(body) => Self {
                data: bytes(&body),
                ..made("body")
            },
            ResponseEvent::End { body, trailers } => Self {
                data: bytes(&body),
                headers: pairs(py, &trailers)?,
                ..made("body")
            },
            ResponseEvent::Failed(failure) => Self {
                started: failure.started,
                text: failure.error.to_string(),
                traceback: failure.traceback,
                data: bytes(failure.error.code().as_bytes()),
                ..made("failed")
            },
            ResponseEvent::Resume => made("resume"),
            ResponseEvent::Continue => made("continue"),
            ResponseEvent::EarlyHint(links) => Self {
                headers: hints(py, &links)?,
                ..made("early_hint")
            },
            ResponseEvent::File(FileRange {
                file, offset, length, ..
            }) => Self {
                // From here on the caller owns the descriptor: it reads and closes it.
                range: Some((file.into_raw_fd(), offset, length)),
                ..made("file")
            },
            ResponseEvent::Accept(answer) => {
                let (subprotocol, headers) = split(&answer);
                Self {
                    text: latin1(subprotocol),
                    headers: pairs(py, headers)?,
                    ..made("accept")
                }
            }
            ResponseEvent::Message(message) if message.is_text => Self {
                text: String::from_utf8_lossy(&message.data).into_owned(),
                ..made("text")
            },
            ResponseEvent::Message(message) => Self {
                data: bytes(&message.data),
                ..made("bytes")
            },
            ResponseEvent::Close(closed) => Self {
                status: closed.code,
                text: closed.reason,
                ..made("close")
            },
        })
    }
}

/// `name\0value\0…` as a list of pairs.
fn pairs(py: Python<'_>, flat: &[u8]) -> PyResult<Py<PyList>> {
    let list = PyList::empty(py);
    if !flat.is_empty() {
        let mut fields = flat.split(|&byte| byte == 0);
        while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
            list.append(PyTuple::new(py, [PyBytes::new(py, name), PyBytes::new(py, value)])?)?;
        }
    }
    Ok(list.unbind())
}

fn hints(py: Python<'_>, links: &[u8]) -> PyResult<Py<PyList>> {
    let list = PyList::empty(py);
    for link in links.split(|&byte| byte == 0) {
        list.append(PyTuple::new(py, [PyBytes::new(py, b"link"), PyBytes::new(py, link)])?)?;
    }
    Ok(list.unbind())
}

/// `subprotocol\0name\0value\0…`
fn split(answer: &[u8]) -> (&[u8], &[u8]) {
    let end = answer.iter().position(|&byte| byte == 0).unwrap_or(answer.len());
    (&answer[..end], answer.get(end + 1..).unwrap_or_default())
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}
