//! A regular expression of ECMAScript, matched in linear time.
//!
//! [`parser`] reads the source into a tree ([`node`]) whose leaves are sets of bytes ([`set`]). The tree is written as a pattern
//! of the `regex` crate. [`nesting`] refuses the two constructs that behave differently in ECMAScript and in automata.
//! [`prefilter`] rules out most texts that do not match by the bytes that occur in them, in any order.

mod class;
mod nesting;
mod node;
mod parser;
mod prefilter;
mod set;

use std::ops::Range;

use regex::bytes::{CaptureLocations, Regex, RegexBuilder};

use self::prefilter::Prefilter;
use crate::error::Invalid;

pub(crate) use self::set::ByteSet;

/// The largest automaton that a pattern may have, in bytes. When its states cannot be cached, each byte of a text costs as
/// many steps as there are states.
const SIZE: usize = 64 << 10;

/// The kind of text that a pattern matches against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text {
    /// A path or an href: visible ASCII, everything else percent-encoded. Patterns are encoded alike: `é` stands for `%C3%A9`.
    Target,
    /// A method, or the value of a header: one latin-1 character per byte.
    Latin1,
}

/// A compiled pattern.
///
/// ```
/// use asgi_node_rewriter::{Pattern, Text};
///
/// let pattern = Pattern::new(r"^\/users\/(?<id>\d+)$", "i", Text::Target)?;
/// assert!(pattern.is_match(b"/Users/7"));
/// assert!(!pattern.is_match(b"/users/x"));
/// // A pattern for which backtracking engines need minutes is as fast as any other.
/// assert!(!Pattern::new("(a+)+$", "", Text::Target)?.is_match(&[b"a".repeat(65_536), b"!".to_vec()].concat()));
/// // A pattern that cannot be matched in linear time is refused.
/// let refused = Pattern::new("^/(?!admin)", "", Text::Target).unwrap_err();
/// assert!(refused.to_string().starts_with("a look-ahead cannot be matched in linear time"));
/// # Ok::<(), asgi_node_rewriter::Invalid>(())
/// ```
#[derive(Debug, Clone)]
pub struct Pattern {
    regex: Regex,
    prefilter: Prefilter,
    text: Text,
    global: bool,
    names: Vec<(String, usize)>,
    /// Groups that ECMAScript may clear in a later iteration.
    stale: Vec<usize>,
}

impl Pattern {
    /// Compiles the `source` and `flags` of a `RegExp`.
    pub fn new(source: &str, flags: &str, text: Text) -> Result<Self, Invalid> {
        if let Some(flag) = flags.chars().find(|flag| !"dgimsu".contains(*flag)) {
            return Err(Invalid::Flag(flag));
        }
        let parsed = parser::parse(source, flags, text)?;
        nesting::check(&parsed.node)?;
        if flags.contains('g') {
            nesting::check_global(&parsed.node)?;
        }
        let mut translated = String::new();
        parsed.node.write(&mut translated);
        let regex = RegexBuilder::new(&translated)
            .unicode(false)
            .size_limit(SIZE)
            .build()
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => Invalid::TooLarge,
                other => Invalid::Syntax(other.to_string()),
            })?;
        Ok(Self {
            regex,
            prefilter: Prefilter::new(&parsed.node),
            text,
            global: flags.contains('g'),
            names: parsed.names,
            stale: nesting::stale_groups(&parsed.node),
        })
    }

    /// Whether it matches anywhere.
    pub fn is_match(&self, subject: &[u8]) -> bool {
        self.regex.is_match(subject)
    }

    /// Whether a text with these bytes may match: a cheap test for callers that know the bytes.
    pub(crate) fn admits(&self, bytes: ByteSet) -> bool {
        self.prefilter.admits(bytes)
    }

    /// Calls back for the first match, or with the flag `g` for all of them; tells whether there was one. In linear time:
    /// [`nesting::check_global`] bounds what a search reads behind its match.
    pub(crate) fn each_match<E>(
        &self,
        subject: &[u8],
        with_groups: bool,
        mut each: impl FnMut(&Found<'_>) -> Result<(), E>,
    ) -> Result<bool, E> {
        let mut locations = with_groups.then(|| self.regex.capture_locations());
        let mut matched = false;
        let mut at = 0;
        while at <= subject.len() {
            let next = match &mut locations {
                Some(locations) => self.regex.captures_read_at(locations, subject, at),
                None => self.regex.find_at(subject, at),
            };
            let Some(whole) = next.map(|found| found.range()) else {
                break;
            };
            matched = true;
            // After an empty match ECMAScript goes on one character later; after any other, at its end.
            at = whole.end + usize::from(whole.is_empty());
            let locations = locations.as_ref();
            each(&Found { whole, locations })?;
            if !self.global {
                break;
            }
        }
        Ok(matched)
    }

    pub(crate) fn text(&self) -> Text {
        self.text
    }

    /// How many groups it has.
    pub(crate) fn groups(&self) -> usize {
        self.regex.captures_len() - 1
    }

    pub(crate) fn has_names(&self) -> bool {
        !self.names.is_empty()
    }

    /// The groups of this name: alternatives may share one.
    pub(crate) fn named(&self, name: &str) -> Vec<usize> {
        let same = self.names.iter().filter(|(other, _)| other == name);
        same.map(|&(_, group)| group).collect()
    }

    /// Refuses a reference to a group that may hold a different text here than in ECMAScript.
    pub(crate) fn check_reference(&self, groups: &[usize]) -> Result<(), Invalid> {
        let Some(stale) = groups.iter().find(|group| self.stale.contains(group)) else {
            return Ok(());
        };
        let name = self.names.iter().find(|(_, group)| group == stale);
        Err(Invalid::StaleGroup(
            name.map_or(stale.to_string(), |(name, _)| format!("<{name}>")),
        ))
    }
}

/// One match.
#[derive(Debug)]
pub(crate) struct Found<'m> {
    whole: Range<usize>,
    locations: Option<&'m CaptureLocations>,
}

impl Found<'_> {
    pub(crate) fn whole(&self) -> Range<usize> {
        self.whole.clone()
    }

    /// Where a group has matched, if it has matched.
    pub(crate) fn group(&self, group: usize) -> Option<Range<usize>> {
        let (start, end) = self.locations?.get(group)?;
        Some(start..end)
    }
}
