//! The flat head: everything that the host knows of a request before its body, in one latin-1 string.
//!
//! One string crosses Node-API at the cost of one copy; an object would cost a call per property. Fields are joined by
//! `\0`, which no field may contain. Then come the headers as they were received, name and value in turn.

use crate::error::Error;
use crate::request::target::Target;
use crate::send::framing::Version;

pub use crate::protocol::extension::{EARLY_HINT, HEAD, PATHSEND, TLS, TRAILERS, ZEROCOPYSEND};

const FIELDS: usize = 10;
const TLS_FIELDS: usize = 6;
/// The separator between the certificates of a chain, which are one field.
const CHAIN_SEPARATOR: u8 = 1;

/// The data of ASGI's `tls` extension for a connection. An empty text here is `None` there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tls<'a> {
    /// The server's certificate, PEM.
    pub server_cert: &'a [u8],
    /// The client's certificates, PEM, the client's own first: see [`Tls::chain`].
    chain: &'a [u8],
    /// The subject of the client's certificate (RFC 4514), UTF-8.
    pub client_cert_name: &'a [u8],
    /// Why the client's certificate was not accepted.
    pub client_cert_error: &'a [u8],
    /// The version of TLS as on the wire (0x0303 is 1.2, 0x0304 is 1.3).
    pub version: Option<u16>,
    /// The number of the cipher suite in IANA's registry.
    pub cipher_suite: Option<u16>,
}

impl<'a> Tls<'a> {
    /// The client's certificates in the order in which it sent them.
    pub fn chain(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.chain
            .split(|&b| b == CHAIN_SEPARATOR)
            .filter(|pem| !pem.is_empty())
    }
}

/// A request's head. Owns the bytes that the host handed over and gives out slices.
#[derive(Debug, Clone)]
pub struct RequestHead {
    bytes: Box<[u8]>,
    /// Where each fixed field ends.
    ends: [usize; FIELDS],
    extensions: u32,
    version: Version,
}

impl RequestHead {
    /// Parses a head; fails only if the host broke the format.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, Error> {
        let mut ends = [0; FIELDS];
        let mut from = 0;
        for end in &mut ends {
            *end = field_end(&bytes, from)?;
            from = *end + 1;
        }
        let mut head = Self {
            bytes: bytes.into(),
            ends,
            extensions: 0,
            version: Version::Http11,
        };
        head.extensions = head.number(9)?.unwrap_or(0);
        head.headers_from()?;
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

    /// Where the headers begin: after the last fixed field, or after the fields of the `tls` extension.
    fn headers_from(&self) -> Result<usize, Error> {
        let mut from = self.ends[FIELDS - 1] + 1;
        if self.supports(TLS) {
            for _ in 0..TLS_FIELDS {
                from = field_end(&self.bytes, from)? + 1;
            }
        }
        Ok(from)
    }

    fn field(&self, index: usize) -> &[u8] {
        let from = index.checked_sub(1).map_or(0, |before| self.ends[before] + 1);
        &self.bytes[from.min(self.ends[index])..self.ends[index]]
    }

    fn number<N: std::str::FromStr>(&self, index: usize) -> Result<Option<N>, Error> {
        number(self.field(index))
    }

    /// The method, as it was received.
    pub fn method(&self) -> &[u8] {
        self.field(0)
    }

    /// The method that decides the framing of the response: HEAD if the client has sent it, also if a rule has changed it.
    pub fn framing_method(&self) -> &[u8] {
        if self.supports(HEAD) { b"HEAD" } else { self.method() }
    }

    /// The target, split into its parts.
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

    /// The part of the path under which the host has mounted the app (UTF-8, decoded); the target includes it. Empty
    /// without a mount.
    pub fn root_path(&self) -> &[u8] {
        self.field(8)
    }

    /// Which extensions this connection supports: a set of [`TRAILERS`], [`EARLY_HINT`], …
    pub fn supports(&self, extension: u32) -> bool {
        self.extensions & extension != 0
    }

    /// The data of the connection's encryption; `None` for a plain connection.
    pub fn tls(&self) -> Option<Tls<'_>> {
        if !self.supports(TLS) {
            return None;
        }
        let mut fields = self.bytes.get(self.ends[FIELDS - 1] + 1..)?.split(|&b| b == 0);
        Some(Tls {
            server_cert: fields.next()?,
            chain: fields.next()?,
            client_cert_name: fields.next()?,
            client_cert_error: fields.next()?,
            version: fields.next().and_then(|digits| number(digits).ok().flatten()),
            cipher_suite: fields.next().and_then(|digits| number(digits).ok().flatten()),
        })
    }

    /// All of them.
    pub fn extensions(&self) -> u32 {
        self.extensions
    }

    /// Removes the extensions that the connection supports but the handler does not offer.
    pub fn withhold(&mut self, extensions: u32) {
        self.extensions &= !extensions;
    }

    /// Whether the client accepts trailers (`TE: trailers`, RFC 9110, 10.1.4). Asked only if they can be sent.
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

    /// The length of the body, where the client has announced it.
    pub fn body_length(&self) -> Option<usize> {
        let mut headers = self.headers();
        let (_, value) = headers.find(|(name, _)| name.eq_ignore_ascii_case(b"content-length"))?;
        number(value).ok().flatten()
    }

    /// The headers in the order in which they were received; the names keep their case.
    pub fn headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let rest = self
            .headers_from()
            .ok()
            .and_then(|from| self.bytes.get(from..))
            .unwrap_or(b"");
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

/// Where the field that begins at `from` ends. Without headers, no separator follows the last field.
fn field_end(bytes: &[u8], from: usize) -> Result<usize, Error> {
    let rest = bytes
        .get(from..)
        .ok_or_else(|| Error::InvalidRequest("the head ends too early".into()))?;
    Ok(from + rest.iter().position(|&b| b == 0).unwrap_or(rest.len()))
}

/// A field of decimal digits; an empty one is `None`.
fn number<N: std::str::FromStr>(digits: &[u8]) -> Result<Option<N>, Error> {
    if digits.is_empty() {
        return Ok(None);
    }
    let parsed = std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok());
    parsed
        .map(Some)
        .ok_or_else(|| Error::InvalidRequest(format!("{:?} is not a number", String::from_utf8_lossy(digits))))
}

#[cfg(test)]
mod tests {
    use super::RequestHead;
    use crate::send::framing::Version;
    use proptest::prelude::*;

    fn head(text: &str) -> RequestHead {
        RequestHead::parse(text.as_bytes().to_vec()).expect("well-formed")
    }

    #[test]
    fn fields_and_headers_come_back_as_they_were() {
        let head =
            head("GET\0/p?q\x001.1\0http\x00127.0.0.1\x005000\x00127.0.0.1\x0080\0\x003\0Host\0x\0X-A\0\0X-A\0b");
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
        let head = head("GET\0/\x001.0\0http\0\0\0/run/x.sock\0\0\0");
        assert_eq!(
            (head.client(), head.server()),
            (None, Some((&b"/run/x.sock"[..], None)))
        );
        assert_eq!(head.headers().count(), 0);
    }

    #[test]
    fn the_fields_of_tls_stand_before_the_headers() {
        let head =
            head("GET\0/\x001.1\0https\0\0\0\0\0\x0019\0SERVER\0LEAF\x01ISSUER\0CN=a\0EXPIRED\x00772\x004865\0host\0x");
        let tls = head.tls().expect("bit 16 is set");
        assert_eq!(tls.server_cert, b"SERVER");
        assert_eq!(tls.chain().collect::<Vec<_>>(), [&b"LEAF"[..], b"ISSUER"]);
        assert_eq!(
            (tls.client_cert_name, tls.client_cert_error),
            (&b"CN=a"[..], &b"EXPIRED"[..])
        );
        assert_eq!((tls.version, tls.cipher_suite), (Some(0x0304), Some(0x1301)));
        assert_eq!(head.headers().collect::<Vec<_>>(), [(&b"host"[..], &b"x"[..])]);
    }

    #[test]
    fn what_tls_does_not_tell_is_none_and_half_of_it_is_refused() {
        let empty = head("GET\0/\x002\0https\0\0\0\0\0\x0016\0\0\0\0\0\0");
        let tls = empty.tls().expect("bit 16 is set");
        assert_eq!(
            (tls.server_cert, tls.chain().count(), tls.version, tls.cipher_suite),
            (&b""[..], 0, None, None)
        );
        assert_eq!(empty.headers().count(), 0);
        assert!(head("GET\0/\x002\0http\0\0\0\0\0\x000").tls().is_none());
        assert!(RequestHead::parse(b"GET\0/\x002\0https\0\0\0\0\0\x0016\0SERVER\0".to_vec()).is_err());
    }

    proptest! {
        #[test]
        fn tls_and_headers_come_back_whatever_they_hold(
            fields in proptest::collection::vec("[^\0\x01]{0,12}", 4),
            chain in proptest::collection::vec("[^\0\x01]{1,12}", 0..4),
            headers in proptest::collection::vec(("[^\0]{1,6}", "[^\0]{0,6}"), 0..4),
        ) {
            let [server, name, error, other] = &fields[..] else { unreachable!("four of them") };
            let target = other.len().to_string();
            let mut parts = vec!["GET", &target, "1.1", "https", "", "", "", "", "", "16"];
            let chained = chain.join("\x01");
            parts.extend([server, &chained, name, error, "771", ""]);
            parts.extend(headers.iter().flat_map(|(key, value)| [key.as_str(), value.as_str()]));
            let text = parts.join("\0");
            let head = head(&text);
            let tls = head.tls().expect("bit 16 is set");
            prop_assert_eq!((tls.server_cert, tls.client_cert_name), (server.as_bytes(), name.as_bytes()));
            prop_assert_eq!((tls.client_cert_error, tls.version, tls.cipher_suite), (error.as_bytes(), Some(771), None));
            prop_assert_eq!(tls.chain().collect::<Vec<_>>(), chain.iter().map(String::as_bytes).collect::<Vec<_>>());
            let pairs: Vec<_> = headers.iter().map(|(k, v)| (k.as_bytes(), v.as_bytes())).collect();
            prop_assert_eq!(head.headers().collect::<Vec<_>>(), pairs);
        }

        #[test]
        fn any_bytes_behind_the_tls_bit_are_refused_or_taken_apart(rest in proptest::collection::vec(0u8..4, 0..32)) {
            let bytes = [b"GET\0/\x001.1\0https\0\0\0\0\0\x0016\0".as_slice(), &rest].concat();
            if let Ok(head) = RequestHead::parse(bytes) {
                let tls = head.tls().expect("bit 16 is set");
                let _ = (tls.chain().count(), head.headers().count());
            }
        }

        #[test]
        fn any_bytes_are_refused_or_taken_apart_without_a_panic(bytes in proptest::collection::vec(0u8..4, 0..64)) {
            if let Ok(head) = RequestHead::parse(bytes) {
                let _ = (head.target(), head.client(), head.server(), head.headers().count());
            }
        }
    }
}
