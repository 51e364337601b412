//! Messages that wait to be written, cut into frames.
//!
//! Requests take turns: one frame of a large message is written, then one frame of the next request that has something to send.
//! The messages of one request stay in order.

use std::collections::{HashMap, VecDeque};
use std::os::fd::OwnedFd;

use crate::frame::{HEADER, LARGEST, header};
use crate::wire::Wire;

/// The number of bytes that are collected for one write.
const BATCH: usize = 256 * 1024;

/// A message, or the rest of one.
#[derive(Debug)]
struct Waiting {
    kind: u8,
    payload: Vec<u8>,
    sent: usize,
    descriptor: Option<OwnedFd>,
}

/// The messages of one connection.
#[derive(Debug, Default)]
pub struct Outgoing {
    /// Whole frames, from `written` on.
    buffer: Vec<u8>,
    written: usize,
    /// Positions in the buffer where a frame with a descriptor begins.
    descriptors: VecDeque<(usize, OwnedFd)>,
    /// Messages that are not in the buffer yet, by request.
    waiting: HashMap<u32, VecDeque<Waiting>>,
    /// The requests in the order of their turns.
    turns: VecDeque<u32>,
}

impl Outgoing {
    /// Adds a message of this request.
    pub fn push<M: Wire>(&mut self, id: u32, mut message: M) {
        self.put(id, &mut message);
    }

    /// The same for a message that the caller keeps: only its descriptor is taken.
    pub fn put<M: Wire>(&mut self, id: u32, message: &mut M) {
        let kind = message.kind();
        let descriptor = message.take_descriptor();
        // The usual case: the message is short, and nothing waits. Then it is encoded straight into the buffer.
        if self.waiting.is_empty() && message.size() <= LARGEST && self.buffer.len() < BATCH {
            let start = self.buffer.len();
            self.buffer.extend_from_slice(&[0; HEADER]);
            message.encode(&mut self.buffer);
            let length = self.buffer.len() - start - HEADER;
            if length <= LARGEST {
                self.buffer[start..start + HEADER].copy_from_slice(&header(kind, id, false, length));
                self.descriptors.extend(descriptor.map(|one| (start, one)));
                return;
            }
            self.buffer.truncate(start);
        }
        let mut payload = Vec::with_capacity(message.size());
        message.encode(&mut payload);
        let queue = self.waiting.entry(id).or_default();
        if queue.is_empty() {
            self.turns.push_back(id);
        }
        queue.push_back(Waiting {
            kind,
            payload,
            sent: 0,
            descriptor,
        });
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty() && self.turns.is_empty()
    }

    /// The next bytes to write, and the descriptor that goes with the first of them.
    pub fn next_write(&mut self) -> (&[u8], Option<&OwnedFd>) {
        self.fill();
        let mut end = self.buffer.len();
        let mut descriptor = None;
        // A descriptor goes with the first byte of its write.
        let mut coming = self.descriptors.iter();
        if let Some((start, one)) = coming.next() {
            if *start == self.written {
                descriptor = Some(one);
                end = coming.next().map_or(end, |(next, _)| *next);
            } else {
                end = *start;
            }
        }
        (&self.buffer[self.written..end], descriptor)
    }

    /// This many of these bytes have been written.
    pub fn wrote(&mut self, bytes: usize) {
        if bytes > 0
            && self
                .descriptors
                .front()
                .is_some_and(|(start, _)| *start == self.written)
        {
            self.descriptors.pop_front();
        }
        self.written += bytes;
        if self.written >= self.buffer.len() {
            self.written = 0;
            self.buffer.clear();
            // The memory of a burst is released.
            if self.buffer.capacity() > 4 * BATCH {
                self.buffer = Vec::new();
            }
        }
    }

    /// Drops the messages of this request of which nothing has been sent. Returns whether one of them is of this kind.
    pub fn forget(&mut self, id: u32, kind: u8) -> bool {
        let Some(queue) = self.waiting.get_mut(&id) else {
            return false;
        };
        let is_unsent = queue.iter().any(|message| message.kind == kind && message.sent == 0);
        queue.retain(|message| message.sent > 0);
        if queue.is_empty() {
            self.waiting.remove(&id);
            self.turns.retain(|turn| *turn != id);
        }
        is_unsent
    }

    fn fill(&mut self) {
        while self.buffer.len() < BATCH {
            let Some(id) = self.turns.pop_front() else { return };
            let Some(queue) = self.waiting.get_mut(&id) else {
                continue;
            };
            if let Some(message) = queue.front_mut() {
                let left = message.payload.len() - message.sent;
                let length = left.min(LARGEST);
                let start = self.buffer.len();
                self.buffer
                    .extend_from_slice(&header(message.kind, id, left > length, length));
                self.buffer
                    .extend_from_slice(&message.payload[message.sent..message.sent + length]);
                self.descriptors
                    .extend(message.descriptor.take().map(|one| (start, one)));
                message.sent += length;
                if left == length {
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
