//! The part of asgi-node that knows neither Node nor Python.
//!
//! The modules, along the data path. A module imports only those that stand below it:
//!
//! - [`config`]: a handler's options for its app
//! - `request`: what the client sends: [`head`], [`target`], [`submission`], the [`payload`] of a WebSocket's frame, [`unmask`]
//! - `send`: what the app may send, and when: [`response`] with [`framing`], and [`websocket`]
//! - [`exchange`]: one request and its response, shared by both sides: the [`event`]s for the host, the [`message_queue`] of a
//!   WebSocket, and the [windows](Limits) of both directions
//! - `queue`: how a request reaches the event loop ([`inbox`]), and how log records and output reach the host ([`log_queue`])
//! - `event_loop`: whether the event loop is blocked: [`heartbeat`], [`watchdog`], and what [`health`] says
//! - [`text`]: shortens long texts
//! - [`error`]: every error
//! - [`protocol`]: the numbers that hosts must know, too

#![forbid(unsafe_code)]

pub mod config;
pub mod error;
mod event_loop;
pub mod exchange;
pub mod protocol;
mod queue;
mod request;
mod send;
mod sync;
pub mod text;

pub use bytes::Bytes;
pub use config::Config;
pub use error::{Error, Raises, Traced};
pub use event_loop::health::{self, Health};
pub use event_loop::heartbeat::{self, Heartbeat};
pub use event_loop::watchdog;
pub use exchange::chunk_pool;
pub use exchange::event::{self, Failure, FileRange, ResponseEvent};
pub use exchange::message_queue;
pub use exchange::window::{Limits, Window};
pub use exchange::{Emitted, Exchange, Notify, Received, Unreturned, Waiting, Windows};
pub use queue::inbox::{self, Inbox, Waker};
pub use queue::log_queue::{self, LogQueue};
pub use request::head::{self, RequestHead};
pub use request::submission::{self, Submission};
pub use request::{payload, target, unmask};
pub use send::framing::{self, HeaderBlock, Version};
pub use send::response::{self, BodyPlan, ResponseState};
pub use send::websocket;
