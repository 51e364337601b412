//! Messages for the link from a worker's other threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use asgi_node_core::{Exchange, Inbox, Notify, Traced, Waker};
use parking_lot::{Condvar, Mutex};

use crate::application::Application;

/// A message for the link.
pub(super) enum LinkMessage {
    /// An exchange has events.
    ExchangeReady(Arc<Exchange>),
    /// The application of this number has returned.
    Returned(u32),
    /// The application has started, or has failed to.
    Opened(Result<Arc<Application>, Traced>),
    /// The application has shut down.
    Closed(Result<(), Traced>),
    /// Where the event loop is.
    Place(String, String),
    /// Node has gone.
    Orphaned,
    /// The process ends.
    Finish,
}

impl std::fmt::Debug for LinkMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LinkMessage")
    }
}

/// Wakes the link's thread.
#[derive(Debug, Clone)]
struct LinkWaker(Arc<tokio::sync::Notify>);

impl Waker for LinkWaker {
    fn wake(&self) {
        self.0.notify_one();
    }
}

/// Messages on their way to the link's thread, and the state of that thread.
#[derive(Debug)]
pub(super) struct LinkInbox {
    inbox: Inbox<LinkMessage>,
    waker: LinkWaker,
    is_orphaned: AtomicBool,
    ended: Mutex<bool>,
    end: Condvar,
}

impl LinkInbox {
    pub(super) fn new() -> Arc<Self> {
        let waker = LinkWaker(Arc::new(tokio::sync::Notify::new()));
        Arc::new(Self {
            inbox: Inbox::new(usize::MAX, Box::new(waker.clone())),
            waker,
            is_orphaned: AtomicBool::new(false),
            ended: Mutex::new(false),
            end: Condvar::new(),
        })
    }

    pub(super) fn waker(&self) -> Box<dyn Waker> {
        Box::new(self.waker.clone())
    }

    /// Adds a message. Their number is bounded by the requests under way.
    pub(super) fn post(&self, message: LinkMessage) {
        drop(self.inbox.post(message));
    }

    /// Whether Node has gone.
    pub(super) fn is_orphaned(&self) -> bool {
        self.is_orphaned.load(Ordering::Acquire)
    }

    /// Waits for the end of the thread, but no longer than this.
    pub(super) fn await_end(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut ended = self.ended.lock();
        while !*ended && !self.end.wait_until(&mut ended, deadline).timed_out() {}
    }

    /// Notes that Node has gone. Returns false if that was known already.
    pub(super) fn note_orphaned(&self) -> bool {
        !self.is_orphaned.swap(true, Ordering::AcqRel)
    }

    /// Waits until there is a message.
    pub(super) async fn arrived(&self) {
        self.waker.0.notified().await;
    }

    /// Takes all messages.
    pub(super) fn take(&self, messages: &mut Vec<LinkMessage>) {
        self.inbox.take(messages);
    }

    /// Notes that the thread has ended.
    pub(super) fn note_end(&self) {
        *self.ended.lock() = true;
        self.end.notify_all();
    }
}

impl Notify for LinkInbox {
    fn notify(&self, exchange: Arc<Exchange>) {
        self.post(LinkMessage::ExchangeReady(exchange));
    }

    fn returned(&self, id: u32) {
        self.post(LinkMessage::Returned(id));
    }
}
