//! Labels: what is mended, what the text looks like, what is read back.

use proptest::prelude::*;

use super::*;

fn of(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().copied().collect()
}

#[test]
fn labels_are_sorted_and_unique() {
    let labels = of(&[("job", "a"), ("app", "x"), ("job", "b"), ("node", "gone"), ("node", "")]);
    assert_eq!(labels.to_string(), r#"{app="x", job="b"}"#);
    assert_eq!(Labels::new().to_string(), "{}");
}

#[test]
fn names_become_what_loki_takes() {
    for (given, name) in [
        ("job", "job"),
        ("k8s.pod-name", "k8s_pod_name"),
        ("__meta_x", "meta_x"),
        ("____x", "x"),
        ("___x", "_x"),
        ("1a", "_a"),
        ("__1a", "_1a"),
        ("ä", "_"),
        ("__", "_"),
        ("", "_"),
    ] {
        assert_eq!(of(&[(given, "v")]).iter().next(), Some((name, "v")), "{given}");
    }
    assert_eq!(of(&[(&"n".repeat(3000), "v")]).iter().next().unwrap().0.len(), LABEL_NAME_BYTES);
}

#[test]
fn a_long_value_is_cut_before_the_character_that_crosses_the_limit() {
    let mut labels = Labels::new();
    assert_eq!(labels.set("a", &"x".repeat(2048)), Fit::Whole);
    assert_eq!(labels.set("b", &format!("{}ä", "x".repeat(2047))), Fit::Cut);
    assert_eq!(labels.get("a").unwrap().len(), 2048);
    assert_eq!(labels.get("b").unwrap().len(), 2047);
}

#[test]
fn text_is_quoted_as_go_does() {
    let labels = of(&[("v", "a\"b\\c\nd\te\r\u{0}\u{7f}\u{85}ä→\u{fffd}'`{},=")]);
    assert_eq!(labels.to_string(), r#"{v="a\"b\\c\nd\te\r\x00\x7f\u0085ä→?'`{},="}"#);
}

#[test]
fn parses_what_loki_parses() {
    for (text, same) in [
        (r#"{b="2", a="1"}"#, r#"{a="1", b="2"}"#),
        (r#" { a = "1" ,b='2',} "#, r#"{a="1", b="2"}"#),
        ("{a=`raw\\n\n\"`}", r#"{a="raw\\n\n\""}"#),
        (r#"{a='it\'s', b="\x41\102\u00e4\U0001F600"}"#, r#"{a="it's", b="ABä😀"}"#),
        (r#"{"with.dot"="1"}"#, r#"{"with.dot"="1"}"#),
        (r#"up{a="1"}"#, r#"{__name__="up", a="1"}"#),
        (r#"{"up"}"#, r#"{__name__="up"}"#),
        (r#"{a="", b="1"}"#, r#"{b="1"}"#),
        (r#"{a="\xff"}"#, r#"{a="\ufffd"}"#),
        ("{}", "{}"),
        ("", "{}"),
    ] {
        assert_eq!(Labels::parse(text).unwrap().to_string(), same, "{text}");
    }
}

#[test]
fn says_where_a_text_is_broken() {
    for (text, expected, at) in [
        ("{", "a name or `}`", 1),
        ("a=1", "`{`", 1),
        (r#"{a="1"} x"#, "the end", 8),
        (r#"{a="1" b="2"}"#, "`,` or `}`", 7),
        ("{,}", "a name or `}`", 1),
        ("{a=1}", "a quoted value", 3),
        (r#"{a~"1"}"#, "`=`", 2),
        (r#"{a="1}"#, "a closing quote", 6),
        ("{a=\"1\n\"}", "a closing quote before the line ends", 6),
        (r#"{a="\q"}"#, "a known escape", 6),
        (r#"{a="\'"}"#, "a known escape", 6),
        (r#"{a="\u12"}"#, "the digits of an escape", 6),
        (r#"{a="\ud800"}"#, "a code point of Unicode", 10),
        (r#"{a="\400"}"#, "the digits of an escape", 5),
        ("{a=\"\u{fffd}\"}", "valid UTF-8", 7),
        ("{1a=\"\"}", "a name or `}`", 1),
    ] {
        assert_eq!(Labels::parse(text), Err(LabelsError { expected, at }), "{text}");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(pairs in prop::collection::vec((any::<String>(), any::<String>()), 0..6)) {
        let labels: Labels = pairs.into_iter().collect();
        prop_assert_eq!(Labels::parse(&labels.to_string()), Ok(labels));
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in r#"[{}a-c="'`,\\xu0-9 \n]{0,24}"#) {
        let _ = Labels::parse(&text);
    }
}
