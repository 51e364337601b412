//! The asyncio loop's thread, seen from Rust: how requests and news reach it, and whether it is blocked.
//!
//! Hosts put [`Message`]s into an [`EventLoop`] (`handle`), which wakes the loop's selector once ([`wakeup`]); that calls
//! [`Drain`], which takes the whole batch. What only the loop's thread touches is its [`LoopSide`]. `threads` starts the loops
//! of this process, `watchdog` warns of one that is blocked, `failure` ends what waits for one that cannot go on.
//!
//! What the messages are for stands above this folder and is known here by traits only: [`Service`], [`Listener`],
//! [`HeldStart`], [`Dependent`].

mod drain;
mod failure;
mod handle;
mod loop_side;
pub(crate) mod threads;
pub mod wakeup;
pub(crate) mod watchdog;

pub use drain::Drain;
pub(crate) use failure::Dependent;
pub use handle::{EventLoop, Message, Service};
pub use loop_side::LoopSide;
pub(crate) use loop_side::{HeldStart, Listener};
pub use watchdog::locate;
