//! The request target: splits its raw bytes into what an ASGI scope needs. Nothing is normalised (docs/asgi.md, 19 to 26).

use std::borrow::Cow;

/// A request target, split but not decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// The path as it was received: no query, no fragment.
    pub raw_path: &'a [u8],
    /// What follows the first `?`, undecoded; empty without one.
    pub query: &'a [u8],
}

impl<'a> Target<'a> {
    /// Splits a target. A fragment is dropped, an absolute form is reduced to its path and query.
    pub fn parse(target: &'a [u8]) -> Self {
        let target = strip_origin(cut(target, b'#').0);
        let (raw_path, query) = cut(target, b'?');
        // `http://host` and `http://host?q` have an empty path, which stands for the root.
        Self {
            raw_path: if raw_path.is_empty() { b"/" } else { raw_path },
            query,
        }
    }
}

fn cut(bytes: &[u8], at: u8) -> (&[u8], &[u8]) {
    match bytes.iter().position(|&b| b == at) {
        Some(i) => (&bytes[..i], &bytes[i + 1..]),
        None => (bytes, b""),
    }
}

/// `http://host:81/p?q` → `/p?q`. A target that starts with `/` is never touched, so `//p/../q` stays as it is.
fn strip_origin(target: &[u8]) -> &[u8] {
    if target.first() == Some(&b'/') {
        return target;
    }
    let scheme = target
        .iter()
        .position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.')));
    let Some(rest) = scheme.filter(|&n| n > 0).and_then(|n| target[n..].strip_prefix(b"://")) else {
        return target;
    };
    let authority = rest.iter().position(|b| matches!(b, b'/' | b'?')).unwrap_or(rest.len());
    &rest[authority..]
}

/// Percent-decodes; an invalid escape (`%zz`, `%4`) is kept as it is.
pub fn percent_decode(bytes: &[u8]) -> Cow<'_, [u8]> {
    if !bytes.contains(&b'%') {
        return Cow::Borrowed(bytes);
    }
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, after)) = rest.split_first() {
        let pair = (byte == b'%').then(|| after.first_chunk::<2>()).flatten();
        if let Some(value) = pair.and_then(|&[high, low]| Some(hex(high)? << 4 | hex(low)?)) {
            decoded.push(value);
            rest = &after[2..];
        } else {
            decoded.push(byte);
            rest = after;
        }
    }
    Cow::Owned(decoded)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

/// Percent-encodes the characters that a path may not contain: for a root path that is put before `raw_path`.
pub fn percent_encode_path(path: &str) -> Vec<u8> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = Vec::with_capacity(path.len());
    for &byte in path.as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte) {
            encoded.push(byte);
        } else {
            encoded.extend([b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::{Target, percent_decode, percent_encode_path};
    use proptest::prelude::*;

    fn parse(target: &str) -> (&str, &str) {
        let t = Target::parse(target.as_bytes());
        (
            std::str::from_utf8(t.raw_path).expect("ascii"),
            std::str::from_utf8(t.query).expect("ascii"),
        )
    }

    #[test]
    fn asgi_21_to_26_targets() {
        assert_eq!(
            parse("/a%20b/%E2%82%AC%2Fx?y=%20&z"),
            ("/a%20b/%E2%82%AC%2Fx", "y=%20&z")
        );
        assert_eq!(parse("//p/../q"), ("//p/../q", ""));
        assert_eq!(parse("/p?"), ("/p", ""));
        assert_eq!(parse("/p?a?b"), ("/p", "a?b"));
        assert_eq!(parse("/p#frag?x"), ("/p", ""));
        assert_eq!(parse("/p?x#frag"), ("/p", "x"));
        assert_eq!(parse("http://other:81/p/q?x"), ("/p/q", "x"));
        assert_eq!(parse("http://other"), ("/", ""));
        assert_eq!(parse("http://other?x=/y"), ("/", "x=/y"));
        assert_eq!(parse("*"), ("*", ""));
        assert_eq!(parse("/p://x"), ("/p://x", ""));
    }

    #[test]
    fn asgi_19_decoding_keeps_what_is_no_escape() {
        assert_eq!(&*percent_decode(b"/a%20b/%E2%82%AC%2Fx"), "/a b/€/x".as_bytes());
        assert_eq!(&*percent_decode(b"/%zz%4%"), b"/%zz%4%");
        assert_eq!(&*percent_decode(b"/%2541"), b"/%41");
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(path in "\\PC*") {
            let encoded = percent_encode_path(&path);
            prop_assert_eq!(&*percent_decode(&encoded), path.as_bytes());
        }

        #[test]
        fn any_bytes_are_cut_without_loss_of_order(target in proptest::collection::vec(any::<u8>(), 0..64)) {
            let cut = Target::parse(&target);
            prop_assert!(!cut.raw_path.contains(&b'?') && !cut.raw_path.contains(&b'#') && !cut.query.contains(&b'#'));
            percent_decode(&target);
        }
    }
}
