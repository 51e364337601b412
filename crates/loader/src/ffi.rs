//! The dynamic linker: dlopen, dlsym, dladdr, dlerror.

use std::{
    ffi::{CStr, CString, OsStr, c_void},
    mem::MaybeUninit,
    os::unix::ffi::OsStrExt,
    path::PathBuf,
    ptr::NonNull,
};

/// Only glibc has it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const DEEPBIND: libc::c_int = libc::RTLD_DEEPBIND;
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
const DEEPBIND: libc::c_int = 0;

/// Opens a library that defines `symbol` (itself, or by one that it needs) and lends its symbols to everything that is
/// loaded later. It stays open as long as the process. False: there is no such symbol, and nothing was left open.
pub fn open_global(path: &CStr, symbol: &CStr, deepbind: bool) -> Result<bool, String> {
    let binding = if deepbind { DEEPBIND } else { 0 };
    // Privately first: what turns out to be something else must not have shown its symbols to anybody.
    let handle = dlopen(path, libc::RTLD_NOW | libc::RTLD_LOCAL | binding)?;
    // SAFETY: `handle` came from dlopen just now and is still open; `symbol` is a C string that outlives the call.
    if unsafe { libc::dlsym(handle.as_ptr(), symbol.as_ptr()).is_null() } {
        // SAFETY: `handle` is open, this is its only close, and no address taken from it is kept.
        unsafe { libc::dlclose(handle.as_ptr()) };
        return Ok(false);
    }
    // Opening it once more only turns its symbols global.
    dlopen(path, libc::RTLD_NOW | libc::RTLD_GLOBAL | binding)?;
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

#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub use allocator::replaced_allocator;

/// The allocator of this process: asked only where `RTLD_DEEPBIND` exists.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod allocator {
    use std::{
        ffi::{CStr, CString, c_void},
        mem::MaybeUninit,
    };

    /// A library other than libc that defines `malloc` and comes before it: a preloaded allocator, which is no friend of
    /// `RTLD_DEEPBIND` (what one of the two allocates, the other would free).
    pub fn replaced_allocator() -> Option<String> {
        let mut before_libc: Vec<CString> = Vec::new();
        // SAFETY: the callback runs before this returns, on this thread, and gets back the reference that it was given.
        unsafe { libc::dl_iterate_phdr(Some(name_of), (&raw mut before_libc).cast()) };
        // Only now: the linker's lock is held over the callback, and dlopen would wait for another of its locks, which a
        // thread that imports an extension (another handler has started Python already) holds while it waits for the first.
        let found = before_libc.into_iter().find(|name| defines_malloc(name))?;
        Some(found.to_string_lossy().into_owned())
    }

    /// Takes the name of one loaded object, in the order in which symbols are looked up; 1 ends the search.
    unsafe extern "C" fn name_of(object: *mut libc::dl_phdr_info, _: usize, names: *mut c_void) -> libc::c_int {
        // SAFETY: the linker gives a valid object, whose name is a C string.
        let name = unsafe { CStr::from_ptr((*object).dlpi_name) };
        let text = name.to_string_lossy();
        let file = text.rsplit('/').next().unwrap_or_default();
        if file.starts_with("libc.") || file.starts_with("libc-") {
            return 1;
        }
        if !file.is_empty() && !file.starts_with("linux-vdso") {
            // SAFETY: this is the vector that `replaced_allocator` gave, and nobody else has it meanwhile.
            unsafe { (*names.cast::<Vec<CString>>()).push(name.to_owned()) };
        }
        0
    }

    /// Whether this library, which is loaded, defines `malloc` itself.
    fn defines_malloc(name: &CStr) -> bool {
        // SAFETY: dlopen with RTLD_NOLOAD only counts a reference, which dlclose gives back; dladdr fills `info` when it
        // returns non-zero, with a name that is valid as long as that reference.
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
