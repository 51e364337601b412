//! Rules out texts by the set of bytes that occur in them, whatever their order.
//!
//! The bytes of a path are collected once for all rules. Most rules need a byte that the path does not have, or do not allow one
//! that it has. They are ruled out in a few instructions, however long the path is.

use super::node::{Node, Repeat};
use super::set::ByteSet;

/// The most sets that are kept.
const MOST: usize = 16;

/// What holds for every text that matches.
#[derive(Debug, Clone)]
pub(super) struct Prefilter {
    /// The text has at least one byte of each of these sets.
    required: Vec<ByteSet>,
    /// The text has only these bytes; known if the pattern covers the whole text.
    allowed: Option<ByteSet>,
}

impl Prefilter {
    pub(super) fn new(node: &Node) -> Self {
        let is_whole = is_at(node, &Node::Start) && is_at(node, &Node::End);
        let mut required = required(node);
        required.truncate(MOST);
        Self {
            required,
            allowed: is_whole.then(|| alphabet(node)),
        }
    }

    /// Whether a text with these bytes may match.
    pub(super) fn admits(&self, bytes: ByteSet) -> bool {
        self.required.iter().all(|set| set.meets(bytes)) && self.allowed.is_none_or(|allowed| bytes.is_within(allowed))
    }
}

fn required(node: &Node) -> Vec<ByteSet> {
    match node {
        Node::Set(set) => vec![*set],
        Node::Start | Node::End | Node::Boundary | Node::NotBoundary => Vec::new(),
        Node::Group(_, node) => required(node),
        Node::Concat(nodes) => {
            let mut sets = Vec::new();
            for set in nodes.iter().flat_map(required) {
                if !sets.contains(&set) {
                    sets.push(set);
                }
            }
            sets
        }
        Node::Alternatives(nodes) => {
            // One of the alternatives must match: the union of the most selective set of each.
            let smallest = |node| required(node).into_iter().min_by_key(|set| set.len());
            let sets: Option<Vec<_>> = nodes.iter().map(smallest).collect();
            sets.map(|sets| vec![sets.into_iter().fold(ByteSet::default(), ByteSet::with)])
                .unwrap_or_default()
        }
        Node::Repeat(Repeat { node, least, .. }) => {
            if *least == 0 {
                Vec::new()
            } else {
                required(node)
            }
        }
    }
}

/// Whether a match can only be at that end of the text (`^` or `$`).
fn is_at(node: &Node, end: &Node) -> bool {
    match node {
        Node::Set(_) | Node::Boundary | Node::NotBoundary => false,
        Node::Start | Node::End => node == end,
        Node::Group(_, node) => is_at(node, end),
        Node::Concat(nodes) if *end == Node::Start => nodes.first().is_some_and(|node| is_at(node, end)),
        Node::Concat(nodes) => nodes.last().is_some_and(|node| is_at(node, end)),
        Node::Alternatives(nodes) => nodes.iter().all(|node| is_at(node, end)),
        Node::Repeat(Repeat { node, least, .. }) => *least > 0 && is_at(node, end),
    }
}

fn alphabet(node: &Node) -> ByteSet {
    match node {
        Node::Set(set) => *set,
        Node::Start | Node::End | Node::Boundary | Node::NotBoundary => ByteSet::default(),
        Node::Group(_, node) | Node::Repeat(Repeat { node, .. }) => alphabet(node),
        Node::Concat(nodes) | Node::Alternatives(nodes) => {
            nodes.iter().map(alphabet).fold(ByteSet::default(), ByteSet::with)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Pattern, Text};
    use proptest::prelude::*;

    proptest! {
        /// It never keeps a pattern from a text that it matches.
        #[test]
        fn what_matches_is_admitted(
            source in "\\^?(\\((a|\\|)\\))?(\\[[ab]\\]|[abc/]|\\([ab]\\|c\\)|a\\||\\(b\\|\\)){0,5}[*+?]?(c|\\|a)?\\$?",
            subject in "[abc/]{0,8}",
        ) {
            let Ok(pattern) = Pattern::new(&source, "", Text::Target) else { return Ok(()) };
            let bytes = super::ByteSet::in_text(subject.as_bytes());
            prop_assert!(pattern.admits(bytes) || !pattern.is_match(subject.as_bytes()), "{} {}", source, subject);
        }
    }
}
