//! The host of a worker: a separate Python process, whose requests come from Node through a socket.
//!
//! A [`Worker`] is created on Python's main thread, which runs the event loop. Its `link` moves frames on another thread, which
//! never attaches to Python, so it answers Node even while Python is blocked. A third thread, in `parent`, ends the process when
//! Node has gone.

mod link;
mod link_inbox;
mod parent;
mod served;

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use asgi_node_core::{Config, LogQueue};
use asgi_node_worker::connection::receive;
use asgi_node_worker::message::Failed;
use asgi_node_worker::{Incoming, Ledger, Opening, ToWorker};
use parking_lot::Mutex;
use pyo3::exceptions::{PyOSError, PyRuntimeError};
use pyo3::prelude::*;

use crate::event_loop::{Drain, EventLoop};
use crate::interpreter;
use link::Link;
use link_inbox::{LinkInbox, LinkMessage};

/// How long the end of a worker waits until its last messages are sent.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The connection to Node, and the event loop for the requests.
#[pyclass(frozen, module = "asgi_node._native")]
#[derive(Debug)]
pub struct Worker {
    opening: Opening,
    config: Config,
    event_loop: Arc<EventLoop>,
    drain: Py<Drain>,
    inbox: Arc<LinkInbox>,
    link: Mutex<Option<Link>>,
}

#[pymethods]
impl Worker {
    /// Takes the socket, which is this process's standard input, and waits for the first message from Node.
    #[new]
    fn new(py: Python<'_>) -> PyResult<Self> {
        interpreter::note_own();
        let socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
        let mut incoming = Incoming::default();
        let (json, ledger) = py.detach(|| first_message(&socket, &mut incoming))?;
        let malformed =
            |what: String| PyRuntimeError::new_err(format!("the first message from Node is malformed: {what}"));
        let opening: Opening = serde_json::from_slice(&json).map_err(|error| malformed(error.to_string()))?;
        let version = asgi_node_worker::settings::VERSION;
        if opening.version != version {
            let theirs = &opening.version;
            return Err(malformed(format!(
                "Node's version is {theirs}, and this worker's is {version}"
            )));
        }
        let config: Config = serde_json::from_str(&opening.config).map_err(|error| malformed(error.to_string()))?;
        let inbox = LinkInbox::new();
        parent::watch(&socket, opening.node, Arc::clone(&inbox))?;
        let log_queue = Arc::new(LogQueue::for_host(inbox.waker()));
        let config = Config {
            log_queue: Some(Arc::clone(&log_queue)),
            tells_receipts: true,
            ..config
        };
        let (event_loop, drain) = Drain::pair()?;
        let link = Link::new(
            socket,
            incoming,
            ledger,
            Arc::clone(&inbox),
            log_queue,
            Arc::clone(&event_loop),
        );
        Ok(Self {
            opening,
            config,
            event_loop,
            drain: Py::new(py, drain)?,
            inbox,
            link: Mutex::new(Some(link)),
        })
    }

    /// The object that the event loop watches.
    #[getter]
    fn drain(&self, py: Python<'_>) -> Py<Drain> {
        self.drain.clone_ref(py)
    }

    /// The option `loop` of the handler.
    #[getter]
    fn r#loop(&self) -> &str {
        &self.config.r#loop
    }

    /// `sys.argv`.
    #[getter]
    fn argv(&self) -> Vec<String> {
        self.opening.argv.clone()
    }

    /// The most bytes of address space; None for no limit.
    #[getter]
    fn address_space(&self) -> Option<u64> {
        self.opening.address_space
    }

    /// Seconds that the end of the process may wait for threads.
    #[getter]
    fn exit_timeout(&self) -> f64 {
        if self.inbox.is_orphaned() {
            return 0.1;
        }
        Duration::from_millis(self.config.exit_timeout).as_secs_f64()
    }

    /// Begins to serve. Called once, on the loop's thread, after the loop has been bound.
    fn start(&self) -> PyResult<()> {
        let link = self.link.lock().take();
        let link = link.ok_or_else(|| PyRuntimeError::new_err("this worker serves already"))?;
        link.start(self.config.clone())?;
        Ok(())
    }

    /// Reports why the application cannot start. Then the process ends.
    fn refuse(&self, code: String, message: String, traceback: String) -> PyResult<()> {
        let link = self.link.lock().take();
        let link = link.ok_or_else(|| PyRuntimeError::new_err("this worker serves already"))?;
        link.refuse(Failed {
            code,
            message,
            traceback,
        })?;
        Ok(())
    }

    /// The event loop has ended for this reason. Fails the requests under way.
    fn fail(&self, py: Python<'_>, reason: String) {
        self.drain.get().fail(py, reason);
    }

    /// The process ends. Returns when everything has been sent to Node, or after a short time. If Node has gone, it ends the
    /// whole process group.
    fn finish(&self, py: Python<'_>) {
        self.event_loop.close();
        self.inbox.post(LinkMessage::Finish);
        py.detach(|| self.inbox.await_end(LAST_WORDS));
        if self.inbox.is_orphaned() {
            parent::kill_group();
        }
    }
}

/// Waits for the first message.
fn first_message(socket: &UnixStream, incoming: &mut Incoming<ToWorker>) -> PyResult<(Vec<u8>, Ledger)> {
    loop {
        if receive(socket.as_fd(), incoming)?.bytes == 0 {
            return Err(PyOSError::new_err("Node has gone before it sent the first message"));
        }
        let message = incoming
            .next_message()
            .map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
        match message {
            None => {}
            Some((_, ToWorker::Open(json, Some(ledger)))) => return Ok((json, Ledger::from_descriptor(ledger))),
            Some(_) => {
                return Err(PyRuntimeError::new_err(
                    "the first message from Node is of another kind",
                ));
            }
        }
    }
}
