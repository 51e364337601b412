//! Which requests a rule is for.

use std::path::Path;

use crate::error::Invalid;
use crate::existence::exists;
use crate::head::Head;
use crate::pattern::{Pattern, Text};
use crate::spec;

/// What must hold for a request.
#[derive(Debug, Clone)]
pub enum Condition {
    /// The raw path.
    Path(Pattern),
    /// One of the values of this header.
    Header(String, Pattern),
    /// The method.
    Method(Pattern),
    /// The path names a file or a folder that exists.
    Exists,
    /// The path names no file or folder.
    NotExists,
    /// All of these hold; true for an empty list.
    All(Vec<Condition>),
    /// At least one of these holds; false for an empty list.
    Any(Vec<Condition>),
}

impl Condition {
    /// Compiles its patterns.
    pub fn new(spec: &spec::Condition) -> Result<Self, Invalid> {
        let each = |conditions: &[spec::Condition]| conditions.iter().map(Self::new).collect::<Result<Vec<_>, _>>();
        Ok(match spec {
            spec::Condition::Path(pattern) => Self::Path(pattern.compile(Text::Target)?),
            spec::Condition::Header { name, pattern } => {
                Self::Header(spec::header_name(name)?, pattern.compile(Text::Latin1)?)
            }
            spec::Condition::Method(pattern) => Self::Method(pattern.compile(Text::Latin1)?),
            spec::Condition::Exists => Self::Exists,
            spec::Condition::NotExists => Self::NotExists,
            spec::Condition::All(conditions) => Self::All(each(conditions)?),
            spec::Condition::Any(conditions) => Self::Any(each(conditions)?),
        })
    }

    /// Whether it holds for a request. Files are looked for below `docroot`.
    pub fn matches(&self, head: &mut Head<'_>, docroot: &Path) -> bool {
        match self {
            Self::Path(pattern) => pattern.admits(head.path_bytes()) && pattern.is_match(head.path()),
            Self::Header(name, pattern) => head.values(name).any(|value| pattern.is_match(value)),
            Self::Method(pattern) => pattern.is_match(head.method()),
            Self::Exists => exists(docroot, head.path()),
            Self::NotExists => !exists(docroot, head.path()),
            Self::All(conditions) => conditions.iter().all(|condition| condition.matches(head, docroot)),
            Self::Any(conditions) => conditions.iter().any(|condition| condition.matches(head, docroot)),
        }
    }
}
