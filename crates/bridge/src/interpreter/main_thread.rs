//! Python's main thread, for other threads: whether it exists, which interpreter it runs, and how to give it a job.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use asgi_node_core::Error;
use parking_lot::Mutex;
use pyo3::prelude::*;

/// Jobs that may wait for Python's main thread.
pub(super) const JOBS: usize = 1024;

/// The interpreter that was started, for `PythonHandler.python`.
#[derive(Debug, Clone, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    pub(super) executable: PathBuf,
    pub(super) libpython: PathBuf,
    pub(super) version: String,
    pub(super) prefix: PathBuf,
    pub(super) base_prefix: PathBuf,
    pub(super) venv: Option<PathBuf>,
    pub(super) deepbind: bool,
    pub(super) deepbind_reason: String,
    pub(super) r#loop: String,
    pub(super) loop_reason: String,
}

pub(super) type Started = Result<Arc<Facts>, Error>;
pub(super) type Job = Box<dyn FnOnce(Python<'_>) + Send>;

/// The bytes of the stack of a thread that runs Python. With 2 MiB, the default of Rust, recursion that plain Python survives
/// crashes the process.
pub(crate) const STACK: usize = 16 << 20;

/// What is known of it.
pub(super) enum State {
    Idle,
    Starting(PathBuf, Vec<Box<dyn FnOnce(Started) + Send>>),
    Running(Arc<Facts>, SyncSender<Job>),
    Failed(Error),
    /// This process is Python's own.
    Own,
}

/// This process is Python's own: whoever wants something of it gets a thread.
pub(crate) fn note_own() {
    *STATE.lock() = State::Own;
}

fn on_a_thread(job: Job) -> Result<(), Error> {
    let thread = std::thread::Builder::new()
        .name("asgi-node-job".into())
        .stack_size(STACK);
    let refused = |error: std::io::Error| Error::PythonStartFailed(format!("no thread for Python: {error}"));
    thread.spawn(move || Python::attach(job)).map(drop).map_err(refused)
}

pub(super) static STATE: Mutex<State> = Mutex::new(State::Idle);

/// The interpreter that runs, if any.
fn facts() -> Option<Arc<Facts>> {
    match &*STATE.lock() {
        State::Running(facts, _) => Some(Arc::clone(facts)),
        _ => None,
    }
}

/// Gives Python's main thread a job. The job is dropped if the thread does not exist, or has too many jobs already.
pub(crate) fn run(work: impl FnOnce(Python<'_>) + Send + 'static) {
    match &mut *STATE.lock() {
        State::Running(_, jobs) => drop(jobs.try_send(Box::new(work))),
        State::Starting(_, waiting) => waiting.push(Box::new(move |started| {
            if started.is_ok() {
                run(work);
            }
        })),
        State::Own => drop(on_a_thread(Box::new(work))),
        State::Idle | State::Failed(_) => {}
    }
}

/// Gives Python's main thread a job, now; refuses if the thread does not exist, or has too many jobs already.
pub(crate) fn try_run(work: impl FnOnce(Python<'_>) + Send + 'static) -> Result<(), Error> {
    let jobs = match &*STATE.lock() {
        State::Running(_, jobs) => jobs.clone(),
        State::Failed(error) => return Err(error.clone()),
        State::Own => return on_a_thread(Box::new(work)),
        _ => return Err(Error::PythonStartFailed("Python was not started".into())),
    };
    jobs.try_send(Box::new(work))
        .map_err(|_| Error::Overloaded { limit: JOBS })
}

/// Whether the interpreter that runs loads extensions with `RTLD_DEEPBIND`.
pub(crate) fn deepbind() -> bool {
    facts().is_some_and(|facts| facts.deepbind)
}

/// The start is over: tells all who wait for it.
pub(super) fn settle(started: Result<(Arc<Facts>, SyncSender<Job>), Error>) {
    let (next, outcome) = match started {
        Ok((facts, jobs)) => (State::Running(Arc::clone(&facts), jobs), Ok(facts)),
        Err(error) => (State::Failed(error.clone()), Err(error)),
    };
    let before = std::mem::replace(&mut *STATE.lock(), next);
    if let State::Starting(_, waiting) = before {
        for done in waiting {
            done(outcome.clone());
        }
    }
}
