//! The sending end of an event loop: hosts put messages in here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use asgi_node_core::{Error, Exchange, Heartbeat, Inbox, Notify, RequestHead, Waker};
use pyo3::prelude::*;

use super::failure::{Dependent, Failing};
use super::loop_side::LoopSide;
use super::wakeup::WakeWriter;

/// Requests that may wait for the loop, over all handlers; each handler has its own, smaller limit.
const CAPACITY: usize = 1 << 20;

/// Serves requests: an application.
pub trait Service: Send + Sync {
    /// Starts the app's task for a request, on the event loop's thread. An error becomes the request's outcome.
    fn start(self: Arc<Self>, py: Python<'_>, side: &Arc<LoopSide>, exchange: Arc<Exchange>, head: &RequestHead);

    /// A request that was queued will never start.
    fn forget(&self, exchange: &Exchange);
}

/// A job for the event loop's thread.
type Call = Box<dyn FnOnce(Python<'_>, &Arc<LoopSide>) + Send>;

/// Something to do on the event loop's thread.
pub enum Message {
    /// Start the app for a request.
    Request(Arc<dyn Service>, Arc<Exchange>, RequestHead),
    /// An exchange that the loop waits for has changed.
    ExchangeReady(Arc<Exchange>),
    /// Anything else; rare.
    Call(Call),
    /// A heartbeat: when it is handled, the loop runs.
    Heartbeat,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Request(..) => "Request",
            Self::ExchangeReady(_) => "ExchangeReady",
            Self::Call(_) => "Call",
            Self::Heartbeat => "Heartbeat",
        })
    }
}

/// One event loop, as the threads that give it work see it.
#[derive(Debug)]
pub struct EventLoop {
    inbox: Inbox<Message>,
    heartbeat: Heartbeat,
    /// Its thread: Python's identifier, and the kernel's; 0 before the thread exists.
    ident: AtomicU64,
    native_id: AtomicU32,
    /// The kind that runs. It differs from the kind asked for if uvloop does not work.
    is_asyncio: AtomicBool,
    failing: Failing,
}

impl EventLoop {
    pub(super) fn new(wake_writer: WakeWriter) -> Arc<Self> {
        Arc::new(Self {
            inbox: Inbox::new(CAPACITY, Box::new(wake_writer)),
            heartbeat: Heartbeat::default(),
            ident: AtomicU64::new(0),
            native_id: AtomicU32::new(0),
            is_asyncio: AtomicBool::new(false),
            failing: Failing::default(),
        })
    }

    /// Where its messages wait.
    pub(super) fn inbox(&self) -> &Inbox<Message> {
        &self.inbox
    }

    /// Whether it has failed.
    pub(super) fn failing(&self) -> &Failing {
        &self.failing
    }

    /// Why it cannot go on, if it cannot.
    pub(crate) fn failure(&self) -> Option<Error> {
        self.failing.failure()
    }

    /// Tells this dependent when the loop fails; at once if it has failed.
    pub(crate) fn tell_of_failure(&self, whom: &Arc<dyn Dependent>) {
        self.failing.tell(whom);
    }

    /// Notes which loop runs, and on which thread.
    pub(super) fn identify(&self, is_asyncio: bool, ident: u64, native_id: u32) {
        self.is_asyncio.store(is_asyncio, Ordering::Release);
        self.native_id.store(native_id, Ordering::Release);
        self.ident.store(ident, Ordering::Release);
    }

    /// Queues a request; false if the queue is full. A call of [`Self::wake`] must follow soon.
    pub(crate) fn offer_quietly(&self, message: Message) -> bool {
        self.inbox.offer_quietly(message).is_ok()
    }

    /// Wakes the loop if it sleeps although requests wait.
    pub(crate) fn wake(&self) {
        self.inbox.wake();
    }

    /// Refuses everything from now on: the loop has ended.
    pub(crate) fn close(&self) {
        drop(self.inbox.close());
    }

    /// Runs something on the loop's thread. If the loop has ended, drops it.
    pub fn call(&self, call: impl FnOnce(Python<'_>, &Arc<LoopSide>) + Send + 'static) {
        drop(self.inbox.post(Message::Call(Box::new(call))));
    }

    /// When the loop last answered a heartbeat, and whether one is under way.
    pub fn heartbeat(&self) -> &Heartbeat {
        &self.heartbeat
    }

    /// Sends a heartbeat, unless one is under way.
    pub fn send_heartbeat(&self) {
        // A loop that has failed would never answer, and we know that it has failed.
        if self.failure().is_none() && self.heartbeat.send(Instant::now()) {
            drop(self.inbox.post(Message::Heartbeat));
        }
    }

    /// Which loop it is: `asyncio` or `uvloop`. Known when it is bound.
    pub(crate) fn kind(&self) -> &'static str {
        if self.is_asyncio.load(Ordering::Acquire) {
            "asyncio"
        } else {
            "uvloop"
        }
    }

    /// The loop's thread: Python's identifier, and the kernel's.
    pub(crate) fn thread(&self) -> Option<(u64, u32)> {
        let ident = self.ident.load(Ordering::Acquire);
        (ident != 0).then(|| (ident, self.native_id.load(Ordering::Acquire)))
    }
}

/// Wakes it although no message waits.
impl Waker for EventLoop {
    fn wake(&self) {
        self.inbox.ring();
    }
}

impl Notify for EventLoop {
    fn notify(&self, exchange: Arc<Exchange>) {
        drop(self.inbox.post(Message::ExchangeReady(exchange)));
    }
}
