//! The asyncio loop's thread, seen from Rust: how requests and news reach it, and whether it is blocked.
//!
//! Hosts put [`Message`]s into an [`EventLoop`] (`handle`), which wakes the loop's selector once ([`wakeup`]). The selector
//! calls [`Drain`], which takes the whole batch. [`LoopSide`] is the state that only the loop's thread touches. `threads`
//! starts the loops of this process, `garbage` wakes one to free what other threads cannot, `watchdog` warns of a blocked loop,
//! `failure` tells those who wait for a failed one.
//!
//! The receivers of the messages are in folders above this one, which knows them only by traits: [`Service`],
//! [`Listener`], [`HeldStart`], [`Dependent`].

mod drain;
mod failure;
mod garbage;
mod handle;
mod loop_side;
pub(crate) mod threads;
pub mod wakeup;
pub(crate) mod watchdog;

pub use drain::Drain;
pub(crate) use failure::Dependent;
pub(crate) use garbage::Garbage;
pub use handle::{EventLoop, Message, Service};
pub use loop_side::LoopSide;
pub(crate) use loop_side::{HeldStart, Listener};
pub use watchdog::locate;
