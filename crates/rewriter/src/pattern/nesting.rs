//! What repetitions make of groups and of nothing, where ECMAScript and automata differ.

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
