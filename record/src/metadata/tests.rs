//! Tests of the metadata list: order, limits, and what becomes of bytes that are no text.

use super::*;
use proptest::prelude::*;

fn pairs(metadata: &Metadata) -> Vec<(&str, &str)> {
    metadata.iter().collect()
}

#[test]
fn pairs_come_back_in_order() {
    let mut metadata = Metadata::default();
    metadata.push("verb", "get");
    metadata.push("stage", "ResponseComplete");
    assert_eq!(pairs(&metadata), [("verb", "get"), ("stage", "ResponseComplete")]);
    assert_eq!(metadata.get("stage"), Some("ResponseComplete"));
    assert_eq!(metadata.get("user"), None);
    assert_eq!(metadata.cut(), 0);
    metadata.clear();
    assert!(metadata.is_empty());
}

#[test]
fn an_empty_value_is_left_out() {
    let mut metadata = Metadata::default();
    metadata.push("verb", "");
    metadata.push("stage", "Panic");
    assert_eq!(pairs(&metadata), [("stage", "Panic")]);
}

#[test]
fn a_long_value_is_cut_at_a_character_and_counted() {
    let mut metadata = Metadata::default();
    metadata.push("a", &"ü".repeat(2000));
    metadata.push("b", &format!("x{}", "ü".repeat(2000)));
    metadata.push("c", &"x".repeat(MAX_VALUE_BYTES));
    assert_eq!(metadata.get("a").map(str::len), Some(2048));
    assert_eq!(metadata.get("b").map(str::len), Some(2047));
    assert_eq!(metadata.get("c").map(str::len), Some(2048));
    assert_eq!(metadata.cut(), 2);
}

#[test]
fn nothing_follows_the_place_where_a_value_was_cut() {
    let mut metadata = Metadata::default();
    metadata.push_with("a", |value| {
        value.push_str(&"x".repeat(2047));
        value.push_char('ü');
        value.push_char('y');
    });
    assert_eq!(metadata.get("a").map(str::len), Some(2047));
    assert_eq!(metadata.cut(), 1);
}

#[test]
fn what_is_not_text_becomes_the_replacement_character() {
    let mut metadata = Metadata::default();
    metadata.push_with("a", |value| {
        value.push_bytes(b"x\0y\xFFz\xE2\x82");
        value.push_char('\0');
    });
    assert_eq!(metadata.get("a"), Some("x\u{FFFD}y\u{FFFD}z\u{FFFD}\u{FFFD}"));
}

proptest! {
    #[test]
    fn whatever_is_pushed_comes_back(given in prop::collection::vec(("[a-z_]{0,9}[a-z]", "[^\0]{0,99}"), 0..9)) {
        let mut metadata = Metadata::default();
        for (name, value) in &given {
            metadata.push(name, value);
        }
        let expected: Vec<_> = given.iter().filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name.as_str(), value.as_str())).collect();
        prop_assert_eq!(pairs(&metadata), expected);
    }
}
