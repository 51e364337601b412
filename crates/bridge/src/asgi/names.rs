//! Strings that every request needs, made once, and the making of others.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyString};

macro_rules! names {
    ($($name:ident = $text:literal),* $(,)?) => {
        /// The interned strings.
        #[derive(Debug)]
        pub(crate) struct Names {
            $(pub(crate) $name: Py<PyString>,)*
            /// `b""`
            pub(crate) no_bytes: Py<PyBytes>,
        }

        impl Names {
            fn new(py: Python<'_>) -> Self {
                Self {
                    $($name: PyString::intern(py, $text).unbind(),)*
                    no_bytes: PyBytes::new(py, b"").unbind(),
                }
            }
        }
    };
}

names! {
    asgi = "asgi",
    body = "body",
    bytes = "bytes",
    cipher_suite = "cipher_suite",
    client = "client",
    client_cert_chain = "client_cert_chain",
    client_cert_error = "client_cert_error",
    client_cert_name = "client_cert_name",
    code = "code",
    connect = "websocket.connect",
    count = "count",
    denial = "websocket.http.response",
    disconnect = "http.disconnect",
    early_hint = "http.response.early_hint",
    extensions = "extensions",
    file = "file",
    headers = "headers",
    http = "http",
    http_version = "http_version",
    links = "links",
    method = "method",
    more_body = "more_body",
    more_trailers = "more_trailers",
    offset = "offset",
    path = "path",
    pathsend = "http.response.pathsend",
    query_string = "query_string",
    raw_path = "raw_path",
    reason = "reason",
    request = "http.request",
    response_trailers = "http.response.trailers",
    root_path = "root_path",
    scheme = "scheme",
    server = "server",
    server_cert = "server_cert",
    socket_disconnect = "websocket.disconnect",
    socket_receive = "websocket.receive",
    spec_version = "spec_version",
    state = "state",
    status = "status",
    subprotocol = "subprotocol",
    subprotocols = "subprotocols",
    text = "text",
    tls = "tls",
    tls_version = "tls_version",
    trailers = "trailers",
    type_ = "type",
    version = "version",
    websocket = "websocket",
    zerocopysend = "http.response.zerocopysend",
}

/// The names; made on first use.
pub(crate) fn names(py: Python<'_>) -> &Names {
    static NAMES: PyOnceLock<Names> = PyOnceLock::new();
    NAMES.get_or_init(py, || Names::new(py))
}

/// Bytes as text; what is no UTF-8 becomes U+FFFD (docs/asgi.md, 20).
pub(super) fn text<'py>(py: Python<'py>, bytes: &[u8]) -> Bound<'py, PyString> {
    PyString::new(py, &String::from_utf8_lossy(bytes))
}
