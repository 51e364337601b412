//! One request of a Python caller, and how the caller waits for it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use asgi_node_core::message_queue::{Closed, Message};
use asgi_node_core::{Exchange, Notify};
use parking_lot::{Condvar, Mutex};
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use super::event::HostEvent;
use super::notifier::{Mailbox, Notifier};

/// How often a waiting caller checks whether Ctrl-C was pressed.
const SIGNALS: Duration = Duration::from_millis(100);

static NUMBERS: AtomicU32 = AtomicU32::new(1);

#[derive(Debug, Default)]
struct News {
    /// There are events that the caller has not taken.
    events: bool,
    /// The app's task has ended.
    ended: bool,
}

/// Receives news from the exchange.
#[derive(Debug)]
pub(crate) struct Caller {
    id: u32,
    news: Mutex<News>,
    condition: Condvar,
    notifier: Option<Arc<Mailbox>>,
}

impl Caller {
    fn tell(&self, change: impl FnOnce(&mut News)) {
        change(&mut self.news.lock());
        self.condition.notify_all();
        if let Some(notifier) = &self.notifier {
            notifier.post(self.id);
        }
    }

    /// Waits until `until` holds; `false` after the deadline. Called detached from Python.
    fn wait(&self, deadline: Option<Instant>, until: fn(&News) -> bool) -> bool {
        let mut news = self.news.lock();
        while !until(&news) {
            match deadline {
                None => self.condition.wait(&mut news),
                Some(deadline) => {
                    if self.condition.wait_until(&mut news, deadline).timed_out() {
                        return until(&news);
                    }
                }
            }
        }
        true
    }
}

impl Notify for Caller {
    fn notify(&self, _: Arc<Exchange>) {
        self.tell(|news| news.events = true);
    }
}

/// One request.
#[pyclass(frozen, module = "asgi_node._native")]
#[derive(Debug)]
pub struct Call {
    caller: Arc<Caller>,
    claimed: AtomicBool,
    exchange: OnceLock<Arc<Exchange>>,
}

impl Call {
    pub(crate) fn host(&self) -> Arc<Caller> {
        Arc::clone(&self.caller)
    }

    /// Called once: a call is one request.
    pub(crate) fn claim(&self) -> PyResult<()> {
        if self.claimed.swap(true, Ordering::AcqRel) {
            return Err(PyRuntimeError::new_err("this call was submitted before"));
        }
        Ok(())
    }

    pub(crate) fn begin(&self, exchange: Arc<Exchange>) -> PyResult<()> {
        let twice = |_| PyRuntimeError::new_err("this call was submitted before");
        self.exchange.set(exchange).map_err(twice)
    }

    fn exchange(&self) -> PyResult<&Arc<Exchange>> {
        let missing = || PyRuntimeError::new_err("this call was not submitted");
        self.exchange.get().ok_or_else(missing)
    }

    /// Waits detached, and checks for signals in between.
    fn wait(&self, py: Python<'_>, timeout: Option<f64>, until: fn(&News) -> bool) -> PyResult<bool> {
        let limit = timeout.and_then(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).ok());
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        loop {
            let next = Instant::now() + SIGNALS;
            let until_then = deadline.map_or(next, |deadline| deadline.min(next));
            if py.detach(|| self.caller.wait(Some(until_then), until)) {
                return Ok(true);
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(false);
            }
            py.check_signals()?;
        }
    }
}

#[pymethods]
impl Call {
    /// A request that is not submitted yet. A `notifier` gets its number whenever there is news.
    #[new]
    #[pyo3(signature = (notifier=None))]
    fn new(notifier: Option<&Bound<'_, Notifier>>) -> Self {
        Self {
            caller: Arc::new(Caller {
                id: NUMBERS.fetch_add(1, Ordering::Relaxed),
                news: Mutex::default(),
                condition: Condvar::new(),
                notifier: notifier.map(|notifier| notifier.get().mailbox()),
            }),
            claimed: AtomicBool::new(false),
            exchange: OnceLock::new(),
        }
    }

    /// Its number: that of the exchange that the app's `receive` and `send` belong to.
    #[getter]
    pub(crate) fn id(&self) -> u32 {
        self.caller.id
    }

    /// Whether the app's task has ended.
    #[getter]
    fn ended(&self) -> bool {
        self.caller.news.lock().ended
    }

    /// Waits for events or for the end of the app's task, at most `timeout` seconds. Returns whether either came.
    #[pyo3(signature = (timeout=None))]
    fn wait_for_news(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        self.wait(py, timeout, |news| news.events || news.ended)
    }

    /// Waits for the end of the app's task, at most `timeout` seconds. Returns whether it came.
    #[pyo3(signature = (timeout=None))]
    fn wait_for_end(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        self.wait(py, timeout, |news| news.ended)
    }

    /// Takes the events that are there.
    fn take_events(&self, py: Python<'_>) -> PyResult<Vec<HostEvent>> {
        let exchange = self.exchange()?;
        self.caller.news.lock().events = false;
        exchange
            .take_events()
            .into_iter()
            .map(|event| HostEvent::new(py, event))
            .collect()
    }

    /// An event of this weight has been used: the app may send as many bytes again.
    fn taken(&self, weight: usize) -> PyResult<()> {
        self.exchange()?.taken(weight);
        Ok(())
    }

    /// Adds request body. False: stop until an event `resume`.
    #[pyo3(signature = (chunk, last=false))]
    fn push(&self, chunk: &[u8], last: bool) -> PyResult<bool> {
        Ok(self.exchange()?.push_body(chunk.to_vec(), last))
    }

    /// Adds a message to a WebSocket, text or binary. False: stop until an event `resume`.
    fn message(&self, data: &Bound<'_, PyAny>) -> PyResult<bool> {
        let message = if let Ok(text) = data.cast::<PyString>() {
            Message {
                is_text: true,
                data: text.to_str()?.to_owned().into(),
            }
        } else if let Ok(bytes) = data.cast::<PyBytes>() {
            Message {
                is_text: false,
                data: bytes.as_bytes().to_vec().into(),
            }
        } else {
            return Err(PyTypeError::new_err("a message of a WebSocket is str or bytes"));
        };
        Ok(self.exchange()?.push_message(message))
    }

    /// The client closes its WebSocket: no event follows.
    #[pyo3(signature = (code, reason=""))]
    fn close(&self, code: u16, reason: &str) -> PyResult<()> {
        self.exchange()?.close(Closed {
            code,
            reason: reason.to_owned(),
        });
        Ok(())
    }

    /// The client closes its side and still reads.
    fn half_close(&self) -> PyResult<()> {
        self.exchange()?.half_close();
        Ok(())
    }

    /// The client leaves: the app gets its disconnect, and no event follows.
    fn disconnect(&self) -> PyResult<()> {
        self.exchange()?.disconnect();
        Ok(())
    }

    /// The app's task has ended. Called by the runner.
    fn end(&self) {
        self.caller.tell(|news| news.ended = true);
    }
}
