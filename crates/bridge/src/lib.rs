//! The Python half of asgi-node. Knows neither Node nor sockets: the addon and the Python test client drive it alike.
//!
//! From the top down: [`application`] (what a host submits requests to), with [`config`] and [`health`]; `asgi` (scope,
//! `receive` and `send`); [`event_loop`] (how a request reaches Python's thread, and whether that thread is blocked);
//! [`interpreter`] (starts Python when there is none, ends and forks with the process); [`journal`] and [`errors`]. `test_host`
//! is the host that tests in Python drive it by. Unsafe code stands in files named `ffi.rs` only.
//!
//! # Threads
//!
//! Everything in here that takes a `Python<'_>` runs on a thread of Python's. A host's thread only builds an
//! [`asgi_node_core::Exchange`] and offers it to an [`event_loop::EventLoop`]: it never attaches.

pub mod application;
mod asgi;
pub mod config;
pub mod errors;
pub mod event_loop;
pub mod health;
pub mod interpreter;
pub mod journal;
mod test_host;

use pyo3::prelude::*;

/// `asgi_node._native`: what the Python package needs of Rust. Typed in `python/asgi_node/_native.pyi`.
#[pymodule]
#[pyo3(name = "_native")]
pub mod native {
    #[pymodule_export]
    use crate::asgi::http::HttpExchange;
    #[pymodule_export]
    use crate::asgi::receive::Receive;
    #[pymodule_export]
    use crate::asgi::sending::{Sending, Sent};
    #[pymodule_export]
    use crate::asgi::websocket::WebSocketExchange;
    #[pymodule_export]
    use crate::errors::ClientDisconnected;
    #[pymodule_export]
    use crate::event_loop::Drain;
    #[pymodule_export]
    use crate::interpreter::fork::{forked_child, forked_parent, forking};
    #[pymodule_export]
    use crate::journal::Desk;
    #[pymodule_export]
    use crate::test_host::{Call, Host, HostEvent, Outlet};

    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
