//! ASGI: what an app sees of a request or WebSocket, and what it may answer.
//!
//! From the top down: `object` (the Python object of a channel), `http_send` with `http_extensions`, and `websocket_send` (the
//! app's events, read by `fields`), `awaitable` (what `receive` and `send` return), `http` and `websocket` (the two protocols),
//! `channel` (what they share) with `outgoing` (what is on its way to the host). `scope`, with `scope_tls` and `header_cache`,
//! stands alone. [`names`] are strings that all of them need.

mod awaitable;
mod channel;
mod ffi;
mod fields;
mod header_cache;
mod http;
mod http_extensions;
mod http_send;
pub(crate) mod names;
mod object;
mod outgoing;
mod scope;
mod scope_tls;
mod shared;
mod websocket;
mod websocket_send;

pub use awaitable::Awaitable;
pub use object::PyChannel;
pub(crate) use scope::ScopeBuilder;
