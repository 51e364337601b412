//! The dynamic linker: dlopen, dlsym, dladdr, dlerror.

use std::{
    ffi::{CStr, CString, OsStr, c_void},
    mem::MaybeUninit,
    os::unix::ffi::OsStrExt,
    path::PathBuf,
    ptr::NonNull,
};

/// Opens a library that defines `symbol` (itself, or by one that it needs) and lends its symbols to everything that is
/// loaded later. It stays open as long as the process. False: there is no such symbol, and nothing was left open.
pub fn open_global(path: &CStr, symbol: &CStr) -> Result<bool, String> {
    // Privately first: what turns out to be something else must not have shown its symbols to anybody.
    let handle = dlopen(path, libc::RTLD_NOW | libc::RTLD_LOCAL)?;
    // SAFETY: `handle` came from dlopen just now and is still open; `symbol` is a C string that outlives the call.
    if unsafe { libc::dlsym(handle.as_ptr(), symbol.as_ptr()).is_null() } {
        // SAFETY: `handle` is open, this is its only close, and no address taken from it is kept.
        unsafe { libc::dlclose(handle.as_ptr()) };
        return Ok(false);
    }
    // Opening it once more only turns its symbols global.
    dlopen(path, libc::RTLD_NOW | libc::RTLD_GLOBAL)?;
    Ok(true)
}

/// The file that defines a symbol which the whole process sees, if there is one.
pub fn file_of_global_symbol(symbol: &CStr) -> Option<PathBuf> {
    // SAFETY: RTLD_DEFAULT is always a valid handle, and `symbol` is a C string that outlives the call.
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, symbol.as_ptr()) };
    if address.is_null() {
        return None;
    }
    let mut info = MaybeUninit::<libc::Dl_info>::uninit();
    // SAFETY: `info` is writable and large enough; dladdr accepts any address and reports failure with 0.
    if unsafe { libc::dladdr(address, info.as_mut_ptr()) } == 0 {
        return None;
    }
    // SAFETY: dladdr succeeded, so it has filled the structure in.
    let info = unsafe { info.assume_init() };
    if info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: dladdr's file name is a C string owned by the dynamic linker for as long as the library is open.
    // A library whose symbols are global is never closed by us; the bytes are copied before anything else happens.
    let name = unsafe { CStr::from_ptr(info.dli_fname) };
    Some(PathBuf::from(OsStr::from_bytes(name.to_bytes())))
}

fn dlopen(path: &CStr, flags: i32) -> Result<NonNull<c_void>, String> {
    // SAFETY: `path` is a C string that outlives the call. dlopen runs the library's initialisers: the caller names
    // a libpython, whose initialisers do nothing before Py_Initialize.
    let handle = unsafe { libc::dlopen(path.as_ptr(), flags) };
    NonNull::new(handle).ok_or_else(last_error)
}

/// The text of the last failure on this thread.
fn last_error() -> String {
    // SAFETY: dlerror has no precondition. Its result is null or a C string that is valid until this thread's next
    // call to the dynamic linker; it is copied here and now.
    let text = unsafe {
        let text = libc::dlerror();
        if text.is_null() {
            None
        } else {
            Some(CString::from(CStr::from_ptr(text)))
        }
    };
    text.map_or_else(
        || "unknown reason".to_owned(),
        |text| text.to_string_lossy().into_owned(),
    )
}
