//! The protocol between Node and a Python worker, and the socket that carries it.
//!
//! A worker is an ordinary Python process that serves requests for a handler in Node. Between the two there is one pair of
//! connected sockets. Files in the order in which a message passes them: [`message`] (all messages), [`wire`] (a message
//! as bytes), [`outgoing`] (messages cut into frames, in turns), `ready` (frames for the next write), [`connection`] (the
//! socket), [`incoming`] (frames joined to messages). [`hints`] limits what no window counts. [`ledger`] has the number that
//! remains of a worker when it dies.
//!
//! # Frames
//!
//! A frame has four fields: the length of its payload (4 bytes), a kind (1 byte), the number of the request that it belongs to
//! (4 bytes; 0 for none), and the payload, at most [`frame::LARGEST`] bytes. The highest bit of the kind says that the message
//! continues in the next frame of the same number. A body needs no such frames: its pieces are messages. All numbers are little-endian. Both ends must have the same version of this
//! package, which the first message tells. A violation of the protocol ends the connection.
//!
//! # Windows
//!
//! Each side may send only a limited amount for a request. For the request body and messages the worker returns credit when the
//! application has received them. For responses Node tells how much JavaScript has taken. So both ends can always read, and a
//! request with a slow reader delays the others no longer than one frame takes. Node ends a worker that exceeds its window.

#![forbid(unsafe_code)]

pub mod connection;
pub mod frame;
pub mod hints;
pub mod incoming;
pub mod ledger;
pub mod message;
pub mod outgoing;
mod ready;
pub mod settings;
pub mod wire;

pub use connection::Connection;
pub use frame::Malformed;
pub use hints::Hints;
pub use incoming::Incoming;
pub use ledger::Ledger;
pub use message::{FromWorker, Status, ToWorker};
pub use outgoing::Outgoing;
pub use settings::Opening;
