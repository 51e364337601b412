//! Bytes of the app that another thread reads.
//!
//! A copy for the host would be made on Python's thread, and once more on the host's. So many bytes stay in the object of the
//! app, and the host's thread reads them there, without the GIL. It cannot drop the reference: that goes into `PyO3`'s pool,
//! which the next thread that takes the GIL empties. A loop that has nothing to do is woken for it when much has come together.

use std::sync::Arc;

use asgi_node_core::Bytes;
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::{PyBytes, PyString};

use crate::event_loop::{Garbage, LoopSide};

/// From this size on they are shared: below, a copy costs less than to give a reference back.
const LEAST: usize = 16 * 1024;

/// The object of the app, exactly a `bytes` or a `str`: its end runs no code of the app's.
struct Shared<T: AsRef<[u8]>> {
    object: Option<T>,
    garbage: Arc<Garbage>,
}

impl<T: AsRef<[u8]>> AsRef<[u8]> for Shared<T> {
    fn as_ref(&self) -> &[u8] {
        self.object.as_ref().map_or(&[], AsRef::as_ref)
    }
}

impl<T: AsRef<[u8]>> Drop for Shared<T> {
    fn drop(&mut self) {
        let length = self.as_ref().len();
        // First, so that whoever is woken finds it in the pool.
        drop(self.object.take());
        self.garbage.add(length);
    }
}

fn share<T: AsRef<[u8]> + Send + 'static>(object: T, side: &LoopSide) -> Bytes {
    Bytes::from_owner(Shared {
        object: Some(object),
        garbage: Arc::clone(side.garbage()),
    })
}

/// The bytes, which must be exactly a `bytes`.
pub(super) fn bytes(data: &Bound<'_, PyBytes>, side: &LoopSide) -> Bytes {
    let bytes = data.as_bytes();
    if bytes.len() < LEAST {
        Bytes::copy_from_slice(bytes)
    } else {
        share(PyBackedBytes::from(data.clone()), side)
    }
}

/// The UTF-8 of a text, which must be exactly a `str`.
pub(super) fn text(text: &Bound<'_, PyString>, side: &LoopSide) -> PyResult<Bytes> {
    let utf8 = text.to_str()?;
    if utf8.len() < LEAST {
        return Ok(Bytes::copy_from_slice(utf8.as_bytes()));
    }
    Ok(share(PyBackedStr::try_from(text.clone())?, side))
}
