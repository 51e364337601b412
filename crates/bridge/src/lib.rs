//! The Python half of asgi-node. Knows no Node-API, and sockets only in `worker_host`: the addon and the Python test client drive it alike.
//!
//! From the top down, and nothing imports what stands above it (`make lint` checks that): `test_host` (the host that tests in
//! Python drive it by), `worker_host` (that of a process of its own, whose requests come through a socket), [`application`] (what a host submits requests to), `asgi` (scope, `receive` and `send`),
//! [`event_loop`] (how a request reaches Python's thread, and whether that is blocked), [`interpreter`] (starts Python when
//! there is none, ends and forks with the process), [`log_queue`], [`health`], [`errors`]. Unsafe code stands in
//! files named `ffi.rs` only.
//!
//! # Threads
//!
//! Everything in here that takes a `Python<'_>` runs on a thread of Python's. A host's thread only builds an
//! [`asgi_node_core::Exchange`] and offers it to an [`event_loop::EventLoop`]: it never attaches.

#![cfg_attr(
    not(feature = "hosts"),
    allow(dead_code, unused_imports, reason = "only the hosts outside Node use some of it")
)]

pub mod application;
mod asgi;
pub mod errors;
pub mod event_loop;
pub mod health;
pub mod interpreter;
pub mod log_queue;
#[cfg(feature = "hosts")]
mod test_host;
#[cfg(feature = "hosts")]
mod worker_host;

use std::sync::Arc;

use asgi_node_core::Error;
use pyo3::prelude::*;

/// Starts the interpreter unless it runs, then calls `done`, on any thread, once.
pub fn start_python(
    options: interpreter::Options,
    done: impl FnOnce(Result<Arc<interpreter::Facts>, Error>) + Send + 'static,
) {
    let module = |py: Python<'_>| pyo3::wrap_pymodule!(native)(py);
    interpreter::start(options, module, done);
}

/// `asgi_node._native`: what the Python package needs of Rust. Typed in `python/asgi_node/_native.pyi`.
///
/// A free-threaded Python that imports it takes its GIL back: docs/platforms.md lists what relies on it.
#[pymodule(gil_used = true)]
#[pyo3(name = "_native")]
pub mod native {
    #[pymodule_export]
    use crate::asgi::{Awaitable, PyChannel};
    #[pymodule_export]
    use crate::errors::ClientDisconnected;
    #[pymodule_export]
    use crate::event_loop::Drain;
    #[pymodule_export]
    use crate::interpreter::fork::{forked_child, forked_parent, forking};
    #[pymodule_export]
    use crate::log_queue::PyLogQueue;
    #[cfg(feature = "hosts")]
    #[pymodule_export]
    use crate::test_host::{Call, Host, HostEvent, Notifier};
    #[cfg(feature = "hosts")]
    #[pymodule_export]
    use crate::worker_host::Worker;

    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
