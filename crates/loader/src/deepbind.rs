//! Whether libpython and Python's extensions find their own libraries rather than Node's.
//!
//! Node exports its OpenSSL, zlib and libuv. Without `RTLD_DEEPBIND` whatever is loaded later binds to those copies: the
//! extensions, and libpython itself where it is linked with zlib (Debian's is).

use crate::ffi;

/// The decision, and the reason that `PythonHandler.python` gives for it.
pub fn choose(wanted: Option<bool>) -> (bool, String) {
    if !cfg!(all(target_os = "linux", target_env = "gnu")) {
        return (false, "only glibc has it".into());
    }
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
