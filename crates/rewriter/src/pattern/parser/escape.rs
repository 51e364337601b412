//! What follows a backslash.

use super::super::class::{self, Member};
use super::{Node, Parser};
use crate::error::Invalid;

impl Parser {
    /// An escape outside of classes, after its backslash.
    pub(super) fn escaped(&mut self) -> Result<Node, Invalid> {
        match self.peek() {
            Some('b') => Ok(self.assertion(Node::Boundary)),
            Some('B') => Ok(self.assertion(Node::NotBoundary)),
            Some('k') if self.has_names || self.modes.unicode => Err(Invalid::BackReference("\\k".into())),
            Some('1'..='9') if self.refers_to_a_group() => {
                Err(Invalid::BackReference(format!("\\{}", self.peek().unwrap_or('1'))))
            }
            _ => Ok(match self.escape()? {
                Member::Range(c, _) => {
                    let c = self.with_other_half(c);
                    self.literal(c)
                }
                member => Node::Set(class::bytes_of(&[member], false, self.modes)),
            }),
        }
    }

    /// The member of a class that this character, or the escape that it begins, stands for.
    pub(super) fn class_atom(&mut self, c: char) -> Result<Member, Invalid> {
        if c != '\\' {
            return Ok(Member::char(u32::from(c)));
        }
        match self.peek() {
            Some('b') => {
                self.at += 1;
                Ok(Member::char(8))
            }
            // In a class, `\c` also takes digits (B.1.2).
            Some('c') if !self.modes.unicode => {
                let control = self.chars.get(self.at + 1).copied();
                match control.filter(|c| c.is_ascii_digit() || *c == '_') {
                    Some(control) => {
                        self.at += 2;
                        Ok(Member::char(u32::from(control) % 32))
                    }
                    None => self.escape(),
                }
            }
            _ => self.escape(),
        }
    }

    fn assertion(&mut self, node: Node) -> Node {
        self.at += 1;
        node
    }

    /// Whether the next number is that of a group. Without the flag `u`, a number that is too high is an octal code.
    fn refers_to_a_group(&self) -> bool {
        let digits: String = self.chars[self.at..]
            .iter()
            .take_while(|c| c.is_ascii_digit())
            .collect();
        self.modes.unicode || digits.parse::<usize>().is_ok_and(|group| group <= self.total)
    }

    fn escape(&mut self) -> Result<Member, Invalid> {
        let Some(c) = self.next() else {
            return Err(Invalid::Syntax("a backslash at the end".into()));
        };
        let code = match c {
            'd' | 'D' => return Ok(Member::Digit(c == 'd')),
            'w' | 'W' => return Ok(Member::Word(c == 'w')),
            's' | 'S' => return Ok(Member::Space(c == 's')),
            'p' | 'P' if self.modes.unicode => return self.property(c == 'p'),
            'f' => 12,
            'n' => 10,
            'r' => 13,
            't' => 9,
            'v' => 11,
            'c' => match self.peek().filter(char::is_ascii_alphabetic) {
                Some(letter) => {
                    self.at += 1;
                    u32::from(letter) % 32
                }
                // The backslash stands for itself, and `c` is the next character (B.1.2).
                None if !self.modes.unicode => {
                    self.at -= 1;
                    u32::from('\\')
                }
                None => return Err(Invalid::Syntax("an invalid escape".into())),
            },
            'x' => self.hex(2).or_else(|| self.itself(c)).ok_or_else(invalid)?,
            'u' => self
                .unicode_escape(false)
                .or_else(|| self.itself(c))
                .ok_or_else(invalid)?,
            '0'..='7' if !self.modes.unicode => self.octal(c),
            '0' => 0,
            c if self.modes.unicode && !"^$\\.*+?()[]{}|/-".contains(c) => return Err(invalid()),
            c => u32::from(c),
        };
        Ok(Member::char(code))
    }

    /// Without the flag `u`, an unknown escape stands for its character.
    fn itself(&self, c: char) -> Option<u32> {
        (!self.modes.unicode).then_some(u32::from(c))
    }

    fn hex(&mut self, length: usize) -> Option<u32> {
        let digits = self.chars.get(self.at..self.at + length)?;
        let code = digits.iter().try_fold(0, |code, c| Some(code * 16 + c.to_digit(16)?))?;
        self.at += length;
        Some(code)
    }

    /// After `\u`: four digits, or, in names and with the flag `u`, also any number of digits in braces.
    pub(super) fn unicode_escape(&mut self, in_name: bool) -> Option<u32> {
        if !(in_name || self.modes.unicode) || self.peek() != Some('{') {
            return self.hex(4);
        }
        let length = self.chars[self.at..].iter().position(|&c| c == '}')?;
        let digits: String = self.chars[self.at + 1..self.at + length].iter().collect();
        let code = u32::from_str_radix(&digits, 16).ok()?;
        self.at += length + 1;
        Some(code)
    }

    /// The first half of a surrogate pair; if the second half follows as another `\u` escape, both are one character.
    fn with_other_half(&mut self, first: u32) -> u32 {
        let begun = self.at;
        if (0xD800..0xDC00).contains(&first) && self.take("\\u") {
            match self.hex(4) {
                Some(second @ 0xDC00..0xE000) => return 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00),
                _ => self.at = begun,
            }
        }
        first
    }

    /// An octal code: up to three digits, 0o377 at most (B.1.2).
    fn octal(&mut self, first: char) -> u32 {
        let mut code = first.to_digit(8).unwrap_or(0);
        for _ in 0..2 {
            match self.peek().and_then(|c| c.to_digit(8)) {
                Some(digit) if code * 8 + digit <= 0o377 => {
                    code = code * 8 + digit;
                    self.at += 1;
                }
                _ => break,
            }
        }
        code
    }

    fn property(&mut self, wanted: bool) -> Result<Member, Invalid> {
        let rest = &self.chars[self.at..];
        let length = rest
            .iter()
            .position(|&c| c == '}')
            .filter(|_| rest[0] == '{')
            .ok_or_else(invalid)?;
        let name: String = rest[1..length].iter().collect();
        self.at += length + 1;
        Member::property(&name, wanted)
    }
}

fn invalid() -> Invalid {
    Invalid::Syntax("an invalid escape".into())
}
