//! The first stage of loading Python: opens libpython so that the whole process sees its symbols.
//!
//! The addon, and every extension module that Python imports later, leave Python's symbols undefined and expect
//! the process to have them. Node cannot provide that: `process.dlopen` accepts Node-API modules only, and closes
//! any other library. So this addon, which needs no Python symbol itself, opens libpython with `RTLD_GLOBAL`.
//! The other addon is required after it.
//!
//! Which libpython is open is not remembered here: we ask the dynamic linker. So the main thread, its workers and even
//! a second copy of this package in the same process agree on the answer. libpython is never closed.
//!
//! This addon needs no Python, so it also compiles the rewriting rules that JavaScript makes, to check and to try them
//! ([`rewriter`]). The rules for a handler's requests run in the other addon. And it takes the masks off WebSocket messages,
//! also in a process whose Python runs in workers.

mod deepbind;
mod errors;
mod ffi;
mod library;
mod rewriter;

use errors::Code;
use napi::bindgen_prelude::Uint8ArraySlice;
use napi_derive::napi;

/// How libpython was opened.
#[napi(object)]
#[derive(Debug)]
pub struct Opened {
    /// Whether it was opened with `RTLD_DEEPBIND`; extensions must be loaded the same way.
    pub deepbind: bool,
    /// Why with or without it.
    pub deepbind_reason: String,
}

/// Opens the libpython at `path` for the whole process. If it is already open, nothing happens.
/// `deepbind` says whether with `RTLD_DEEPBIND`; undefined: where it helps and is safe.
///
/// Throws an `Error` with a `code`: `LIBPYTHON_NOT_FOUND` when the file cannot be opened or is not a libpython
/// (the message holds the dynamic linker's reason), `PYTHON_CONFLICT` when another one is already open.
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

/// Takes the mask off the payload of a WebSocket's frame, in place. `key` is little-endian.
#[napi(catch_unwind)]
pub fn unmask(mut data: Uint8ArraySlice<'_>, key: u32) {
    asgi_node_core::unmask::unmask(ffi::bytes_of(&mut data), key.to_le_bytes());
}
