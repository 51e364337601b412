//! The Python half of asgi-node. Knows neither Node nor sockets: the addon and the Python test client drive it alike.
//!
//! Files in the order of the data path: [`wakeup`] and [`event_loop`] (how a request reaches Python), [`application`] (what
//! serves it), `scope` and `header_cache`, `exchange`, `receive`, `send` (what the app sees), `outgoing` (the body on its
//! way), `websocket` and `websocket_send` (the same for a WebSocket), `party` (either of the two), [`journal`] (log records and
//! lines), `watch` (whether the loop turns), `errors`. [`interpreter`] starts Python when there is none, [`exit`] is its part in
//! the process's end, `forked` keeps children away from the bridge; `host` is the host that tests in Python drive it by; `ffi`
//! holds all unsafe code.
//!
//! # Threads
//!
//! Everything in here that takes a `Python<'_>` runs on a thread of Python's. A host's thread only builds an
//! [`asgi_node_core::Exchange`] and offers it to an [`event_loop::EventLoop`]: it never attaches.

pub mod application;
pub mod config;
pub mod errors;
pub mod event_loop;
mod exchange;
pub mod exit;
mod extensions;
mod ffi;
mod fields;
mod forked;
mod header_cache;
pub mod health;
mod host;
pub mod interpreter;
pub mod journal;
mod names;
mod outgoing;
mod party;
mod receive;
mod scope;
mod scope_tls;
mod send;
mod sending;
mod suspension;
pub mod wakeup;
mod watch;
mod websocket;
mod websocket_send;

use pyo3::prelude::*;

/// `asgi_node._native`: what the Python package needs of Rust. Typed in `python/asgi_node/_native.pyi`.
#[pymodule]
#[pyo3(name = "_native")]
pub mod native {
    #[pymodule_export]
    use crate::errors::ClientDisconnected;
    #[pymodule_export]
    use crate::event_loop::Drain;
    #[pymodule_export]
    use crate::exchange::HttpExchange;
    #[pymodule_export]
    use crate::forked::{forked_child, forked_parent, forking};
    #[pymodule_export]
    use crate::host::{Call, Host, HostEvent, Outlet};
    #[pymodule_export]
    use crate::journal::Desk;
    #[pymodule_export]
    use crate::receive::Receive;
    #[pymodule_export]
    use crate::sending::{Sending, Sent};
    #[pymodule_export]
    use crate::websocket::WebSocketExchange;

    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
