//! The Python half of an exchange, whichever protocol it speaks: what awaitables and the event loop hold.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::asgi::http::HttpExchange;
use crate::asgi::receive;
use crate::asgi::websocket::WebSocketExchange;

/// An exchange of either protocol.
#[derive(Debug)]
pub(crate) enum Party {
    /// A request and its response.
    Http(Py<HttpExchange>),
    /// A WebSocket.
    WebSocket(Py<WebSocketExchange>),
}

impl Party {
    /// Whether nobody will take what is sent.
    pub(crate) fn is_gone(&self) -> bool {
        match self {
            Self::Http(exchange) => exchange.get().is_gone(),
            Self::WebSocket(exchange) => exchange.get().core().is_disconnected(),
        }
    }

    /// The core has news.
    pub(crate) fn wake(&self, py: Python<'_>) {
        match self {
            Self::Http(exchange) => HttpExchange::wake(exchange.bind(py)),
            Self::WebSocket(exchange) => WebSocketExchange::wake(exchange.bind(py)),
        }
    }

    /// A future that the next news resolves.
    pub(crate) fn add_waiter<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Http(exchange) => HttpExchange::add_waiter(exchange.bind(py)),
            Self::WebSocket(exchange) => WebSocketExchange::add_waiter(exchange.bind(py)),
        }
    }

    /// What `receive` gives; `None` when it has to wait.
    pub(crate) fn next_event<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        match self {
            Self::Http(exchange) => receive::event(py, exchange.get().received()),
            Self::WebSocket(exchange) => WebSocketExchange::next_event(exchange.bind(py)),
        }
    }

    /// Whether everything up to this ticket was handed to the host.
    pub(crate) fn is_flushed(&self, ticket: u64) -> bool {
        match self {
            Self::Http(exchange) => exchange.get().progress.lock().outgoing.is_flushed(ticket),
            Self::WebSocket(exchange) => exchange.get().progress.lock().is_flushed(ticket),
        }
    }
}
