//! The syntax of ECMAScript's regular expressions: ECMA-262, 22.2.1, and without the flag `u` also B.1.2 (for web browsers).
//!
//! JavaScript has already compiled the source, so an invalid one hardly comes here; it is refused all the same.

mod escape;

use super::Text;
use super::class::{self, Member, Modes};
use super::node::{Node, Repeat};
use super::set::ByteSet;
use crate::error::Invalid;

/// The deepest nesting of parentheses: the functions that read the tree are recursive.
const DEPTH: usize = 100;

/// A parsed pattern.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) node: Node,
    /// Names and numbers of the groups that have a name.
    pub(super) names: Vec<(String, usize)>,
}

pub(super) fn parse(source: &str, flags: &str, text: Text) -> Result<Parsed, Invalid> {
    let chars: Vec<char> = source.chars().collect();
    let (total, has_names) = count_groups(&chars);
    let mut parser = Parser {
        chars,
        at: 0,
        text,
        modes: Modes {
            ignore_case: flags.contains('i'),
            dot_all: flags.contains('s'),
            unicode: flags.contains('u'),
        },
        total,
        has_names,
        groups: 0,
        names: Vec::new(),
        depth: 0,
    };
    let node = parser.disjunction()?;
    if parser.at < parser.chars.len() {
        return Err(Invalid::Syntax("a parenthesis is closed that was not opened".into()));
    }
    Ok(Parsed {
        node,
        names: parser.names,
    })
}

/// How many groups there are, and whether one has a name: what `\1` and `\k` mean depends on it.
fn count_groups(chars: &[char]) -> (usize, bool) {
    let (mut groups, mut has_names, mut in_class, mut at) = (0, false, false, 0);
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 1,
            '[' => in_class = true,
            ']' => in_class = false,
            '(' if !in_class => {
                let is_named =
                    chars[at + 1..].starts_with(&['?', '<']) && !matches!(chars.get(at + 3), Some('=' | '!') | None);
                has_names |= is_named;
                groups += usize::from(is_named || chars.get(at + 1) != Some(&'?'));
            }
            _ => {}
        }
        at += 1;
    }
    (groups, has_names)
}

struct Parser {
    chars: Vec<char>,
    at: usize,
    text: Text,
    modes: Modes,
    total: usize,
    has_names: bool,
    groups: usize,
    names: Vec<(String, usize)>,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += 1;
        Some(next)
    }

    /// Skips this text if it comes next.
    fn take(&mut self, text: &str) -> bool {
        let comes = text
            .chars()
            .enumerate()
            .all(|(index, c)| self.chars.get(self.at + index) == Some(&c));
        if comes {
            self.at += text.chars().count();
        }
        comes
    }

    fn disjunction(&mut self) -> Result<Node, Invalid> {
        let first = self.alternative()?;
        if self.peek() != Some('|') {
            return Ok(first);
        }
        let mut nodes = vec![first];
        while self.take("|") {
            nodes.push(self.alternative()?);
        }
        Ok(Node::Alternatives(nodes))
    }

    fn alternative(&mut self) -> Result<Node, Invalid> {
        let mut nodes = Vec::new();
        while !matches!(self.peek(), None | Some('|' | ')')) {
            let atom = self.atom()?;
            nodes.push(self.quantified(atom)?);
        }
        Ok(match nodes.len() {
            1 => nodes.remove(0),
            _ => Node::Concat(nodes),
        })
    }

    fn atom(&mut self) -> Result<Node, Invalid> {
        let Some(c) = self.next() else {
            return Ok(Node::Concat(Vec::new()));
        };
        match c {
            '^' => Ok(Node::Start),
            '$' => Ok(Node::End),
            '.' => Ok(Node::Set(class::dot(self.modes))),
            '(' => self.group(),
            '[' => self.class(),
            '\\' => self.escaped(),
            '*' | '+' | '?' => Err(Invalid::Syntax("nothing to repeat".into())),
            '{' | '}' | ']' if self.modes.unicode => Err(Invalid::Syntax(format!("a lone {c}"))),
            c => Ok(self.literal(u32::from(c))),
        }
    }

    fn quantified(&mut self, node: Node) -> Result<Node, Invalid> {
        let (least, most) = match self.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => match self.braces()? {
                Some(counts) => counts,
                None if self.modes.unicode => return Err(Invalid::Syntax("an incomplete quantifier".into())),
                None => return Ok(node),
            },
            _ => return Ok(node),
        };
        self.at += 1;
        let greedy = !self.take("?");
        if most.is_some_and(|most| most < least) {
            return Err(Invalid::Syntax("a quantifier out of order".into()));
        }
        let node = Box::new(node);
        Ok(Node::Repeat(Repeat {
            node,
            least,
            most,
            greedy,
        }))
    }

    /// `{2}`, `{2,}` or `{2,3}`, up to its last brace; anything else is text.
    fn braces(&mut self) -> Result<Option<(u32, Option<u32>)>, Invalid> {
        let Some(length) = self.chars[self.at..].iter().position(|&c| c == '}') else {
            return Ok(None);
        };
        let inside: String = self.chars[self.at + 1..self.at + length].iter().collect();
        let (least, most) = inside.split_once(',').map_or((&*inside, None), |(a, b)| (a, Some(b)));
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(least) || most.is_some_and(|most| !most.is_empty() && !is_number(most)) {
            return Ok(None);
        }
        self.at += length;
        let number = |text: &str| text.parse::<u32>().map_err(|_| Invalid::TooLarge);
        let least = number(least)?;
        Ok(Some(match most {
            None => (least, Some(least)),
            Some("") => (least, None),
            Some(most) => (least, Some(number(most)?)),
        }))
    }

    fn group(&mut self) -> Result<Node, Invalid> {
        for (start, kind) in [("?=", "ahead"), ("?!", "ahead"), ("?<=", "behind"), ("?<!", "behind")] {
            if self.take(start) {
                return Err(Invalid::LookAround(kind));
            }
        }
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(Invalid::TooDeep(DEPTH));
        }
        let outside = self.modes;
        let mut number = None;
        if self.take("?<") {
            let name = self.name()?;
            self.groups += 1;
            number = Some(self.groups);
            self.names.push((name, self.groups));
        } else if self.take("?") {
            self.modifiers()?;
        } else {
            self.groups += 1;
            number = Some(self.groups);
        }
        let inside = self.disjunction()?;
        if !self.take(")") {
            return Err(Invalid::Syntax("a parenthesis is not closed".into()));
        }
        self.modes = outside;
        self.depth -= 1;
        Ok(match number {
            Some(number) => Node::Group(number, Box::new(inside)),
            // In a group, even around a single node: a quantifier may follow.
            None => Node::Concat(vec![inside]),
        })
    }

    /// Up to the `:` of `(?:` or `(?i-s:`.
    fn modifiers(&mut self) -> Result<(), Invalid> {
        let mut on = true;
        loop {
            match self.next() {
                Some(':') => return Ok(()),
                Some('-') => on = false,
                Some('i') => self.modes.ignore_case = on,
                Some('s') => self.modes.dot_all = on,
                Some('m') => {}
                _ => return Err(Invalid::Syntax("an unknown kind of group".into())),
            }
        }
    }

    /// Up to the `>` of a name.
    fn name(&mut self) -> Result<String, Invalid> {
        let mut name = String::new();
        loop {
            match self.next() {
                Some('>') if !name.is_empty() => return Ok(name),
                Some('\\') if self.take("u") => {
                    let c = self.unicode_escape(true).and_then(char::from_u32);
                    name.push(c.ok_or_else(|| Invalid::Syntax("an invalid name of a group".into()))?);
                }
                Some(c) if c != '>' => name.push(c),
                _ => return Err(Invalid::Syntax("an invalid name of a group".into())),
            }
        }
    }

    /// A class, after its `[`.
    fn class(&mut self) -> Result<Node, Invalid> {
        let inverted = self.take("^");
        let mut members = Vec::new();
        loop {
            let first = match self.next() {
                None => return Err(Invalid::Syntax("a class is not closed".into())),
                Some(']') => break,
                Some(c) => self.class_atom(c)?,
            };
            // `-` is an ordinary character at the end of a class, and beside a member that is itself a class.
            if self.peek() != Some('-') || matches!(self.chars.get(self.at + 1), Some(']') | None) {
                members.push(first);
                continue;
            }
            self.at += 1;
            let c = self.next().unwrap_or(']');
            let last = self.class_atom(c)?;
            match (&first, &last) {
                (&Member::Range(from, same), &Member::Range(to, end)) if from == same && to == end => {
                    if to < from {
                        return Err(Invalid::Syntax("a range out of order".into()));
                    }
                    members.push(Member::Range(from, to));
                }
                _ if self.modes.unicode => return Err(Invalid::Syntax("a range between classes".into())),
                _ => members.extend([first, Member::char(u32::from('-')), last]),
            }
        }
        Ok(Node::Set(class::bytes_of(&members, inverted, self.modes)))
    }

    /// One character. In a path, it is percent-encoded where it has to be.
    fn literal(&self, c: u32) -> Node {
        let encoded = |c: char| {
            let mut utf8 = [0; 4];
            let bytes = c.encode_utf8(&mut utf8).bytes();
            let digit = |value: u8| {
                let digit = char::from_digit(value.into(), 16).map_or(0, u32::from);
                let case = Modes {
                    ignore_case: true,
                    ..self.modes
                };
                Node::Set(class::bytes_of(&[Member::char(digit)], false, case))
            };
            let escape = |byte: u8| {
                [
                    Node::Set(ByteSet::of(|b| b == b'%')),
                    digit(byte >> 4),
                    digit(byte & 15),
                ]
            };
            Node::Concat(bytes.flat_map(escape).collect())
        };
        let outside = char::from_u32(c).filter(|c| self.text == Text::Target && !('\x21'..='\x7e').contains(c));
        match outside {
            None => Node::Set(class::bytes_of(&[Member::char(c)], false, self.modes)),
            Some(c) if !self.modes.ignore_case => encoded(c),
            Some(c) => {
                let mut cases = vec![c];
                for other in c.to_lowercase().chain(c.to_uppercase()) {
                    // "ß" has no upper case of one character.
                    let is_single = c.to_lowercase().count() == 1 && c.to_uppercase().count() == 1;
                    if is_single && !cases.contains(&other) {
                        cases.push(other);
                    }
                }
                Node::Concat(vec![Node::Alternatives(cases.into_iter().map(encoded).collect())])
            }
        }
    }
}
