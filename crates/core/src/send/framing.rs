//! Response headers and message framing. We check both, because Node writes whatever it is given (docs/asgi.md, 56 to 65).

use crate::error::Error;

/// The version of HTTP on the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
    /// HTTP/2
    Http2,
}

impl Version {
    /// As ASGI spells it: `"1.0"`, `"1.1"` or `"2"`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "1.0",
            Self::Http11 => "1.1",
            Self::Http2 => "2",
        }
    }
}

/// Validated response headers, flat: `name\0value\0…`, and what they say about the body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderBlock {
    flat: Vec<u8>,
    content_length: Option<u64>,
    announces_trailers: bool,
    is_event_stream: bool,
}

/// Headers that belong to one connection; HTTP/2 forbids them (RFC 9113, section 8.2.2).
const CONNECTION_SPECIFIC: [&[u8]; 4] = [b"connection", b"keep-alive", b"proxy-connection", b"upgrade"];

/// The most bytes that the fields of one block may have. No client reads so many, and V8 limits the length of strings.
pub const MOST_FIELD_BYTES: usize = 16 << 20;

const EVENT_STREAM: &[u8] = b"text/event-stream";

impl HeaderBlock {
    /// With room for `count` headers of usual length.
    pub fn with_capacity(count: usize) -> Self {
        Self {
            flat: Vec::with_capacity(count * 32),
            content_length: None,
            announces_trailers: false,
            is_event_stream: false,
        }
    }

    /// Adds a header after checking it. Leaves out what the framing decides itself (`transfer-encoding`, a repeated equal
    /// `content-length`, connection headers on HTTP/2).
    pub fn add(&mut self, name: &[u8], value: &[u8], version: Version) -> Result<(), Error> {
        self.check_size(name, value)?;
        check_name(name)?;
        check_value(name, value)?;
        match name.len() {
            // Only names of these lengths can matter to framing.
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                let length = content_length(value)?;
                match self.content_length.replace(length) {
                    None => {}
                    Some(before) if before == length => return Ok(()),
                    Some(before) => {
                        self.content_length = Some(before);
                        return Err(Error::WrongValue(format!(
                            "content-length is both {before} and {length}"
                        )));
                    }
                }
                // Written as we parsed it, so that the client cannot parse it differently.
                self.append(name, length.to_string().as_bytes());
                return Ok(());
            }
            12 if name.eq_ignore_ascii_case(b"content-type") => {
                let kind = value.get(..EVENT_STREAM.len());
                self.is_event_stream = kind.is_some_and(|kind| kind.eq_ignore_ascii_case(EVENT_STREAM));
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => return Ok(()),
            7 if name.eq_ignore_ascii_case(b"trailer") => self.announces_trailers = true,
            7 | 10 | 16
                if version == Version::Http2 && CONNECTION_SPECIFIC.iter().any(|c| name.eq_ignore_ascii_case(c)) =>
            {
                return Ok(());
            }
            _ => {}
        }
        self.append(name, value);
        Ok(())
    }

    /// Adds a trailer field: as [`Self::add`], but refuses fields that frame or route a message (RFC 9110, 6.5.1).
    pub fn add_trailer(&mut self, name: &[u8], value: &[u8]) -> Result<(), Error> {
        const FORBIDDEN: [&[u8]; 9] = [
            b"content-length",
            b"transfer-encoding",
            b"host",
            b"content-encoding",
            b"content-type",
            b"content-range",
            b"trailer",
            b"set-cookie",
            b"connection",
        ];
        self.check_size(name, value)?;
        check_name(name)?;
        check_value(name, value)?;
        if FORBIDDEN.iter().any(|f| name.eq_ignore_ascii_case(f)) {
            return Err(Error::WrongValue(format!("{} may not be a trailer", shown(name))));
        }
        self.append(name, value);
        Ok(())
    }

    fn check_size(&self, name: &[u8], value: &[u8]) -> Result<(), Error> {
        // None of these lengths is above isize::MAX, so two of them cannot overflow.
        if self.flat.len() + name.len() <= MOST_FIELD_BYTES
            && value.len() <= MOST_FIELD_BYTES - self.flat.len() - name.len()
        {
            return Ok(());
        }
        Err(Error::WrongValue(format!(
            "header {} makes more than {MOST_FIELD_BYTES} bytes of header fields, which nobody reads",
            shown(name)
        )))
    }

    fn append(&mut self, name: &[u8], value: &[u8]) {
        if !self.flat.is_empty() {
            self.flat.push(0);
        }
        let from = self.flat.len();
        self.flat.extend_from_slice(name);
        self.flat[from..].make_ascii_lowercase();
        self.flat.push(0);
        self.flat.extend_from_slice(value);
    }

    /// Whether the body is a stream of server-sent events, which does not end by itself.
    pub fn is_event_stream(&self) -> bool {
        self.is_event_stream
    }

    /// The declared length of the body.
    pub fn content_length(&self) -> Option<u64> {
        self.content_length
    }

    /// Fits the headers to a status. 1xx and 204 carry no length. A connection ends after a final 1xx, because its client
    /// would go on waiting for the real response (RFC 9110, 8.6 and 15.2).
    pub fn fit(&mut self, status: u16, version: Version) {
        let informational = status < 200;
        if informational || status == 204 {
            self.content_length = None;
            self.retain(|name| name != b"content-length");
        }
        if informational && version != Version::Http2 {
            self.retain(|name| name != b"connection");
            self.append(b"connection", b"close");
        }
    }

    /// Leaves out `trailer` if no trailers can follow: it would be wrong, and Node throws on it.
    pub fn without_trailers(&mut self) {
        if std::mem::take(&mut self.announces_trailers) {
            self.retain(|name| name != b"trailer");
        }
    }

    fn retain(&mut self, keep: impl Fn(&[u8]) -> bool) {
        let flat = std::mem::take(&mut self.flat);
        if flat.is_empty() {
            return;
        }
        let mut fields = flat.split(|&b| b == 0);
        while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
            if keep(name) {
                self.append(name, value);
            }
        }
    }

    /// The flat bytes.
    pub fn into_flat(self) -> Vec<u8> {
        self.flat
    }
}

/// Whether a byte may stand in a token (RFC 9110, 5.6.2).
const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128u8 {
        table[byte as usize] = byte.is_ascii_alphanumeric();
        byte += 1;
    }
    let mut rest: &[u8] = b"!#$%&'*+-.^_`|~";
    while let [byte, others @ ..] = rest {
        table[*byte as usize] = true;
        rest = others;
    }
    table
};

/// A header name is a token (RFC 9110, 5.1).
fn check_name(name: &[u8]) -> Result<(), Error> {
    if !name.is_empty() && name.iter().all(|&byte| TOKEN[usize::from(byte)]) {
        return Ok(());
    }
    Err(Error::WrongValue(format!(
        "invalid header name {} (RFC 9110, 5.1)",
        shown(name)
    )))
}

/// A value holds visible characters, spaces, tabs and bytes from 0x80 (RFC 9110, 5.5). CR, LF, NUL and all other control
/// characters are refused: parsers disagree on them.
fn check_value(name: &[u8], value: &[u8]) -> Result<(), Error> {
    match value.iter().position(|&b| (b < 0x20 && b != b'\t') || b == 0x7f) {
        None => Ok(()),
        Some(at) => Err(Error::WrongValue(format!(
            "the value of header {} holds the control character 0x{:02x} at byte {at}",
            shown(name),
            value[at]
        ))),
    }
}

fn content_length(value: &[u8]) -> Result<u64, Error> {
    let digits = value.trim_ascii();
    let number = digits
        .iter()
        .all(u8::is_ascii_digit)
        .then_some(digits)
        .filter(|d| !d.is_empty());
    number
        .and_then(|d| std::str::from_utf8(d).ok()?.parse().ok())
        .ok_or_else(|| Error::WrongValue(format!("invalid content-length {}", shown(value))))
}

fn shown(bytes: &[u8]) -> String {
    let short = &bytes[..bytes.len().min(80)];
    format!("b\"{}\"", short.escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::{HeaderBlock, Version};
    use proptest::prelude::*;

    fn block(headers: &[(&str, &str)]) -> Result<HeaderBlock, String> {
        let mut block = HeaderBlock::default();
        for (name, value) in headers {
            block
                .add(name.as_bytes(), value.as_bytes(), Version::Http11)
                .map_err(|e| e.to_string())?;
        }
        Ok(block)
    }

    #[test]
    fn asgi_57_61_62_order_duplicates_and_case() {
        let block = block(&[
            ("Set-Cookie", "a"),
            ("X", "1"),
            ("Transfer-Encoding", "chunked"),
            ("set-cookie", "b"),
        ]);
        assert_eq!(
            block.expect("valid").into_flat(),
            b"set-cookie\0a\0x\x001\0set-cookie\0b"
        );
    }

    #[test]
    fn asgi_58_content_length_is_one_number() {
        assert_eq!(
            block(&[("content-length", "5")]).expect("valid").content_length(),
            Some(5)
        );
        assert_eq!(
            block(&[("content-length", "5"), ("Content-Length", "05")])
                .expect("equal")
                .into_flat(),
            b"content-length\x005"
        );
        for wrong in ["", "+5", "-5", "5, 5", "0x5", "five", "99999999999999999999999"] {
            assert!(block(&[("content-length", wrong)]).is_err(), "{wrong:?}");
        }
        assert!(block(&[("content-length", "5"), ("content-length", "6")]).is_err());
    }

    #[test]
    fn asgi_63_names_and_values_that_inject() {
        for (name, value) in [("", "v"), ("a b", "v"), ("a:", "v"), ("a\r\n", "v"), ("é", "v")] {
            assert!(block(&[(name, value)]).is_err(), "{name:?}");
        }
        for value in ["a\r\nb", "a\nb", "a\0b", "a\x0bb", "a\x7fb"] {
            assert!(block(&[("name", value)]).is_err(), "{value:?}");
        }
        assert!(block(&[("name", "\t é spaces ")]).is_ok());
    }

    #[test]
    fn field_2_fields_are_bounded_together() {
        let mut block = HeaderBlock::default();
        let value = vec![b'v'; super::MOST_FIELD_BYTES / 2];
        assert!(block.add(b"a", &value, Version::Http11).is_ok());
        assert!(block.add(b"b", &value, Version::Http11).is_err());
        assert!(block.add_trailer(b"c", &value).is_err());
        assert!(block.add(b"d", b"small", Version::Http11).is_ok());
    }

    #[test]
    fn asgi_60_no_length_where_no_body_may_be() {
        let mut of_204 = block(&[("content-length", "5"), ("x", "y")]).expect("valid");
        of_204.fit(204, Version::Http11);
        assert_eq!((of_204.content_length(), of_204.into_flat()), (None, b"x\0y".to_vec()));
        let mut of_103 = block(&[("connection", "keep-alive")]).expect("valid");
        of_103.fit(103, Version::Http11);
        assert_eq!(of_103.into_flat(), b"connection\0close");
    }

    #[test]
    fn asgi_126_trailers_are_announced_only_where_they_can_follow() {
        let mut block = block(&[("x", "1"), ("Trailer", "x-a"), ("y", "2")]).expect("valid");
        block.without_trailers();
        assert_eq!(block.into_flat(), b"x\x001\0y\x002");
    }

    #[test]
    fn http2_has_no_connection_headers() {
        let mut block = HeaderBlock::default();
        for name in ["connection", "keep-alive", "upgrade", "proxy-connection", "x-forwarded"] {
            block.add(name.as_bytes(), b"v", Version::Http2).expect("valid");
        }
        assert_eq!(block.into_flat(), b"x-forwarded\0v");
    }

    proptest! {
        #[test]
        fn nothing_accepted_can_break_a_line(name in proptest::collection::vec(any::<u8>(), 0..8),
                                             value in proptest::collection::vec(any::<u8>(), 0..8)) {
            let mut block = HeaderBlock::default();
            if block.add(&name, &value, Version::Http11).is_ok() {
                let flat = block.into_flat();
                prop_assert!(!flat.contains(&b'\r') && !flat.contains(&b'\n'));
                prop_assert!(flat.split(|&b| b == 0).count() <= 2);
            }
        }
    }
}
