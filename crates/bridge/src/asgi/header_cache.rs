//! Header fields as Python has them, kept for the next request that brings the same.
//!
//! Most fields of most requests are those of the request before: `accept-encoding: gzip, br`, `host`, what a proxy adds. A
//! tuple of bytes cannot be changed, so requests can share it (docs/asgi.md, 37), and finding it costs a fraction of making it
//! and both its members, and of freeing them.

use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

/// How many are kept: as many as one byte of a hash tells apart. Two fields with one place take turns.
const PLACES: usize = 256;

/// A longer field (a cookie, a token) is rarely sent by two clients.
const LONGEST: usize = 96;

/// The fields by their hash.
#[derive(Debug)]
pub(super) struct HeaderCache(Mutex<[Option<Field>; PLACES]>);

#[derive(Debug)]
struct Field {
    name_length: usize,
    /// Name and value as they were received, one after the other.
    text: Box<[u8]>,
    pair: Py<PyTuple>,
}

impl HeaderCache {
    pub(super) fn new() -> Self {
        Self(Mutex::new([const { None }; PLACES]))
    }

    /// `(name, value)`, the name lower-cased (docs/asgi.md, 30).
    pub(super) fn pair<'py>(&self, py: Python<'py>, name: &[u8], value: &[u8]) -> PyResult<Bound<'py, PyTuple>> {
        if name.len() + value.len() > LONGEST {
            return make(py, name, value);
        }
        let place = place_of(name, value);
        if let Some(field) = &self.0.lock()[place]
            && field.is(name, value)
        {
            return Ok(field.pair.bind(py).clone());
        }
        // Not under the lock: to make objects may start the garbage collector, which may run code of the app's.
        let pair = make(py, name, value)?;
        let field = Field {
            name_length: name.len(),
            text: [name, value].concat().into(),
            pair: pair.clone().unbind(),
        };
        let before = self.0.lock()[place].replace(field);
        drop(before);
        Ok(pair)
    }
}

impl Field {
    fn is(&self, name: &[u8], value: &[u8]) -> bool {
        self.name_length == name.len() && self.text.split_at(self.name_length) == (name, value)
    }
}

fn make<'py>(py: Python<'py>, name: &[u8], value: &[u8]) -> PyResult<Bound<'py, PyTuple>> {
    PyTuple::new(
        py,
        [PyBytes::new(py, &name.to_ascii_lowercase()), PyBytes::new(py, value)],
    )
}

/// FNV-1a over eight bytes at a time. A client that looks for collisions makes its own requests as slow as they were.
fn place_of(name: &[u8], value: &[u8]) -> usize {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ name.len() as u64;
    for part in [name, value] {
        for chunk in part.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(0x0000_0100_0000_01b3);
            hash ^= hash >> 29;
        }
    }
    let [place, ..] = (hash ^ (hash >> 47)).to_le_bytes();
    usize::from(place)
}
