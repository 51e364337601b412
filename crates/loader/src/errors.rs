//! The errors of loading libpython and of compiling rules, and how they look in JavaScript.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The dynamic linker refused the file. Becomes a JS `Error` with the code `LIBPYTHON_NOT_FOUND`.
    #[error("cannot open the Python library {path}: {reason}")]
    NotOpened { path: String, reason: String },

    /// The file is a shared library, but not Python's. Becomes a JS `Error` with the code `LIBPYTHON_NOT_FOUND`.
    #[error("{path} is not a Python library: it has no symbol Py_InitializeEx")]
    NotPython { path: String },

    /// One process holds one interpreter. Becomes a JS `Error` with the code `PYTHON_CONFLICT`.
    #[error(
        "cannot open the Python library {wanted}: this process already uses {} and can hold only one Python; \
         let every handler use the same one, or run the other in its own process",
        opened.display()
    )]
    Conflict { opened: PathBuf, wanted: String },
}

/// The `code` property of the JavaScript error.
#[derive(Debug, Clone, Copy)]
pub enum Code {
    LibpythonNotFound,
    PythonConflict,
    InvalidRule,
    RewriteFailed,
}

impl LoadError {
    pub fn code(&self) -> Code {
        match self {
            Self::NotOpened { .. } | Self::NotPython { .. } => Code::LibpythonNotFound,
            Self::Conflict { .. } => Code::PythonConflict,
        }
    }
}

impl AsRef<str> for Code {
    fn as_ref(&self) -> &str {
        match self {
            Self::LibpythonNotFound => "LIBPYTHON_NOT_FOUND",
            Self::PythonConflict => "PYTHON_CONFLICT",
            Self::InvalidRule => "INVALID_RULE",
            Self::RewriteFailed => "REWRITE_FAILED",
        }
    }
}

impl From<LoadError> for napi::Error<Code> {
    fn from(error: LoadError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}
