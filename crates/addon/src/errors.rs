//! Core errors as JavaScript sees them. The npm package makes `PythonError`s of them.

use asgi_node_bridge::errors::Traced;
use asgi_node_core::Error;
use napi_derive::napi;

/// Why something failed: what a `PythonError` is made of.
#[napi(object)]
#[derive(Debug)]
pub struct NativeFailure {
    /// One of the stable codes.
    pub code: String,
    /// What was wrong, where, and what to do.
    pub message: String,
    /// The Python traceback; empty when no Python exception was the reason.
    pub traceback: String,
}

impl From<Traced> for NativeFailure {
    fn from(Traced { error, traceback }: Traced) -> Self {
        Self {
            code: error.code().to_owned(),
            message: error.to_string(),
            traceback,
        }
    }
}

impl From<Error> for NativeFailure {
    fn from(error: Error) -> Self {
        Traced::from(error).into()
    }
}

/// `code\0message\0traceback`, the form in which a failed request's reason is delivered.
pub(crate) fn flat(error: &Error, traceback: &str) -> Vec<u8> {
    [error.code(), &error.to_string(), traceback]
        .map(|text| text.replace('\0', "\u{fffd}"))
        .join("\0")
        .into_bytes()
}
