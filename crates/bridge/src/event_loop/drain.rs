//! The receiving end of an event loop: takes the messages, on the loop's thread.

use std::collections::VecDeque;
use std::os::fd::RawFd;
use std::sync::{Arc, Weak};
use std::time::Instant;

use asgi_node_core::{Error, Failure, ResponseEvent, Waker};
use parking_lot::Mutex;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use super::garbage::Garbage;
use super::handle::{EventLoop, Message};
use super::loop_side::LoopSide;
use super::wakeup::{self, WakeReader};
use crate::interpreter::{exit, fork};

/// The most messages that one call of [`Drain`] handles before other callbacks of the loop run.
const BATCH: usize = 256;

/// Takes the messages that the hosts have sent. Give it to `loop.add_reader(drain.fileno(), drain)`.
#[pyclass(frozen, module = "asgi_node._native")]
#[derive(Debug)]
pub struct Drain {
    event_loop: Arc<EventLoop>,
    wake_reader: WakeReader,
    side: Arc<LoopSide>,
    /// Messages that one call left for the next, and the vector that is reused for batches.
    backlog: Mutex<(VecDeque<Message>, Vec<Message>)>,
}

#[pymethods]
impl Drain {
    /// The descriptor that becomes readable when something was sent.
    fn fileno(&self) -> RawFd {
        self.wake_reader.fd()
    }

    /// Tells it which loop it serves. Called once, on the loop's thread, before the loop runs.
    fn bind(&self, event_loop: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = event_loop.py();
        let own = py.import("asyncio")?.getattr("SelectorEventLoop")?;
        let threading = py.import("threading")?;
        let native_id = threading.call_method0("get_native_id")?.extract()?;
        let ident = threading.call_method0("get_ident")?.extract()?;
        if !self.side.bind(event_loop)? {
            return Err(PyRuntimeError::new_err("this Drain already serves a loop"));
        }
        self.event_loop
            .identify(event_loop.is_instance(&own)?, ident, native_id);
        Ok(())
    }

    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        exit::stop_if_over(py);
        self.wake_reader.clear();
        // Each time, even if a backlog is left: the wake-up for what is in the inbox has just been cleared, and the inbox sends
        // another one only after something was taken from it.
        self.collect();
        self.side.begin_drain();
        if self.handle_batch(py) {
            // Through the selector again, so that the loop's other callbacks run in between.
            self.event_loop.inbox().ring();
        }
        self.side.end_drain(py)
    }
}

impl Drain {
    /// A new event loop, not yet running, and the callable that its thread gives to `add_reader`.
    pub fn pair() -> std::io::Result<(Arc<EventLoop>, Self)> {
        let (wake_writer, wake_reader) = wakeup::pair()?;
        let event_loop = EventLoop::new(wake_writer);
        let garbage = Garbage::new(Arc::clone(&event_loop) as Arc<dyn Waker>);
        let drain = Self {
            event_loop: Arc::clone(&event_loop),
            wake_reader,
            side: Arc::new(LoopSide::new(garbage)),
            backlog: Mutex::default(),
        };
        Ok((event_loop, drain))
    }

    /// The loop has ended, for this reason: fails the requests under way, and refuses new ones.
    pub(crate) fn fail(&self, py: Python<'_>, reason: String) {
        let error = Error::LoopFailed(reason);
        // First: a caller that the inbox refuses must find the reason.
        let dependents = self.event_loop.failing().set(&error);
        // Answers a heartbeat that is under way: the loop has ended, so it must not be reported as blocked.
        self.event_loop.heartbeat().arrive(Instant::now());
        for message in self.close() {
            if let Message::Request(service, exchange, _) = message {
                service.forget(&exchange);
                exchange.emit(ResponseEvent::Failed(Failure {
                    error: error.clone(),
                    traceback: String::new(),
                    started: false,
                    logged: false,
                }));
            }
        }
        for whom in dependents.iter().filter_map(Weak::upgrade) {
            whom.loop_failed(&error);
        }
        self.side.fail(py, &error);
    }

    /// Stops taking messages; returns those that wait.
    fn close(&self) -> Vec<Message> {
        let (backlog, _) = &mut *self.backlog.lock();
        let left = std::mem::take(backlog);
        left.into_iter().chain(self.event_loop.inbox().close()).collect()
    }

    /// Handles at most [`BATCH`] messages; returns whether some are left.
    fn handle_batch(&self, py: Python<'_>) -> bool {
        for _ in 0..BATCH {
            if fork::is_child() {
                return false;
            }
            let Some(message) = self.next() else { return false };
            match message {
                Message::Request(service, exchange, head) => service.start(py, &self.side, exchange, &head),
                Message::ExchangeReady(exchange) => self.side.tell(py, &exchange),
                Message::Call(call) => call(py, &self.side),
                Message::Heartbeat => self.event_loop.heartbeat().arrive(Instant::now()),
            }
        }
        let (backlog, _) = &*self.backlog.lock();
        !backlog.is_empty()
    }

    /// Moves what was sent into the backlog.
    fn collect(&self) {
        let (backlog, batch) = &mut *self.backlog.lock();
        self.event_loop.inbox().take(batch);
        backlog.extend(batch.drain(..));
    }

    fn next(&self) -> Option<Message> {
        let pop = || self.backlog.lock().0.pop_front();
        pop().or_else(|| {
            self.collect();
            pop()
        })
    }
}
