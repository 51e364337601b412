//! Python's part in the end of the process.
//!
//! The interpreter is never finalised (SAFETY.md, 8), but the functions that an application gave to `atexit` run, and its
//! buffers are flushed. The thread that ends the process asks Python's main thread to do that, and waits. The wait is bounded:
//! a thread that keeps the GIL must not keep the process alive. At an orderly end, when all handlers have been closed, their
//! option `exitTimeout` is the bound.
//!
//! From then on no thread runs Python, because one of our threads holds the GIL until the process has ended. `exit()` destroys
//! what Python's extensions need, such as OpenSSL's tables, while their threads go on; without the GIL none of them gets far.
//!
//! - While JavaScript and Node end, Python's main thread holds it.
//! - In `exit()`, before the first destructor, the GIL passes to the thread that runs the destructors. Other waiting threads may
//!   get it first, for the five milliseconds after which Python takes it away from them. Destructors of extensions take the
//!   GIL: the thread that holds it gets it at once, any other would wait for ever.
//! - Python's main thread is then free. It ends the process itself if a destructor hangs nevertheless: a destructor may wait
//!   for a thread that waits for the GIL.
//! - If Python did not answer in time, threads may still run it, so no destructor runs: the process ends as by `_exit`.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use pyo3::prelude::*;

use super::{ffi, fork, main_thread};

/// How long the end of the process waits for Python at most while a handler is open.
const LIMIT: Duration = Duration::from_millis(90);

/// How long the thread in `exit()` waits for the GIL at most: busy threads pass it round among themselves.
const HANDOVER: Duration = Duration::from_secs(1);

/// How long destructors may take at most.
const DESTRUCTORS: Duration = Duration::from_secs(5);

static ENDING: AtomicBool = AtomicBool::new(false);
static MEETING: OnceLock<Arc<Meeting>> = OnceLock::new();

/// Whether the process is about to end: callers that wait for Python should give up.
pub fn is_ending() -> bool {
    ENDING.load(Ordering::Acquire)
}

static OVER: AtomicBool = AtomicBool::new(false);

/// Stops an event loop's thread once Python has run its exit hooks. Such a thread may get the GIL for a moment while the GIL
/// passes from one thread to another.
pub(crate) fn stop_if_over(py: Python<'_>) {
    if OVER.load(Ordering::Relaxed) {
        py.detach(park);
    }
}

fn park() -> ! {
    loop {
        std::thread::park();
    }
}

/// Apps that have not been closed.
static OPEN: AtomicUsize = AtomicUsize::new(0);

/// The longest `exitTimeout` of all handlers so far, in milliseconds.
static PATIENCE: AtomicU64 = AtomicU64::new(0);

/// Makes the end of the process wait this many milliseconds if it is an orderly one.
pub(crate) fn be_patient(milliseconds: u64) {
    PATIENCE.fetch_max(milliseconds, Ordering::AcqRel);
}

/// An open app: while there is one, the end of the process is not an orderly one.
#[derive(Debug)]
pub(crate) struct Open(AtomicBool);

impl Open {
    pub(crate) fn new() -> Self {
        OPEN.fetch_add(1, Ordering::AcqRel);
        Self(AtomicBool::new(true))
    }

    /// Notes that the app has been closed.
    pub(crate) fn close(&self) {
        if self.0.swap(false, Ordering::AcqRel) {
            OPEN.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.close();
    }
}

/// How long the end of the process waits; `None` while a handler is open.
fn patience() -> Option<Duration> {
    let milliseconds = PATIENCE.load(Ordering::Acquire);
    (OPEN.load(Ordering::Acquire) == 0).then(|| Duration::from_millis(milliseconds).max(LIMIT))
}

/// The exit status that JavaScript has announced: for platforms whose libc does not tell it.
static CODE: Mutex<Option<i32>> = Mutex::new(None);

/// Makes Python run its `atexit` functions, once. Called by the thread that ends the process, with the exit status that it is
/// going to end with.
pub fn run_exit_hooks(code: i32) {
    *CODE.lock() = Some(code);
    wait_for_python();
}

fn wait_for_python() {
    if fork::is_child() || ENDING.swap(true, Ordering::AcqRel) {
        return;
    }
    let meeting = Arc::clone(MEETING.get_or_init(Arc::default));
    let orderly = patience();
    let part = Part(Arc::clone(&meeting), orderly.unwrap_or_default());
    main_thread::run(move |py| part.play(py));
    if !meeting.wait(LIMIT)
        && let Some(patience) = orderly
    {
        // JavaScript's signal handlers never run again: a signal that comes now must end the process.
        ffi::default_actions();
        if !meeting.wait(patience.saturating_sub(LIMIT)) {
            let seconds = patience.as_secs_f64();
            eprintln!(
                "asgi-node: Python had not ended its work after {seconds} s (option exitTimeout): the process ends without it"
            );
        }
    }
    meeting.give_up();
    // Registered again, so that it runs before the destructors of all libraries that have been loaded since.
    watch();
}

/// Makes `exit()` call us before the destructors of the libraries that are loaded now. This also covers processes in which no
/// JavaScript calls [`run_exit_hooks`], for example with handlers in workers only.
pub(crate) fn watch() {
    ffi::at_exit(hook);
}

fn hook(status: Option<i32>) {
    drop(std::panic::catch_unwind(|| last(status)));
}

/// Our last step before destructors run.
fn last(status: Option<i32>) {
    static ONCE: AtomicBool = AtomicBool::new(false);
    if fork::is_child() || ONCE.swap(true, Ordering::AcqRel) {
        return;
    }
    wait_for_python();
    let status = status.or(*CODE.lock());
    let Some(meeting) = MEETING.get() else { return };
    match meeting.hand_over(status) {
        Stage::Absent => {}
        Stage::HandedOver => {
            ffi::attach_for_good();
            meeting.enter(Stage::Taken);
        }
        _ => leave(status),
    }
}

/// Ends the process without destructors, if its exit status is known.
fn leave(status: Option<i32>) {
    if let Some(status) = status {
        ffi::leave(status);
    }
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Awaited,
    /// There is no Python.
    Absent,
    /// Python has done its part, and its main thread holds the GIL.
    Over,
    /// The thread in `exit()` wants the GIL.
    HandedOver,
    /// The thread in `exit()` has the GIL.
    Taken,
}

#[derive(Debug, Default)]
struct State {
    stage: Stage,
    /// The time was up: no thread waits for Python any more.
    late: bool,
    /// The exit status.
    status: Option<i32>,
}

#[derive(Debug, Default)]
struct Meeting {
    state: Mutex<State>,
    news: Condvar,
}

impl Meeting {
    /// Waits for Python; false if the time is up.
    fn wait(&self, limit: Duration) -> bool {
        self.wait_while(limit, |stage| stage == Stage::Awaited).stage != Stage::Awaited
    }

    fn wait_while(&self, limit: Duration, pending: impl Fn(Stage) -> bool) -> MutexGuard<'_, State> {
        let deadline = Instant::now().checked_add(limit);
        let mut state = self.state.lock();
        while pending(state.stage) {
            if let Some(deadline) = deadline {
                if self.news.wait_until(&mut state, deadline).timed_out() {
                    break;
                }
            } else {
                self.news.wait(&mut state);
            }
        }
        state
    }

    fn enter(&self, stage: Stage) {
        self.state.lock().stage = stage;
        self.news.notify_all();
    }

    fn give_up(&self) {
        let mut state = self.state.lock();
        state.late = state.stage == Stage::Awaited;
    }

    /// Asks for the GIL if Python's main thread holds it.
    fn hand_over(&self, status: Option<i32>) -> Stage {
        let mut state = self.state.lock();
        state.status = status;
        if state.stage == Stage::Over {
            state.stage = Stage::HandedOver;
            self.news.notify_all();
        }
        state.stage
    }

    /// Python's main thread waits here while another thread runs destructors, and ends the process if they hang.
    fn guard(&self) {
        let taken = self.wait_while(HANDOVER, |stage| stage == Stage::HandedOver).stage == Stage::Taken;
        if taken {
            std::thread::sleep(DESTRUCTORS);
        }
        leave(self.state.lock().status);
    }
}

/// The job of Python's main thread at the end, and how long it may take if the end is an orderly one.
struct Part(Arc<Meeting>, Duration);

impl Part {
    fn play(self, py: Python<'_>) {
        let meeting = Arc::clone(&self.0);
        if !meeting.state.lock().late {
            let run = || {
                py.import("asgi_node.runtime.exit")?
                    .call_method1("run", (self.1.as_secs_f64(),))
            };
            if let Err(raised) = run() {
                raised.write_unraisable(py, None);
            }
        }
        OVER.store(true, Ordering::Relaxed);
        // Waits while holding the GIL, on purpose.
        meeting.enter(Stage::Over);
        drop(meeting.wait_while(Duration::MAX, |stage| stage == Stage::Over));
        py.detach(|| {
            meeting.guard();
            // Reached only if it cannot end the process.
            park()
        });
    }
}

impl Drop for Part {
    /// Covers a part that was never played: Python did not start, or its main thread takes no more jobs.
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        if state.stage == Stage::Awaited {
            state.stage = Stage::Absent;
        }
        drop(state);
        self.0.news.notify_all();
    }
}
