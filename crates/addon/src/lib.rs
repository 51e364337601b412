//! The Node half of asgi-node. It runs on JavaScript threads, except for what Python calls when an app is there or gone
//! ([`app_slot`]) and when an event is ready ([`event_sink`]). None of it ever attaches to Python.
//!
//! Files in the order of the data path: `python` (starts the interpreter), `handler` (what JavaScript calls), `state` (what a
//! handler has), `rewriting` (its rules for requests), `app_slot` (its app, or what becomes of it), `application` (who runs the
//! app), `open` (the requests under way), `event_sink` (Python wakes Node), `drain` (events go to JavaScript), `delivery` (as
//! which values), `lent` (their bytes, without a copy), `sync_call` (the caller that blocks), `errors`. `ffi` holds all other
//! unsafe code: the calls of Node-API that are made for every event.
//!
//! The crate is compiled twice, for Python in this process and for `workers`. `application` holds what differs.
//!
//! A handler's state belongs to the environment (main thread or worker) that made it and is taken down by that
//! environment's cleanup hook.

mod app_slot;
mod application;
mod delivery;
mod drain;
mod errors;
mod event_sink;
mod ffi;
mod handler;
#[path = "lent/ffi.rs"]
mod lent;
mod open;
#[cfg(feature = "python")]
mod python;
mod rewriting;
mod state;
mod sync_call;
