//! Whether the event loop still runs, and how an app is in numbers.

pub mod health;
pub mod heartbeat;
pub mod watchdog;
