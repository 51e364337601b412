//! Core errors as JavaScript sees them. The npm package makes `PythonError`s of them.

use std::borrow::Cow;

use asgi_node_core::text::{LONGEST_MESSAGE, LONGEST_TRACEBACK, shortened};
use asgi_node_core::{Error, Traced};
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
            message: shortened(&error.to_string(), LONGEST_MESSAGE).into_owned(),
            traceback: shortened(&traceback, LONGEST_TRACEBACK).into_owned(),
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
    let message = error.to_string();
    let texts = [
        Cow::Borrowed(error.code()),
        shortened(&message, LONGEST_MESSAGE),
        shortened(traceback, LONGEST_TRACEBACK),
    ];
    texts.map(|text| text.replace('\0', "\u{fffd}")).join("\0").into_bytes()
}
