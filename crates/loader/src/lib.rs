//! The first stage of loading Python: open libpython so that everybody in the process sees its symbols.
//!
//! The addon, and every extension module that Python imports later, leave Python's symbols undefined and expect
//! the process to have them. Node cannot provide that: `process.dlopen` accepts Node-API modules only, and closes
//! whatever else it is given. So this addon, which needs no Python symbol itself, opens the library with
//! `RTLD_GLOBAL`, and the other one is required after it.
//!
//! What is open is asked of the dynamic linker and not remembered here: the main thread, its workers and even a
//! second copy of this package in the same process then agree on the answer. libpython is never closed.
//!
//! Because it needs no Python, it is also where the rules of request rewriting are compiled that JavaScript makes, to be checked and
//! tried ([`rewriter`]); those of a handler's requests run in the other addon.

mod deepbind;
mod errors;
mod ffi;
mod library;
mod rewriter;

use errors::Code;
use napi_derive::napi;

/// How libpython was opened.
#[napi(object)]
#[derive(Debug)]
pub struct Opened {
    /// Whether with `RTLD_DEEPBIND`; extensions must be loaded the same way.
    pub deepbind: bool,
    /// Why.
    pub deepbind_reason: String,
}

/// Opens the libpython at `path` for the whole process. Opening the one that is open already does nothing.
/// `deepbind` decides; undefined: where it helps and is safe.
///
/// Throws an `Error` with a `code`: `LIBPYTHON_NOT_FOUND` when the file cannot be opened or is not a libpython
/// (the message holds the dynamic linker's reason), `PYTHON_CONFLICT` when another one is open already.
#[napi(catch_unwind)]
#[allow(clippy::needless_pass_by_value, reason = "Node-API hands over an owned string")]
pub fn open(path: String, deepbind: Option<bool>) -> napi::Result<Opened, Code> {
    let (deepbind, deepbind_reason) = deepbind::choose(deepbind);
    library::open(&path, deepbind)?;
    Ok(Opened {
        deepbind,
        deepbind_reason,
    })
}

/// The path of the libpython that is open in this process, whichever thread opened it, or null.
#[napi(catch_unwind)]
pub fn opened() -> Option<String> {
    library::opened().map(|path| path.to_string_lossy().into_owned())
}
