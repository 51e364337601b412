//! Node's end of Python workers: starts, chooses, replaces and ends them, and carries requests to them.
//!
//! What a handler in this process has in `asgi_node_bridge::application::Application`, one with workers has here, with the same
//! functions: the addon is compiled with the one or with the other, and JavaScript cannot tell them apart.
//!
//! # Threads
//!
//! JavaScript's threads build exchanges and put them into the inbox of a [`front`]; they never wait. Everything else happens on
//! one thread for the process ([`runtime`]), which a tokio runtime runs on: [`pool`] (the workers of one handler), `member` (one
//! worker), `relay` (one request, whose application's part it plays towards the exchange), `child` (a process).

#![forbid(unsafe_code)]

mod application;
mod child;
mod drive;
mod front;
mod member;
mod pool;
mod relay;
mod runtime;

pub use application::Application;
pub use front::{Front, WorkerHealth};
