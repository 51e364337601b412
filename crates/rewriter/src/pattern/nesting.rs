//! What repetitions make of groups and of nothing, where ECMAScript and automata differ; and what they cost where all matches are
//! looked for.

use super::node::{Node, Repeat};
use crate::error::Invalid;

/// What a part of a pattern may match of nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Emptiness {
    /// It matches something.
    Never,
    /// It may match nothing, when all else has failed.
    Last,
    /// It may match nothing before it tries to match something.
    Early,
}

/// Refuses a repetition of something that would rather match nothing: where it could stop, ECMAScript takes back such an iteration
/// and tries what comes next, an automaton stops.
pub(super) fn check(node: &Node) -> Result<(), Invalid> {
    match node {
        Node::Set(_) | Node::Start | Node::End | Node::Boundary | Node::NotBoundary => Ok(()),
        Node::Concat(nodes) | Node::Alternatives(nodes) => nodes.iter().try_for_each(check),
        Node::Group(_, node) => check(node),
        Node::Repeat(repeat) => {
            // As often as it has to come, nothing is something.
            let may_stop = repeat.most != Some(repeat.least);
            if may_stop && emptiness(&repeat.node) == Emptiness::Early {
                return Err(Invalid::EmptyFirst);
            }
            check(&repeat.node)
        }
    }
}

/// The most bytes that may be read behind a match before it is known to be one.
const LOOK_AHEAD: u64 = 128;

/// Refuses what takes quadratic time where all matches are looked for: each search could read to the end of the text, and come back
/// with a short match.
pub(super) fn check_global(node: &Node) -> Result<(), Invalid> {
    // The last one ends the text.
    if is_last(node) || look_ahead(node, true).is_some_and(|bytes| bytes <= LOOK_AHEAD) {
        return Ok(());
    }
    Err(Invalid::Global)
}

/// Whether no match comes behind a match.
fn is_last(node: &Node) -> bool {
    match node {
        Node::End => true,
        Node::Concat(nodes) => nodes.last().is_some_and(is_last),
        Node::Alternatives(nodes) => nodes.iter().all(is_last),
        Node::Group(_, node) => is_last(node),
        _ => false,
    }
}

/// How many bytes may be read before it is known whether they match. `None`: all of them. `at_end`: nothing has to follow, so what
/// has been read is a match already.
fn look_ahead(node: &Node, at_end: bool) -> Option<u64> {
    match node {
        Node::Set(_) | Node::Boundary | Node::NotBoundary => Some(1),
        Node::Start | Node::End => Some(0),
        // Tried at the first byte only.
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

/// `repeated`: it is part of something that may come again; `optional`: part of something that may be left out there.
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
            // Counted iterations are copies, of which a later one may match nothing: ECMAScript takes that back.
            let is_counted = most.is_some_and(|most| most > 1 && most > *least);
            if is_counted && emptiness(node) != Emptiness::Never {
                collect(node, true, true, stale);
            } else if *most == Some(1) {
                collect(node, repeated, optional || *least == 0, stale);
            } else {
                // What it leaves out, it leaves out as a whole, unless something around it comes again.
                collect(node, true, repeated && (optional || *least == 0), stale);
            }
        }
    }
}
