//! What an app has sent and the host has not been given yet, in order.
//!
//! A large body stays in the `bytes` object of the app and is copied out slice by slice as the host takes it, so a client
//! that reads nothing costs one window, whatever the size of the app's events. The pieces belong to the channel, not to the
//! awaitable of `send`: cancelling that does not tear a hole into the body.

use std::collections::VecDeque;

/// The pieces, and tickets that tell which of them have gone.
#[derive(Debug)]
pub(super) struct Outgoing<T> {
    /// Mostly there is one piece at a time: then nothing is allocated.
    first: Option<T>,
    rest: VecDeque<T>,
    accepted: u64,
    flushed: u64,
}

impl<T> Default for Outgoing<T> {
    fn default() -> Self {
        Self {
            first: None,
            rest: VecDeque::new(),
            accepted: 0,
            flushed: 0,
        }
    }
}

impl<T> Outgoing<T> {
    /// Adds a piece; the ticket tells when it has gone ([`Self::is_flushed`]).
    pub(super) fn accept(&mut self, piece: T) -> u64 {
        if self.first.is_none() {
            self.first = Some(piece);
        } else {
            self.rest.push_back(piece);
        }
        self.accepted += 1;
        self.accepted
    }

    /// Whether everything up to this ticket was handed over.
    pub(super) fn is_flushed(&self, ticket: u64) -> bool {
        self.flushed >= ticket
    }

    /// Whether pieces wait.
    pub(super) fn is_waiting(&self) -> bool {
        self.first.is_some()
    }

    /// The piece that is next.
    pub(super) fn front(&self) -> Option<&T> {
        self.first.as_ref()
    }

    /// Takes the piece that is next; [`Self::settle`] must follow.
    pub(super) fn take(&mut self) -> Option<T> {
        self.first.take()
    }

    /// Puts back what is left of the piece that was taken; if nothing is, it has gone.
    pub(super) fn settle(&mut self, left: Option<T>) {
        if left.is_some() {
            self.first = left;
        } else {
            self.flushed += 1;
            self.first = self.rest.pop_front();
        }
    }

    /// Gives up what waits: the client has gone, or the app has failed. The pieces are the caller's to drop.
    pub(super) fn abandon(&mut self) -> (Option<T>, VecDeque<T>) {
        (self.first.take(), std::mem::take(&mut self.rest))
    }
}
