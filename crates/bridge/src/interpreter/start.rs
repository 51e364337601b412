//! Starts Python inside a process that is not python, once, and keeps it (ARCHITECTURE.md, "Starting Python").
//!
//! The thread that starts the interpreter becomes Python's main thread and stays: it starts event loops, and so signal
//! handlers, which only a main thread may set, stay Node's. Every event loop has a thread of its own. All have 16 MiB stacks:
//! Rust's 2 MiB crash on recursion that plain python survives. The interpreter is never finalised.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use asgi_node_core::Error;
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::{exit, ffi};
use crate::application::Application;
use crate::config::Config;
use crate::errors::{self, Traced};
use crate::event_loop::EventLoop;

const STACK: usize = 16 << 20;

/// Jobs that may wait for Python's main thread.
const JOBS: usize = 1024;

/// How to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// The interpreter whose life we lead: a venv's own `bin/python`.
    pub executable: PathBuf,
    /// The library that the loader opened for it.
    pub libpython: PathBuf,
    /// The folder that holds the `asgi_node` package.
    pub package_dir: PathBuf,
    /// Whether extensions are loaded with `RTLD_DEEPBIND`, as libpython was; the loader decided.
    pub deepbind: bool,
    /// Why.
    pub deepbind_reason: String,
    /// `sys.argv`.
    pub argv: Vec<String>,
}

/// What was started, for `PythonHandler.python`.
#[derive(Debug, Clone, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    executable: PathBuf,
    libpython: PathBuf,
    version: String,
    prefix: PathBuf,
    base_prefix: PathBuf,
    venv: Option<PathBuf>,
    deepbind: bool,
    deepbind_reason: String,
    r#loop: String,
    loop_reason: String,
}

type Started = Result<Arc<Facts>, Error>;
type Job = Box<dyn FnOnce(Python<'_>, &mut Loops) + Send>;

enum State {
    Idle,
    Starting(PathBuf, Vec<Box<dyn FnOnce(Started) + Send>>),
    Running(Arc<Facts>, SyncSender<Job>),
    Failed(Error),
}

static STATE: Mutex<State> = Mutex::new(State::Idle);

/// Starts the interpreter unless it runs, then calls `done`, on any thread, once.
pub fn start(options: Options, done: impl FnOnce(Started) + Send + 'static) {
    let mut state = STATE.lock();
    let conflict = |running: &Path| {
        let (running, wanted) = (running.display().to_string(), options.executable.display().to_string());
        (running != wanted).then_some(Error::PythonConflict { running, wanted })
    };
    let settled = match &mut *state {
        State::Idle => {
            *state = State::Starting(options.executable.clone(), vec![Box::new(done)]);
            drop(state);
            let spawned = thread::Builder::new()
                .name("asgi-node-main".into())
                .stack_size(STACK)
                .spawn(|| live(options));
            if let Err(refused) = spawned {
                settle(Err(Error::PythonStartFailed(format!(
                    "no thread for Python: {refused}"
                ))));
            }
            return;
        }
        State::Starting(executable, waiting) => match conflict(executable) {
            Some(error) => Err(error),
            None => return waiting.push(Box::new(done)),
        },
        State::Running(facts, _) => conflict(&facts.executable).map_or_else(|| Ok(Arc::clone(facts)), Err),
        State::Failed(error) => Err(error.clone()),
    };
    drop(state);
    done(settled);
}

/// What runs, if anything does.
pub fn facts() -> Option<Arc<Facts>> {
    match &*STATE.lock() {
        State::Running(facts, _) => Some(Arc::clone(facts)),
        _ => None,
    }
}

/// Gives Python's main thread something to do. Dropped where there is none, or where it has too much to do already.
pub(crate) fn run(work: impl FnOnce(Python<'_>) + Send + 'static) {
    match &mut *STATE.lock() {
        State::Running(_, jobs) => drop(jobs.try_send(Box::new(move |py, _| work(py)))),
        State::Starting(_, waiting) => waiting.push(Box::new(move |started| {
            if started.is_ok() {
                run(work);
            }
        })),
        State::Idle | State::Failed(_) => {}
    }
}

/// Imports an app on its event loop, which is started for it if need be, then calls `done` there, once.
pub fn load(config: Config, done: impl FnOnce(Result<Arc<Application>, Traced>) + Send + 'static) {
    let jobs = match &*STATE.lock() {
        State::Running(_, jobs) => jobs.clone(),
        State::Failed(error) => return done(Err(error.clone().into())),
        _ => return done(Err(Error::PythonStartFailed("Python was not started".into()).into())),
    };
    let done = Arc::new(Mutex::new(Some(done)));
    let waiting = Waiting(Arc::clone(&done));
    let job: Job = Box::new(move |py, loops| match loops.get(py, &config.r#loop) {
        Err(traced) => call_once(&waiting.0, Err(traced)),
        Ok(event_loop) => {
            let own = Arc::clone(&event_loop);
            event_loop.call(move |py, side| {
                Application::load(py, &config, own, side, move |loaded| call_once(&waiting.0, loaded));
            });
        }
    });
    if jobs.try_send(job).is_err() {
        call_once(&done, Err(Error::Overloaded { limit: JOBS }.into()));
    }
}

/// Whoever waits for an app. Dropped with the call that was to load it when the event loop ends before that: then they hear
/// of it, and nobody waits for ever.
struct Waiting<F: FnOnce(Result<Arc<Application>, Traced>)>(Arc<Mutex<Option<F>>>);

impl<F: FnOnce(Result<Arc<Application>, Traced>)> Drop for Waiting<F> {
    fn drop(&mut self) {
        let ended = "the event loop could not be started; the exception that ended it is in the log";
        call_once(&self.0, Err(Error::PythonStartFailed(ended.into()).into()));
    }
}

/// Runs something on Python's main thread, when that is free. Dropped if there is no interpreter.
pub(crate) fn on_main(work: impl FnOnce(Python<'_>) + Send + 'static) {
    if let State::Running(_, jobs) = &*STATE.lock() {
        drop(jobs.try_send(Box::new(|py, _| work(py))));
    }
}

fn call_once<T>(done: &Mutex<Option<impl FnOnce(T)>>, value: T) {
    let taken = done.lock().take();
    if let Some(done) = taken {
        done(value);
    }
}

fn settle(started: Result<(Arc<Facts>, SyncSender<Job>), Error>) {
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

/// The life of Python's main thread.
fn live(options: Options) {
    if let Err(error) = ffi::initialize(&options.executable) {
        return settle(Err(error));
    }
    let booted = Python::attach(|py| {
        boot(py, &options).map_err(|raised| {
            let traceback = errors::traceback(py, &raised);
            Error::PythonStartFailed(format!("asgi_node could not be imported:\n{traceback}"))
        })
    });
    ffi::release();
    let (facts, deepbind) = match booted {
        Ok(facts) => (Arc::new(facts.clone()), facts.deepbind),
        Err(error) => return settle(Err(error)),
    };
    let (sender, jobs) = sync_channel::<Job>(JOBS);
    exit::watch();
    settle(Ok((facts, sender)));
    let mut loops = Loops {
        deepbind,
        running: HashMap::new(),
    };
    for job in jobs {
        Python::attach(|py| job(py, &mut loops));
    }
}

/// Everything between the bare interpreter and the first import of an extension, in this order: the order matters.
fn boot(py: Python<'_>, options: &Options) -> PyResult<Facts> {
    let sys = py.import("sys")?;
    let deepbind = options.deepbind;
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    if deepbind {
        // Before any extension is imported, and .pth files import some: extensions then find their own libssl, libz, libuv
        // rather than the copies that Node exports.
        sys.call_method1("setdlopenflags", (libc::RTLD_NOW | libc::RTLD_DEEPBIND,))?;
    }
    sys.setattr("argv", &options.argv)?;
    restore_site(py, &sys)?;
    register_native(py, &sys)?;
    import_package(py, &options.package_dir)?;
    py.import("asgi_node.runtime.stdio")?.call_method0("install")?;
    py.import("asgi_node.runtime.logs")?.call_method0("install")?;
    let chosen = py
        .import("asgi_node.runtime.loop")?
        .call_method1("choose", ("auto", deepbind))?;
    let (kind, loop_reason): (String, String) = chosen.extract()?;
    let path = |name: &str| -> PyResult<PathBuf> { sys.getattr(name)?.extract() };
    let (prefix, base_prefix) = (path("prefix")?, path("base_prefix")?);
    Ok(Facts {
        executable: options.executable.clone(),
        libpython: options.libpython.clone(),
        version: Python::version_str().split(' ').next().unwrap_or_default().to_owned(),
        venv: (prefix != base_prefix).then(|| prefix.clone()),
        prefix,
        base_prefix,
        deepbind,
        deepbind_reason: options.deepbind_reason.clone(),
        r#loop: kind,
        loop_reason,
    })
}

/// Runs `site`, which was held back until the flags were set, and makes `sys.flags` say so: multiprocessing would hand `-S`
/// to its children.
fn restore_site(py: Python<'_>, sys: &Bound<'_, PyModule>) -> PyResult<()> {
    py.import("site")?.call_method0("main")?;
    let flags = sys.getattr("flags")?;
    let names: Vec<String> = flags.get_type().getattr("__match_args__")?.extract()?;
    if let Some(index) = names.iter().position(|name| name == "no_site") {
        ffi::set_flag(&flags, index, 0);
    }
    Ok(())
}

fn register_native(py: Python<'_>, sys: &Bound<'_, PyModule>) -> PyResult<()> {
    let native = pyo3::wrap_pymodule!(crate::native)(py);
    sys.getattr("modules")?.set_item("asgi_node._native", native)
}

/// Imports `asgi_node` from our own folder, without putting that on `sys.path`.
fn import_package(py: Python<'_>, folder: &Path) -> PyResult<()> {
    let package = folder.join("asgi_node");
    let globals = PyDict::new(py);
    globals.set_item("init", package.join("__init__.py"))?;
    globals.set_item("package", package)?;
    py.run(
        c"import importlib.util, sys
spec = importlib.util.spec_from_file_location('asgi_node', init, submodule_search_locations=[str(package)])
module = importlib.util.module_from_spec(spec)
sys.modules['asgi_node'] = module
spec.loader.exec_module(module)
module._native = sys.modules['asgi_node._native']
",
        Some(&globals),
        None,
    )
}

/// The event loops, by kind: all apps that ask for one kind share a thread.
struct Loops {
    deepbind: bool,
    running: HashMap<String, Arc<EventLoop>>,
}

impl Loops {
    fn get(&mut self, py: Python<'_>, wanted: &str) -> Result<Arc<EventLoop>, Traced> {
        let choose = || -> PyResult<(String, String)> {
            py.import("asgi_node.runtime.loop")?
                .call_method1("choose", (wanted, self.deepbind))?
                .extract()
        };
        let (kind, _) = choose().map_err(|raised| errors::from_python(py, &raised, Error::PythonStartFailed))?;
        if let Some(running) = self.running.get(&kind) {
            return Ok(Arc::clone(running));
        }
        let started = Self::start(&kind)?;
        self.running.insert(kind, Arc::clone(&started));
        Ok(started)
    }

    fn start(kind: &str) -> Result<Arc<EventLoop>, Traced> {
        let failed = |e: std::io::Error| Error::PythonStartFailed(format!("no event loop: {e}"));
        let (event_loop, drain) = EventLoop::new().map_err(failed)?;
        let kind = kind.to_owned();
        let own = Arc::clone(&event_loop);
        let life = move || {
            Python::attach(|py| {
                let run = || {
                    py.import("asgi_node.runtime.loop")?
                        .call_method1("run", (Bound::new(py, drain)?, kind))
                };
                if let Err(raised) = run() {
                    raised.write_unraisable(py, None);
                }
                // What waits for it, and whatever comes, is told.
                own.close();
            });
        };
        thread::Builder::new()
            .name("asgi-node-loop".into())
            .stack_size(STACK)
            .spawn(life)
            .map_err(failed)?;
        Ok(event_loop)
    }
}
