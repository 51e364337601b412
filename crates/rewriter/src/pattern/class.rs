//! Characters and classes of characters, and the bytes that they match.

use regex::Regex;

use super::set::{ByteSet, equivalents};
use crate::error::Invalid;

/// A member of a class.
#[derive(Debug, Clone)]
pub(super) enum Member {
    /// A range of characters, both ends included. Half of a surrogate pair is a character, as in ECMAScript.
    Range(u32, u32),
    /// `\d` and `\D`.
    Digit(bool),
    /// `\w` and `\W`.
    Word(bool),
    /// `\s` and `\S`.
    Space(bool),
    /// `\p{…}` and `\P{…}`: the test for a character, and the result that the class wants from it.
    Property(Regex, bool),
}

/// What changes the meaning of characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Modes {
    pub(super) ignore_case: bool,
    pub(super) dot_all: bool,
    pub(super) unicode: bool,
}

impl Member {
    pub(super) fn char(c: u32) -> Self {
        Self::Range(c, c)
    }

    /// The property of Unicode that the braces name.
    pub(super) fn property(text: &str, wanted: bool) -> Result<Self, Invalid> {
        let unknown = || Invalid::Syntax(format!("no property of Unicode is called {text:?}"));
        if !text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '='))
        {
            return Err(unknown());
        }
        let regex = Regex::new(&format!(r"^\p{{{text}}}$")).map_err(|_| unknown())?;
        Ok(Self::Property(regex, wanted))
    }

    fn contains(&self, c: u32, modes: Modes) -> bool {
        match self {
            Self::Range(first, last) => (*first..=*last).contains(&c),
            Self::Digit(wanted) => (0x30..=0x39).contains(&c) == *wanted,
            Self::Word(wanted) => is_word(c, modes) == *wanted,
            Self::Space(wanted) => is_space(c) == *wanted,
            Self::Property(regex, wanted) => {
                let text = char::from_u32(c).map(String::from);
                text.is_some_and(|text| regex.is_match(&text)) == *wanted
            }
        }
    }
}

/// The bytes that a class matches. A byte is in it when one of its equals (by case) is; an inverted class has all other bytes.
pub(super) fn bytes_of(members: &[Member], inverted: bool, modes: Modes) -> ByteSet {
    let within = |c| members.iter().any(|member| member.contains(c, modes));
    ByteSet::of(|byte| {
        let found = if modes.ignore_case {
            equivalents(byte, modes.unicode).any(within)
        } else {
            within(u32::from(byte))
        };
        found != inverted
    })
}

/// `.`: anything but the end of a line.
pub(super) fn dot(modes: Modes) -> ByteSet {
    ByteSet::of(|byte| modes.dot_all || !matches!(byte, b'\n' | b'\r'))
}

/// ASCII's letters, digits and `_`; with the flags `i` and `u`, also the characters that are equal to one of these.
fn is_word(c: u32, modes: Modes) -> bool {
    let ascii = u8::try_from(c).is_ok_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    ascii || (modes.unicode && modes.ignore_case && matches!(c, 0x17F | 0x212A))
}

/// White space and line terminators (ECMA-262, `WhiteSpace`).
fn is_space(c: u32) -> bool {
    matches!(c, 0x09..=0x0D | 0x20 | 0xA0 | 0x1680 | 0x2000..=0x200A | 0x2028 | 0x2029 | 0x202F | 0x205F | 0x3000 | 0xFEFF)
}
