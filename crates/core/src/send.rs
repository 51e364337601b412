//! What the app may send, and when: the states of a response and of a WebSocket, and HTTP's framing.

pub mod framing;
pub mod response;
pub mod websocket;
