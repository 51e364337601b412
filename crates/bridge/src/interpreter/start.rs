//! Starts Python inside a process that is not python, once, and keeps it (ARCHITECTURE.md, "Starting Python").
//!
//! The thread that starts the interpreter becomes Python's main thread and stays; it starts the event loops. Only a main thread
//! may set signal handlers, so they stay Node's. Threads that Rust creates to run Python have 16 MiB stacks: Rust's 2 MiB
//! overflow on recursion that plain python survives. The interpreter is never finalised.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;

use asgi_node_core::Error;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::main_thread::{Facts, JOBS, Job, STACK, STATE, Started, State, settle};
use super::{exit, ffi};
use crate::errors;

/// How to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// The interpreter that we act as: a venv's own `bin/python`.
    pub executable: PathBuf,
    /// The library that the loader opened for it.
    pub libpython: PathBuf,
    /// The folder that holds the `asgi_node` package.
    pub package_dir: PathBuf,
    /// Whether extensions are loaded with `RTLD_DEEPBIND`, as libpython was; the loader decided.
    pub deepbind: bool,
    /// Why with or without it.
    pub deepbind_reason: String,
    /// `sys.argv`.
    pub argv: Vec<String>,
}

/// Makes the module `asgi_node._native`.
pub(crate) type Native = fn(Python<'_>) -> Py<PyModule>;

/// Starts the interpreter unless it already runs, with this module in it. Then calls `done` once, on any thread.
pub(crate) fn start(options: Options, native: Native, done: impl FnOnce(Started) + Send + 'static) {
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
                .spawn(move || live(&options, native));
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
        State::Own => Err(Error::PythonStartFailed("this process is a Python already".into())),
    };
    drop(state);
    done(settled);
}

/// What Python's main thread runs, from its start to its end.
fn live(options: &Options, native: Native) {
    if let Err(error) = ffi::initialize(&options.executable) {
        return settle(Err(error));
    }
    let booted = Python::attach(|py| {
        boot(py, options, native).map_err(|raised| {
            let traceback = errors::traceback(py, &raised);
            Error::PythonStartFailed(format!("asgi_node could not be imported:\n{traceback}"))
        })
    });
    ffi::release();
    let facts = match booted {
        Ok(facts) => Arc::new(facts),
        Err(error) => return settle(Err(error)),
    };
    let (sender, jobs) = sync_channel::<Job>(JOBS);
    exit::watch();
    settle(Ok((facts, sender)));
    for job in jobs {
        Python::attach(job);
    }
}

/// All steps between the bare interpreter and the first import of an extension. Their order matters.
fn boot(py: Python<'_>, options: &Options, native: Native) -> PyResult<Facts> {
    let sys = py.import("sys")?;
    let deepbind = options.deepbind;
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    if deepbind {
        // Before any extension is imported (.pth files import some): so extensions find their own libssl, libz, libuv
        // rather than the copies that Node exports.
        sys.call_method1("setdlopenflags", (libc::RTLD_NOW | libc::RTLD_DEEPBIND,))?;
    }
    sys.setattr("argv", &options.argv)?;
    restore_site(py, &sys)?;
    sys.getattr("modules")?.set_item("asgi_node._native", native(py))?;
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

/// Runs `site`, which had to wait until the flags were set, and corrects `sys.flags`: otherwise multiprocessing would pass
/// `-S` to its children.
fn restore_site(py: Python<'_>, sys: &Bound<'_, PyModule>) -> PyResult<()> {
    py.import("site")?.call_method0("main")?;
    let flags = sys.getattr("flags")?;
    let names: Vec<String> = flags.get_type().getattr("__match_args__")?.extract()?;
    if let Some(index) = names.iter().position(|name| name == "no_site") {
        ffi::set_flag(&flags, index, 0);
    }
    Ok(())
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
