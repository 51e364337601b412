//! The part of asgi-node that knows neither Node nor Python.
//!
//! The files, in the order of the data path:
//!
//! - [`head`] and [`target`]: the request of the client
//! - [`inbox`]: how a request reaches the event loop
//! - [`exchange`]: one request and its response, shared by both sides, with its [windows](Limits)
//! - [`response`] and [`framing`]: what the app may send, and when
//! - [`websocket`] and [`message_queue`]: the same for messages
//! - [`unmask`]: takes the mask off what a WebSocket's client sends
//! - [`event`]: what the host gets
//! - [`log_queue`]: log records and output of Python
//! - [`heartbeat`] and [`watchdog`]: whether the event loop is blocked
//! - [`text`]: shortens long texts
//! - [`config`]: a handler's options for its app
//! - [`protocol`]: the numbers that hosts must know, too
//! - [`error`]: every error

#![forbid(unsafe_code)]

pub mod config;
pub mod error;
pub mod event;
pub mod exchange;
pub mod framing;
pub mod head;
pub mod health;
pub mod heartbeat;
pub mod inbox;
pub mod log_queue;
pub mod message_queue;
pub mod protocol;
pub mod response;
pub mod submission;
mod sync;
pub mod target;
pub mod text;
pub mod unmask;
pub mod watchdog;
pub mod websocket;
mod window;

pub use config::Config;
pub use error::{Error, Raises, Traced};
pub use event::{Failure, FileRange, ResponseEvent};
pub use exchange::{Emitted, Exchange, Notify, Received, Windows};
pub use framing::{HeaderBlock, Version};
pub use head::RequestHead;
pub use health::Health;
pub use heartbeat::Heartbeat;
pub use inbox::{Inbox, Waker};
pub use log_queue::LogQueue;
pub use response::{BodyPlan, ResponseState};
pub use submission::Submission;
pub use window::Limits;
