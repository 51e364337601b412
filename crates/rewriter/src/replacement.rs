//! Replacements as in ECMAScript (ECMA-262, `GetSubstitution`): `$1`, `$01`, `$<name>`, `$$`, `$&`, `` $` `` and `$'`.

use crate::error::Invalid;
use crate::pattern::{Found, Pattern, Text};

/// The longest result of a replacement, in bytes. With `g`, `$'` alone could turn a path of 64 KiB into 2 GiB.
pub(crate) const LONGEST: usize = 1 << 20;

/// The result is longer than allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLong;

/// A piece of a replacement.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(Vec<u8>),
    Match,
    Before,
    After,
    /// The one of these groups that has matched: it is one group, unless several share a name.
    Groups(Vec<usize>),
}

/// The text that replaces a match.
#[derive(Debug, Clone)]
pub(crate) struct Replacement {
    pieces: Vec<Piece>,
    /// Whether it ends in `&`: the old query is added after it.
    pub(crate) ends_in_ampersand: bool,
}

impl Replacement {
    /// Parses a replacement. Which `$` have a meaning depends on the pattern's groups.
    pub(crate) fn parse(text: &str, pattern: &Pattern) -> Result<Self, Invalid> {
        let chars: Vec<char> = text.chars().collect();
        let mut pieces = Vec::new();
        let mut literal = Vec::new();
        let mut at = 0;
        while let Some(&c) = chars.get(at) {
            if let Some((piece, length)) = (c == '$').then(|| reference(&chars[at + 1..], pattern)).flatten() {
                flush(&mut literal, &mut pieces);
                if let Piece::Groups(groups) = &piece {
                    pattern.check_reference(groups)?;
                }
                pieces.push(piece);
                at += 1 + length;
            } else {
                encode(c, pattern.text(), &mut literal)?;
                // `$$` is a `$`, too.
                let is_doubled = c == '$' && chars.get(at + 1) == Some(&'$');
                at += if is_doubled { 2 } else { 1 };
            }
        }
        let ends_in_ampersand = literal.last() == Some(&b'&');
        flush(&mut literal, &mut pieces);
        Ok(Self {
            pieces,
            ends_in_ampersand,
        })
    }

    /// Whether it needs to know where groups have matched.
    pub(crate) fn has_groups(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Groups(_)))
    }

    /// What `String.prototype.replace` gives; `None` if nothing matches. Fails if that is longer than 1 MiB.
    pub(crate) fn replace(&self, pattern: &Pattern, subject: &[u8]) -> Result<Option<Vec<u8>>, TooLong> {
        let mut out = Vec::new();
        let mut copied = 0;
        let matched = pattern.each_match(subject, self.has_groups(), |found| {
            let whole = found.whole();
            out.extend_from_slice(&subject[copied..whole.start]);
            copied = whole.end;
            self.expand(subject, found, &mut out);
            if out.len() > LONGEST { Err(TooLong) } else { Ok(()) }
        })?;
        out.extend_from_slice(&subject[copied..]);
        if out.len() > LONGEST.max(subject.len()) {
            return Err(TooLong);
        }
        Ok(matched.then_some(out))
    }

    /// Writes the replacement for one match.
    pub(crate) fn expand(&self, subject: &[u8], found: &Found<'_>, out: &mut Vec<u8>) {
        let whole = found.whole();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(bytes) => out.extend_from_slice(bytes),
                Piece::Match => out.extend_from_slice(&subject[whole.clone()]),
                Piece::Before => out.extend_from_slice(&subject[..whole.start]),
                Piece::After => out.extend_from_slice(&subject[whole.end..]),
                Piece::Groups(groups) => {
                    if let Some(range) = groups.iter().find_map(|&group| found.group(group)) {
                        out.extend_from_slice(&subject[range]);
                    }
                }
            }
        }
    }
}

fn flush(literal: &mut Vec<u8>, pieces: &mut Vec<Piece>) {
    if !literal.is_empty() {
        pieces.push(Piece::Literal(std::mem::take(literal)));
    }
}

/// What a `$` before this text means, and how much of the text belongs to it; `None` if it is a plain `$`.
fn reference(rest: &[char], pattern: &Pattern) -> Option<(Piece, usize)> {
    let digit = |index: usize| {
        rest.get(index)?
            .to_digit(10)
            .and_then(|digit| usize::try_from(digit).ok())
    };
    match rest.first()? {
        '&' => Some((Piece::Match, 1)),
        '`' => Some((Piece::Before, 1)),
        '\'' => Some((Piece::After, 1)),
        '<' if pattern.has_names() => {
            let length = rest.iter().position(|&c| c == '>')?;
            let name: String = rest[1..length].iter().collect();
            Some((Piece::Groups(pattern.named(&name)), length + 1))
        }
        _ => {
            let first = digit(0)?;
            // Two digits if there are so many groups, else one.
            let two = digit(1).map(|second| (10 * first + second, 2));
            [two, Some((first, 1))]
                .into_iter()
                .flatten()
                .find(|(group, _)| (1..=pattern.groups()).contains(group))
                .map(|(group, length)| (Piece::Groups(vec![group]), length))
        }
    }
}

/// A literal character of the replacement, in the bytes that are sent.
fn encode(c: char, text: Text, out: &mut Vec<u8>) -> Result<(), Invalid> {
    match (text, c) {
        (Text::Target, '#') => return Err(Invalid::Fragment),
        (_, '\x21'..='\x7e') => out.push(c as u8),
        (Text::Target, ' ' | '\u{80}'..) => {
            let mut utf8 = [0; 4];
            for byte in c.encode_utf8(&mut utf8).bytes() {
                out.extend(format!("%{byte:02X}").bytes());
            }
        }
        (Text::Target, _) => return Err(Invalid::Replacement(c, "a path")),
        (Text::Latin1, '\t' | ' ' | '\u{80}'..='\u{ff}') => out.extend(u8::try_from(c)),
        (Text::Latin1, _) => return Err(Invalid::Replacement(c, "a header")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Replacement;
    use crate::error::Invalid;
    use crate::pattern::{Pattern, Text};

    fn replaced(source: &str, flags: &str, replacement: &str, subject: &str) -> String {
        let pattern = Pattern::new(source, flags, Text::Latin1).expect("a pattern");
        let replacement = Replacement::parse(replacement, &pattern).expect("a replacement");
        let replaced = replacement
            .replace(&pattern, subject.as_bytes())
            .expect("no longer than allowed");
        replaced.map_or(subject.to_owned(), |bytes| String::from_utf8(bytes).expect("ASCII"))
    }

    #[test]
    fn every_reference_of_ecmascript() {
        assert_eq!(replaced("(b)(c)?", "", "[$1|$2|$01|$02]", "abd"), "a[b||b|]d");
        assert_eq!(replaced("b", "", "[$&|$`|$'|$$|$$1|$]", "abc"), "a[b|a|c|$|$1|$]c");
        assert_eq!(replaced("(?<x>b)", "", "[$<x>|$<y>|$<x]", "abc"), "a[b||$<x]c");
        assert_eq!(
            replaced("(b)", "", "[$<x>|$0|$00|$2|$10|$1foo]", "abc"),
            "a[$<x>|$0|$00|$2|b0|bfoo]c"
        );
    }

    #[test]
    fn two_digits_where_there_are_so_many_groups() {
        let ten = "(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)";
        assert_eq!(replaced(ten, "", "$10$1$09$11$100", "abcdefghij"), "jaia1j0");
        assert_eq!(replaced("(a)", "", "$10$01", "a"), "a0a");
    }

    #[test]
    fn the_first_match_or_all_of_them() {
        assert_eq!(replaced("a", "", "x", "aab"), "xab");
        assert_eq!(replaced("a", "g", "x", "aab"), "xxb");
        // An empty match right behind another one counts in ECMAScript.
        assert_eq!(replaced("b*", "g", "-", "abc"), "-a--c-");
        assert_eq!(replaced("", "g", "-", "ab"), "-a-b-");
        assert_eq!(replaced("x", "g", "-", "ab"), "ab");
    }

    #[test]
    fn what_no_request_could_carry_is_refused() {
        let parse = |text, replacement: &str| {
            let pattern = Pattern::new("a", "", text).expect("a pattern");
            Replacement::parse(replacement, &pattern).map(|_| ())
        };
        assert_eq!(parse(Text::Target, "/a#b"), Err(Invalid::Fragment));
        for c in ['\0', '\r', '\n', '\t', '\x7f'] {
            assert_eq!(
                parse(Text::Target, &format!("/{c}")),
                Err(Invalid::Replacement(c, "a path"))
            );
        }
        for c in ['\0', '\r', '\n', '\x7f', '€'] {
            assert_eq!(
                parse(Text::Latin1, &format!("a{c}")),
                Err(Invalid::Replacement(c, "a header"))
            );
        }
        assert_eq!(parse(Text::Latin1, "a é\t"), Ok(()));
        assert_eq!(parse(Text::Target, "/a é"), Ok(()));
    }
}
