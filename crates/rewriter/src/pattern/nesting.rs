//! Repetitions: where ECMAScript and automata differ (groups and empty matches), and what they cost when a search looks for
//! all matches.

use super::node::{Node, Repeat};
use crate::error::Invalid;

/// Whether and when a part of a pattern may match the empty text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Emptiness {
    /// It never matches the empty text.
    Never,
    /// It may match the empty text when all else has failed.
    Last,
    /// It may match the empty text before it tries to match something.
    Early,
}

/// Refuses a repetition of something that prefers the empty match. Where the repetition could stop, ECMAScript undoes such an
/// iteration and tries the next alternative; an automaton stops.
pub(super) fn check(node: &Node) -> Result<(), Invalid> {
    match node {
        Node::Set(_) | Node::Start | Node::End | Node::Boundary | Node::NotBoundary => Ok(()),
        Node::Concat(nodes) | Node::Alternatives(nodes) => nodes.iter().try_for_each(check),
        Node::Group(_, node) => check(node),
        Node::Repeat(repeat) => {
            // ECMAScript accepts empty iterations up to the minimum, as an automaton does.
            let may_stop = repeat.most != Some(repeat.least);
            if may_stop && emptiness(&repeat.node) == Emptiness::Early {
                return Err(Invalid::EmptyFirst);
            }
            check(&repeat.node)
        }
    }
}

/// The most bytes that a search may read past the end of a match before it knows that this is a match.
const LOOK_AHEAD: u64 = 128;

/// Refuses patterns whose search for all matches takes quadratic time: each search could read to the end of the text and find
/// only a short match.
pub(super) fn check_global(node: &Node) -> Result<(), Invalid> {
    // Such a pattern has one match at most.
    if is_last(node) || look_ahead(node, true).is_some_and(|bytes| bytes <= LOOK_AHEAD) {
        return Ok(());
    }
    Err(Invalid::Global)
}

/// Whether a match always ends at the end of the text, so that no other can follow.
fn is_last(node: &Node) -> bool {
    match node {
        Node::End => true,
        Node::Concat(nodes) => nodes.last().is_some_and(is_last),
        Node::Alternatives(nodes) => nodes.iter().all(is_last),
        Node::Group(_, node) => is_last(node),
        _ => false,
    }
}

/// How many bytes may be read before it is known whether they match. `None`: no limit. `at_end`: nothing has to follow, so the
/// bytes that were read are already a match.
fn look_ahead(node: &Node, at_end: bool) -> Option<u64> {
    match node {
        Node::Set(_) | Node::Boundary | Node::NotBoundary => Some(1),
        Node::Start | Node::End => Some(0),
        // It is tried at the first byte of the text only.
        Node::Concat(nodes) if nodes.first() == Some(&Node::Start) => Some(0),
        Node::Concat(nodes) => {
            let last = nodes.len().saturating_sub(1);
            let all = nodes.iter().enumerate();
            all.map(|(index, node)| look_ahead(node, at_end && index == last)).sum()
        }
        Node::Alternatives(nodes) => nodes
            .iter()
            .try_fold(0, |most, node| Some(look_ahead(node, at_end)?.max(most))),
        Node::Group(_, node) => look_ahead(node, at_end),
        Node::Repeat(Repeat {
            node, most: Some(most), ..
        }) => Some(look_ahead(node, at_end && *most == 1)?.saturating_mul(u64::from(*most))),
        Node::Repeat(_) if !at_end => None,
        Node::Repeat(Repeat { node, least, .. }) => {
            Some(look_ahead(node, *least <= 1)?.saturating_mul(u64::from(*least).max(1)))
        }
    }
}

fn emptiness(node: &Node) -> Emptiness {
    match node {
        Node::Set(_) => Emptiness::Never,
        Node::Start | Node::End | Node::Boundary | Node::NotBoundary => Emptiness::Last,
        Node::Group(_, node) => emptiness(node),
        Node::Concat(nodes) => {
            let all = nodes.iter().map(emptiness).max_by_key(|found| *found as u8);
            let never = nodes.iter().any(|node| emptiness(node) == Emptiness::Never);
            if never {
                Emptiness::Never
            } else {
                all.unwrap_or(Emptiness::Last)
            }
        }
        Node::Alternatives(nodes) => {
            let first_empty = nodes.iter().position(|node| emptiness(node) != Emptiness::Never);
            match first_empty {
                None => Emptiness::Never,
                Some(index) if index + 1 < nodes.len() => Emptiness::Early,
                Some(index) => emptiness(&nodes[index]),
            }
        }
        Node::Repeat(Repeat {
            node,
            least,
            most,
            greedy,
        }) => match (least, most, emptiness(node)) {
            (_, Some(0), _) => Emptiness::Last,
            (1.., _, inner) => inner,
            (0, _, Emptiness::Early) => Emptiness::Early,
            (0, _, _) if *greedy => Emptiness::Last,
            (0, _, _) => Emptiness::Early,
        },
    }
}

/// The groups that one iteration may leave out after another has filled them.
pub(super) fn stale_groups(node: &Node) -> Vec<usize> {
    let mut stale = Vec::new();
    collect(node, false, false, &mut stale);
    stale
}

/// `repeated`: the node is in something that may be repeated; `optional`: in something there that may be left out.
fn collect(node: &Node, repeated: bool, optional: bool, stale: &mut Vec<usize>) {
    match node {
        Node::Set(_) | Node::Start | Node::End | Node::Boundary | Node::NotBoundary => {}
        Node::Concat(nodes) => nodes.iter().for_each(|node| collect(node, repeated, optional, stale)),
        Node::Alternatives(nodes) => nodes.iter().for_each(|node| collect(node, repeated, true, stale)),
        Node::Group(group, node) => {
            if repeated && optional {
                stale.push(*group);
            }
            collect(node, repeated, optional, stale);
        }
        Node::Repeat(Repeat { node, least, most, .. }) => {
            // Counted iterations are copies. A later copy may match the empty text, and ECMAScript undoes that.
            let is_counted = most.is_some_and(|most| most > 1 && most > *least);
            if is_counted && emptiness(node) != Emptiness::Never {
                collect(node, true, true, stale);
            } else if *most == Some(1) {
                collect(node, repeated, optional || *least == 0, stale);
            } else {
                // It is left out as a whole, or not at all, unless something around it is repeated.
                collect(node, true, repeated && (optional || *least == 0), stale);
            }
        }
    }
}
