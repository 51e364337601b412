//! Sets of bytes: what one atom of a pattern matches.
//!
//! The texts have at most 256 different characters: a target is ASCII, a header's value is latin-1. So an atom that speaks of all
//! Unicode is turned into a set here, once, and the automaton works on plain bytes.

use std::fmt::Write as _;

/// A set of latin-1 characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ByteSet([u64; 4]);

impl ByteSet {
    /// The bytes for which this is true.
    pub(super) fn of(mut contains: impl FnMut(u8) -> bool) -> Self {
        let mut set = Self::default();
        for byte in 0..=u8::MAX {
            if contains(byte) {
                set.insert(byte);
            }
        }
        set
    }

    /// The set of bytes that occur in a text.
    pub(crate) fn in_text(text: &[u8]) -> Self {
        let mut set = Self::default();
        if text.len() < 256 {
            for &byte in text {
                set.insert(byte);
            }
            return set;
        }
        // Setting a bit waits for the write before it if both are in one word, as in a long path of one byte. These do not wait.
        let mut seen = [false; 256];
        for &byte in text {
            seen[usize::from(byte)] = true;
        }
        Self::of(|byte| seen[usize::from(byte)])
    }

    fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    pub(crate) fn with(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] | other.0[i]))
    }

    pub(super) fn meets(self, other: Self) -> bool {
        self.0.iter().zip(other.0).any(|(a, b)| a & b != 0)
    }

    pub(super) fn is_within(self, other: Self) -> bool {
        self.0.iter().zip(other.0).all(|(a, b)| a & !b == 0)
    }

    pub(super) fn len(self) -> u32 {
        self.0.iter().map(|bits| bits.count_ones()).sum()
    }

    pub(super) fn contains(self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] & (1 << (byte & 63)) != 0
    }

    /// As a class of the regex crate, with Unicode off.
    pub(super) fn write(self, out: &mut String) {
        let mut ranges = Vec::new();
        let mut from = None;
        for byte in 0..=u8::MAX {
            match (self.contains(byte), from) {
                (true, None) => from = Some(byte),
                (false, Some(first)) => {
                    ranges.push((first, byte - 1));
                    from = None;
                }
                _ => {}
            }
        }
        ranges.extend(from.map(|first| (first, u8::MAX)));
        // Writing to a String does not fail.
        let _ = match ranges[..] {
            [] => write!(out, r"[^\x00-\xFF]"),
            [(byte, last)] if byte == last => write!(out, r"\x{byte:02X}"),
            _ => {
                out.push('[');
                for (first, last) in ranges {
                    let _ = write!(out, r"\x{first:02X}-\x{last:02X}");
                }
                write!(out, "]")
            }
        };
    }
}

/// The characters that ECMAScript takes for equal to a latin-1 character if case is ignored (ECMA-262, Canonicalize), itself
/// included. Without the flag `u` it compares upper case, with it Unicode's simple case folding.
pub(super) fn equivalents(byte: u8, unicode: bool) -> impl Iterator<Item = u32> {
    let swapped = match byte {
        b'a'..=b'z' | 0xE0..=0xF6 | 0xF8..=0xFE => Some(byte - 0x20),
        b'A'..=b'Z' | 0xC0..=0xD6 | 0xD8..=0xDE => Some(byte + 0x20),
        _ => None,
    };
    let others: &[u32] = match byte {
        0xB5 => &[0x39C, 0x3BC],
        0xFF => &[0x178],
        b'S' | b's' if unicode => &[0x17F],
        b'K' | b'k' if unicode => &[0x212A],
        0xC5 | 0xE5 if unicode => &[0x212B],
        0xDF if unicode => &[0x1E9E],
        _ => &[],
    };
    [Some(byte), swapped]
        .into_iter()
        .flatten()
        .map(u32::from)
        .chain(others.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::ByteSet;

    #[test]
    fn sets_are_written_as_the_shortest_class() {
        let written = |set: ByteSet| {
            let mut out = String::new();
            set.write(&mut out);
            out
        };
        assert_eq!(written(ByteSet::of(|_| false)), r"[^\x00-\xFF]");
        assert_eq!(written(ByteSet::of(|_| true)), r"[\x00-\xFF]");
        assert_eq!(written(ByteSet::of(|byte| byte == b'/')), r"\x2F");
        assert_eq!(
            written(ByteSet::of(|byte| byte.is_ascii_digit() || byte == 0xFF)),
            r"[\x30-\x39\xFF-\xFF]"
        );
    }
}
