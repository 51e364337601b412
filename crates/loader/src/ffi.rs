//! The dynamic linker: dlopen, dlsym, dladdr, dlerror. And the bytes of an array of JavaScript.

use std::{
    ffi::{CStr, CString, OsStr, c_void},
    mem::MaybeUninit,
    os::unix::ffi::OsStrExt,
    path::PathBuf,
    ptr::NonNull,
};

use napi::bindgen_prelude::Uint8ArraySlice;

/// Only glibc has it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const DEEPBIND: libc::c_int = libc::RTLD_DEEPBIND;
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
const DEEPBIND: libc::c_int = 0;

/// The bytes of an array, to be changed.
pub fn bytes_of<'a>(array: &'a mut Uint8ArraySlice<'_>) -> &'a mut [u8] {
    // SAFETY: the array is an argument of the call that is under way, on its thread: JavaScript does not run meanwhile.
    unsafe { array.as_mut() }
}

/// Opens a library that defines `symbol` (in itself or in a dependency) and makes its symbols visible to everything that is
/// loaded later. It stays open until the process ends. Returns false if there is no such symbol; nothing is left open then.
pub fn open_global(path: &CStr, symbol: &CStr, deepbind: bool) -> Result<bool, String> {
    let binding = if deepbind { DEEPBIND } else { 0 };
    // With private symbols first: if this is another library, nothing must have seen its symbols.
    let handle = dlopen(path, libc::RTLD_NOW | libc::RTLD_LOCAL | binding)?;
    // SAFETY: dlopen has just returned `handle`, and it is still open; `symbol` is a C string that outlives the call.
    if unsafe { libc::dlsym(handle.as_ptr(), symbol.as_ptr()).is_null() } {
        // SAFETY: `handle` is open, this is its only close, and no address taken from it is kept.
        unsafe { libc::dlclose(handle.as_ptr()) };
        return Ok(false);
    }
    // Opening it again only makes its symbols global.
    dlopen(path, libc::RTLD_NOW | libc::RTLD_GLOBAL | binding)?;
    Ok(true)
}

/// The file that defines this global symbol, if there is one.
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

#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub use allocator::replaced_allocator;

/// The allocator of this process: asked only where `RTLD_DEEPBIND` exists.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod allocator {
    use std::{
        ffi::{CStr, CString, c_void},
        mem::MaybeUninit,
    };

    /// A library other than libc that defines `malloc` and comes before libc: a preloaded allocator. It does not work with
    /// `RTLD_DEEPBIND`: one allocator would free what the other has allocated.
    pub fn replaced_allocator() -> Option<String> {
        let mut before_libc: Vec<CString> = Vec::new();
        // SAFETY: the callback runs before this returns, on this thread, and gets back the reference that it was given.
        unsafe { libc::dl_iterate_phdr(Some(name_of), (&raw mut before_libc).cast()) };
        // Only after the callback: the linker holds a lock while it runs, and dlopen waits for a second lock. A thread that
        // imports an extension (for a handler that is already open) holds the second and waits for the first: a deadlock.
        let found = before_libc.into_iter().find(|name| defines_malloc(name))?;
        Some(found.to_string_lossy().into_owned())
    }

    /// Called with each loaded object, in the order of symbol lookup, and notes its name; returns 1 to end the search.
    unsafe extern "C" fn name_of(object: *mut libc::dl_phdr_info, _: usize, names: *mut c_void) -> libc::c_int {
        // SAFETY: the linker gives a valid object, whose name is a C string.
        let name = unsafe { CStr::from_ptr((*object).dlpi_name) };
        let text = name.to_string_lossy();
        let file = text.rsplit('/').next().unwrap_or_default();
        if file.starts_with("libc.") || file.starts_with("libc-") {
            return 1;
        }
        if !file.is_empty() && !file.starts_with("linux-vdso") {
            // SAFETY: this is the vector that `replaced_allocator` passed, and nothing else uses it during the callback.
            unsafe { (*names.cast::<Vec<CString>>()).push(name.to_owned()) };
        }
        0
    }

    /// Whether this loaded library defines `malloc` itself.
    fn defines_malloc(name: &CStr) -> bool {
        // SAFETY: dlopen with RTLD_NOLOAD only takes a reference, which dlclose gives back. When dladdr returns non-zero,
        // it has filled `info`, with a name that is valid while we hold that reference.
        unsafe {
            let handle = libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_NOLOAD);
            if handle.is_null() {
                return false;
            }
            let malloc = libc::dlsym(handle, c"malloc".as_ptr());
            let mut info = MaybeUninit::<libc::Dl_info>::uninit();
            let own = !malloc.is_null()
                && libc::dladdr(malloc, info.as_mut_ptr()) != 0
                && CStr::from_ptr(info.assume_init().dli_fname) == name;
            libc::dlclose(handle);
            own
        }
    }
}
