//! What the host (Node, or the Python test client) is told about a response.

use std::fs::File;

use crate::Error;
use crate::message_queue::{Closed, Message};

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
        body: Vec<u8>,
    },
    /// The start of a response, with the first piece of its body when that was there in time.
    Start {
        /// The status code, 100 to 999.
        status: u16,
        /// `name\0value\0…`, validated and lower-cased.
        headers: Vec<u8>,
        /// The first piece of the body; may be empty.
        body: Vec<u8>,
    },
    /// A further piece of the body.
    Body(Vec<u8>),
    /// The last piece of the body (may be empty), and the trailers if the client takes them (`name\0value\0…`).
    End {
        /// The last piece.
        body: Vec<u8>,
        /// The trailers, flat as headers are; empty when there are none.
        trailers: Vec<u8>,
    },
    /// There will be no (complete) response.
    Failed(Failure),
    /// The request body has room again: the host may go on pushing.
    Resume,
    /// The app asked for the body of a request that expects `100 Continue`.
    Continue,
    /// `103 Early Hints`: the values of its `Link` headers, joined by `\0`.
    EarlyHint(Vec<u8>),
    /// A piece of the body that is a range of a file; the host reads it (`pathsend`, `zerocopysend`).
    File(FileRange),
    /// The app takes a WebSocket: `subprotocol\0name\0value\0…`, the sub-protocol empty when there is none.
    Accept(Vec<u8>),
    /// A message to the client of a WebSocket.
    Message(Message),
    /// The WebSocket ends: by the app, or because the handler closes.
    Close(Closed),
}

/// A range of an open, regular file.
#[derive(Debug)]
pub struct FileRange {
    /// Ours alone: it closes when nobody needs it, delivered or not. What it holds is the app's: it may change that as soon as its
    /// `send()` has returned, which is when the host has taken `weight` bytes.
    pub file: File,
    /// Where the range begins.
    pub offset: u64,
    /// How many bytes it has.
    pub length: u64,
    /// Whether the response ends with it.
    pub last: bool,
    /// What it counts against the window: all of it, so that nothing overtakes the file.
    pub weight: usize,
}

/// Why there is no complete response.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What the host reports.
    pub error: Error,
    /// The Python traceback, when an exception was the reason.
    pub traceback: String,
    /// Whether the host has been given the start: then only cutting the connection tells the client.
    pub started: bool,
}

impl ResponseEvent {
    /// What counts against the window: the bytes of body or message that it carries.
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
