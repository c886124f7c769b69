//! Tests of CRI lines.

use super::*;
use crate::fixtures;
use proptest::prelude::*;
use serde_json::json;

fn message(line: &str) -> Option<&str> {
    parse(line.as_bytes()).map(|line| str::from_utf8(line.message).unwrap())
}

#[test]
fn fixtures_read_as_expected() {
    fixtures::check("cri", |line| match parse(line) {
        Some(line) => json!({
            "time": line.time.0,
            "output": line.output.as_str(),
            "partial": line.partial,
            "message": String::from_utf8_lossy(line.message),
        }),
        None => json!(null),
    });
}

#[test]
fn a_message_holds_any_bytes_and_may_be_empty() {
    assert_eq!(message("2026-11-23T09:10:00Z stdout F "), Some(""));
    assert_eq!(message("2026-11-23T09:10:00Z stdout F  two blanks "), Some(" two blanks "));
    let line = parse(b"2026-11-23T09:10:00.123456789+02:00 stderr P \0\xFF\r").unwrap();
    assert_eq!((line.output, line.partial, line.message), (Output::Stderr, true, &b"\0\xFF\r"[..]));
}

#[test]
fn the_first_of_several_tags_counts() {
    assert!(parse(b"2026-11-23T09:10:00Z stdout P:F:x message").unwrap().partial);
    assert!(!parse(b"2026-11-23T09:10:00Z stdout F:P message").unwrap().partial);
    assert_eq!(message("2026-11-23T09:10:00Z stdout F: message"), Some("message"));
}

#[test]
fn exactly_one_blank_stands_between_fields() {
    for line in [
        "",
        "2026-11-23T09:10:00Z",
        "2026-11-23T09:10:00Z stdout",
        "2026-11-23T09:10:00Z stdout F",
        "2026-11-23T09:10:00Z stdout F:x",
        "2026-11-23T09:10:00Z  stdout F message",
        "2026-11-23T09:10:00Z stdout  F message",
        " 2026-11-23T09:10:00Z stdout F message",
        "2026-11-23T09:10:00Z stdlog F message",
        "2026-11-23T09:10:00Z stdout X message",
        "2026-11-23T09:10:00Z stdout FF message",
        "2026-11-23 09:10:00Z stdout F message",
        "yesterday stdout F message",
    ] {
        assert_eq!(message(line), None, "{line}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(line: Vec<u8>) {
        let _ = parse(&line);
    }

    #[test]
    fn what_a_runtime_writes_is_read_back(nanos in 0..i64::MAX, partial: bool, stderr: bool, written: Vec<u8>) {
        let mut head = String::new();
        time::format_rfc3339(UnixNanos(nanos), &mut head);
        let output = if stderr { Output::Stderr } else { Output::Stdout };
        let tag = if partial { "P" } else { "F" };
        let line = [format!("{head} {} {tag} ", output.as_str()).as_bytes(), &written].concat();
        let expected = CriLine { time: UnixNanos(nanos), output, partial, message: &written };
        prop_assert_eq!(parse(&line), Some(expected));
    }
}
