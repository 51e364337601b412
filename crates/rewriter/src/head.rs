//! A request's head while rules work on it. It starts as the flat head that crosses Node-API (see `asgi_node_core::head`), is
//! parsed only as far as a rule needs it, and is written again only if a rule has changed something.

use std::borrow::Cow;

use asgi_node_core::head::{HEAD, TLS};
use asgi_node_core::target::{Target, percent_decode};
use memchr::memchr;

use crate::pattern::ByteSet;

/// How many fields stand between the target and the headers: up to the root path, then the extensions.
const BEFORE_ROOT: usize = 6;
const TLS_FIELDS: usize = 6;

/// Name and value.
pub(crate) type Field<'h> = (Cow<'h, [u8]>, Cow<'h, [u8]>);

/// A head that rules work on.
#[derive(Debug)]
pub struct Head<'h> {
    method: Cow<'h, [u8]>,
    path: Cow<'h, [u8]>,
    query: Cow<'h, [u8]>,
    bytes: Option<ByteSet>,
    /// The target that the client sent, until a rule changes it.
    sent_target: Option<&'h [u8]>,
    /// Everything after the target, from the NUL that separates them.
    rest: &'h [u8],
    /// Parsed when a rule first looks at them.
    headers: Option<Vec<Field<'h>>>,
    headers_changed: bool,
    is_websocket: bool,
    /// The method that the client sent.
    sent_method: &'h [u8],
}

impl<'h> Head<'h> {
    /// Takes a flat head. If it is malformed, the core reports it later.
    pub fn new(flat: &'h [u8], is_websocket: bool) -> Self {
        let (method, rest) = cut(flat);
        let (target, _) = cut(rest.get(1..).unwrap_or_default());
        let rest = rest.get(1 + target.len()..).unwrap_or_default();
        let Target { raw_path, query } = Target::parse(target);
        Self {
            method: Cow::Borrowed(method),
            path: Cow::Borrowed(raw_path),
            query: Cow::Borrowed(query),
            bytes: None,
            sent_target: Some(target),
            rest,
            headers: None,
            headers_changed: false,
            is_websocket,
            sent_method: method,
        }
    }

    /// The method.
    pub fn method(&self) -> &[u8] {
        &self.method
    }

    /// The raw path.
    pub(crate) fn path(&self) -> &[u8] {
        &self.path
    }

    pub(crate) fn query(&self) -> &[u8] {
        &self.query
    }

    /// Path and query, as `req.url` has them.
    pub(crate) fn href(&self) -> Cow<'_, [u8]> {
        if self.query.is_empty() {
            Cow::Borrowed(&self.path)
        } else {
            Cow::Owned([&self.path, &b"?"[..], &self.query].concat())
        }
    }

    /// The set of bytes that occur in the path, collected when a rule first asks for it.
    pub(crate) fn path_bytes(&mut self) -> ByteSet {
        let path = &self.path;
        *self.bytes.get_or_insert_with(|| ByteSet::in_text(path))
    }

    /// The set of bytes that occur in the href.
    pub(crate) fn href_bytes(&mut self) -> ByteSet {
        let mark = if self.query.is_empty() { b"" } else { &b"?"[..] };
        self.path_bytes()
            .with(ByteSet::in_text(mark))
            .with(ByteSet::in_text(&self.query))
    }

    /// All headers, in their order.
    pub(crate) fn headers(&mut self) -> &mut Vec<Field<'h>> {
        let rest = self.rest;
        self.headers.get_or_insert_with(|| {
            let mut fields = rest
                .get(headers_from(rest)..)
                .unwrap_or_default()
                .split(|&byte| byte == 0);
            // The text before the first NUL is empty: skip it.
            fields.next();
            let mut headers = Vec::new();
            while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
                headers.push((Cow::Borrowed(name), Cow::Borrowed(value)));
            }
            headers
        })
    }

    /// The values of one header.
    pub(crate) fn values(&mut self, name: &str) -> impl Iterator<Item = &[u8]> {
        let of_that_name = self.headers().iter().filter(move |(other, _)| is(other, name));
        of_that_name.map(|(_, value)| &**value)
    }

    pub(crate) fn set_target(&mut self, target: &[u8]) {
        let Target { raw_path, query } = Target::parse(target);
        if *self.path != *raw_path || *self.query != *query {
            self.path = Cow::Owned(raw_path.to_vec());
            self.query = Cow::Owned(query.to_vec());
            self.bytes = None;
            self.sent_target = None;
        }
    }

    /// Ignored for a WebSocket: its scope has no method, and its handshake is always a GET.
    pub(crate) fn set_method(&mut self, method: &str) {
        if !self.is_websocket && *self.method != *method.as_bytes() {
            self.method = Cow::Owned(method.as_bytes().to_vec());
        }
    }

    /// Notes that the caller has changed what [`Self::headers`] returned.
    pub(crate) fn note_changed_headers(&mut self) {
        self.headers_changed = true;
    }

    /// The flat head; `None` if nothing has changed.
    pub fn into_flat(self) -> Option<Vec<u8>> {
        if *self.method == *self.sent_method && self.sent_target.is_some() && !self.headers_changed {
            return None;
        }
        let mut flat =
            Vec::with_capacity(self.method.len() + self.path.len() + self.query.len() + self.rest.len() + 64);
        flat.extend_from_slice(&self.method);
        flat.push(0);
        match self.sent_target {
            Some(target) => flat.extend_from_slice(target),
            None => flat.extend_from_slice(&self.href()),
        }
        let before_root = skip(self.rest, 0, BEFORE_ROOT);
        let from_extensions = skip(self.rest, before_root, 1);
        let behind_extensions = skip(self.rest, from_extensions, 1);
        flat.extend_from_slice(&self.rest[..before_root]);
        let root = &self.rest[before_root..from_extensions];
        // If the path is no longer below the mount, the application must not be told that it is.
        flat.extend_from_slice(if self.is_under(root) { root } else { b"\0" });
        let extensions = &self.rest[from_extensions..behind_extensions];
        if self.sent_method == b"HEAD" && *self.method != *b"HEAD" {
            flat.push(0);
            flat.extend((number(extensions) | HEAD).to_string().bytes());
        } else {
            flat.extend_from_slice(extensions);
        }
        match &self.headers {
            Some(headers) if self.headers_changed => {
                flat.extend_from_slice(&self.rest[behind_extensions..headers_from(self.rest)]);
                for (name, value) in headers {
                    for text in [name, value] {
                        flat.push(0);
                        flat.extend_from_slice(text);
                    }
                }
            }
            _ => flat.extend_from_slice(&self.rest[behind_extensions..]),
        }
        Some(flat)
    }

    /// Whether the path is the mount's own or below it. `root` begins with a NUL and is decoded.
    fn is_under(&self, root: &[u8]) -> bool {
        let root = root.get(1..).unwrap_or_default();
        let path = percent_decode(&self.path);
        let below = path.strip_prefix(root);
        below.is_some_and(|below| below.is_empty() || below[0] == b'/' || root.is_empty())
    }
}

/// Whether the header has this name.
pub(crate) fn is(name: &[u8], wanted: &str) -> bool {
    name.eq_ignore_ascii_case(wanted.as_bytes())
}

/// Splits before the next NUL.
fn cut(bytes: &[u8]) -> (&[u8], &[u8]) {
    bytes.split_at(memchr(0, bytes).unwrap_or(bytes.len()))
}

/// The index of the NUL that is this many fields after the one at `from`.
fn skip(rest: &[u8], from: usize, fields: usize) -> usize {
    (0..fields).fold(from, |at, _| {
        let behind = rest.get(at + 1..).unwrap_or_default();
        (at + 1 + cut(behind).0.len()).min(rest.len())
    })
}

/// The index of the NUL before the first header.
fn headers_from(rest: &[u8]) -> usize {
    let from_extensions = skip(rest, 0, BEFORE_ROOT + 1);
    let behind = skip(rest, from_extensions, 1);
    if number(&rest[from_extensions..behind]) & TLS == 0 {
        behind
    } else {
        skip(rest, behind, TLS_FIELDS)
    }
}

/// The number that stands in decimal digits after a NUL.
fn number(field: &[u8]) -> u32 {
    let digits = field.get(1..).and_then(|digits| std::str::from_utf8(digits).ok());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}
