//! The interpreter's life in this process: `start`, `main_thread` (the thread on which it was started), [`exit`] (its part in
//! the end of the process), `fork` (keeps forked children away from the bridge). `ffi` holds the unsafe code.

pub mod exit;
mod ffi;
pub(crate) mod fork;
mod main_thread;
mod start;

pub(crate) use ffi::leave;
pub use main_thread::Facts;
pub(crate) use main_thread::{STACK, deepbind, note_own, try_run};
pub use start::Options;
pub(crate) use start::start;
