//! Whether a path names a file or a folder below the docroot.

use std::path::Path;

use asgi_node_core::target::percent_decode;

/// A longer path cannot be opened (Linux, `PATH_MAX`).
const LONGEST: usize = 4096;

/// Whether the path names a file or a folder. The path is percent-decoded once. `.` and `..` are resolved as in a URL, before
/// the file system is asked. Anything outside of `docroot` counts as missing, also behind a symbolic link.
///
/// ```
/// use std::path::Path;
/// use asgi_node_rewriter::exists;
///
/// let docroot = Path::new(env!("CARGO_MANIFEST_DIR"));
/// assert!(exists(docroot, b"/Cargo.toml") && exists(docroot, b"/src/") && exists(docroot, b"/s%72c/lib.rs"));
/// assert!(!exists(docroot, b"/../core/Cargo.toml") && !exists(docroot, b"//etc/passwd"));
/// ```
pub fn exists(docroot: &Path, raw_path: &[u8]) -> bool {
    let decoded = percent_decode(raw_path);
    let Ok(path) = std::str::from_utf8(&decoded) else {
        return false;
    };
    if path.len() > LONGEST || path.contains('\0') {
        return false;
    }
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if parts.pop().is_none() {
                    return false;
                }
            }
            part => parts.push(part),
        }
    }
    let wants_folder = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
    // Both are resolved for each request: the docroot may be a symbolic link that a deployment changes.
    let Ok(root) = docroot.canonicalize() else {
        return false;
    };
    let found = root.join(parts.join("/")).canonicalize();
    found.is_ok_and(|found| found.starts_with(&root) && (!wants_folder || found.is_dir()))
}
