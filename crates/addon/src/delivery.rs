//! Response events in the form in which they cross to JavaScript: five plain values.

use std::fs::File;
use std::os::fd::AsRawFd;

use asgi_node_core::log_queue::{Dropped, Entry, Kind};
use asgi_node_core::protocol::{event as kind, limit};
use asgi_node_core::{Bytes, Error, Exchange, FileRange, ResponseEvent};

use crate::errors;

/// One event, as `deliver(id, kind, status, text, data)` gets it.
#[derive(Debug)]
pub(crate) struct JsEvent {
    pub(crate) id: u32,
    pub(crate) kind: u32,
    pub(crate) status: u32,
    pub(crate) text: Vec<u8>,
    /// Latin-1 otherwise.
    pub(crate) text_is_utf8: bool,
    pub(crate) data: Data,
    /// The file whose descriptor is in the text: JavaScript's to close once it has been called, and ours until then.
    pub(crate) file: Option<File>,
}

/// The bytes that an event carries.
#[derive(Debug)]
pub(crate) enum Data {
    None,
    /// A small, whole body that is ASCII. Crosses as a string, which costs a fraction of what a Buffer costs, and which Node
    /// writes in one piece with the head.
    Ascii(Bytes),
    Bytes(Bytes),
    /// The same, for a host that writes nothing into them and keeps no reference: they need not be copied.
    Lent(Bytes),
}

/// Whether JavaScript gets these bytes without a copy.
pub(crate) fn is_lent(exchange: &Exchange, bytes: &Bytes) -> bool {
    bytes.len() >= limit::LENT && exchange.borrows()
}

impl Data {
    /// Up to this size a body can be a string: Node writes a longer one in several steps.
    const SMALL: usize = 8 * 1024;

    fn new(exchange: &Exchange, bytes: Bytes) -> Self {
        if bytes.is_empty() {
            Self::None
        } else if is_lent(exchange, &bytes) {
            Self::Lent(bytes)
        } else {
            Self::Bytes(bytes)
        }
    }

    fn whole_body(exchange: &Exchange, bytes: Bytes) -> Self {
        if !bytes.is_empty() && bytes.len() <= Self::SMALL && bytes.is_ascii() {
            Self::Ascii(bytes)
        } else {
            Self::new(exchange, bytes)
        }
    }
}

impl JsEvent {
    pub(crate) fn new(exchange: &Exchange, event: ResponseEvent) -> Self {
        let id = exchange.id();
        let made = |kind, status: u32, text, data: Bytes| Self {
            id,
            kind,
            status,
            text,
            text_is_utf8: false,
            data: Data::new(exchange, data),
            file: None,
        };
        match event {
            ResponseEvent::Complete { status, headers, body } => Self {
                data: Data::whole_body(exchange, body),
                ..made(kind::COMPLETE, status.into(), headers, Bytes::new())
            },
            ResponseEvent::Start { status, headers, body } => made(kind::START, status.into(), headers, body),
            ResponseEvent::Body(body) => made(kind::BODY, 0, Vec::new(), body),
            ResponseEvent::End { body, trailers } => made(kind::END, 0, trailers, body),
            ResponseEvent::Failed(failure) => {
                let text = errors::flat(&failure.error, &failure.traceback);
                Self {
                    text_is_utf8: true,
                    ..made(kind::FAILED, failure.logged.into(), text, Bytes::new())
                }
            }
            ResponseEvent::Resume => made(kind::RESUME, 0, Vec::new(), Bytes::new()),
            ResponseEvent::Continue => made(kind::CONTINUE, 0, Vec::new(), Bytes::new()),
            ResponseEvent::EarlyHint(links) => made(kind::EARLY_HINT, 0, links, Bytes::new()),
            ResponseEvent::File(FileRange {
                file,
                offset,
                length,
                last,
                ..
            }) => {
                let text = format!("{}\0{offset}\0{length}", file.as_raw_fd()).into_bytes();
                Self {
                    file: Some(file),
                    ..made(kind::FILE, last.into(), text, Bytes::new())
                }
            }
            ResponseEvent::Accept(answer) => made(kind::ACCEPT, 0, answer, Bytes::new()),
            ResponseEvent::Message(message) => made(kind::MESSAGE, message.is_text.into(), Vec::new(), message.data),
            ResponseEvent::Close(closed) => Self {
                text_is_utf8: true,
                ..made(
                    kind::CLOSE,
                    closed.code.into(),
                    closed.reason.into_bytes(),
                    Bytes::new(),
                )
            },
        }
    }

    /// A log record or a line of Python: it belongs to no exchange, and its number means nothing.
    pub(crate) fn log_entry(entry: Entry) -> Self {
        let (kind, status) = match entry.kind {
            Kind::Record(level) => (kind::RECORD, level.into()),
            Kind::Stdout => (kind::LINE, 1),
            Kind::Stderr => (kind::LINE, 2),
        };
        Self {
            id: 0,
            kind,
            status,
            text: entry.text.into_bytes(),
            text_is_utf8: true,
            data: Data::None,
            file: None,
        }
    }

    /// The end of a response whose bytes have gone.
    pub(crate) fn end(id: u32, trailers: Vec<u8>) -> Self {
        Self {
            id,
            kind: kind::END,
            status: 0,
            text: trailers,
            text_is_utf8: false,
            data: Data::None,
            file: None,
        }
    }

    /// In place of an event that Node could not take.
    pub(crate) fn refused(id: u32, refusal: Refusal) -> Self {
        let error = Error::ResponseTooLarge {
            what: refusal.what,
            bytes: refusal.bytes,
        };
        Self {
            id,
            kind: kind::FAILED,
            status: 0,
            text: errors::flat(&error, ""),
            text_is_utf8: true,
            data: Data::None,
            file: None,
        }
    }

    /// What could not be handed over is counted as dropped.
    pub(crate) fn as_dropped(&self) -> Dropped {
        let is_line = self.kind == kind::LINE;
        Dropped {
            records: (!is_line).into(),
            lines: is_line.into(),
        }
    }

    /// How much of that there was no room for.
    pub(crate) fn dropped(dropped: Dropped) -> Self {
        Self {
            id: 0,
            kind: kind::DROPPED,
            status: 0,
            text: format!("{}\0{}", dropped.records, dropped.lines).into_bytes(),
            text_is_utf8: false,
            data: Data::None,
            file: None,
        }
    }
}

/// A value that Node does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) what: &'static str,
    pub(crate) bytes: usize,
}
