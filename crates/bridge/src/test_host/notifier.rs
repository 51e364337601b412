//! Tells the caller's asyncio loop of news: the numbers of calls, and a descriptor that becomes readable.

use std::os::fd::RawFd;
use std::sync::Arc;

use asgi_node_core::Inbox;
use pyo3::prelude::*;

use crate::event_loop::wakeup::{self, WakeReader};

/// The numbers of calls with news.
#[derive(Debug)]
pub(crate) struct Mailbox(Inbox<u32>);

impl Mailbox {
    /// Bounded by the calls in flight: each call posts at most twice, for events and for its end, before the loop reads them.
    pub(crate) fn post(&self, id: u32) {
        let _ = self.0.post(id);
    }
}

/// Collects the news of calls. Give it to `loop.add_reader(notifier.fileno(), …)`, and call `take()` there.
#[pyclass(frozen, module = "asgi_node._native")]
#[derive(Debug)]
pub struct Notifier {
    mailbox: Arc<Mailbox>,
    wake_reader: WakeReader,
}

impl Notifier {
    pub(crate) fn mailbox(&self) -> Arc<Mailbox> {
        Arc::clone(&self.mailbox)
    }
}

#[pymethods]
impl Notifier {
    #[new]
    fn new() -> PyResult<Self> {
        let (wake_writer, wake_reader) = wakeup::pair()?;
        let mailbox = Arc::new(Mailbox(Inbox::new(usize::MAX, Box::new(wake_writer))));
        Ok(Self { mailbox, wake_reader })
    }

    /// The descriptor that becomes readable when there is news.
    fn fileno(&self) -> RawFd {
        self.wake_reader.fd()
    }

    /// The numbers of the calls that have news, some perhaps twice; the descriptor is then no longer readable.
    fn take(&self) -> Vec<u32> {
        self.wake_reader.clear();
        let mut batch = Vec::new();
        self.mailbox.0.take(&mut batch);
        batch
    }
}
