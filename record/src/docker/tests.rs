//! Tests of Docker's lines.

use super::*;
use crate::fixtures;
use proptest::prelude::*;
use serde_json::json;

#[test]
fn fixtures_read_as_expected() {
    let mut scratch = Vec::new();
    fixtures::check("docker", |line| match parse(line, &mut scratch) {
        Some(line) => json!({
            "time": line.time.0,
            "output": line.output.as_str(),
            "complete": line.complete,
            "message": String::from_utf8_lossy(line.message),
        }),
        None => json!(null),
    });
}

#[test]
fn only_one_newline_is_taken_off() {
    let mut scratch = b"left from before".to_vec();
    let line = parse(br#"{"log":"a\n\n","stream":"stdout","time":"2026-11-23T09:10:00Z"}"#, &mut scratch).unwrap();
    assert_eq!((line.complete, line.message), (true, &b"a\n"[..]));
}

#[test]
fn bytes_that_are_not_text_stay_as_they_are() {
    let mut scratch = Vec::new();
    let line = parse(b"{\"log\":\"\xFF\",\"stream\":\"stdout\",\"time\":\"2026-11-23T09:10:00Z\"}", &mut scratch);
    assert_eq!(line.unwrap().message, b"\xFF");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(line: Vec<u8>) {
        let _ = parse(&line, &mut Vec::new());
    }

    #[test]
    fn what_docker_writes_is_read_back(message: String, complete: bool) {
        prop_assume!(!message.ends_with('\n'));
        let log = if complete { format!("{message}\n") } else { message.clone() };
        let line = json!({"log": log, "stream": "stderr", "time": "2026-11-23T09:10:00.5Z"}).to_string();
        let mut scratch = Vec::new();
        let read = parse(line.as_bytes(), &mut scratch).unwrap();
        prop_assert_eq!((read.complete, read.message), (complete, message.as_bytes()));
    }
}
