//! Shortens an application's texts to a length that people can read: V8 refuses strings from 512 MiB on, and disks fill up.

use std::borrow::Cow;

/// The most bytes of an exception's message that leave Python.
pub const LONGEST_MESSAGE: usize = 64 << 10;

/// The most bytes of a traceback that leave Python.
pub const LONGEST_TRACEBACK: usize = 256 << 10;

/// The text; if it is too long, its beginning, the number of bytes that were left out, and its end. A traceback ends with
/// the exception, so both halves matter.
pub fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    let is_boundary = |at: &usize| text.is_char_boundary(*at);
    let head = (0..=most / 2).rev().find(is_boundary).unwrap_or_default();
    let tail = (text.len() - most / 2..text.len())
        .find(is_boundary)
        .unwrap_or(text.len());
    let left_out = tail - head;
    Cow::Owned(format!(
        "{} … ({left_out} bytes left out) … {}",
        &text[..head],
        &text[tail..]
    ))
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn a_short_text_stays_what_it_is() {
        assert_eq!(shortened("abcdef", 6), "abcdef");
        assert_eq!(shortened("", 0), "");
    }

    #[test]
    fn a_long_text_keeps_both_ends_and_says_what_is_missing() {
        assert_eq!(shortened("0123456789", 4), "01 … (6 bytes left out) … 89");
    }

    #[test]
    fn no_character_is_cut_in_two() {
        assert_eq!(shortened("éééééééé", 7), "é … (12 bytes left out) … é");
    }
}
