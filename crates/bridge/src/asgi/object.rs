//! A channel as Python sees it: the object that `receive` and `send` are methods of.

use std::sync::Arc;

use asgi_node_core::{Error, Exchange, RequestHead};
use pyo3::prelude::*;

use super::awaitable::Awaitable;
use super::channel::{Channel, Protocol, Waitable};
use super::http::Http;
use super::websocket::WebSocket;
use super::{http_send, websocket_send};
use crate::event_loop::LoopSide;
use crate::health::Counters;
use crate::interpreter::fork;

/// One HTTP request and its response, or one WebSocket.
#[pyclass(frozen, name = "Channel", module = "asgi_node._native")]
#[derive(Debug)]
pub struct PyChannel(Kind);

#[derive(Debug)]
enum Kind {
    Http(Arc<Channel<Http>>),
    WebSocket(Arc<Channel<WebSocket>>),
}

/// The same for a channel of either protocol.
macro_rules! either {
    ($this:expr, $channel:ident => $do:expr) => {
        match &$this.0 {
            Kind::Http($channel) => $do,
            Kind::WebSocket($channel) => $do,
        }
    };
}

impl PyChannel {
    /// The channel of this request.
    pub(crate) fn http(
        exchange: Arc<Exchange>,
        number: u64,
        side: &Arc<LoopSide>,
        counters: &Arc<Counters>,
        head: &RequestHead,
    ) -> Self {
        Self(Kind::Http(Channel::http(exchange, number, side, counters, head)))
    }

    /// The channel of this WebSocket, whose client offers these sub-protocols.
    pub(crate) fn websocket(
        exchange: Arc<Exchange>,
        number: u64,
        side: &Arc<LoopSide>,
        counters: &Arc<Counters>,
        offered: Vec<String>,
    ) -> Self {
        Self(Kind::WebSocket(Channel::websocket(
            exchange, number, side, counters, offered,
        )))
    }
}

#[pymethods]
impl PyChannel {
    /// The host's number for it.
    #[getter]
    fn id(&self) -> u32 {
        either!(self, channel => channel.exchange().id())
    }

    /// The sequence number of this request within its handler, also among workers; the host's log has it too.
    #[getter]
    fn number(&self) -> u64 {
        either!(self, channel => channel.number())
    }

    /// The ASGI `receive`.
    fn receive(&self) -> PyResult<Awaitable> {
        fork::check()?;
        Ok(Awaitable::receive(
            either!(self, channel => Arc::clone(channel) as Arc<dyn Waitable>),
        ))
    }

    /// The ASGI `send`. Takes the event when it is called, raises when it is awaited.
    fn send<'py>(&self, event: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Awaitable>> {
        let sent = fork::check().and_then(|()| match &self.0 {
            Kind::Http(channel) => http_send::send(channel, event),
            Kind::WebSocket(channel) => websocket_send::send(channel, event),
        });
        sent.or_else(|raised| Awaitable::raise(event.py(), raised))
    }

    /// Whether the client has left: before an HTTP response was complete, or before or after the end of a WebSocket. Also
    /// true when the app was told so.
    #[getter]
    fn client_left(&self) -> bool {
        either!(self, channel => channel.client_left())
    }

    /// Whether it is a stream of server-sent events whose app has not received the disconnect that [`Self::begin_shutdown`]
    /// gives.
    #[getter]
    fn is_unnotified_event_stream(&self) -> bool {
        match &self.0 {
            Kind::Http(channel) => channel.is_unnotified_event_stream(),
            Kind::WebSocket(_) => false,
        }
    }

    /// Whether nobody waits for what the app has not sent yet: its client has left, or its host has given it up. A WebSocket is
    /// there for more than its client: it counts when the host has given it up.
    #[getter]
    fn is_unwanted(&self) -> bool {
        match &self.0 {
            Kind::Http(channel) => channel.is_unwanted(),
            Kind::WebSocket(channel) => channel.exchange().is_abandoned(),
        }
    }

    /// Whether the host has given the request up and counts it no more among those in flight.
    #[getter]
    fn is_abandoned(&self) -> bool {
        either!(self, channel => channel.exchange().is_abandoned())
    }

    /// Counts it no more among the requests in flight, though its app goes on.
    fn abandon(&self) {
        either!(self, channel => channel.counters().unreturned().abandon(channel.exchange()));
    }

    /// Calls `callback()` on the event loop's thread when the client leaves before the app's task has ended.
    fn on_disconnect(&self, py: Python<'_>, callback: Py<PyAny>) {
        either!(self, channel => channel.on_disconnect(py, callback));
    }

    /// The handler is closing: the app gets a disconnect where it would wait for one. A WebSocket is closed.
    fn begin_shutdown(&self, py: Python<'_>) {
        either!(self, channel => Protocol::begin_shutdown(channel, py));
    }

    /// The event loop has failed, for this reason.
    fn fail(&self, reason: String) {
        let error = Error::LoopFailed(reason);
        either!(self, channel => channel.fail(&error));
    }

    /// The app's task has ended: by an exception when `message` is given, which the app has logged itself when `logged` is true.
    /// Returns whether the host reports it; if not, the
    /// channel was over, or the client had gone, and reporting is up to the caller.
    #[pyo3(signature = (message=None, traceback=None, logged=false))]
    fn finish(
        &self,
        py: Python<'_>,
        message: Option<String>,
        traceback: Option<String>,
        logged: bool,
    ) -> PyResult<bool> {
        either!(self, channel => channel.finish(py, message, traceback, logged))
    }
}
