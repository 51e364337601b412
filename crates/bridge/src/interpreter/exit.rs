//! The end of the process, as far as Python takes part in it.
//!
//! The interpreter is never finalised (SAFETY.md, 8), but what an application gave to `atexit` runs, and its buffers are
//! flushed. The thread that ends the process never attaches: it asks Python's main thread, and waits for a bounded time,
//! because a thread that keeps the GIL must not keep the process.
//!
//! Afterwards that thread keeps the GIL for good. `exit()` takes down what Python's extensions stand on, such as OpenSSL's
//! tables, while their threads go on; without the GIL none of them gets far.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use pyo3::prelude::*;

use super::{ffi, fork, main_thread};

/// The longest that the process's end waits for Python.
const LIMIT: Duration = Duration::from_millis(90);

static ENDING: AtomicBool = AtomicBool::new(false);

/// Whether the process is about to end: whoever waits for Python should give up.
pub fn is_ending() -> bool {
    ENDING.load(Ordering::Acquire)
}

/// Has Python run what `atexit` has, once. Called by the thread that ends the process.
pub fn run_exit_hooks() {
    if fork::is_child() || ENDING.swap(true, Ordering::AcqRel) {
        return;
    }
    let meeting = Arc::new(Meeting::default());
    let part = Part(Arc::clone(&meeting));
    let Some(deadline) = Instant::now().checked_add(LIMIT) else {
        return;
    };
    main_thread::run(move |py| part.play(py));
    meeting.wait(deadline);
}

/// Calls [`run_exit_hooks`] from `exit()` also where no JavaScript has done so: handlers in workers only, say. What was registered
/// last is called first, so this is repeated when libraries have been loaded.
pub(crate) fn watch() {
    ffi::at_exit(hook);
}

extern "C" fn hook() {
    drop(std::panic::catch_unwind(run_exit_hooks));
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Awaited,
    Over,
    /// The time is up: the process goes without it.
    Late,
}

#[derive(Debug, Default)]
struct Meeting {
    stage: Mutex<Stage>,
    news: Condvar,
}

impl Meeting {
    fn wait(&self, deadline: Instant) {
        let mut stage = self.stage.lock();
        while *stage == Stage::Awaited {
            if self.news.wait_until(&mut stage, deadline).timed_out() && *stage == Stage::Awaited {
                *stage = Stage::Late;
            }
        }
    }

    fn is_late(&self) -> bool {
        *self.stage.lock() == Stage::Late
    }
}

/// What Python's main thread does of it.
struct Part(Arc<Meeting>);

impl Part {
    fn play(self, py: Python<'_>) {
        if !self.0.is_late() {
            let run = || py.import("asgi_node.runtime.exit")?.call_method0("run");
            if let Err(raised) = run() {
                raised.write_unraisable(py, None);
            }
        }
        drop(self);
        loop {
            thread::park();
        }
    }
}

impl Drop for Part {
    /// Also when it was never played: Python did not start, or its main thread takes no more jobs.
    fn drop(&mut self) {
        *self.0.stage.lock() = Stage::Over;
        self.0.news.notify_one();
    }
}
