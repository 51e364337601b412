//! The event loops of this process, one thread for each kind: all apps that ask for the same kind share one loop.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::thread;

use asgi_node_core::Error;
use parking_lot::Mutex;
use pyo3::prelude::*;

use super::drain::Drain;
use super::handle::EventLoop;
use crate::errors::{self, Traced};
use crate::interpreter;

/// The loops by their kind: `asyncio` or `uvloop`.
static RUNNING: LazyLock<Mutex<HashMap<String, Arc<EventLoop>>>> = LazyLock::new(Mutex::default);

/// The event loop for `auto`, `asyncio` or `uvloop`; started if need be. Called on Python's main thread only, so that the
/// same kind is never started twice.
pub(crate) fn event_loop(py: Python<'_>, wanted: &str) -> Result<Arc<EventLoop>, Traced> {
    let choose = || -> PyResult<(String, String)> {
        py.import("asgi_node.runtime.loop")?
            .call_method1("choose", (wanted, interpreter::deepbind()))?
            .extract()
    };
    let (kind, _) = choose().map_err(|raised| errors::from_python(py, &raised, Error::PythonStartFailed))?;
    if let Some(running) = RUNNING.lock().get(&kind)
        && running.failure().is_none()
    {
        return Ok(Arc::clone(running));
    }
    let started = start(&kind)?;
    RUNNING.lock().insert(kind, Arc::clone(&started));
    Ok(started)
}

fn start(kind: &str) -> Result<Arc<EventLoop>, Traced> {
    let failed = |e: std::io::Error| Error::PythonStartFailed(format!("no event loop: {e}"));
    let (event_loop, drain) = Drain::pair().map_err(failed)?;
    let kind = kind.to_owned();
    let life = move || {
        Python::attach(|py| {
            let Ok(drain) = Bound::new(py, drain) else { return };
            let run = || -> PyResult<String> {
                py.import("asgi_node.runtime.loop")?
                    .call_method1("run", (&drain, kind))?
                    .extract()
            };
            let reason = run().unwrap_or_else(|raised| {
                let reason = errors::message(&raised);
                raised.write_unraisable(py, None);
                reason
            });
            // Fails the requests that wait for it, and refuses later ones.
            drain.get().fail(py, reason);
        });
    };
    thread::Builder::new()
        .name("asgi-node-loop".into())
        .stack_size(interpreter::STACK)
        .spawn(life)
        .map_err(failed)?;
    Ok(event_loop)
}
