//! ASGI, one file for each of its nouns: what an app sees of a request, and what it may answer.
//!
//! In the order of the data path: `scope` (with `scope_tls` and `header_cache`), `http` (a request as Python sees it),
//! `receive`, `http_send`, `extensions` and `fields` (the app's events), `outgoing` (the body on its way), `websocket` and
//! `websocket_send` (the same for a WebSocket), `party` (either of the two), `sending` and `suspension` (what is awaited).

mod extensions;
mod ffi;
mod fields;
mod header_cache;
pub(crate) mod http;
mod http_send;
pub(crate) mod names;
mod outgoing;
pub(crate) mod party;
pub(crate) mod receive;
pub(crate) mod scope;
mod scope_tls;
pub(crate) mod sending;
mod suspension;
pub(crate) mod websocket;
mod websocket_send;
