//! A process that was forked from this one, by `os.fork` or multiprocessing.
//!
//! Only the thread that forked goes on in it: no event loop runs, Node does not run, and a lock that another thread held
//! stays locked. So the bridge must not be used there: the application gets an exception.

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

/// The exception for an application that tries to use the bridge in a forked process.
pub(crate) fn check() -> PyResult<()> {
    if is_child() {
        Err(to_python(&Error::ForkedProcess))
    } else {
        Ok(())
    }
}

/// Called before each fork; [`forked_parent`] must follow in this process, and [`forked_child`] in the child. It blocks signals:
/// a signal for the child that comes before its handlers are reset would be written into a pipe that the parent reads, as
/// if it were the parent's.
#[pyfunction]
pub(crate) fn forking() {
    ffi::block_signals();
}

/// Called after a fork, in this process.
#[pyfunction]
pub(crate) fn forked_parent() {
    ffi::unblock_signals();
}

/// Called after a fork, in the child: from here on the bridge raises, and signals have their default actions.
#[pyfunction]
pub(crate) fn forked_child() {
    CHILD.store(true, Ordering::Relaxed);
    ffi::reset_signals();
    ffi::unblock_signals();
}

/// Ends the child: called when a request has ended in it.
pub(crate) fn leave(py: Python<'_>) -> PyResult<()> {
    py.import("asgi_node.runtime.fork")?.call_method0("leave").map(drop)
}
