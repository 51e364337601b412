//! What Node and a Python worker say to each other, and the socket that carries it.
//!
//! A worker is an ordinary Python process that serves requests for a handler in Node. Between the two there is one pair of
//! connected sockets. Files in the order in which a message goes through them: [`message`] (what is said), [`wire`] (a message
//! as bytes), [`outgoing`] (messages cut into frames, fairly), [`connection`] (the socket), [`incoming`] (frames back into
//! messages). [`ledger`] is the number that a worker leaves behind when it dies.
//!
//! # Frames
//!
//! A frame is the length of its payload (4 bytes), a kind (1 byte; its highest bit says that the message goes on in the next frame
//! of the same number), the number of the request that it belongs to (4 bytes; 0 for none), and the payload, at most
//! [`frame::LARGEST`] bytes. All numbers are little-endian. Both ends are of one version of this package: the first message says
//! which, and anything that is not as it should be ends the connection.
//!
//! # Windows
//!
//! What one side sends for a request is bounded: request body and messages by credit that the worker gives back when the
//! application has received them, responses by what Node says that it has taken. So both ends read all that comes, and a
//! request whose reader is slow holds up no other one for longer than a frame takes.

#![forbid(unsafe_code)]

pub mod connection;
pub mod frame;
pub mod incoming;
pub mod ledger;
pub mod message;
pub mod outgoing;
pub mod settings;
pub mod wire;

pub use connection::Connection;
pub use frame::Malformed;
pub use incoming::Incoming;
pub use ledger::Ledger;
pub use message::{FromWorker, Status, ToWorker};
pub use outgoing::Outgoing;
pub use settings::Opening;
