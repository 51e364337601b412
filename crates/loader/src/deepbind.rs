//! Whether libpython and Python's extensions find their own libraries rather than Node's.
//!
//! Node exports its OpenSSL, zlib and libuv. Without `RTLD_DEEPBIND`, everything that is loaded later binds to those copies:
//! Python's extensions, and libpython itself if it is linked with zlib (as on Debian).

#[cfg(all(target_os = "linux", target_env = "gnu"))]
use crate::ffi;

/// The decision, and the reason that `PythonHandler.python` gives for it.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn choose(_: Option<bool>) -> (bool, String) {
    (false, "only glibc has it".into())
}

/// The decision, and the reason that `PythonHandler.python` gives for it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn choose(wanted: Option<bool>) -> (bool, String) {
    if let Some(wanted) = wanted {
        return (wanted, "option deepbind".into());
    }
    match ffi::replaced_allocator() {
        Some(file) => {
            eprintln!("asgi-node: {file} replaces malloc, so Python is loaded without RTLD_DEEPBIND");
            (false, format!("{file} replaces malloc"))
        }
        None => (true, "glibc".into()),
    }
}
