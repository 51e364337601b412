//! Messages that wait to be written, cut into frames.
//!
//! Requests take turns: one frame of a large message is written, then one frame of the next request that has something to send.
//! The messages of one request stay in order.

use std::collections::{HashMap, VecDeque};
use std::io::IoSlice;
use std::os::fd::OwnedFd;

use asgi_node_core::Bytes;

use crate::frame::{LARGEST, header};
use crate::ready::Ready;
use crate::wire::Wire;

/// The number of bytes that are collected for one write.
const BATCH: usize = 256 * 1024;

/// A message, or the rest of one.
#[derive(Debug)]
struct Unsent {
    kind: u8,
    /// The kind of its pieces, if it is cut to messages.
    piece_kind: Option<u8>,
    /// What is left of its fields, and of its tail.
    fields: Bytes,
    tail: Bytes,
    is_begun: bool,
    descriptor: Option<OwnedFd>,
}

/// The messages of one connection.
#[derive(Debug, Default)]
pub struct Outgoing {
    ready: Ready,
    /// Messages that are not ready yet, by request.
    waiting: HashMap<u32, VecDeque<Unsent>>,
    /// The requests in the order of their turns.
    turns: VecDeque<u32>,
}

impl Outgoing {
    /// Adds a message of this request.
    pub fn push<M: Wire>(&mut self, id: u32, mut message: M) {
        self.put(id, &mut message);
    }

    /// The same for a message that the caller may keep: its descriptor is taken, and a tail that cannot be shared.
    pub fn put<M: Wire>(&mut self, id: u32, message: &mut M) {
        let (kind, piece_kind) = (message.kind(), message.piece_kind());
        let descriptor = message.take_descriptor();
        // The usual case: the message is short, and nothing waits. Then it is encoded straight into the buffer.
        if self.waiting.is_empty() && message.size() <= LARGEST && self.ready.len() < BATCH {
            let fields = self.ready.encode(|out| message.encode(out));
            let tail = message.tail();
            if fields + tail.len() <= LARGEST {
                let head = header(kind, id, false, fields + tail.len());
                return self.ready.add_encoded(head, fields, tail, descriptor);
            }
            let fields = self.ready.take_encoded(fields);
            return self.wait(id, kind, piece_kind, fields, tail, descriptor);
        }
        let mut fields = Vec::new();
        message.encode(&mut fields);
        let tail = message.tail();
        self.wait(id, kind, piece_kind, fields, tail, descriptor);
    }

    fn wait(
        &mut self,
        id: u32,
        kind: u8,
        piece_kind: Option<u8>,
        fields: Vec<u8>,
        tail: Bytes,
        descriptor: Option<OwnedFd>,
    ) {
        let queue = self.waiting.entry(id).or_default();
        if queue.is_empty() {
            self.turns.push_back(id);
        }
        queue.push_back(Unsent {
            kind,
            piece_kind,
            fields: fields.into(),
            tail,
            is_begun: false,
            descriptor,
        });
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.turns.is_empty()
    }

    /// The next bytes to write, and the descriptor that goes with the first of them.
    pub fn next_write(&mut self) -> (Vec<IoSlice<'_>>, Option<&OwnedFd>) {
        self.fill();
        self.ready.next_write()
    }

    /// This many of these bytes have been written.
    pub fn wrote(&mut self, bytes: usize) {
        self.ready.wrote(bytes);
    }

    /// Drops the messages of this request of which nothing has been sent. Returns whether one of them is of this kind.
    pub fn forget(&mut self, id: u32, kind: u8) -> bool {
        let Some(queue) = self.waiting.get_mut(&id) else {
            return false;
        };
        let is_unsent = queue.iter().any(|message| message.kind == kind && !message.is_begun);
        queue.retain(|message| message.is_begun);
        if queue.is_empty() {
            self.waiting.remove(&id);
            self.turns.retain(|turn| *turn != id);
        }
        is_unsent
    }

    fn fill(&mut self) {
        while self.ready.len() < BATCH {
            let Some(id) = self.turns.pop_front() else { return };
            let Some(queue) = self.waiting.get_mut(&id) else {
                continue;
            };
            if let Some(message) = queue.front_mut() {
                message.add_frame(id, &mut self.ready);
                if message.is_over() {
                    queue.pop_front();
                }
            }
            if queue.is_empty() {
                self.waiting.remove(&id);
            } else {
                self.turns.push_back(id);
            }
        }
    }
}

impl Unsent {
    fn is_over(&self) -> bool {
        self.is_begun && self.fields.is_empty() && self.tail.is_empty()
    }

    /// Makes its next frame ready.
    fn add_frame(&mut self, id: u32, ready: &mut Ready) {
        let fields = self.fields.split_to(self.fields.len().min(LARGEST));
        let tail = self.tail.split_to(self.tail.len().min(LARGEST - fields.len()));
        self.is_begun = true;
        let more = !self.is_over();
        let length = fields.len() + tail.len();
        let head = match self.piece_kind {
            Some(piece_kind) if more => header(piece_kind, id, false, length),
            _ => header(self.kind, id, more, length),
        };
        ready.add(head, &fields, tail, self.descriptor.take());
    }
}
