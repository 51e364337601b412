//! The one libpython of this process.

use std::{
    ffi::CString,
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use crate::{errors::LoadError, ffi};

/// A symbol that every libpython has, and no other library.
const MARK: &std::ffi::CStr = c"Py_InitializeEx";

/// Without it, two workers that start at the same time could both find that no libpython is open yet.
static OPENING: Mutex<()> = Mutex::new(());

pub fn open(path: &str, deepbind: bool) -> Result<(), LoadError> {
    let _opening = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(opened) = opened() {
        return if same_file(&opened, Path::new(path)) {
            Ok(())
        } else {
            Err(LoadError::Conflict {
                opened,
                wanted: path.to_owned(),
            })
        };
    }
    let not_opened = |reason: String| LoadError::NotOpened {
        path: path.to_owned(),
        reason,
    };
    let name = CString::new(path).map_err(|_| not_opened("its name holds a NUL character".to_owned()))?;
    if ffi::open_global(&name, MARK, deepbind).map_err(not_opened)? {
        Ok(())
    } else {
        Err(LoadError::NotPython { path: path.to_owned() })
    }
}

pub fn opened() -> Option<PathBuf> {
    ffi::file_of_global_symbol(MARK)
}

/// libpython3.11.so and libpython3.11.so.1.0 are two names of one file.
fn same_file(one: &Path, other: &Path) -> bool {
    one == other || matches!((fs::canonicalize(one), fs::canonicalize(other)), (Ok(one), Ok(other)) if one == other)
}
