//! Where the syntax of ECMAScript and that of the regex crate differ.

#![allow(clippy::expect_used, clippy::panic, reason = "a test's own helper")]

use std::path::Path;

use asgi_node_rewriter::{Invalid, Pattern, Rewriter, Text, spec};

fn matches(source: &str, flags: &str, subject: &str) -> bool {
    let subject: Vec<u8> = subject.chars().map(|c| u8::try_from(c).expect("latin-1")).collect();
    let pattern = Pattern::new(source, flags, Text::Latin1);
    pattern
        .unwrap_or_else(|error| panic!("{source}: {error}"))
        .is_match(&subject)
}

#[test]
fn a_rule_that_puts_back_what_was_there_changes_nothing() {
    let header = r#"{ "header": { "name": "x-a", "from": "x-a", "value": { "rule": "r", "pattern": { "source": "$" }, "replacement": "$`" } } }"#;
    let spec: spec::Rewriter = serde_json::from_str(header).expect("a spec");
    let rewriter = Rewriter::new(&spec).expect("a rewriter");
    let head = b"GET\0/\x001.1\0http\0\0\0\0\0\x000\0x-a\0";
    assert_eq!(rewriter.apply(head, false, Path::new(".")).expect("no error"), None);
}

#[test]
fn escapes() {
    for (source, subject) in [
        (r"\/", "/"),
        (r"\-", "-"),
        (r"\cA", "\x01"),
        (r"\c", "\\c"),
        (r"\x41", "A"),
        (r"\x4", "x4"),
        (r"\u0041", "A"),
        (r"\u{41}", &"u".repeat(41)),
        (r"\101", "A"),
        (r"\8", "8"),
        (r"\1", "\x01"),
        (r"\0", "\0"),
        (r"[\b]", "\x08"),
        (r"[\c1]", "\x11"),
        (r"[\101-C]", "B"),
        (r"\k", "k"),
        (r"\p", "p"),
        (r"\ud83d|a", "a"),
        (r"[\w-z]", "-"),
        (r"[a\-z]", "-"),
        (r"[]|a", "a"),
        (r"[^]", "\n"),
        (r"a{,2}", "a{,2}"),
        (r"a{", "a{"),
        (r"]", "]"),
        (r"a{2}{", "aa{"),
        (r"\_", "_"),
        (r"[&&]", "&"),
        (r"[[]", "["),
        (r"[--b]", "a"),
        (r"a#b c", "a#b c"),
    ] {
        assert!(matches(&format!("^(?:{source})$"), "", subject), "{source} {subject:?}");
    }
    for (source, subject) in [
        (r"\u{41}", "A"),
        (r"\u{1F600}|a", "a"),
        (r"\p{Lu}", "A"),
        (r"\P{Lu}", "a"),
        (r"[\p{L}\d]", "é"),
        (r"\p{Script=Latin}", "é"),
    ] {
        assert!(
            matches(&format!("^(?:{source})$"), "u", subject),
            "{source} {subject:?}"
        );
    }
}

#[test]
fn classes_are_those_of_ecmascript() {
    for (class, inside, outside) in [
        (r"\d", "09", "é a"),
        (r"\w", "aZ09_", "é-\u{b5}"),
        (r"\s", "\t\n\x0b\x0c\r \u{a0}", "a\u{85}"),
        (".", "a\u{85}\0", "\n\r"),
    ] {
        for c in inside.chars() {
            assert!(matches(&format!("^{class}$"), "", &c.to_string()), "{class} {c:?}");
        }
        for c in outside.chars() {
            assert!(!matches(&format!("^{class}$"), "", &c.to_string()), "{class} {c:?}");
        }
    }
    assert!(matches("^.$", "s", "\n"));
    assert!(matches(r"a\b", "", "aé") && !matches(r"a\B", "", "aé"));
}

#[test]
fn anchors_are_the_ends_of_the_text() {
    assert!(!matches("^a$", "", "a\n") && !matches("^b", "", "a\nb"));
}

#[test]
fn case() {
    for (source, flags, subject, expected) in [
        ("é", "i", "É", true),
        ("ß", "i", "SS", false),
        ("\u{178}", "i", "ÿ", true),
        ("\u{3bc}", "i", "\u{b5}", true),
        ("\u{17f}", "i", "s", false),
        ("\u{17f}", "iu", "S", true),
        ("\u{212a}", "iu", "k", true),
        ("\u{1e9e}", "iu", "ß", true),
        ("\u{212b}", "i", "å", false),
        ("[^a-z]", "i", "Q", false),
        (r"\W", "iu", "S", false),
        ("(?i:a)b", "", "Ab", true),
        ("(?i:a)b", "", "AB", false),
        ("(?-i:a)b", "i", "aB", true),
        ("(?-i:a)b", "i", "AB", false),
    ] {
        assert_eq!(
            matches(&format!("^(?:{source})$"), flags, subject),
            expected,
            "/{source}/{flags} {subject}"
        );
    }
}

#[test]
fn what_is_refused_says_why() {
    let refused = |source: &str, flags: &str| Pattern::new(source, flags, Text::Latin1).map(|_| ()).expect_err(source);
    assert_eq!(refused("(?=a)", ""), Invalid::LookAround("ahead"));
    assert_eq!(refused("(?<!a)", ""), Invalid::LookAround("behind"));
    assert_eq!(refused(r"(a)\1", ""), Invalid::BackReference(r"\1".into()));
    assert_eq!(refused(r"(?<n>a)\k<n>", ""), Invalid::BackReference(r"\k".into()));
    assert_eq!(refused("(|a)*", ""), Invalid::EmptyFirst);
    assert_eq!(refused("(a??)?", ""), Invalid::EmptyFirst);
    assert_eq!(refused("(a{1000}){1000}", ""), Invalid::TooLarge);
    assert_eq!(refused("a{99999999999}", ""), Invalid::TooLarge);
    assert_eq!(refused(&"(".repeat(101), ""), Invalid::TooDeep(100));
    assert_eq!(refused("a", "y"), Invalid::Flag('y'));
    for source in ["(", ")", "[", "a**", "*", "(?a)", "(?<>a)", r"\", "a{2,1}", "[b-a]"] {
        assert!(matches!(refused(source, ""), Invalid::Syntax(_)), "{source}");
    }
    for source in [r"\x4", r"\_", "{", "]", r"\p{None}", r"\p", r"[\w-z]", r"\c1", "a{,2}"] {
        assert!(matches!(refused(source, "u"), Invalid::Syntax(_)), "{source}");
    }
    // What ECMAScript does with them is what is done here.
    assert!(matches("^(?:(?:|a){2}b)$", "", "aab") && matches("^(?:(?:a*)*b)$", "", "aab"));
}

#[test]
fn a_path_says_characters_by_their_escapes() {
    let pattern = |source: &str, flags: &str| Pattern::new(source, flags, Text::Target).expect(source);
    assert!(pattern("^/é+ $", "").is_match(b"/%C3%A9%c3%a9%20"));
    assert!(pattern("^/É$", "i").is_match(b"/%C3%A9") && !pattern("^/É$", "").is_match(b"/%C3%A9"));
    assert!(pattern(r"^\ud83d\ude00$", "").is_match(b"%F0%9F%98%80"));
    assert!(!pattern("é", "").is_match("é".as_bytes()));
}
