//! How an asyncio loop of the caller's hears of news: the numbers of calls, and a descriptor that becomes readable.

use std::os::fd::RawFd;
use std::sync::Arc;

use asgi_node_core::Inbox;
use pyo3::prelude::*;

use crate::event_loop::wakeup::{self, Alarm};

/// The numbers of calls with news.
#[derive(Debug)]
pub(crate) struct Mail(Inbox<u32>);

impl Mail {
    /// Bounded by the calls in flight: each tells at most twice, of events and of its end, before it is looked at.
    pub(crate) fn post(&self, id: u32) {
        let _ = self.0.post(id);
    }
}

/// Where calls tell of news. Give it to `loop.add_reader(outlet.fileno(), …)` and `take()` there.
#[pyclass(frozen, module = "asgi_node._native")]
#[derive(Debug)]
pub struct Outlet {
    mail: Arc<Mail>,
    alarm: Alarm,
}

impl Outlet {
    pub(crate) fn mail(&self) -> Arc<Mail> {
        Arc::clone(&self.mail)
    }
}

#[pymethods]
impl Outlet {
    #[new]
    fn new() -> PyResult<Self> {
        let (bell, alarm) = wakeup::pair()?;
        let mail = Arc::new(Mail(Inbox::new(usize::MAX, Box::new(bell))));
        Ok(Self { mail, alarm })
    }

    /// The descriptor that becomes readable when there is news.
    fn fileno(&self) -> RawFd {
        self.alarm.fd()
    }

    /// The numbers of the calls that have news, some perhaps twice; the descriptor is silent then.
    fn take(&self) -> Vec<u32> {
        self.alarm.silence();
        let mut batch = Vec::new();
        self.mail.0.take(&mut batch);
        batch
    }
}
