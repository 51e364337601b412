//! The request body that waits for the app.

use std::collections::VecDeque;
use std::time::Instant;

use super::budget::Waiting;
use super::window::{Limits, Window};

/// The most bytes of request body that one `receive` gives, beside the chunk that reaches them: copied while they are in the
/// processor's cache.
pub(super) const PORTION: usize = 256 * 1024;

/// What is left of a body is given whole up to this size.
const WHOLE: usize = 1024 * 1024 + PORTION;

#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "they are independent facts")]
pub(super) struct Inbound {
    pub(super) window: Window,
    pub(super) chunks: VecDeque<Vec<u8>>,
    pub(super) size: Waiting,
    /// How much may wait while little waits in all exchanges. An app that has received nothing may be one that does not.
    pub(super) spread: usize,
    /// Who receives is not the app, but passes the body on to it.
    pub(super) is_relayed: bool,
    /// The host is notified of each time that the app has received so many bytes; 0 where only the window matters.
    pub(super) receipt: usize,
    /// How many it has received since.
    received: usize,
    pub(super) complete: bool,
    /// The last byte was handed to the app.
    pub(super) delivered: bool,
    /// The client waits for `100 Continue`.
    pub(super) expects_continue: bool,
    /// The client has closed its side; it may still read.
    pub(super) half_closed: bool,
}

impl Inbound {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            window: Window::new(limits),
            chunks: VecDeque::new(),
            size: Waiting::default(),
            spread: limits.most / 2,
            is_relayed: false,
            receipt: 0,
            received: 0,
            complete: false,
            delivered: false,
            expects_continue: false,
            half_closed: false,
        }
    }

    /// The chunks for one `receive`, and their length together.
    pub(super) fn take_portion(&mut self) -> (VecDeque<Vec<u8>>, usize) {
        // The last of it is not cut: of a body that comes whole no app has to make a copy.
        if self.size.get() <= PORTION || (self.complete && self.size.get() <= WHOLE) {
            return (std::mem::take(&mut self.chunks), self.size.get());
        }
        let (mut chunks, mut size) = (VecDeque::new(), 0);
        while size < PORTION
            && let Some(chunk) = self.chunks.pop_front()
        {
            size += chunk.len();
            chunks.push_back(chunk);
        }
        (chunks, size)
    }

    /// The app has received so many bytes; tells whether the host has to know.
    pub(super) fn note_received(&mut self, bytes: usize) -> bool {
        if self.receipt == 0 {
            return self.window.take(bytes, self.size.get(), Instant::now);
        }
        self.received += bytes;
        let enough = self.received >= self.receipt && !self.complete;
        if enough {
            self.received = 0;
        }
        enough
    }
}
