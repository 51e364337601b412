//! What holds for all rules and all requests.

use std::path::Path;

use asgi_node_core::{Error, RequestHead};
use asgi_node_rewriter::{Pattern, Rewriter, Text, exists, spec};
use proptest::collection::vec;
use proptest::prelude::*;

fn regexp() -> impl Strategy<Value = spec::Regexp> {
    let source = prop_oneof![
        prop::sample::select(vec![
            "^/a",
            "(.*)$",
            "",
            "([^/]*)/",
            "/(?<x>\\w)",
            "%[0-9a-f]{2}",
            "\\W+",
            "a|b|",
            "&",
            "."
        ]),
        prop::sample::select(vec!["b", "=", "$", "^"]),
    ];
    (source, prop::sample::select(vec!["", "g", "i", "gi", "gu"])).prop_map(|(source, flags)| spec::Regexp {
        source: source.into(),
        flags: flags.into(),
    })
}

fn substitution() -> impl Strategy<Value = spec::Substitution> {
    let replacement = prop::sample::select(vec![
        "", "/", "/x", "/x?", "/x?y=$1&", "?", "$1", "$`", "$'", "$&$&", "$<x>", "a b", "é",
    ]);
    (regexp(), replacement).prop_map(|(pattern, replacement)| spec::Substitution {
        rule: "the rule".into(),
        pattern,
        replacement: replacement.into(),
    })
}

fn condition() -> impl Strategy<Value = spec::Condition> {
    let leaf = prop_oneof![
        regexp().prop_map(spec::Condition::Path),
        regexp().prop_map(spec::Condition::Method),
        regexp().prop_map(|pattern| spec::Condition::Header {
            name: "X-A".into(),
            pattern
        }),
        Just(spec::Condition::Exists),
        Just(spec::Condition::NotExists),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(spec::Condition::All),
            vec(inner, 0..3).prop_map(spec::Condition::Any),
        ]
    })
}

fn rewriter() -> impl Strategy<Value = spec::Rewriter> {
    let from = prop::option::of(prop::sample::select(vec!["host".to_owned(), "x-a".to_owned()]));
    let leaf = prop_oneof![
        substitution().prop_map(spec::Rewriter::Path),
        substitution().prop_map(spec::Rewriter::Href),
        (from, substitution()).prop_map(|(from, value)| spec::Rewriter::Header {
            name: "x-a".into(),
            from,
            value
        }),
        prop::sample::select(vec!["PUT", "x!"]).prop_map(|method| spec::Rewriter::Method(method.into())),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(spec::Rewriter::Sequence),
            (condition(), inner).prop_map(|(condition, rewriter)| spec::Rewriter::When(condition, Box::new(rewriter))),
        ]
    })
}

type Headers = Vec<(String, String)>;

fn headers() -> impl Strategy<Value = Headers> {
    let name = prop::sample::select(vec!["host", "x-a", "X-A", "accept"]).prop_map(str::to_owned);
    vec((name, "[!-~]([ -~]{0,6}[!-~])?|"), 0..5)
}

fn flat(method: &str, target: &str, root: &str, extensions: u32, headers: &Headers) -> Vec<u8> {
    let mut flat = format!("{method}\0{target}\x001.1\0http\x00127.0.0.1\x009\0h\x0080\0{root}\0{extensions}");
    if extensions & 16 != 0 {
        flat.push_str("\0SERVER\0CHAIN\0CN=a\0\x00771\x004865");
    }
    for (name, value) in headers {
        flat.extend(["\0", name, "\0", value]);
    }
    flat.into_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_source_and_no_flags_make_it_panic(source in "[()\\[\\]{}|*+?^$.,:=!<>ab0-9\\\\wdxukcpPsB-]{0,24}", flags in "[dgimsuvy]{0,3}", subject in "[ -~]{0,24}") {
        for text in [Text::Target, Text::Latin1] {
            if let Ok(pattern) = Pattern::new(&source, &flags, text) {
                pattern.is_match(subject.as_bytes());
            }
        }
    }

    #[test]
    fn literal_text_finds_itself(text in "[!-~]{1,12}", before in "[a-z]{0,4}") {
        let source: String = text.chars().flat_map(|c| if c.is_ascii_alphanumeric() { vec![c] } else { vec!['\\', c] }).collect();
        let pattern = Pattern::new(&source, "", Text::Target).expect("every character is escaped");
        let subject = [before.as_bytes(), text.as_bytes()].concat();
        prop_assert!(pattern.is_match(&subject));
    }

    #[test]
    fn rules_are_the_same_after_a_round_trip(rules in rewriter()) {
        let text = serde_json::to_string(&rules).expect("plain data");
        prop_assert_eq!(serde_json::from_str::<spec::Rewriter>(&text).expect("what was written"), rules);
    }

    /// Whatever rules make of whatever request, it is one.
    #[test]
    fn what_is_rewritten_is_a_head(
        rules in rewriter(),
        method in prop::sample::select(vec!["GET", "HEAD", "POST"]),
        path in "/[!-~&&[^#?]]{0,20}",
        query in "(\\?[!-~&&[^#?]]{0,8})?",
        root in prop::sample::select(vec!["", "/a"]),
        extensions in prop::sample::select(vec![0_u32, 3, 16, 19]),
        headers in headers(),
        is_websocket in any::<bool>(),
    ) {
        let Ok(rewriter) = Rewriter::new(&rules) else { return Ok(()) };
        let sent = flat(method, &format!("{path}{query}"), root, extensions, &headers);
        let rewritten = match rewriter.apply(&sent, is_websocket, Path::new("/nowhere")) {
            Ok(Some(rewritten)) => rewritten,
            Ok(None) => return Ok(()),
            Err(error) => {
                let named = matches!(&error, Error::RewriteFailed { rule, .. } if rule == "the rule");
                prop_assert!(named && error.code() == "REWRITE_FAILED");
                return Ok(());
            }
        };
        prop_assert_ne!(&rewritten, &sent);
        let head = RequestHead::parse(rewritten).expect("a head");
        let before = RequestHead::parse(sent).expect("a head");
        let target = head.target();
        prop_assert!(target.raw_path.starts_with(b"/"));
        prop_assert!(target.raw_path.iter().chain(target.query).all(|byte| (0x21..=0x7e).contains(byte)));
        prop_assert!([method.as_bytes(), b"PUT", b"x!"].contains(&head.method()));
        prop_assert!(!is_websocket || head.method() == method.as_bytes());
        prop_assert_eq!(head.framing_method() == b"HEAD", method == "HEAD");
        prop_assert_eq!((head.client(), head.server(), head.tls()), (before.client(), before.server(), before.tls()));
        prop_assert!(head.root_path() == root.as_bytes() || head.root_path().is_empty());
        let others = |head: &RequestHead| {
            let others = head.headers().filter(|(name, _)| !name.eq_ignore_ascii_case(b"x-a"));
            others.map(|(name, value)| (name.to_vec(), value.to_vec())).collect::<Vec<_>>()
        };
        prop_assert_eq!(others(&head), others(&before));
    }

    /// Dots, escapes and links, in every order.
    #[test]
    fn nothing_outside_of_the_docroot_exists(parts in vec(prop::sample::select(vec!["..", ".", "", "%2e%2e", "%2f", "in", "out", "site", "secret", "%00"]), 0..8)) {
        let folder = tempfile::tempdir().expect("a folder");
        let docroot = folder.path().join("site");
        std::fs::create_dir_all(docroot.join("in")).expect("a folder");
        std::fs::create_dir_all(folder.path().join("elsewhere/in")).expect("a folder");
        for secret in ["secret", "elsewhere/secret"] {
            std::fs::write(folder.path().join(secret), "").expect("a file");
        }
        std::os::unix::fs::symlink("../elsewhere", docroot.join("out")).expect("a link");
        let path = format!("/{}", parts.join("/"));
        // As a URL is resolved; none where it leaves the root.
        let place = parts.iter().try_fold(Vec::new(), |mut place, part| {
            match *part {
                ".." | "%2e%2e" => drop(place.pop()?),
                "." | "" | "%2f" => {}
                part => place.push(part),
            }
            Some(place)
        });
        let is_there = !parts.contains(&"%00") && place.is_some_and(|place| place.is_empty() || place == ["in"]);
        prop_assert_eq!(exists(&docroot, path.as_bytes()), is_there, "{}", path);
    }
}
