//! What the client sends: the head of a request with its target, how a host submits it, and masked WebSocket frames.

pub mod head;
pub mod payload;
pub mod submission;
pub mod target;
pub mod unmask;
