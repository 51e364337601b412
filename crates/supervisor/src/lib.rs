//! Node's end of Python workers: starts, chooses, replaces and ends them, and sends requests to them.
//!
//! This crate's `Application` has the same functions as `asgi_node_bridge::application::Application`, which runs in this process.
//! The addon is compiled with one of the two, and JavaScript cannot tell them apart.
//!
//! # Threads
//!
//! JavaScript's threads build exchanges and put them into the inbox of a [`front`]. They never wait. Everything else happens on
//! one thread of the process with a tokio runtime ([`runtime`]): [`pool`] (the workers of one handler), `member` (one
//! worker), `relay` (one request: it stands for the application at the exchange), `child` (a process). Each worker also has
//! two small threads in `child`: one waits for its end, and the other copies its stderr.

#![forbid(unsafe_code)]

mod application;
mod child;
mod front;
mod member;
mod order;
mod pool;
mod relay;
mod runtime;

pub use application::Application;
pub use front::{Front, WorkerHealth};
