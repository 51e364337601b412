//! Rules outside of a handler: they are checked when they are made, and can be tried, before Python is started.

use std::path::Path;

use asgi_node_core::Error;
use asgi_node_rewriter::{Condition, Head, Invalid, Rewriter, spec};
use napi::JsString;
use napi_derive::napi;

use crate::errors::Code;

/// A compiled condition.
#[napi]
#[allow(missing_debug_implementations, reason = "only JavaScript holds it")]
pub struct NativeCondition(Condition);

#[napi]
impl NativeCondition {
    /// `spec` is JSON. Throws an `Error` with the code `INVALID_RULE`.
    #[napi(constructor, catch_unwind)]
    pub fn new(spec: String) -> napi::Result<Self, Code> {
        let spec: spec::Condition = parsed(&spec)?;
        Ok(Self(Condition::new(&spec).map_err(invalid)?))
    }

    /// Whether the condition holds for a flat head.
    #[napi(catch_unwind)]
    pub fn matches(&self, head: JsString<'_>, docroot: String) -> napi::Result<bool> {
        let head = head.into_latin1()?;
        let mut head = Head::new(head.as_slice(), false);
        Ok(self.0.matches(&mut head, Path::new(&docroot)))
    }
}

/// A compiled rewriter.
#[napi]
#[allow(missing_debug_implementations, reason = "only JavaScript holds it")]
pub struct NativeRewriter(Rewriter);

#[napi]
impl NativeRewriter {
    /// `spec` is JSON. Throws an `Error` with the code `INVALID_RULE`.
    #[napi(constructor, catch_unwind)]
    pub fn new(spec: String) -> napi::Result<Self, Code> {
        let spec: spec::Rewriter = parsed(&spec)?;
        Ok(Self(Rewriter::new(&spec).map_err(invalid)?))
    }

    /// The rewritten flat head; null if nothing has changed. Throws an `Error` with the code `REWRITE_FAILED`.
    #[napi(catch_unwind)]
    pub fn rewrite(
        &self,
        head: JsString<'_>,
        is_websocket: bool,
        docroot: String,
    ) -> napi::Result<Option<String>, Code> {
        let unreadable = |error: napi::Error| napi::Error::new(Code::InvalidRule, error.reason.clone());
        let head = head.into_latin1().map_err(unreadable)?;
        let rewritten = self
            .0
            .apply(head.as_slice(), is_websocket, Path::new(&docroot))
            .map_err(failed)?;
        Ok(rewritten.map(|flat| flat.into_iter().map(char::from).collect()))
    }
}

fn parsed<T: serde::de::DeserializeOwned>(spec: &str) -> napi::Result<T, Code> {
    serde_json::from_str(spec).map_err(|error| napi::Error::new(Code::InvalidRule, error.to_string()))
}

fn invalid(error: Invalid) -> napi::Error<Code> {
    napi::Error::new(Code::InvalidRule, error.to_string())
}

fn failed(error: Error) -> napi::Error<Code> {
    napi::Error::new(Code::RewriteFailed, error.to_string())
}
