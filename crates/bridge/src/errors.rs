//! Core errors as Python exceptions, and Python exceptions as core errors.

pub use asgi_node_core::Traced;
use asgi_node_core::text::{LONGEST_MESSAGE, LONGEST_TRACEBACK, shortened};
use asgi_node_core::{Error, Raises};
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;

pyo3::create_exception!(
    asgi_node,
    ClientDisconnected,
    PyOSError,
    "Raised by `send()` after the client has gone (ASGI HTTP 2.4). Silent when it escapes the application."
);

/// The exception that `send` raises in an app.
pub(crate) fn to_python(error: &Error) -> PyErr {
    let message = error.to_string();
    match error.raises() {
        Raises::Type => PyTypeError::new_err(message),
        Raises::Value => PyValueError::new_err(message),
        Raises::Runtime => PyRuntimeError::new_err(message),
        Raises::Disconnected => ClientDisconnected::new_err(message),
    }
}

/// `asgi_node.errors.AppLoadError` keeps its code; anything else becomes `otherwise(message)`.
pub(crate) fn from_python(py: Python<'_>, raised: &PyErr, otherwise: impl FnOnce(String) -> Error) -> Traced {
    let value = raised.value(py);
    let text = |name: &str| value.getattr(name).ok().and_then(|v| v.extract::<String>().ok());
    if let (Some(code), Some(message)) = (text("code"), text("message")) {
        return Traced {
            error: Error::AppLoad { code, message },
            traceback: text("traceback").unwrap_or_default(),
        };
    }
    Traced {
        error: otherwise(message(raised)),
        traceback: traceback(py, raised),
    }
}

/// The exception, in one line.
pub(crate) fn message(raised: &PyErr) -> String {
    shortened(&raised.to_string(), LONGEST_MESSAGE).into_owned()
}

/// The traceback as Python prints it.
pub(crate) fn traceback(py: Python<'_>, raised: &PyErr) -> String {
    let format = || -> PyResult<String> {
        let lines = py
            .import("traceback")?
            .call_method1("format_exception", (raised.value(py),))?;
        lines.try_iter()?.map(|line| line?.extract::<String>()).collect()
    };
    let text = format().unwrap_or_else(|_| raised.to_string());
    shortened(&text, LONGEST_TRACEBACK).into_owned()
}
