//! Frames that are ready to be written: short bytes in one buffer, long ones where they are.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::os::fd::OwnedFd;

use asgi_node_core::Bytes;

use crate::frame::HEADER;

/// From this length on a tail is not copied. Below, the copy costs less than a part of its own in the write.
const LONG: usize = 4096;

/// The most parts of one write.
const PARTS: usize = 64;

/// The most bytes that have been written and are still in the buffer.
const STALE: usize = 64 * 1024;

/// A buffer that is larger than this is released when it is empty: the memory of a burst.
const KEPT: usize = 1024 * 1024;

#[derive(Debug)]
enum Part {
    /// So many bytes of the buffer.
    Copied(usize),
    Shared(Bytes),
}

/// Frames, in order.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    /// The bytes of all copied parts; those before `stale` have been written.
    buffer: Vec<u8>,
    stale: usize,
    parts: VecDeque<Part>,
    length: usize,
    /// How many bytes have been written of the stream, and where in it a frame with a descriptor begins.
    written: u64,
    descriptors: VecDeque<(u64, OwnedFd)>,
}

impl Ready {
    /// How many bytes are ready.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Encodes the fields of a message, behind room for a header. One of the two below must follow. Returns their length.
    pub(crate) fn encode(&mut self, encode: impl FnOnce(&mut Vec<u8>)) -> usize {
        self.buffer.extend_from_slice(&[0; HEADER]);
        let start = self.buffer.len();
        encode(&mut self.buffer);
        self.buffer.len() - start
    }

    /// Makes what was encoded a frame.
    pub(crate) fn add_encoded(&mut self, head: [u8; HEADER], fields: usize, tail: Bytes, descriptor: Option<OwnedFd>) {
        let start = self.buffer.len() - fields - HEADER;
        self.buffer[start..start + HEADER].copy_from_slice(&head);
        self.end_frame(HEADER + fields, tail, descriptor);
    }

    /// Takes what was encoded out again.
    pub(crate) fn take_encoded(&mut self, fields: usize) -> Vec<u8> {
        let taken = self.buffer.split_off(self.buffer.len() - fields);
        self.buffer.truncate(self.buffer.len() - HEADER);
        taken
    }

    /// Adds a frame.
    pub(crate) fn add(&mut self, head: [u8; HEADER], fields: &[u8], tail: Bytes, descriptor: Option<OwnedFd>) {
        self.buffer.extend_from_slice(&head);
        self.buffer.extend_from_slice(fields);
        self.end_frame(HEADER + fields.len(), tail, descriptor);
    }

    /// A frame whose first bytes are in the buffer already.
    fn end_frame(&mut self, mut copied: usize, tail: Bytes, descriptor: Option<OwnedFd>) {
        let start = self.written + self.length as u64;
        self.descriptors.extend(descriptor.map(|one| (start, one)));
        self.length += copied + tail.len();
        let is_long = tail.len() >= LONG;
        if !is_long {
            self.buffer.extend_from_slice(&tail);
            copied += tail.len();
        }
        if let Some(Part::Copied(before)) = self.parts.back_mut() {
            *before += copied;
        } else {
            self.parts.push_back(Part::Copied(copied));
        }
        if is_long {
            self.parts.push_back(Part::Shared(tail));
        }
    }

    /// The next bytes to write, and the descriptor that goes with the first of them.
    pub(crate) fn next_write(&self) -> (Vec<IoSlice<'_>>, Option<&OwnedFd>) {
        // A descriptor goes with the first byte of its write.
        let mut coming = self.descriptors.iter();
        let (mut limit, mut descriptor) = (self.length, None);
        if let Some((start, one)) = coming.next() {
            let mut end = Some(start);
            if *start == self.written {
                descriptor = Some(one);
                end = coming.next().map(|(next, _)| next);
            }
            if let Some(end) = end {
                limit = usize::try_from(end - self.written).unwrap_or(limit);
            }
        }
        let mut slices = Vec::with_capacity(self.parts.len().min(PARTS));
        let mut buffer = &self.buffer[self.stale..];
        for part in self.parts.iter().take(PARTS) {
            let bytes = match part {
                Part::Copied(length) => {
                    let (bytes, rest) = buffer.split_at(*length);
                    buffer = rest;
                    bytes
                }
                Part::Shared(bytes) => bytes,
            };
            let bytes = &bytes[..bytes.len().min(limit)];
            if bytes.is_empty() {
                break;
            }
            limit -= bytes.len();
            slices.push(IoSlice::new(bytes));
        }
        (slices, descriptor)
    }

    /// This many of these bytes have been written.
    pub(crate) fn wrote(&mut self, mut bytes: usize) {
        if bytes > 0
            && self
                .descriptors
                .front()
                .is_some_and(|(start, _)| *start == self.written)
        {
            self.descriptors.pop_front();
        }
        self.written += bytes as u64;
        self.length = self.length.saturating_sub(bytes);
        while let Some(part) = self.parts.front_mut() {
            let left = match part {
                Part::Copied(length) => {
                    let gone = bytes.min(*length);
                    (bytes, self.stale, *length) = (bytes - gone, self.stale + gone, *length - gone);
                    *length
                }
                Part::Shared(shared) => {
                    let gone = bytes.min(shared.len());
                    drop(shared.split_to(gone));
                    bytes -= gone;
                    shared.len()
                }
            };
            if left > 0 {
                break;
            }
            self.parts.pop_front();
        }
        if self.parts.is_empty() {
            self.stale = 0;
            self.buffer.clear();
            if self.buffer.capacity() > KEPT {
                self.buffer = Vec::new();
            }
        } else if self.stale > STALE {
            self.buffer.drain(..self.stale);
            self.stale = 0;
        }
    }
}
