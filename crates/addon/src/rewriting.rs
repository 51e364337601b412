//! The rules of a handler, applied to each flat head on its way into Python.

use std::path::PathBuf;

use asgi_node_core::{Config, Error, Submission};
use asgi_node_rewriter::{Rewriter, spec};

/// The rules, and where the files are that they ask for.
pub(crate) struct Rewriting {
    rewriter: Rewriter,
    docroot: PathBuf,
}

impl Rewriting {
    /// `rules` is JSON, and has been checked by JavaScript.
    pub(crate) fn new(rules: &str, config: &Config) -> napi::Result<Self> {
        let malformed = |error: String| napi::Error::new(napi::Status::InvalidArg, format!("malformed rules: {error}"));
        let spec: spec::Rewriter = serde_json::from_str(rules).map_err(|error| malformed(error.to_string()))?;
        Ok(Self {
            rewriter: Rewriter::new(&spec).map_err(|error| malformed(error.to_string()))?,
            docroot: PathBuf::from(&config.docroot),
        })
    }

    pub(crate) fn apply(&self, submission: &mut Submission) -> Result<(), Error> {
        let Submission { head, is_websocket, .. } = submission;
        if let Some(rewritten) = self.rewriter.apply(head, *is_websocket, &self.docroot)? {
            *head = rewritten;
        }
        Ok(())
    }
}
