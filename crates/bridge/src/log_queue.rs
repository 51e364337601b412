//! The core's log queue as a Python object: log records and lines of output leave Python through it.

use std::sync::Arc;
use std::time::Duration;

use asgi_node_core::LogQueue;
use asgi_node_core::log_queue::{Entry, Kind, Pushed};
use pyo3::prelude::*;

use asgi_node_core::Config;

/// How long a log record waits for room before it is dropped.
const RECORD_TIMEOUT: Duration = Duration::from_millis(50);

/// The same for a line, longer: lost output is worse.
const LINE_TIMEOUT: Duration = Duration::from_secs(1);

/// Passes log records and lines to one handler's host.
#[pyclass(frozen, name = "LogQueue", module = "asgi_node._native")]
#[derive(Debug)]
pub struct PyLogQueue {
    queue: Arc<LogQueue>,
    level: u8,
    takes_lines: bool,
}

impl PyLogQueue {
    /// The log queue of this handler, if its host wants any logs.
    pub(crate) fn of(config: &Config) -> Option<Self> {
        config.log_queue.as_ref().map(|queue| Self {
            queue: Arc::clone(queue),
            level: config.log_level,
            takes_lines: config.takes_lines,
        })
    }

    fn push(&self, py: Python<'_>, kind: Kind, text: String, timeout: Duration) -> bool {
        let pushed = match self.queue.try_push(Entry { kind, text }) {
            Ok(pushed) => pushed,
            Err(entry) => py.detach(|| self.queue.push(entry, timeout)),
        };
        pushed != Pushed::Closed
    }
}

#[pymethods]
impl PyLogQueue {
    /// The level from which records are wanted.
    #[getter]
    fn level(&self) -> u8 {
        self.level
    }

    /// Whether lines are wanted.
    #[getter]
    fn takes_lines(&self) -> bool {
        self.takes_lines
    }

    /// Hands over a log record as JSON. False if the host no longer listens.
    fn record(&self, py: Python<'_>, level: u8, text: String) -> bool {
        self.push(py, Kind::Record(level), text, RECORD_TIMEOUT)
    }

    /// Hands over a line of `sys.stdout` (1) or `sys.stderr` (2). False if the host no longer listens.
    fn line(&self, py: Python<'_>, descriptor: i32, text: String) -> bool {
        let kind = if descriptor == 2 { Kind::Stderr } else { Kind::Stdout };
        self.push(py, kind, text, LINE_TIMEOUT)
    }
}
