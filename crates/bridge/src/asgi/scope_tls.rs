//! The `tls` extension: what an app may know of its connection's encryption (ASGI TLS extension; docs/asgi.md, 130).

use asgi_node_core::head::Tls;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};

use super::names::{names, text};

/// `scope["extensions"]["tls"]`, new for each request because an app can change it.
pub(super) fn build<'py>(py: Python<'py>, tls: &Tls<'_>) -> PyResult<Bound<'py, PyDict>> {
    let n = names(py);
    let dict = PyDict::new(py);
    dict.set_item(&n.server_cert, optional(py, tls.server_cert))?;
    dict.set_item(
        &n.client_cert_chain,
        PyList::new(py, tls.chain().map(|pem| text(py, pem)))?,
    )?;
    dict.set_item(&n.client_cert_name, optional(py, tls.client_cert_name))?;
    dict.set_item(&n.client_cert_error, optional(py, tls.client_cert_error))?;
    dict.set_item(&n.tls_version, tls.version)?;
    dict.set_item(&n.cipher_suite, tls.cipher_suite)?;
    Ok(dict)
}

fn optional<'py>(py: Python<'py>, field: &[u8]) -> Option<Bound<'py, PyString>> {
    (!field.is_empty()).then(|| text(py, field))
}
