//! Rules in the form in which JavaScript passes them.

use serde::{Deserialize, Serialize};

use crate::error::Invalid;
use crate::pattern::{Pattern, Text};

/// The source and the flags of a `RegExp`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regexp {
    /// The text between the slashes.
    pub source: String,
    /// The letters after them.
    #[serde(default)]
    pub flags: String,
}

impl Regexp {
    pub(crate) fn compile(&self, text: Text) -> Result<Pattern, Invalid> {
        Pattern::new(&self.source, &self.flags, text)
    }
}

/// A [`crate::Condition`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Condition {
    /// See [`crate::Condition::Path`].
    Path(Regexp),
    /// See [`crate::Condition::Header`].
    Header {
        /// Case does not matter.
        name: String,
        /// The pattern that one of its values must match.
        pattern: Regexp,
    },
    /// See [`crate::Condition::Method`].
    Method(Regexp),
    /// See [`crate::Condition::Exists`].
    Exists,
    /// See [`crate::Condition::NotExists`].
    NotExists,
    /// See [`crate::Condition::All`].
    All(Vec<Condition>),
    /// See [`crate::Condition::Any`].
    Any(Vec<Condition>),
}

/// A pattern and its replacement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Substitution {
    /// The name of the rule in errors.
    pub rule: String,
    /// The text to look for.
    pub pattern: Regexp,
    /// The text to put there.
    pub replacement: String,
}

/// A [`crate::Rewriter`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Rewriter {
    /// See [`crate::Rewriter::Path`].
    Path(Substitution),
    /// See [`crate::Rewriter::Href`].
    Href(Substitution),
    /// See [`crate::Rewriter::Header`].
    Header {
        /// Case does not matter.
        name: String,
        /// The other header whose value is read, if not its own.
        #[serde(default)]
        from: Option<String>,
        /// The pattern and replacement for its values.
        value: Substitution,
    },
    /// See [`crate::Rewriter::Method`].
    Method(String),
    /// See [`crate::Rewriter::Sequence`].
    Sequence(Vec<Rewriter>),
    /// See [`crate::Rewriter::When`].
    When(Condition, Box<Rewriter>),
}

/// A header's name in lower case, if it is one (RFC 9110, 5.1).
pub(crate) fn header_name(name: &str) -> Result<String, Invalid> {
    if is_token(name) {
        Ok(name.to_ascii_lowercase())
    } else {
        Err(Invalid::HeaderName(name.into()))
    }
}

/// RFC 9110, 5.6.2.
pub(crate) fn is_token(text: &str) -> bool {
    let is_one = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_one)
}
