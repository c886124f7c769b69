//! Tests of the JSON scanner, with `serde_json` as the judge of what is valid and what it means.

use super::*;
use crate::arbitrary;
use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::Value;

const NAMES: &[&str] = &["a", "b", "name", "with.dot", "a name longer than twenty-four bytes"];
const PATHS: &[&str] = &["a", "a.b", "name", "name.a.b", "with\\.dot", "b.a name longer than twenty-four bytes", "a"];

fn is_valid(text: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

fn meaning(raw: &str) -> String {
    let mut out = Vec::new();
    unescape(raw.as_bytes(), &mut out);
    String::from_utf8(out).unwrap()
}

fn members(text: &str) -> Result<Vec<(String, String)>, Error> {
    let mut scanner = Scanner::new(text.as_bytes());
    let mut members = Vec::new();
    scanner.object(|scanner, key| {
        let value = scanner.value()?;
        members.push((meaning(str::from_utf8(key.raw()).unwrap()), String::from_utf8_lossy(value.bytes()).into_owned()));
        Ok(())
    })?;
    scanner.finish()?;
    Ok(members)
}

fn reason(text: &str) -> Option<(Reason, usize)> {
    members(text).err().map(|error| (error.reason, error.at))
}

fn scalars(text: &str, paths: &[&str]) -> Vec<String> {
    let fields = JsonFields::new(paths).unwrap();
    let mut found = vec![None; paths.len()];
    fields.scalars(text.as_bytes(), &mut found).unwrap();
    let meaning = |value: Option<Raw<'_>>| {
        let mut out = Vec::new();
        if let Some(value) = value {
            value.push_to(&mut out);
        }
        String::from_utf8(out).unwrap()
    };
    found.into_iter().map(meaning).collect()
}

#[test]
fn members_are_walked_in_order_with_blanks_between_tokens() {
    let expected = [("a", "1"), ("b", "[1, {\"c\":\"}\"}]"), ("c\"", "\"x\\\"y\""), ("", "null")];
    let expected: Vec<_> = expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    assert_eq!(members(" { \"a\" : 1 ,\"b\":[1, {\"c\":\"}\"}],\"c\\\"\":\"x\\\"y\"\t,\r\n\"\":null } ").unwrap(), expected);
    assert_eq!(members("{}").unwrap(), []);
}

#[test]
fn an_error_says_what_and_where() {
    assert_eq!(reason(""), Some((Reason::Incomplete, 0)));
    assert_eq!(reason("[]"), Some((Reason::Unexpected, 0)));
    assert_eq!(reason("{\"a\":1"), Some((Reason::Incomplete, 6)));
    assert_eq!(reason("{\"a\":\"x"), Some((Reason::Incomplete, 7)));
    assert_eq!(reason("{\"a\":{\"b\":[1,2}"), Some((Reason::Incomplete, 15)));
    assert_eq!(reason("{\"a\":1}x"), Some((Reason::Unexpected, 7)));
    assert_eq!(reason("{\"a\":01}"), Some((Reason::Unexpected, 6)));
    assert_eq!(reason("{\"a\":tru}"), Some((Reason::Unexpected, 8)));
    assert_eq!(reason("{\"a\" 1}"), Some((Reason::Unexpected, 5)));
    assert_eq!(reason("{\"a\":1,}"), Some((Reason::Unexpected, 7)));
    assert_eq!(reason("{,}"), Some((Reason::Unexpected, 1)));
    assert_eq!(reason("{\"a\":\"\\"), Some((Reason::Incomplete, 7)));
    assert_eq!(members("{").unwrap_err().to_string(), "JSON text ends too early, at byte 1");
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(members(&nested(MAX_DEPTH)).is_ok());
    assert_eq!(reason(&nested(MAX_DEPTH + 1)), Some((Reason::TooDeep, 5 + MAX_DEPTH)));
    assert!(validate(nested(MAX_DEPTH - 1).as_bytes()).is_ok());
    assert_eq!(validate(nested(MAX_DEPTH).as_bytes()).unwrap_err().reason, Reason::TooDeep);
    assert!(members(&nested(1_000_000)).is_err());
    assert!(validate(nested(1_000_000).as_bytes()).is_err());
}

#[test]
fn a_skipped_container_is_not_checked_inside() {
    assert!(members("{\"a\":[1 2}}").is_ok());
    assert!(validate(b"{\"a\":[1 2}}").is_err());
}

#[test]
fn escapes_are_resolved() {
    assert_eq!(meaning(r#"\"\\\/\b\f\n\r\t"#), "\"\\/\u{8}\u{c}\n\r\t");
    assert_eq!(meaning(r"\u00fc\u20AC\ud83d\uDE00"), "ü€😀");
    assert_eq!(meaning(r"plain"), "plain");
}

#[test]
fn half_a_surrogate_pair_becomes_the_replacement_character() {
    assert_eq!(meaning(r"\ud83d"), "\u{FFFD}");
    assert_eq!(meaning(r"\ude00x"), "\u{FFFD}x");
    assert_eq!(meaning(r"\ud83d\ud83d\ude00"), "\u{FFFD}😀");
    assert_eq!(meaning(r"\ud83d\n"), "\u{FFFD}\n");
}

#[test]
fn a_broken_escape_becomes_the_replacement_character() {
    assert_eq!(meaning(r"\x"), "\u{FFFD}x");
    assert_eq!(meaning(r"\u12"), "\u{FFFD}12");
    assert_eq!(meaning("\\"), "\u{FFFD}");
    assert_eq!(meaning("\\ü"), "\u{FFFD}ü");
}

#[test]
fn names_are_found_however_they_are_escaped() {
    assert_eq!(scalars(r#"{"verb":"get"}"#, &["verb"]), ["get"]);
    assert_eq!(scalars(r#"{"v\u0065rb":"get"}"#, &["verb"]), ["get"]);
    assert_eq!(scalars(r#"{"Verb":"get","ver":"x","verbs":"x"}"#, &["verb"]), [""]);
}

#[test]
fn a_path_may_begin_another_one() {
    assert_eq!(scalars(r#"{"a":{"b":1}}"#, &["a", "a.b"]), ["", "1"]);
    assert_eq!(scalars(r#"{"a":2}"#, &["a", "a.b", "a"]), ["2", "", "2"]);
    let mut seen = Vec::new();
    let fields = JsonFields::new(["a", "a.b"]).unwrap();
    fields
        .visit(br#"{"a":{"b":1}}"#, |field, value| {
            seen.push((field, value.bytes().to_vec()));
        })
        .unwrap();
    assert_eq!(seen, [(1, b"1".to_vec()), (0, br#"{"b":1}"#.to_vec())]);
}

#[test]
fn the_last_scalar_of_a_name_counts() {
    assert_eq!(scalars(r#"{"a":1,"a":2,"a":null,"a":[3],"a":{}}"#, &["a"]), ["2"]);
}

#[test]
fn a_dot_in_a_name_is_written_with_a_backslash() {
    assert_eq!(scalars(r#"{"log.level":"warn","log":{"level":"x"}}"#, &["log\\.level"]), ["warn"]);
}

#[test]
fn a_path_with_an_empty_name_is_refused() {
    for path in ["", ".", "a.", ".a", "a..b", &"a.".repeat(17)] {
        assert_eq!(JsonFields::new([path]).unwrap_err(), InvalidPath(path.to_owned()));
    }
}

proptest! {
    #[test]
    fn the_strict_check_judges_as_serde_json(
        value in arbitrary::value(NAMES), pretty: bool, edits in arbitrary::edits(),
    ) {
        let text = arbitrary::edited(arbitrary::text(&value, pretty), &edits);
        prop_assert_eq!(validate(&text).is_ok(), is_valid(&text), "{}", String::from_utf8_lossy(&text));
    }

    #[test]
    fn every_valid_object_is_walked(value in arbitrary::document(NAMES), pretty: bool, edits in arbitrary::edits()) {
        let text = arbitrary::edited(arbitrary::text(&value, pretty), &edits);
        let result = JsonFields::new(PATHS).unwrap().visit(&text, |_, _| {});
        let is_object = text.iter().find(|byte| !is_blank(**byte)) == Some(&b'{');
        if is_valid(&text) && is_object {
            prop_assert!(result.is_ok());
        }
        if !is_object {
            prop_assert!(result.is_err());
        }
    }

    #[test]
    fn fields_are_those_of_the_tree(value in arbitrary::document(NAMES), pretty: bool) {
        let text = arbitrary::text(&value, pretty);
        let expected: Vec<String> = PATHS.iter().map(|path| {
            let names = path.replace("\\.", "\0");
            let found = names.split('.').try_fold(&value, |value, name| value.get(name.replace('\0', ".")));
            match found {
                Some(Value::String(text)) => text.clone(),
                Some(scalar @ (Value::Number(_) | Value::Bool(_))) => scalar.to_string(),
                _ => String::new(),
            }
        }).collect();
        prop_assert_eq!(scalars(str::from_utf8(&text).unwrap(), PATHS), expected);
    }

    #[test]
    fn strings_mean_what_serde_json_says(raw in r#"([ -!#-\[\]-~ü€😀]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4}|\\ud83d\\ude00){0,12}"#) {
        if let Ok(expected) = serde_json::from_str::<String>(&format!("\"{raw}\"")) {
            prop_assert_eq!(meaning(&raw), expected.clone());
            prop_assert!(string::means(raw.as_bytes(), expected.as_bytes()));
            prop_assert!(string::begins_with(raw.as_bytes(), &expected.as_bytes()[..expected.len() / 2]));
            let longer = format!("{expected}x");
            prop_assert!(!string::means(raw.as_bytes(), longer.as_bytes()));
            prop_assert!(!string::begins_with(raw.as_bytes(), longer.as_bytes()));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(text: Vec<u8>) {
        let _ = validate(&text);
        let _ = JsonFields::new(PATHS).unwrap().visit(&text, |_, value| { value.push_to(&mut Vec::new()); });
        unescape(&text, &mut Vec::new());
    }
}
