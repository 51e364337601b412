//! Joins received frames to messages.

use std::collections::{HashMap, VecDeque};
use std::marker::PhantomData;
use std::os::fd::OwnedFd;

use crate::frame::{self, Malformed};
use crate::wire::Wire;

/// The most bytes of all messages that have come in part. Neither Node nor Python could hold a larger body.
const LONGEST: usize = 1 << 32;

/// The most bytes of one read: several frames.
const ROOM: usize = 256 * 1024;

/// The most descriptors that may wait for their frame.
const DESCRIPTORS: usize = 1024;

/// A message that has come in part.
#[derive(Debug)]
struct Part {
    kind: u8,
    payload: Vec<u8>,
}

/// The received bytes of one connection.
#[derive(Debug)]
pub struct Incoming<M> {
    /// The receive buffer. It has bytes from `start` to `end`.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    descriptors: VecDeque<OwnedFd>,
    parts: HashMap<u32, Part>,
    /// The bytes in them.
    partial: usize,
    message: PhantomData<M>,
}

impl<M> Default for Incoming<M> {
    fn default() -> Self {
        Self {
            bytes: Vec::new(),
            start: 0,
            end: 0,
            descriptors: VecDeque::new(),
            parts: HashMap::new(),
            partial: 0,
            message: PhantomData,
        }
    }
}

impl<M: Wire> Incoming<M> {
    /// The free part of the buffer: room for at least one frame. [`Self::add`] must follow.
    pub fn room(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.bytes.len() - self.end < ROOM / 2 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.bytes.len() < ROOM {
            self.bytes.resize(ROOM, 0);
        }
        &mut self.bytes[self.end..]
    }

    /// This many bytes have been written into the room.
    pub fn add(&mut self, bytes: usize) {
        self.end = (self.end + bytes).min(self.bytes.len());
    }

    /// Adds bytes.
    pub fn extend(&mut self, bytes: &[u8]) {
        let end = self.end + bytes.len();
        self.bytes.resize(self.bytes.len().max(end), 0);
        self.bytes[self.end..end].copy_from_slice(bytes);
        self.end = end;
    }

    /// Adds a descriptor. Descriptors come in the order of their frames.
    pub fn add_descriptor(&mut self, descriptor: OwnedFd) -> Result<(), Malformed> {
        if self.descriptors.len() >= DESCRIPTORS {
            return Err(Malformed("descriptors without frames".into()));
        }
        self.descriptors.push_back(descriptor);
        Ok(())
    }

    /// Whether the last message is incomplete.
    pub fn is_torn(&self) -> bool {
        self.start < self.end || !self.parts.is_empty()
    }

    /// The next complete message.
    pub fn next_message(&mut self) -> Result<Option<(u32, M)>, Malformed> {
        loop {
            let Some((frame, length)) = frame::first(&self.bytes[self.start..self.end])? else {
                return Ok(None);
            };
            self.start += length;
            let (kind, id) = (frame.kind, frame.id);
            let descriptors = &mut self.descriptors;
            let mut descriptor = || descriptors.pop_front();
            let Some(part) = self.parts.get_mut(&id) else {
                if frame.more {
                    let payload = frame.payload.to_vec();
                    self.partial += payload.len();
                    self.parts.insert(id, Part { kind, payload });
                    continue;
                }
                return Ok(Some((id, M::decode(kind, frame.payload, &mut descriptor)?)));
            };
            if part.kind != kind {
                return Err(Malformed(format!(
                    "kind {kind} in the middle of a message of kind {}",
                    part.kind
                )));
            }
            self.partial += frame.payload.len();
            if self.partial > LONGEST {
                return Err(Malformed("a message without an end".into()));
            }
            part.payload.extend_from_slice(frame.payload);
            if !frame.more
                && let Some(part) = self.parts.remove(&id)
            {
                self.partial -= part.payload.len();
                return Ok(Some((id, M::decode(kind, &part.payload, &mut descriptor)?)));
            }
        }
    }
}
