//! Rewriters: how rules change a request.

use std::borrow::Cow;
use std::path::Path;

use asgi_node_core::Error;

use crate::condition::Condition;
use crate::error::Invalid;
use crate::head::{Head, is};
use crate::pattern::{Pattern, Text};
use crate::replacement::{LONGEST, Replacement, TooLong};
use crate::spec;

/// A change of a request.
#[derive(Debug, Clone)]
pub enum Rewriter {
    /// Replaces in the raw path. A `?` in the replacement begins the query.
    Path(Substitution),
    /// Replaces in the raw path and the query as one text.
    Href(Substitution),
    /// Replaces in each value of a header that matches. Or gives a header one new value in place of its own values: the
    /// rewritten first matching value of another header.
    Header(String, Option<String>, Substitution),
    /// Replaces the method.
    Method(String),
    /// Runs rewriters one after the other; each sees the result of those before it.
    Sequence(Vec<Rewriter>),
    /// Runs only if the condition holds.
    When(Condition, Box<Rewriter>),
}

/// A pattern and the replacement of its matches.
#[derive(Debug, Clone)]
pub struct Substitution {
    rule: String,
    pattern: Pattern,
    replacement: Replacement,
}

impl Rewriter {
    /// Compiles its patterns and replacements.
    pub fn new(spec: &spec::Rewriter) -> Result<Self, Invalid> {
        Ok(match spec {
            spec::Rewriter::Path(value) => Self::Path(Substitution::new(value, Text::Target)?),
            spec::Rewriter::Href(value) => Self::Href(Substitution::new(value, Text::Target)?),
            spec::Rewriter::Header { name, from, value } => {
                let name = spec::header_name(name)?;
                if matches!(&*name, "content-length" | "transfer-encoding") {
                    return Err(Invalid::Framing(name));
                }
                let from = from.as_deref().map(spec::header_name).transpose()?;
                Self::Header(name, from, Substitution::new(value, Text::Latin1)?)
            }
            spec::Rewriter::Method(method) if method == "HEAD" => return Err(Invalid::Head),
            spec::Rewriter::Method(method) if spec::is_token(method) => Self::Method(method.clone()),
            spec::Rewriter::Method(method) => return Err(Invalid::Method(method.clone())),
            spec::Rewriter::Sequence(rewriters) => {
                Self::Sequence(rewriters.iter().map(Self::new).collect::<Result<_, _>>()?)
            }
            spec::Rewriter::When(condition, rewriter) => {
                Self::When(Condition::new(condition)?, Box::new(Self::new(rewriter)?))
            }
        })
    }

    /// Changes a head. Fails if the result cannot be a request.
    pub fn rewrite(&self, head: &mut Head<'_>, docroot: &Path) -> Result<(), Error> {
        match self {
            Self::Path(value) if value.pattern.admits(head.path_bytes()) => {
                if let Some(target) = value.target(head.path(), head.query())? {
                    head.set_target(&target);
                }
            }
            Self::Href(value) if value.pattern.admits(head.href_bytes()) => {
                if let Some(target) = value.href(&head.href())? {
                    head.set_target(&target);
                }
            }
            Self::Path(_) | Self::Href(_) => {}
            Self::Header(name, None, value) => value.each_value(head, name)?,
            Self::Header(name, Some(from), value) => value.other_value(head, name, from)?,
            Self::Method(method) => head.set_method(method),
            Self::Sequence(rewriters) => return rewriters.iter().try_for_each(|rule| rule.rewrite(head, docroot)),
            Self::When(condition, rewriter) => {
                if condition.matches(head, docroot) {
                    return rewriter.rewrite(head, docroot);
                }
            }
        }
        Ok(())
    }

    /// Changes a flat head; `None` if no rule changes it.
    ///
    /// ```
    /// use std::path::Path;
    /// use asgi_node_rewriter::{Rewriter, spec};
    ///
    /// let spec: spec::Rewriter = serde_json::from_str(
    ///     r#"{ "path": { "rule": "drop", "pattern": { "source": "^/api" }, "replacement": "" } }"#,
    /// )?;
    /// let rewriter = Rewriter::new(&spec)?;
    /// let head = b"GET\0/api/items?q=1\x001.1\0http\0\0\0\0\0\x000\0host\0h";
    /// let rewritten = rewriter.apply(head, false, Path::new("."))?.unwrap();
    /// assert!(rewritten.starts_with(b"GET\0/items?q=1\0"));
    /// assert_eq!(rewriter.apply(b"GET\0/\x001.1\0http\0\0\0\0\0\x000", false, Path::new("."))?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn apply(&self, flat: &[u8], is_websocket: bool, docroot: &Path) -> Result<Option<Vec<u8>>, Error> {
        let mut head = Head::new(flat, is_websocket);
        self.rewrite(&mut head, docroot)?;
        // A rule may put in place of a text what was there, "" for "" for instance: then the head is as it was sent.
        Ok(head.into_flat().filter(|rewritten| rewritten != flat))
    }
}

impl Substitution {
    fn new(spec: &spec::Substitution, text: Text) -> Result<Self, Invalid> {
        let pattern = spec.pattern.compile(text)?;
        let replacement = Replacement::parse(&spec.replacement, &pattern)?;
        Ok(Self {
            rule: spec.rule.clone(),
            pattern,
            replacement,
        })
    }

    fn failed(&self, reason: String) -> Error {
        let rule = self.rule.clone();
        Error::RewriteFailed { rule, reason }
    }

    fn too_long(&self) -> Error {
        self.failed(format!(
            "what it makes of this request is longer than {} KiB",
            LONGEST >> 10
        ))
    }

    /// Rewrites a path, with its query.
    fn target(&self, path: &[u8], query: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let replaced = self.replacement.replace(&self.pattern, path);
        let Some(path) = replaced.map_err(|TooLong| self.too_long())? else {
            return Ok(None);
        };
        self.checked(self.joined(path, query)).map(Some)
    }

    /// Rewrites path and query as one text. If the match does not include the `?`, the text after it remains the query.
    fn href(&self, href: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let mark = href.iter().position(|&byte| byte == b'?').unwrap_or(href.len());
        let (mut out, mut copied, mut path) = (Vec::new(), 0, None);
        let matched = self.pattern.each_match(href, self.replacement.has_groups(), |found| {
            let whole = found.whole();
            if copied <= mark && mark < whole.start {
                out.extend_from_slice(&href[copied..mark]);
                path = Some(std::mem::take(&mut out));
                copied = mark + 1;
            }
            out.extend_from_slice(&href[copied..whole.start]);
            copied = whole.end;
            self.replacement.expand(href, found, &mut out);
            if out.len() > LONGEST {
                Err(self.too_long())
            } else {
                Ok(())
            }
        })?;
        if !matched {
            return Ok(None);
        }
        if copied <= mark && mark < href.len() {
            out.extend_from_slice(&href[copied..mark]);
            path = Some(std::mem::take(&mut out));
            copied = mark + 1;
        }
        out.extend_from_slice(&href[copied..]);
        let joined = match path {
            Some(path) => self.joined(path, &out),
            None => out,
        };
        self.checked(joined).map(Some)
    }

    /// Joins a path, into which the replacement may have put a query, and the old query. The replacement's query wins, unless it
    /// ends in `&`: then the old one follows it.
    fn joined(&self, mut path: Vec<u8>, query: &[u8]) -> Vec<u8> {
        let has_query = path.contains(&b'?');
        if has_query && !self.replacement.ends_in_ampersand {
            return path;
        }
        if has_query && path.last() == Some(&b'&') {
            path.pop();
        }
        if !query.is_empty() {
            match (has_query, path.last()) {
                (false, _) => path.push(b'?'),
                (true, Some(b'?')) => {}
                (true, _) => path.push(b'&'),
            }
            path.extend_from_slice(query);
        }
        path
    }

    /// Checks that this can be the target of a request. An empty path becomes the root.
    fn checked(&self, mut target: Vec<u8>) -> Result<Vec<u8>, Error> {
        if target.len() > LONGEST {
            return Err(self.too_long());
        }
        match target.first() {
            Some(b'/') => {}
            None | Some(b'?') => target.insert(0, b'/'),
            Some(b'*') if target.len() == 1 => {}
            Some(_) => {
                let shown: String = target.iter().take(80).map(|&byte| char::from(byte)).collect();
                return Err(self.failed(format!(
                    "it makes {shown:?}, which does not start with \"/\", of the path of this request"
                )));
            }
        }
        Ok(target)
    }

    fn value(&self, value: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let replaced = self
            .replacement
            .replace(&self.pattern, value)
            .map_err(|TooLong| self.too_long())?;
        Ok(replaced.map(|value| value.trim_ascii().to_vec()))
    }

    fn each_value(&self, head: &mut Head<'_>, name: &str) -> Result<(), Error> {
        let mut changed = false;
        for (other, value) in head.headers() {
            if !is(other, name) {
                continue;
            }
            if let Some(replaced) = self.value(value)?.filter(|replaced| **value != *replaced) {
                *value = Cow::Owned(replaced);
                changed = true;
            }
        }
        if changed {
            head.note_changed_headers();
        }
        Ok(())
    }

    fn other_value(&self, head: &mut Head<'_>, name: &str, from: &str) -> Result<(), Error> {
        let mut made = None;
        for value in head.values(from) {
            made = self.value(value)?;
            if made.is_some() {
                break;
            }
        }
        let Some(made) = made else { return Ok(()) };
        let headers = head.headers();
        // The new value takes the place of the first old one.
        let place = headers.iter().position(|(other, _)| is(other, name));
        let field = (Cow::Owned(name.as_bytes().to_vec()), Cow::Owned(made));
        match place {
            Some(index) => {
                headers[index] = field;
                let mut at = 0;
                headers.retain(|(other, _)| {
                    at += 1;
                    at - 1 <= index || !is(other, name)
                });
            }
            None => headers.push(field),
        }
        head.note_changed_headers();
        Ok(())
    }
}
