//! Joins received frames to messages.
//!
//! Frames are read into one buffer, from which they are decoded. A large piece of a body is an exception: when its header has
//! come, the rest is read straight into memory of its own, and as little as possible of what follows into the buffer.

use std::collections::{HashMap, VecDeque};
use std::marker::PhantomData;
use std::os::fd::OwnedFd;

use asgi_node_core::chunk_pool;

use crate::frame::{self, HEADER, Malformed};
use crate::wire::Wire;

/// The most bytes of all messages that have come in part. Neither Node nor Python could hold a larger body.
const LONGEST: usize = 1 << 32;

/// The most bytes of one read: several frames.
const ROOM: usize = 256 * 1024;

/// From this length on a piece of a body gets memory of its own.
const LARGE: usize = 16 * 1024;

/// How much is read behind such a piece: the next header, and some short frames. All of it is copied.
const BEHIND: usize = 2048;

/// How much is read at once where another such piece is likely to come.
const AHEAD: usize = 16 * 1024;

/// The most descriptors that may wait for their frame.
const DESCRIPTORS: usize = 1024;

/// A message that has come in part.
#[derive(Debug)]
struct Part {
    kind: u8,
    payload: Vec<u8>,
}

/// A large piece of a body that is being read.
#[derive(Debug)]
struct Piece {
    kind: u8,
    id: u32,
    payload: Vec<u8>,
    /// How much of it has come.
    filled: usize,
}

/// The received bytes of one connection.
#[derive(Debug)]
pub struct Incoming<M> {
    /// Comes before what is in the buffer.
    piece: Option<Piece>,
    /// The last read ended with such a piece.
    is_bulk: bool,
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
            piece: None,
            is_bulk: false,
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
    /// Where the next bytes go, in order; the second part may be short. [`Self::add`] must follow.
    pub fn room(&mut self) -> [&mut [u8]; 2] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.bytes.len() - self.end < ROOM / 2 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.bytes.len() < ROOM {
            self.bytes.resize(ROOM, 0);
        }
        let free = &mut self.bytes[self.end..];
        let most = match &self.piece {
            Some(_) => BEHIND,
            None if self.is_bulk => AHEAD,
            None => ROOM,
        };
        let most = most.min(free.len());
        let piece = self.piece.as_mut().map(|piece| &mut piece.payload[piece.filled..]);
        [piece.unwrap_or_default(), &mut free[..most]]
    }

    /// This many bytes have been written into the room.
    pub fn add(&mut self, mut bytes: usize) {
        if let Some(piece) = &mut self.piece {
            let filled = bytes.min(piece.payload.len() - piece.filled);
            piece.filled += filled;
            bytes -= filled;
        }
        self.end = (self.end + bytes).min(self.bytes.len());
    }

    /// Adds bytes.
    pub fn extend(&mut self, mut bytes: &[u8]) {
        if let Some(piece) = &mut self.piece {
            let (now, rest) = bytes.split_at(bytes.len().min(piece.payload.len() - piece.filled));
            piece.payload[piece.filled..piece.filled + now.len()].copy_from_slice(now);
            piece.filled += now.len();
            bytes = rest;
        }
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
        self.piece.is_some() || self.start < self.end || !self.parts.is_empty()
    }

    /// The next complete message.
    pub fn next_message(&mut self) -> Result<Option<(u32, M)>, Malformed> {
        loop {
            if let Some(piece) = self.piece.take_if(|piece| piece.filled == piece.payload.len()) {
                self.is_bulk = true;
                return Ok(Some((piece.id, M::adopt(piece.kind, piece.payload, &mut || None)?)));
            }
            if self.piece.is_some() || self.begin_piece()? {
                if self
                    .piece
                    .as_ref()
                    .is_some_and(|piece| piece.filled < piece.payload.len())
                {
                    return Ok(None);
                }
                continue;
            }
            let Some((frame, length)) = frame::first(&self.bytes[self.start..self.end])? else {
                return Ok(None);
            };
            self.is_bulk = false;
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
                return Ok(Some((id, M::adopt(kind, part.payload, &mut descriptor)?)));
            }
        }
    }

    /// Whether the next frame is a large piece of a body. If so, takes what has come of it out of the buffer.
    fn begin_piece(&mut self) -> Result<bool, Malformed> {
        let Some(head) = frame::head(&self.bytes[self.start..self.end])? else {
            return Ok(false);
        };
        if head.length < LARGE || head.more || !M::is_bare(head.kind) || self.parts.contains_key(&head.id) {
            return Ok(false);
        }
        self.start += HEADER;
        let mut payload = chunk_pool::take(head.length);
        let filled = head.length.min(self.end - self.start);
        payload[..filled].copy_from_slice(&self.bytes[self.start..self.start + filled]);
        self.start += filled;
        self.piece = Some(Piece {
            kind: head.kind,
            id: head.id,
            payload,
            filled,
        });
        Ok(true)
    }
}
