//! Rules as JavaScript writes them down.

use serde::{Deserialize, Serialize};

use crate::error::Invalid;
use crate::pattern::{Pattern, Text};

/// The source and the flags of a `RegExp`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regexp {
    /// What stands between the slashes.
    pub source: String,
    /// What stands behind them.
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
        /// What one of its values matches.
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

/// What is replaced, and by what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Substitution {
    /// What errors call the rule.
    pub rule: String,
    /// What is looked for.
    pub pattern: Regexp,
    /// What stands there then.
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
        /// The header whose value is read instead.
        #[serde(default)]
        from: Option<String>,
        /// What happens to its values.
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
