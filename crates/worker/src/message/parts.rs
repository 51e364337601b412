//! The parts of messages.

use asgi_node_core::Bytes;
use asgi_node_core::log_queue::{Entry, Kind};
use asgi_node_core::message_queue::{Closed, Message};

use crate::frame::Malformed;
use crate::wire::{Fields, put_bytes};

/// The status of a worker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Requests that the event loop has not taken yet.
    pub queued: u64,
    /// Requests whose app raised an exception, or did not complete its response.
    pub errors: u64,
    /// Nanoseconds that the event loop is behind.
    pub lag: u64,
    /// Nanoseconds for which it has not answered a heartbeat.
    pub blocked: u64,
    /// Whether it runs on asyncio's own loop.
    pub is_asyncio: bool,
}

/// Why something failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// One of the stable codes.
    pub code: String,
    /// The error message.
    pub message: String,
    /// The Python traceback, if there is one.
    pub traceback: String,
}

/// The start of a response.
#[derive(Debug, PartialEq, Eq)]
pub struct Start {
    /// The status code.
    pub status: u16,
    /// `name\0value\0…`
    pub headers: Vec<u8>,
    /// The first piece of the body.
    pub body: Bytes,
}

pub(super) fn put_flags(out: &mut Vec<u8>, flags: &[bool]) {
    out.extend(flags.iter().map(|&flag| u8::from(flag)));
}

pub(super) fn put_closed(out: &mut Vec<u8>, closed: &Closed) {
    out.extend_from_slice(&closed.code.to_le_bytes());
    put_bytes(out, closed.reason.as_bytes());
}

pub(super) fn closed(fields: &mut Fields<'_>) -> Result<Closed, Malformed> {
    Ok(Closed {
        code: fields.u16()?,
        reason: fields.text()?,
    })
}

pub(super) fn message(fields: &mut Fields<'_>) -> Result<Message, Malformed> {
    let (is_text, data) = (fields.flag()?, fields.tail());
    if is_text && std::str::from_utf8(&data).is_err() {
        return Err(Malformed("a text is not UTF-8".into()));
    }
    Ok(Message { is_text, data })
}

/// Returns `value` if it was the whole payload.
pub(super) fn whole<T>(fields: &Fields<'_>, value: T) -> Result<T, Malformed> {
    fields.end().map(|()| value)
}

impl Failed {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        for text in [&self.code, &self.message, &self.traceback] {
            put_bytes(out, text.as_bytes());
        }
    }

    pub(super) fn size(&self) -> usize {
        12 + self.code.len() + self.message.len() + self.traceback.len()
    }

    pub(super) fn take(fields: &mut Fields<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            code: fields.text()?,
            message: fields.text()?,
            traceback: fields.text()?,
        })
    }
}

impl Start {
    /// All but the body.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.status.to_le_bytes());
        put_bytes(out, &self.headers);
    }

    pub(super) fn take(fields: &mut Fields<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            status: fields.u16()?,
            headers: fields.bytes()?,
            body: fields.tail(),
        })
    }
}

impl Status {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        for number in [self.queued, self.errors, self.lag, self.blocked] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        put_flags(out, &[self.is_asyncio]);
    }

    pub(super) fn take(fields: &mut Fields<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            queued: fields.u64()?,
            errors: fields.u64()?,
            lag: fields.u64()?,
            blocked: fields.u64()?,
            is_asyncio: fields.flag()?,
        })
    }
}

/// Lines have no level. Records have a level of Python's.
pub(super) fn put_entry(out: &mut Vec<u8>, entry: &Entry) {
    let (kind, level) = match entry.kind {
        Kind::Record(level) => (0, level),
        Kind::Stdout => (1, 0),
        Kind::Stderr => (2, 0),
    };
    out.extend_from_slice(&[kind, level]);
    put_bytes(out, entry.text.as_bytes());
}

pub(super) fn entry(fields: &mut Fields<'_>) -> Result<Entry, Malformed> {
    let kind = match (fields.byte()?, fields.byte()?) {
        (0, level) => Kind::Record(level),
        (1, _) => Kind::Stdout,
        (2, _) => Kind::Stderr,
        (other, _) => return Err(Malformed(format!("stream {other} is unknown"))),
    };
    Ok(Entry {
        kind,
        text: fields.text()?,
    })
}
