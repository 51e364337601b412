//! Messages from Node to a worker.

use std::os::fd::OwnedFd;

use asgi_node_core::Bytes;
use asgi_node_core::message_queue::{Closed, Message};

use super::chunk::Chunk;
use super::parts::{closed, message, put_closed, put_flags, whole};
use crate::frame::Malformed;
use crate::wire::{Fields, Wire, put_bytes, put_size};

/// A message from Node to a worker. Some belong to no request.
#[derive(Debug)]
pub enum ToWorker {
    /// No request, the first message: [`crate::Opening`] as JSON, and the file of the [`crate::Ledger`].
    Open(Vec<u8>, Option<OwnedFd>),
    /// A request.
    Request {
        /// Its sequence number in the handler, which the log has.
        number: u64,
        /// The caller takes the whole response at once.
        collects: bool,
        /// The client waits for `100 Continue`.
        expects_continue: bool,
        /// The request asks for a WebSocket.
        is_websocket: bool,
        /// More of the body follows.
        body_follows: bool,
        /// The flat head.
        head: Vec<u8>,
        /// The part of the body that has come already.
        body: Chunk,
    },
    /// A further piece of the request body; `true` for the last one.
    Body(Chunk, bool),
    /// A message of a WebSocket.
    Message(Message),
    /// The client has closed its WebSocket.
    Closed(Closed),
    /// The client has broken the protocol. What the app sends is still delivered.
    Faulted(u16),
    /// The client has closed its side.
    HalfClose,
    /// The client has gone.
    Disconnect,
    /// The time of the request is over, so nobody waits for it any more.
    GiveUp,
    /// JavaScript has taken this many bytes of the response.
    Taken(usize),
    /// No request: asks for [`FromWorker::Status`], and for a heartbeat of the event loop.
    Ping,
    /// No request: asks for [`FromWorker::Place`].
    Locate,
    /// No request: the handler closes. Requests may take this many more milliseconds.
    Close(u64),
    /// No request: limits a close that is under way to this many milliseconds from now.
    Shorten(u64),
}

impl ToWorker {
    /// The kind of [`Self::Request`].
    pub const REQUEST: u8 = 1;

    /// The kinds of [`Self::Body`]. The flag has no byte of its own, so that a piece is nothing but bytes, and fits into a frame.
    const BODY: u8 = 2;
    const LAST_BODY: u8 = 14;
}

impl Wire for ToWorker {
    fn kind(&self) -> u8 {
        match self {
            Self::Open(..) => 0,
            Self::Request { .. } => Self::REQUEST,
            Self::Body(_, false) => Self::BODY,
            Self::Body(_, true) => Self::LAST_BODY,
            Self::Message(_) => 3,
            Self::Closed(_) => 4,
            Self::Faulted(_) => 5,
            Self::HalfClose => 6,
            Self::Disconnect => 7,
            Self::Taken(_) => 8,
            Self::Ping => 9,
            Self::Locate => 10,
            Self::Close(_) => 11,
            Self::Shorten(_) => 12,
            Self::GiveUp => 13,
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Open(json, _) => json.len(),
            Self::Request { head, body, .. } => 16 + head.len() + body.len(),
            Self::Body(chunk, _) => chunk.len(),
            Self::Message(message) => 1 + message.data.len(),
            Self::Closed(closed) => 6 + closed.reason.len(),
            _ => 8,
        }
    }

    fn piece_kind(&self) -> Option<u8> {
        matches!(self, Self::Body(..)).then_some(Self::BODY)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Open(json, _) => out.extend_from_slice(json),
            Self::Request {
                number,
                collects,
                expects_continue,
                is_websocket,
                body_follows,
                head,
                ..
            } => {
                out.extend_from_slice(&number.to_le_bytes());
                put_flags(out, &[*collects, *expects_continue, *is_websocket, *body_follows]);
                put_bytes(out, head);
            }
            Self::Message(message) => put_flags(out, &[message.is_text]),
            Self::Closed(closed) => put_closed(out, closed),
            Self::Faulted(code) => out.extend_from_slice(&code.to_le_bytes()),
            Self::Taken(bytes) => put_size(out, *bytes),
            Self::Close(time) | Self::Shorten(time) => out.extend_from_slice(&time.to_le_bytes()),
            Self::Body(..) | Self::HalfClose | Self::Disconnect | Self::GiveUp | Self::Ping | Self::Locate => {}
        }
    }

    fn tail(&mut self) -> Bytes {
        match self {
            Self::Request { body: chunk, .. } | Self::Body(chunk, _) => chunk.share(),
            Self::Message(message) => message.data.clone(),
            _ => Bytes::new(),
        }
    }

    fn is_bare(kind: u8) -> bool {
        matches!(kind, Self::BODY | Self::LAST_BODY)
    }

    fn adopt(kind: u8, payload: Vec<u8>, descriptor: &mut dyn FnMut() -> Option<OwnedFd>) -> Result<Self, Malformed> {
        if Self::is_bare(kind) {
            return Ok(Self::Body(payload.into(), kind == Self::LAST_BODY));
        }
        Self::read(kind, Fields::owned(&payload.into()), descriptor)
    }

    fn take_descriptor(&mut self) -> Option<OwnedFd> {
        match self {
            Self::Open(_, ledger) => ledger.take(),
            _ => None,
        }
    }

    fn decode(kind: u8, payload: &[u8], descriptor: &mut dyn FnMut() -> Option<OwnedFd>) -> Result<Self, Malformed> {
        Self::read(kind, Fields::borrowed(payload), descriptor)
    }
}

impl ToWorker {
    fn read(
        kind: u8,
        mut fields: Fields<'_>,
        descriptor: &mut dyn FnMut() -> Option<OwnedFd>,
    ) -> Result<Self, Malformed> {
        let decoded = match kind {
            0 => Self::Open(fields.rest(), descriptor()),
            Self::REQUEST => Self::Request {
                number: fields.u64()?,
                collects: fields.flag()?,
                expects_continue: fields.flag()?,
                is_websocket: fields.flag()?,
                body_follows: fields.flag()?,
                head: fields.bytes()?,
                body: fields.rest().into(),
            },
            Self::BODY | Self::LAST_BODY => Self::Body(fields.rest().into(), kind == Self::LAST_BODY),
            3 => Self::Message(message(&mut fields)?),
            4 => Self::Closed(closed(&mut fields)?),
            5 => Self::Faulted(fields.u16()?),
            6 => Self::HalfClose,
            7 => Self::Disconnect,
            8 => Self::Taken(fields.size()?),
            9 => Self::Ping,
            10 => Self::Locate,
            11 => Self::Close(fields.u64()?),
            12 => Self::Shorten(fields.u64()?),
            13 => Self::GiveUp,
            other => return Err(Malformed(format!("kind {other} is unknown in messages to a worker"))),
        };
        whole(&fields, decoded)
    }
}
