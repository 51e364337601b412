//! The interpreter's life in this process: `start`, [`exit`] (its part in the process's end), `fork` (which keeps children
//! away from the bridge). `ffi` holds the unsafe code.

pub mod exit;
mod ffi;
pub(crate) mod fork;
mod start;

pub(crate) use start::on_main;
pub use start::{Facts, Options, facts, load, start};
