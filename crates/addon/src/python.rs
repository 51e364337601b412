//! Starting the interpreter from JavaScript.

use std::path::PathBuf;
use std::sync::mpsc::sync_channel;

use asgi_node_bridge::interpreter::{self, exit};
use asgi_node_core::Error;
use napi::bindgen_prelude::Object;
use napi::{Env, Result};
use napi_derive::napi;

use crate::errors::NativeFailure;
use crate::sync_call::receive;

/// How to start Python.
#[napi(object)]
#[derive(Debug)]
pub struct StartOptions {
    /// The interpreter that this process acts as: a venv's own `bin/python`.
    pub executable: String,
    /// The library that the loader opened for it.
    pub libpython: String,
    /// The folder that holds the Python package `asgi_node`.
    pub package_dir: String,
    /// Whether extensions are loaded with `RTLD_DEEPBIND`: what `open` of the loader said.
    pub deepbind: bool,
    /// Why: what `open` of the loader said.
    pub deepbind_reason: String,
    /// `sys.argv`.
    pub argv: Vec<String>,
}

/// What became of a start: one of the two.
#[napi(object)]
#[derive(Debug, Default)]
pub struct StartOutcome {
    /// The facts of the running interpreter, as JSON.
    pub facts: Option<String>,
    /// Why it does not run.
    pub failure: Option<NativeFailure>,
}

impl From<StartOptions> for interpreter::Options {
    fn from(options: StartOptions) -> Self {
        Self {
            executable: PathBuf::from(options.executable),
            libpython: PathBuf::from(options.libpython),
            package_dir: PathBuf::from(options.package_dir),
            deepbind: options.deepbind,
            deepbind_reason: options.deepbind_reason,
            argv: options.argv,
        }
    }
}

type Started = std::result::Result<std::sync::Arc<interpreter::Facts>, Error>;

fn outcome(started: Started) -> StartOutcome {
    match started {
        Ok(facts) => StartOutcome {
            facts: serde_json::to_string(&*facts).ok(),
            failure: None,
        },
        Err(error) => StartOutcome {
            facts: None,
            failure: Some(error.into()),
        },
    }
}

/// Starts the interpreter unless it runs. The promise never rejects.
#[napi(catch_unwind, ts_return_type = "Promise<StartOutcome>")]
pub fn start_python(env: &Env, options: StartOptions) -> Result<Object<'_>> {
    let (deferred, promise) = env.create_deferred()?;
    asgi_node_bridge::start_python(options.into(), move |started| {
        deferred.resolve(move |_| Ok(outcome(started)));
    });
    Ok(promise)
}

/// The same, blocking until it runs.
#[napi(catch_unwind)]
pub fn start_python_sync(options: StartOptions) -> StartOutcome {
    let (sender, receiver) = sync_channel(1);
    asgi_node_bridge::start_python(options.into(), move |started| drop(sender.send(started)));
    let lost = || Err(Error::PythonStartFailed("the thread of Python ended".into()));
    outcome(receive(&receiver).unwrap_or_else(lost))
}

/// The process ends: Python runs what `atexit` has, and flushes, for a bounded time. It answers nobody afterwards.
/// `code` is what the process ends with.
#[napi(catch_unwind)]
pub fn run_exit_hooks(code: i32) {
    exit::run_exit_hooks(code);
}
