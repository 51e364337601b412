//! Bounded queues between two threads.

pub mod inbox;
pub mod log_queue;
