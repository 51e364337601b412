//! The exchanges that JavaScript knows, by the numbers that it gave them.

use std::sync::Arc;

use asgi_node_core::Exchange;
use asgi_node_core::payload::Payload;

/// An exchange that JavaScript knows by its number.
pub(crate) struct Open {
    pub(crate) exchange: Arc<Exchange>,
    /// The message of a WebSocket that is coming.
    pub(crate) payload: Payload,
    /// Bytes that were delivered and not taken.
    held: usize,
    /// What comes when those are taken.
    after: AfterDrain,
}

/// What comes after bytes that the consumer has not taken yet.
#[derive(Default, PartialEq, Eq)]
pub(crate) enum AfterDrain {
    /// Whatever the app sends.
    #[default]
    More,
    /// The end of the number: the bytes are those of a file.
    Nothing,
    /// The end of the response, with these trailers: the bytes are lent.
    End(Vec<u8>),
}

/// A slot for each number. JavaScript uses the free numbers again, so there are no more slots than there were
/// ever requests at once.
#[derive(Default)]
pub(crate) struct OpenExchanges(Vec<Option<Open>>);

impl OpenExchanges {
    pub(crate) fn insert(&mut self, id: u32, exchange: Arc<Exchange>) {
        let index = slot(id);
        if index >= self.0.len() {
            self.0.resize_with(index + 1, || None);
        }
        self.0[index] = Some(Open {
            exchange,
            payload: Payload::default(),
            held: 0,
            after: AfterDrain::More,
        });
    }

    pub(crate) fn get(&self, id: u32) -> Option<&Open> {
        self.0.get(slot(id))?.as_ref()
    }

    /// The consumer has not taken these bytes yet.
    pub(crate) fn add_unacknowledged(&mut self, id: u32, bytes: usize, after: AfterDrain) {
        if let Some(open) = self.get_mut(id) {
            open.held += bytes;
            open.after = after;
        }
    }

    /// The consumer has taken what it held. The trailers, when the response ends with that.
    pub(crate) fn drained(&mut self, id: u32) -> Option<Vec<u8>> {
        let open = self.get_mut(id)?;
        open.exchange.taken(std::mem::take(&mut open.held));
        let after = std::mem::take(&mut open.after);
        if after != AfterDrain::More {
            drop(self.remove(id));
        }
        match after {
            AfterDrain::End(trailers) => Some(trailers),
            AfterDrain::More | AfterDrain::Nothing => None,
        }
    }

    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut Open> {
        self.0.get_mut(slot(id))?.as_mut()
    }

    pub(crate) fn remove(&mut self, id: u32) -> Option<Open> {
        self.0.get_mut(slot(id))?.take()
    }

    /// Whether JavaScript still knows this one: its number may be another's by now.
    pub(crate) fn knows(&self, exchange: &Arc<Exchange>) -> bool {
        self.get(exchange.id())
            .is_some_and(|open| Arc::ptr_eq(&open.exchange, exchange))
    }

    /// Empties all slots.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = Arc<Exchange>> + use<> {
        std::mem::take(&mut self.0)
            .into_iter()
            .flatten()
            .map(|open| open.exchange)
    }
}

fn slot(id: u32) -> usize {
    id as usize
}
