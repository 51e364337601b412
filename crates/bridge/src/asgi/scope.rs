//! The ASGI scope of a request (HTTP specification 2.5, "HTTP Connection Scope"; docs/asgi.md, 15 to 38).

use asgi_node_core::framing::Version;
use asgi_node_core::{RequestHead, head, target};
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};

use super::header_cache::HeaderCache;
use super::names::{names, text};
use super::scope_tls;

/// Builds scopes for one app.
#[derive(Debug)]
pub(crate) struct ScopeBuilder {
    /// What comes before every path: nothing where the paths hold the root already.
    prefix: String,
    raw_prefix: Vec<u8>,
    /// All keys in their order, with what most requests have: copying it is cheaper than filling a dict.
    template: Py<PyDict>,
    asgi: Py<PyDict>,
    /// What start-up left; a request gets a shallow copy (docs/asgi.md, 35).
    state: Py<PyDict>,
    fields: HeaderCache,
    /// The address of the latest request's server, which is that of most.
    server: Mutex<Option<Address>>,
}

/// Host and port, and what they are in a scope.
type Address = (Vec<u8>, Option<u16>, Py<PyTuple>);

/// The versions of the specification that we keep to the letter.
const ASGI_VERSION: &str = "3.0";
const HTTP_SPEC_VERSION: &str = "2.5";

impl ScopeBuilder {
    pub(crate) fn new(state: &Bound<'_, PyDict>, root_path: &str, in_path: bool) -> PyResult<Self> {
        let py = state.py();
        let n = names(py);
        let asgi = PyDict::new(py);
        asgi.set_item(&n.version, ASGI_VERSION)?;
        asgi.set_item(&n.spec_version, HTTP_SPEC_VERSION)?;
        let py_root = PyString::intern(py, root_path);
        let prefix = if in_path { "" } else { root_path };
        let template = PyDict::new(py);
        template.set_item(&n.type_, &n.http)?;
        template.set_item(&n.asgi, py.None())?;
        template.set_item(&n.http_version, PyString::intern(py, Version::Http11.as_str()))?;
        template.set_item(&n.method, pyo3::intern!(py, "GET"))?;
        template.set_item(&n.scheme, &n.http)?;
        template.set_item(&n.path, py.None())?;
        template.set_item(&n.raw_path, py.None())?;
        template.set_item(&n.query_string, &n.no_bytes)?;
        template.set_item(&n.root_path, &py_root)?;
        for key in [&n.headers, &n.client, &n.server, &n.state, &n.extensions] {
            template.set_item(key, py.None())?;
        }
        Ok(Self {
            prefix: prefix.to_owned(),
            raw_prefix: target::percent_encode_path(prefix),
            template: template.unbind(),
            asgi: asgi.unbind(),
            state: state.clone().unbind(),
            fields: HeaderCache::new(),
            server: Mutex::default(),
        })
    }

    /// A fresh scope; nothing in it that the app can change is shared with another request (docs/asgi.md, 37).
    pub(crate) fn build<'py>(&self, py: Python<'py>, head: &RequestHead) -> PyResult<Bound<'py, PyDict>> {
        let n = names(py);
        let scope = self.template.bind(py).copy()?;
        scope.set_item(&n.asgi, self.asgi.bind(py).copy()?)?;
        if head.version() != Version::Http11 {
            scope.set_item(&n.http_version, PyString::intern(py, head.version().as_str()))?;
        }
        if head.method() != b"GET" {
            scope.set_item(&n.method, method(py, head.method()))?;
        }
        if head.scheme() == b"https" {
            scope.set_item(&n.scheme, "https")?;
        }
        self.set_paths(py, &scope, head)?;
        scope.set_item(&n.headers, self.headers(py, head)?)?;
        if let Some((host, port)) = head.client() {
            scope.set_item(&n.client, (text(py, host), port))?;
        }
        if let Some((host, port)) = head.server() {
            scope.set_item(&n.server, self.server(py, host, port)?)?;
        }
        scope.set_item(&n.state, self.state.bind(py).copy()?)?;
        scope.set_item(&n.extensions, extensions(py, head)?)?;
        Ok(scope)
    }

    /// The scope of a WebSocket (WebSocket specification 2.5, "WebSocket Connection Scope"; docs/asgi.md, 79, 80): that of the
    /// request that asks for it, without a method and with the sub-protocols.
    pub(crate) fn build_websocket<'py>(
        &self,
        py: Python<'py>,
        head: &RequestHead,
        subprotocols: &[String],
    ) -> PyResult<Bound<'py, PyDict>> {
        let n = names(py);
        let scope = self.build(py, head)?;
        scope.del_item(&n.method)?;
        scope.set_item(&n.type_, &n.websocket)?;
        scope.set_item(&n.scheme, if head.scheme() == b"https" { "wss" } else { "ws" })?;
        scope.set_item(&n.subprotocols, PyList::new(py, subprotocols)?)?;
        let extensions = scope.get_item(&n.extensions)?;
        if let Some(extensions) = extensions {
            extensions.set_item(&n.denial, PyDict::new(py))?;
        }
        Ok(scope)
    }

    fn set_paths(&self, py: Python<'_>, scope: &Bound<'_, PyDict>, head: &RequestHead) -> PyResult<()> {
        let n = names(py);
        let target = head.target();
        let decoded = target::percent_decode(target.raw_path);
        if !head.root_path().is_empty() {
            scope.set_item(&n.root_path, self.mounted_at(head.root_path()))?;
        }
        // `OPTIONS *` asks about the server: it is under no root.
        if self.prefix.is_empty() || target.raw_path == b"*" {
            scope.set_item(&n.path, text(py, &decoded))?;
            scope.set_item(&n.raw_path, PyBytes::new(py, target.raw_path))?;
        } else {
            // As uvicorn does and Starlette expects: the path is the whole path, with the root in front (docs/asgi.md, 28).
            let path = format!("{}{}", self.prefix, String::from_utf8_lossy(&decoded));
            scope.set_item(&n.path, path)?;
            let raw = [&self.raw_prefix, target.raw_path].concat();
            scope.set_item(&n.raw_path, PyBytes::new(py, &raw))?;
        }
        if !target.query.is_empty() {
            scope.set_item(&n.query_string, PyBytes::new(py, target.query))?;
        }
        Ok(())
    }

    /// A list of `(name, value)`: names lower-cased, order and duplicates kept (docs/asgi.md, 29, 30).
    fn headers<'py>(&self, py: Python<'py>, head: &RequestHead) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        for (name, value) in head.headers() {
            list.append(self.fields.pair(py, name, value)?)?;
        }
        Ok(list)
    }

    fn server<'py>(&self, py: Python<'py>, host: &[u8], port: Option<u16>) -> PyResult<Bound<'py, PyTuple>> {
        if let Some((known, with, address)) = &*self.server.lock()
            && (known.as_slice(), *with) == (host, port)
        {
            return Ok(address.bind(py).clone());
        }
        let address = (text(py, host), port).into_pyobject(py)?;
        let before = self
            .server
            .lock()
            .replace((host.to_vec(), port, address.clone().unbind()));
        drop(before);
        Ok(address)
    }

    /// The root of a request that the host has routed by the first part of its path (Express's `req.baseUrl`): that part
    /// is in the path, as everything behind our own prefix is.
    fn mounted_at(&self, mount: &[u8]) -> String {
        format!("{}{}", self.prefix, String::from_utf8_lossy(mount))
    }
}

/// The usual methods are made once.
fn method<'py>(py: Python<'py>, method: &[u8]) -> Bound<'py, PyString> {
    macro_rules! interned {
        ($($text:literal)*) => {
            match method {
                $(bytes if bytes == $text.as_bytes() => pyo3::intern!(py, $text).clone(),)*
                other => text(py, other),
            }
        };
    }
    interned!("GET" "POST" "PUT" "DELETE" "HEAD" "OPTIONS" "PATCH")
}

/// Only what works on this connection (docs/asgi.md, 36).
fn extensions<'py>(py: Python<'py>, head: &RequestHead) -> PyResult<Bound<'py, PyDict>> {
    static NAMES: PyOnceLock<[(u32, Py<PyString>); 4]> = PyOnceLock::new();
    let n = names(py);
    let known = NAMES.get_or_init(py, || {
        [
            (head::TRAILERS, n.response_trailers.clone_ref(py)),
            (head::EARLY_HINT, n.early_hint.clone_ref(py)),
            (head::PATHSEND, n.pathsend.clone_ref(py)),
            (head::ZEROCOPYSEND, n.zerocopysend.clone_ref(py)),
        ]
    });
    let dict = PyDict::new(py);
    for (bit, name) in known {
        if head.supports(*bit) {
            dict.set_item(name, PyDict::new(py))?;
        }
    }
    if let Some(tls) = head.tls() {
        dict.set_item(&n.tls, scope_tls::build(py, &tls)?)?;
    }
    Ok(dict)
}
