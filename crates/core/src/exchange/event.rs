//! The events of a response for the host (Node, or the Python test client).

use std::fs::File;

use bytes::Bytes;

use crate::error::Error;
use crate::exchange::message_queue::{Closed, Message};

/// One step of a response, in the order in which the app took it.
#[derive(Debug)]
pub enum ResponseEvent {
    /// The whole response at once: the common case costs one event.
    Complete {
        /// The status code, 100 to 999.
        status: u16,
        /// `name\0value\0…`, validated and lower-cased.
        headers: Vec<u8>,
        /// The whole body.
        body: Bytes,
    },
    /// The start of a response, with the first piece of its body if that came in time.
    Start {
        /// The status code, 100 to 999.
        status: u16,
        /// `name\0value\0…`, validated and lower-cased.
        headers: Vec<u8>,
        /// The first piece of the body; may be empty.
        body: Bytes,
    },
    /// A further piece of the body.
    Body(Bytes),
    /// The last piece of the body (may be empty), and the trailers if the client takes them (`name\0value\0…`).
    End {
        /// The last piece.
        body: Bytes,
        /// The trailers, flat as headers are; empty when there are none.
        trailers: Vec<u8>,
    },
    /// There will be no response, or no complete one.
    Failed(Failure),
    /// The request body has room again: the host may go on pushing.
    Resume,
    /// The app wants to read the body of a request that expects `100 Continue`.
    Continue,
    /// `103 Early Hints`: the values of its `Link` headers, joined by `\0`.
    EarlyHint(Vec<u8>),
    /// A piece of the body: a range of a file, which the host reads (`pathsend`, `zerocopysend`).
    File(FileRange),
    /// The app accepts a WebSocket: `subprotocol\0name\0value\0…`; the sub-protocol is empty when there is none.
    Accept(Vec<u8>),
    /// A WebSocket message to the client.
    Message(Message),
    /// The WebSocket ends: the app has closed it, or the handler closes.
    Close(Closed),
}

/// A range of an open, regular file.
#[derive(Debug)]
pub struct FileRange {
    /// Our own descriptor: it closes when it is no longer used, delivered or not. The file's content is the app's: the app may
    /// change it once its `send()` has returned, which is when the host has taken `weight` bytes.
    pub file: File,
    /// Where the range begins.
    pub offset: u64,
    /// How many bytes it has.
    pub length: u64,
    /// Whether the response ends with it.
    pub last: bool,
    /// What it counts against the window: all its bytes, so that no later piece is sent before the file.
    pub weight: usize,
}

/// Why there is no complete response.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The error that the host reports.
    pub error: Error,
    /// The Python traceback, when an exception was the reason.
    pub traceback: String,
    /// Whether the host has the start of the response: then it can only tell the client by cutting the connection.
    pub started: bool,
    /// Whether the app has logged the exception itself: the host does not log it again.
    pub logged: bool,
}

impl ResponseEvent {
    /// What it counts against the window: the bytes of body or message that it carries.
    pub fn body_len(&self) -> usize {
        match self {
            Self::Complete { body, .. } | Self::Start { body, .. } | Self::Body(body) | Self::End { body, .. } => {
                body.len()
            }
            Self::File(range) => range.weight,
            Self::Message(message) => message.weight(),
            _ => 0,
        }
    }

    /// Whether nothing comes after it.
    pub fn is_last(&self) -> bool {
        matches!(
            self,
            Self::Complete { .. }
                | Self::End { .. }
                | Self::Failed(_)
                | Self::Close(_)
                | Self::File(FileRange { last: true, .. })
        )
    }
}
