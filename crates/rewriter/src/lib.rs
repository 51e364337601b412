//! Request rewriting: conditions and rewriters over a request's head, before an application sees it.
//!
//! Rules are made once and run on every request, so they are compiled. Whatever a client sends, the time is linear in its
//! length: patterns have the syntax of ECMAScript, but the engine of the `regex` crate.
//!
//! Files in the order of use: [`spec`] (what JavaScript hands over), [`pattern`] and `replacement` (its regular expressions),
//! [`condition`], [`existence`] and [`rewriter`] (the rules), [`head`] (what they work on), [`error`].

#![forbid(unsafe_code)]

pub mod condition;
pub mod error;
pub mod existence;
pub mod head;
pub mod pattern;
mod replacement;
pub mod rewriter;
pub mod spec;

pub use condition::Condition;
pub use error::Invalid;
pub use existence::exists;
pub use head::Head;
pub use pattern::{Pattern, Text};
pub use rewriter::Rewriter;
