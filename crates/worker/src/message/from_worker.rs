//! Messages from a worker to Node.

use std::fs::File;
use std::os::fd::OwnedFd;

use asgi_node_core::log_queue::{Dropped, Entry};
use asgi_node_core::message_queue::{Closed, Message};
use asgi_node_core::{Bytes, chunk_pool};

use super::parts::{Failed, Start, Status, closed, entry, message, put_closed, put_entry, put_flags, whole};
use crate::frame::Malformed;
use crate::wire::{Fields, Wire, put_bytes, put_size};

/// A message from a worker to Node. Some belong to no request.
#[derive(Debug)]
pub enum FromWorker {
    /// No request: the application is ready.
    Opened,
    /// No request: the application cannot start, and the worker ends.
    Refused(Failed),
    /// No request: the application has shut down, with or without an error, and the worker ends.
    Ended(Option<Failed>),
    /// A whole response.
    Complete(Start),
    /// The start of a response.
    Start(Start),
    /// A piece of a body.
    Body(Bytes),
    /// The end of a response.
    End {
        /// The last piece of the body.
        body: Bytes,
        /// The trailers.
        trailers: Vec<u8>,
    },
    /// There is no complete response.
    Failed {
        /// Whether the response had begun.
        started: bool,
        /// Whether the application has logged why.
        logged: bool,
        /// The reason.
        why: Failed,
    },
    /// Credit: the app has received this many bytes and messages.
    Credit(usize, u64),
    /// The app wants the body of a request that expects `100 Continue`.
    Continue,
    /// `103 Early Hints`.
    EarlyHint(Vec<u8>),
    /// A range of a file is the next piece of the body.
    File {
        /// The file; `None` after it has been sent.
        file: Option<File>,
        /// Where the range begins.
        offset: u64,
        /// Its length.
        length: u64,
        /// Whether the response ends with it.
        last: bool,
        /// The number of bytes that it counts against the window.
        weight: usize,
    },
    /// A WebSocket is accepted.
    Accept(Vec<u8>),
    /// A message to the client of a WebSocket.
    Message(Message),
    /// A WebSocket ends.
    Close(Closed),
    /// The app has returned. This is the last message of a request, or one of the last.
    Returned,
    /// No request: a log record or a line of output.
    Log(Entry),
    /// No request: the number of records and lines that were lost.
    Dropped(Dropped),
    /// No request: the answer to [`ToWorker::Ping`].
    Status(Status),
    /// No request: where the event loop's thread is, in words, and its stack.
    Place(String, String),
}

impl FromWorker {
    /// The kind of [`Self::Body`].
    const BODY: u8 = 5;
}

impl Wire for FromWorker {
    fn kind(&self) -> u8 {
        match self {
            Self::Opened => 0,
            Self::Refused(_) => 1,
            Self::Ended(_) => 2,
            Self::Complete(_) => 3,
            Self::Start(_) => 4,
            Self::Body(_) => Self::BODY,
            Self::End { .. } => 6,
            Self::Failed { .. } => 7,
            Self::Credit(..) => 8,
            Self::Continue => 9,
            Self::EarlyHint(_) => 10,
            Self::File { .. } => 11,
            Self::Accept(_) => 12,
            Self::Message(_) => 13,
            Self::Close(_) => 14,
            Self::Returned => 15,
            Self::Log(_) => 16,
            Self::Dropped(_) => 17,
            Self::Status(_) => 18,
            Self::Place(..) => 19,
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Complete(start) | Self::Start(start) => 6 + start.headers.len() + start.body.len(),
            Self::Body(bytes) => bytes.len(),
            Self::EarlyHint(bytes) | Self::Accept(bytes) => bytes.len(),
            Self::End { body, trailers } => 4 + body.len() + trailers.len(),
            Self::Failed { why, .. } | Self::Refused(why) | Self::Ended(Some(why)) => 2 + why.size(),
            Self::Message(message) => 1 + message.data.len(),
            Self::Close(closed) => 6 + closed.reason.len(),
            Self::Log(entry) => 6 + entry.text.len(),
            Self::Place(words, stack) => 8 + words.len() + stack.len(),
            _ => 40,
        }
    }

    fn piece_kind(&self) -> Option<u8> {
        matches!(self, Self::Body(_)).then_some(Self::BODY)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Refused(why) => why.put(out),
            Self::Ended(why) => {
                put_flags(out, &[why.is_some()]);
                if let Some(why) = why {
                    why.put(out);
                }
            }
            Self::Complete(start) | Self::Start(start) => start.put(out),
            Self::EarlyHint(bytes) | Self::Accept(bytes) => out.extend_from_slice(bytes),
            Self::End { trailers, .. } => put_bytes(out, trailers),
            Self::Failed { started, logged, why } => {
                put_flags(out, &[*started, *logged]);
                why.put(out);
            }
            Self::Credit(bytes, messages) => {
                put_size(out, *bytes);
                out.extend_from_slice(&messages.to_le_bytes());
            }
            Self::File {
                offset,
                length,
                last,
                weight,
                ..
            } => {
                out.extend_from_slice(&offset.to_le_bytes());
                out.extend_from_slice(&length.to_le_bytes());
                put_flags(out, &[*last]);
                put_size(out, *weight);
            }
            Self::Message(message) => put_flags(out, &[message.is_text]),
            Self::Close(closed) => put_closed(out, closed),
            Self::Log(entry) => put_entry(out, entry),
            Self::Dropped(dropped) => {
                out.extend_from_slice(&dropped.records.to_le_bytes());
                out.extend_from_slice(&dropped.lines.to_le_bytes());
            }
            Self::Status(status) => status.put(out),
            Self::Place(words, stack) => {
                put_bytes(out, words.as_bytes());
                put_bytes(out, stack.as_bytes());
            }
            Self::Opened | Self::Body(_) | Self::Continue | Self::Returned => {}
        }
    }

    fn tail(&mut self) -> Bytes {
        match self {
            Self::Complete(Start { body, .. })
            | Self::Start(Start { body, .. })
            | Self::Body(body)
            | Self::End { body, .. } => std::mem::take(body),
            Self::Message(message) => std::mem::take(&mut message.data),
            _ => Bytes::new(),
        }
    }

    fn is_bare(kind: u8) -> bool {
        kind == Self::BODY
    }

    fn adopt(kind: u8, payload: Vec<u8>, descriptor: &mut dyn FnMut() -> Option<OwnedFd>) -> Result<Self, Malformed> {
        if Self::is_bare(kind) {
            return Ok(Self::Body(chunk_pool::share(payload)));
        }
        Self::read(kind, Fields::owned(&payload.into()), descriptor)
    }

    fn take_descriptor(&mut self) -> Option<OwnedFd> {
        match self {
            Self::File { file, .. } => file.take().map(Into::into),
            _ => None,
        }
    }

    fn decode(kind: u8, payload: &[u8], descriptor: &mut dyn FnMut() -> Option<OwnedFd>) -> Result<Self, Malformed> {
        Self::read(kind, Fields::borrowed(payload), descriptor)
    }
}

impl FromWorker {
    fn read(
        kind: u8,
        mut fields: Fields<'_>,
        descriptor: &mut dyn FnMut() -> Option<OwnedFd>,
    ) -> Result<Self, Malformed> {
        let fields = &mut fields;
        let decoded = match kind {
            0 => Self::Opened,
            1 => Self::Refused(Failed::take(fields)?),
            2 => {
                let failed = fields.flag()?;
                Self::Ended(failed.then(|| Failed::take(fields)).transpose()?)
            }
            3 => Self::Complete(Start::take(fields)?),
            4 => Self::Start(Start::take(fields)?),
            Self::BODY => Self::Body(fields.tail()),
            6 => {
                let trailers = fields.bytes()?;
                let body = fields.tail();
                Self::End { body, trailers }
            }
            7 => Self::Failed {
                started: fields.flag()?,
                logged: fields.flag()?,
                why: Failed::take(fields)?,
            },
            8 => Self::Credit(fields.size()?, fields.u64()?),
            9 => Self::Continue,
            10 => Self::EarlyHint(fields.rest()),
            11 => Self::File {
                file: Some(
                    descriptor()
                        .ok_or_else(|| Malformed("a file without a descriptor".into()))?
                        .into(),
                ),
                offset: fields.u64()?,
                length: fields.u64()?,
                last: fields.flag()?,
                weight: fields.size()?,
            },
            12 => Self::Accept(fields.rest()),
            13 => Self::Message(message(fields)?),
            14 => Self::Close(closed(fields)?),
            15 => Self::Returned,
            16 => Self::Log(entry(fields)?),
            17 => Self::Dropped(Dropped {
                records: fields.u64()?,
                lines: fields.u64()?,
            }),
            18 => Self::Status(Status::take(fields)?),
            19 => Self::Place(fields.text()?, fields.text()?),
            other => return Err(Malformed(format!("kind {other} is unknown in messages from a worker"))),
        };
        whole(fields, decoded)
    }
}
