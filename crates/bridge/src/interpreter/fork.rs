//! A process that was forked from this one, by `os.fork` or multiprocessing.
//!
//! Only the thread that forked goes on in it: no loop is served, no Node runs, and a lock that another thread held stays
//! locked. So nothing of the bridge is touched there: the application gets an exception.

use std::sync::atomic::{AtomicBool, Ordering};

use asgi_node_core::Error;
use pyo3::prelude::*;

use super::ffi;
use crate::errors::to_python;

static CHILD: AtomicBool = AtomicBool::new(false);

/// Whether this is a forked process.
pub(crate) fn is_child() -> bool {
    CHILD.load(Ordering::Relaxed)
}

/// The exception for an application that would use the bridge in a forked process.
pub(crate) fn check() -> PyResult<()> {
    if is_child() {
        Err(to_python(&Error::ForkedProcess))
    } else {
        Ok(())
    }
}

/// Goes before each fork, which must be followed by [`forked_parent`] here and [`forked_child`] there: a signal for the child
/// that came before its handlers are gone would be written into a pipe that the parent reads, and taken for the parent's.
#[pyfunction]
pub(crate) fn forking() {
    ffi::block_signals();
}

/// Goes behind a fork, in this process.
#[pyfunction]
pub(crate) fn forked_parent() {
    ffi::unblock_signals();
}

/// Goes behind a fork, in the child: the bridge raises from here on, and signals have their default actions.
#[pyfunction]
pub(crate) fn forked_child() {
    CHILD.store(true, Ordering::Relaxed);
    ffi::reset_signals();
    ffi::unblock_signals();
}

/// The end of a request in the child, which is the end of the child.
pub(crate) fn leave(py: Python<'_>) -> PyResult<()> {
    py.import("asgi_node.runtime.fork")?.call_method0("leave").map(drop)
}
