//! The asyncio loop's thread, seen from Rust.
//!
//! Hosts push [`Message`]s into an [`EventLoop`]; one wake-up later the selector calls [`Drain`], which takes the whole
//! batch. The loop's thread is the only one that touches what is in [`LoopSide`].

pub mod wakeup;
pub(crate) mod watchdog;

use std::collections::{HashMap, VecDeque};
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use asgi_node_core::{Exchange, Inbox, Notify, Pulse, RequestHead};
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::application::Application;
use crate::asgi::http::HttpExchange;
use crate::asgi::party::Party;
use crate::interpreter::fork;
use wakeup::Alarm;

/// The most messages that one call of [`Drain`] handles before other callbacks of the loop get their turn.
const BATCH: usize = 256;

/// Requests that may wait for the loop, over all handlers; each handler has its own, smaller limit.
const CAPACITY: usize = 1 << 20;

/// A job for the event loop's thread.
type Call = Box<dyn FnOnce(Python<'_>, &Arc<LoopSide>) + Send>;

/// Something to do on the event loop's thread.
pub enum Message {
    /// Start the app for a request.
    Request(Arc<Application>, Arc<Exchange>, RequestHead),
    /// An exchange that the loop waits for has news.
    News(Arc<Exchange>),
    /// Anything else; rare.
    Call(Call),
    /// Nothing: that it is handled shows that the loop turns.
    Beat,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Request(..) => "Request",
            Self::News(_) => "News",
            Self::Call(_) => "Call",
            Self::Beat => "Beat",
        })
    }
}

/// The hosts' end: where messages go in.
#[derive(Debug)]
pub struct EventLoop {
    inbox: Inbox<Message>,
    pulse: Pulse,
    /// Its thread, as Python and as the kernel number it; 0 before there is one.
    ident: AtomicU64,
    native_id: AtomicU32,
    /// What runs, which is not what was asked for where uvloop does not work.
    is_asyncio: AtomicBool,
}

impl EventLoop {
    /// A loop to be, and the callable that its thread gives to `add_reader`.
    pub fn new() -> std::io::Result<(Arc<Self>, Drain)> {
        let (bell, alarm) = wakeup::pair()?;
        let event_loop = Arc::new(Self {
            inbox: Inbox::new(CAPACITY, Box::new(bell)),
            pulse: Pulse::default(),
            ident: AtomicU64::new(0),
            native_id: AtomicU32::new(0),
            is_asyncio: AtomicBool::new(false),
        });
        let drain = Drain {
            event_loop: Arc::clone(&event_loop),
            alarm,
            side: Arc::new(LoopSide::new()),
            backlog: Mutex::new((VecDeque::new(), Vec::new())),
        };
        Ok((event_loop, drain))
    }

    /// Queues a request, for which [`Self::wake`] must follow soon; gives it back when the queue is full.
    pub(crate) fn offer_quietly(&self, message: Message) -> Result<(), Message> {
        self.inbox.offer_quietly(message)
    }

    /// Wakes the loop if it sleeps over requests.
    pub(crate) fn wake(&self) {
        self.inbox.wake();
    }

    /// Refuses everything from now on: the loop has ended.
    pub(crate) fn close(&self) {
        drop(self.inbox.close());
    }

    /// Runs something on the loop's thread. Dropped if the loop has ended.
    pub fn call(&self, call: impl FnOnce(Python<'_>, &Arc<LoopSide>) + Send + 'static) {
        drop(self.inbox.post(Message::Call(Box::new(call))));
    }
}

impl EventLoop {
    /// When the loop last came to a beat, and whether one is under way.
    pub fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// Sends a beat, unless one is under way.
    pub fn beat(&self) {
        if self.pulse.send(Instant::now()) {
            drop(self.inbox.post(Message::Beat));
        }
    }

    /// Which loop it is: `asyncio` or `uvloop`. Known once it is bound.
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

impl Notify for EventLoop {
    fn notify(&self, exchange: Arc<Exchange>) {
        drop(self.inbox.post(Message::News(exchange)));
    }
}

/// What only the loop's thread touches.
pub struct LoopSide {
    /// Exchanges that wait for news, by the address of their core half (which they keep alive).
    waiting: Mutex<HashMap<usize, Party>>,
    /// Exchanges whose start is held for their first body event.
    held: Mutex<Vec<Py<HttpExchange>>>,
    draining: AtomicBool,
    flush_scheduled: AtomicBool,
    bound: PyOnceLock<Running>,
}

struct Running {
    event_loop: Py<PyAny>,
    create_future: Py<PyAny>,
    call_soon: Py<PyAny>,
    flush: Py<PyAny>,
}

impl std::fmt::Debug for LoopSide {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoopSide")
            .field("waiting", &self.waiting.lock().len())
            .finish_non_exhaustive()
    }
}

impl LoopSide {
    fn new() -> Self {
        Self {
            waiting: Mutex::default(),
            held: Mutex::default(),
            draining: AtomicBool::new(false),
            flush_scheduled: AtomicBool::new(false),
            bound: PyOnceLock::new(),
        }
    }

    fn bound(&self, py: Python<'_>) -> PyResult<&Running> {
        let missing = || pyo3::exceptions::PyRuntimeError::new_err("the event loop does not run");
        self.bound.get(py).ok_or_else(missing)
    }

    /// The asyncio loop.
    pub fn event_loop<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.bound(py)?.event_loop.bind(py).clone())
    }

    pub(crate) fn create_future<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.bound(py)?.create_future.bind(py).call0()
    }

    /// Wants [`Party::wake`] to be called at the next news.
    pub(crate) fn wait(&self, core: &Arc<Exchange>, party: Party) {
        let before = self.waiting.lock().insert(key(core), party);
        drop(before);
    }

    /// No longer wants news.
    pub(crate) fn forget(&self, core: &Arc<Exchange>) {
        let mut waiting = self.waiting.lock();
        // Mostly nobody waits, and then there is nothing to hash.
        let forgotten = if waiting.is_empty() {
            None
        } else {
            waiting.remove(&key(core))
        };
        drop(waiting);
        drop(forgotten);
    }

    /// Flushes this exchange's start at the next turn of the loop unless a body event comes first.
    pub(crate) fn hold(&self, py: Python<'_>, exchange: Py<HttpExchange>) -> PyResult<()> {
        self.held.lock().push(exchange);
        // While draining, the end of the drain looks whether a flush is needed at all: mostly it is not.
        if self.draining.load(Ordering::Relaxed) {
            Ok(())
        } else {
            self.schedule_flush(py)
        }
    }

    fn schedule_flush(&self, py: Python<'_>) -> PyResult<()> {
        if !self.flush_scheduled.swap(true, Ordering::Relaxed) {
            let bound = self.bound(py)?;
            bound.call_soon.bind(py).call1((&bound.flush,))?;
        }
        Ok(())
    }

    fn flush(&self, py: Python<'_>) {
        self.flush_scheduled.store(false, Ordering::Relaxed);
        let held = std::mem::take(&mut *self.held.lock());
        for exchange in held {
            HttpExchange::flush_start(exchange.bind(py));
        }
    }

    fn after_drain(&self, py: Python<'_>) -> PyResult<()> {
        let still_held = {
            let mut held = self.held.lock();
            held.retain(|exchange| exchange.get().holds_start());
            !held.is_empty()
        };
        if still_held { self.schedule_flush(py) } else { Ok(()) }
    }
}

/// Sends the starts that were held for a body which did not come in time. Weak: a loop that has ended is let go.
#[pyclass(frozen)]
#[derive(Debug)]
struct Flush(Weak<LoopSide>);

#[pymethods]
impl Flush {
    fn __call__(&self, py: Python<'_>) {
        if let Some(side) = self.0.upgrade() {
            side.flush(py);
        }
    }
}

/// What a waiting exchange is known by.
fn key(core: &Arc<Exchange>) -> usize {
    Arc::as_ptr(core).addr()
}

/// Takes what the hosts have sent. Give it to `loop.add_reader(drain.fileno(), drain)`.
#[pyclass(frozen, module = "asgi_node._native")]
#[derive(Debug)]
pub struct Drain {
    event_loop: Arc<EventLoop>,
    alarm: Alarm,
    side: Arc<LoopSide>,
    /// What one call left for the next, and a vector to take batches with.
    backlog: Mutex<(VecDeque<Message>, Vec<Message>)>,
}

#[pymethods]
impl Drain {
    /// The descriptor that becomes readable when something was sent.
    fn fileno(&self) -> RawFd {
        self.alarm.fd()
    }

    /// Tells it which loop it serves. Called once, on the loop's thread, before the loop runs.
    fn bind(slf: &Bound<'_, Self>, event_loop: &Bound<'_, PyAny>) -> PyResult<()> {
        let bound = Running {
            event_loop: event_loop.clone().unbind(),
            create_future: event_loop.getattr("create_future")?.unbind(),
            call_soon: event_loop.getattr("call_soon")?.unbind(),
            flush: Py::new(slf.py(), Flush(Arc::downgrade(&slf.get().side)))?.into_any(),
        };
        let served = &slf.get().event_loop;
        let own = slf.py().import("asyncio")?.getattr("SelectorEventLoop")?;
        served
            .is_asyncio
            .store(event_loop.is_instance(&own)?, Ordering::Release);
        let threading = slf.py().import("threading")?;
        let native_id = threading.call_method0("get_native_id")?.extract()?;
        served.native_id.store(native_id, Ordering::Release);
        let ident = threading.call_method0("get_ident")?.extract()?;
        served.ident.store(ident, Ordering::Release);
        slf.get()
            .side
            .bound
            .set(slf.py(), bound)
            .map_err(|_| pyo3::exceptions::PyRuntimeError::new_err("this Drain already serves a loop"))
    }

    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        self.alarm.silence();
        self.side.draining.store(true, Ordering::Relaxed);
        let more = self.handle_batch(py);
        self.side.draining.store(false, Ordering::Relaxed);
        if more {
            // Through the selector again, so that the loop's other callbacks come in between.
            self.event_loop.inbox.ring();
        }
        self.side.after_drain(py)
    }
}

impl Drain {
    /// Handles at most [`BATCH`] messages; tells whether some are left.
    fn handle_batch(&self, py: Python<'_>) -> bool {
        for _ in 0..BATCH {
            if fork::is_child() {
                return false;
            }
            let Some(message) = self.next() else { return false };
            match message {
                Message::Request(app, exchange, head) => app.start(py, &self.side, exchange, &head),
                Message::News(exchange) => {
                    let waiting = self.side.waiting.lock().remove(&key(&exchange));
                    if let Some(waiting) = waiting {
                        waiting.wake(py);
                    }
                }
                Message::Call(call) => call(py, &self.side),
                Message::Beat => self.event_loop.pulse.arrive(Instant::now()),
            }
        }
        let (backlog, _) = &*self.backlog.lock();
        !backlog.is_empty()
    }

    fn next(&self) -> Option<Message> {
        let (backlog, batch) = &mut *self.backlog.lock();
        if backlog.is_empty() {
            self.event_loop.inbox.take(batch);
            backlog.extend(batch.drain(..));
        }
        backlog.pop_front()
    }
}
