//! Errors in a rule. An error in rewriting a request is [`asgi_node_core::Error::RewriteFailed`].

/// A rule that is refused. Becomes a JS `TypeError`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Matching it takes more than linear time.
    #[error("a look-{0} cannot be matched in linear time, and is refused: use another condition, or a longer pattern")]
    LookAround(&'static str),
    /// Matching it takes exponential time.
    #[error("a back-reference ({0}) cannot be matched in linear time, and is refused")]
    BackReference(String),
    /// ECMAScript undoes an iteration that matches nothing; an automaton cannot do so in every case.
    #[error(
        "what is repeated may match nothing before it matches something: put the alternative that matches something first"
    )]
    EmptyFirst,
    /// ECMAScript clears a group at each iteration; an automaton does not.
    #[error(
        "${0} stands for a group that may match nothing, or be left out, in a later repetition: put the repetition into a group \
         of its own, or do not refer to it"
    )]
    StaleGroup(String),
    /// With the flag `g`, the search would take quadratic time.
    #[error(
        "with the flag g, a repetition without an upper limit must be the last part of the pattern, and what comes before it \
         at most 128 bytes long: each search could read all of the text again, which takes quadratic time"
    )]
    Global,
    /// The pattern is not a regular expression of ECMAScript.
    #[error("not a regular expression: {0}")]
    Syntax(String),
    /// `v`, `y`, or an unknown flag.
    #[error("flag {0:?} is not supported: d, g, i, m, s and u are")]
    Flag(char),
    /// The automaton of the pattern would need too much memory.
    #[error("the pattern is too large: its repetitions multiply to more than 64 KiB of automaton")]
    TooLarge,
    /// Parentheses are nested too deeply.
    #[error("the pattern has more than {0} levels of parentheses")]
    TooDeep(usize),
    /// The replacement holds a character that a request cannot carry.
    #[error("the replacement holds {0:?}, which may not stand in {1}")]
    Replacement(char, &'static str),
    /// A fragment is never sent.
    #[error("the replacement holds \"#\", and what is behind it is never sent: write %23")]
    Fragment,
    /// RFC 9110, 9.1.
    #[error("{0:?} is not a method: it must be a token, as GET is")]
    Method(String),
    /// The response to HEAD has no body, but the client would wait for one.
    #[error("HEAD cannot be put in place of another method: the client would wait for the body of the response")]
    Head,
    /// RFC 9110, 5.1.
    #[error("{0:?} is not a header's name")]
    HeaderName(String),
    /// The header describes the body, and rewriting does not change the body.
    #[error("{0} says where the body ends, and cannot be rewritten")]
    Framing(String),
}
