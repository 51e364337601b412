//! The Node half of asgi-node. Everything here runs on a JavaScript thread, and none of it ever attaches to Python.
//!
//! Files in the order of the data path: `python` (starting the interpreter), [`handler`] (a request goes in), [`rewriting`] (by
//! which rules), [`app_slot`] (the app that it is for), [`application`] (who runs it; the crate is compiled twice, for Python in this process and for
//! `workers`), [`open`] (the requests under way), [`event_sink`] (Python wakes Node), [`delivery`] (events go
//! out), [`lent`] (their bytes, without a copy),
//! [`sync_call`] (the caller that blocks), [`errors`]. `ffi` holds all unsafe code: the calls of Node-API that are made for
//! every event.
//!
//! A handler's state belongs to the environment (main thread or worker) that made it and is taken down by that
//! environment's cleanup hook.

mod app_slot;
mod application;
mod blocked;
mod delivery;
mod errors;
mod event_sink;
mod ffi;
mod handler;
mod health;
#[path = "lent/ffi.rs"]
mod lent;
mod open;
#[cfg(feature = "python")]
mod python;
mod rewriting;
mod sync_call;
#[cfg(feature = "workers")]
mod workers;
