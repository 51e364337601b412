//! A pattern as a tree, and the tree as a pattern of the regex crate.

use std::fmt::Write as _;

use super::set::ByteSet;

/// A part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    /// One byte.
    Set(ByteSet),
    /// `^`. The texts have no line ends, so the flag `m` changes nothing.
    Start,
    /// `$`.
    End,
    /// `\b`.
    Boundary,
    /// `\B`.
    NotBoundary,
    /// One after the other; an empty list matches the empty text.
    Concat(Vec<Node>),
    /// Alternatives: the first that leads to a match counts.
    Alternatives(Vec<Node>),
    /// `(…)`, with its number.
    Group(usize, Box<Node>),
    /// `*`, `+`, `?`, `{…}`.
    Repeat(Repeat),
}

/// A quantifier and the node that it repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Repeat {
    pub(super) node: Box<Node>,
    pub(super) least: u32,
    pub(super) most: Option<u32>,
    pub(super) greedy: bool,
}

impl Node {
    /// The node in the syntax of the regex crate, with Unicode off.
    pub(super) fn write(&self, out: &mut String) {
        match self {
            Self::Set(set) => set.write(out),
            Self::Start => out.push_str(r"\A"),
            Self::End => out.push_str(r"\z"),
            Self::Boundary => out.push_str(r"\b"),
            Self::NotBoundary => out.push_str(r"\B"),
            Self::Concat(nodes) => nodes.iter().for_each(|node| node.write_atom(out)),
            Self::Alternatives(nodes) => {
                for (index, node) in nodes.iter().enumerate() {
                    if index > 0 {
                        out.push('|');
                    }
                    node.write(out);
                }
            }
            Self::Group(_, node) => {
                out.push('(');
                node.write(out);
                out.push(')');
            }
            Self::Repeat(repeat) => repeat.write(out),
        }
    }

    /// The same, in a form that a quantifier may follow.
    fn write_atom(&self, out: &mut String) {
        if matches!(self, Self::Concat(_) | Self::Alternatives(_)) {
            out.push_str("(?:");
            self.write(out);
            out.push(')');
        } else {
            self.write(out);
        }
    }
}

impl Repeat {
    fn write(&self, out: &mut String) {
        // In a group of its own: a quantifier may follow a quantified one that stood in parentheses.
        out.push_str("(?:");
        self.node.write_atom(out);
        let _ = match (self.least, self.most) {
            (0, None) => write!(out, "*"),
            (1, None) => write!(out, "+"),
            (0, Some(1)) => write!(out, "?"),
            (least, None) => write!(out, "{{{least},}}"),
            (least, Some(most)) => write!(out, "{{{least},{most}}}"),
        };
        if !self.greedy {
            out.push('?');
        }
        out.push(')');
    }
}
