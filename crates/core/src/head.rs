//! The flat head: everything that the host knows of a request before its body, in one latin-1 string.
//!
//! One string crosses Node-API at the cost of one copy, where an object would cost a call per property. Fields are joined by
//! `\0`, which may stand in none of them; then come the headers as they were received, name and value in turn.

use crate::framing::Version;
use crate::{Error, target::Target};

/// The host can send trailers on this connection.
pub const TRAILERS: u32 = 1;
/// The host can send `103 Early Hints` on this connection.
pub const EARLY_HINT: u32 = 2;
/// The host can send a file by its path.
pub const PATHSEND: u32 = 4;
/// The host can send a file by its descriptor.
pub const ZEROCOPYSEND: u32 = 8;
/// The connection is encrypted and the fields of the `tls` extension follow.
pub const TLS: u32 = 16;

const FIELDS: usize = 10;

/// A request's head. Owns the bytes that the host handed over and gives out slices.
#[derive(Debug, Clone)]
pub struct RequestHead {
    bytes: Box<[u8]>,
    /// Where each fixed field ends; headers begin after the last.
    ends: [usize; FIELDS],
    extensions: u32,
    version: Version,
}

impl RequestHead {
    /// Takes a head apart; fails only when the host broke the format.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, Error> {
        let mut ends = [0; FIELDS];
        let mut from = 0;
        for end in &mut ends {
            let length = bytes
                .get(from..)
                .and_then(|rest| rest.iter().position(|&b| b == 0))
                .or_else(|| {
                    // The last field has no separator behind it when there are no headers.
                    bytes.len().checked_sub(from)
                });
            *end = from + length.ok_or_else(|| Error::InvalidRequest("the head ends too early".into()))?;
            from = *end + 1;
        }
        let mut head = Self {
            bytes: bytes.into(),
            ends,
            extensions: 0,
            version: Version::Http11,
        };
        head.extensions = head.number(9)?.unwrap_or(0);
        head.version = match head.field(2) {
            b"1.0" => Version::Http10,
            b"1.1" => Version::Http11,
            b"2" => Version::Http2,
            other => {
                return Err(Error::InvalidRequest(format!(
                    "HTTP version {:?}",
                    String::from_utf8_lossy(other)
                )));
            }
        };
        Ok(head)
    }

    fn field(&self, index: usize) -> &[u8] {
        let from = index.checked_sub(1).map_or(0, |before| self.ends[before] + 1);
        &self.bytes[from.min(self.ends[index])..self.ends[index]]
    }

    fn number<N: std::str::FromStr>(&self, index: usize) -> Result<Option<N>, Error> {
        let digits = self.field(index);
        if digits.is_empty() {
            return Ok(None);
        }
        let parsed = std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok());
        parsed
            .map(Some)
            .ok_or_else(|| Error::InvalidRequest(format!("{:?} is no number", String::from_utf8_lossy(digits))))
    }

    /// The method, as it was received.
    pub fn method(&self) -> &[u8] {
        self.field(0)
    }

    /// The target, cut up.
    pub fn target(&self) -> Target<'_> {
        Target::parse(self.field(1))
    }

    /// The version of HTTP.
    pub fn version(&self) -> Version {
        self.version
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &[u8] {
        self.field(3)
    }

    /// The client's address, when it has one (a Unix socket has none).
    pub fn client(&self) -> Option<(&[u8], u16)> {
        let host = self.field(4);
        (!host.is_empty()).then(|| (host, self.number(5).ok().flatten().unwrap_or(0)))
    }

    /// The server's address: host and port, or the path of a Unix socket and `None`.
    pub fn server(&self) -> Option<(&[u8], Option<u16>)> {
        let host = self.field(6);
        (!host.is_empty()).then(|| (host, self.number(7).ok().flatten()))
    }

    /// The root path of this request (UTF-8); empty where the handler's own counts.
    pub fn root_path(&self) -> &[u8] {
        self.field(8)
    }

    /// Which extensions this connection supports: a set of [`TRAILERS`], [`EARLY_HINT`], …
    pub fn supports(&self, extension: u32) -> bool {
        self.extensions & extension != 0
    }

    /// All of them.
    pub fn extensions(&self) -> u32 {
        self.extensions
    }

    /// Whether the client takes trailers (`TE: trailers`, RFC 9110, 10.1.4). Looked at only where they can be sent.
    pub fn takes_trailers(&self) -> bool {
        self.supports(TRAILERS)
            && self.headers().any(|(name, value)| {
                let accepts = |v: &[u8]| {
                    v.split(|&b| b == b',')
                        .any(|t| t.trim_ascii().eq_ignore_ascii_case(b"trailers"))
                };
                name.eq_ignore_ascii_case(b"te") && accepts(value)
            })
    }

    /// The headers in the order in which they were received, names in their own case.
    pub fn headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let rest = self.bytes.get(self.ends[FIELDS - 1] + 1..).unwrap_or(b"");
        let mut fields = rest.split(|&b| b == 0);
        let mut done = rest.is_empty();
        std::iter::from_fn(move || {
            if done {
                return None;
            }
            let name = fields.next();
            let value = fields.next();
            done = value.is_none();
            Some((name?, value?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::RequestHead;
    use crate::framing::Version;
    use proptest::prelude::*;

    fn head(text: &str) -> RequestHead {
        RequestHead::parse(text.as_bytes().to_vec()).expect("well-formed")
    }

    #[test]
    fn fields_and_headers_come_back_as_they_were() {
        let head = head("GET\0/p?q\01.1\0http\0127.0.0.1\05000\0127.0.0.1\080\0\03\0Host\0x\0X-A\0\0X-A\0b");
        assert_eq!(head.method(), b"GET");
        assert_eq!(head.target().query, b"q");
        assert_eq!(head.version(), Version::Http11);
        assert_eq!(head.client(), Some((&b"127.0.0.1"[..], 5000)));
        assert_eq!(head.server(), Some((&b"127.0.0.1"[..], Some(80))));
        assert_eq!(head.root_path(), b"");
        assert!(head.supports(super::TRAILERS) && head.supports(super::EARLY_HINT) && !head.supports(super::PATHSEND));
        let headers: Vec<_> = head.headers().collect();
        assert_eq!(headers, [(&b"Host"[..], &b"x"[..]), (b"X-A", b""), (b"X-A", b"b")]);
    }

    #[test]
    fn no_headers_no_peers() {
        let head = head("GET\0/\01.0\0http\0\0\0/run/x.sock\0\0\0");
        assert_eq!(
            (head.client(), head.server()),
            (None, Some((&b"/run/x.sock"[..], None)))
        );
        assert_eq!(head.headers().count(), 0);
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_taken_apart_without_a_panic(bytes in proptest::collection::vec(0u8..4, 0..64)) {
            if let Ok(head) = RequestHead::parse(bytes) {
                let _ = (head.target(), head.client(), head.server(), head.headers().count());
            }
        }
    }
}
