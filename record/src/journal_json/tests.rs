//! Tests of the journal's entries as JSON.

use super::*;
use crate::{arbitrary, fixtures};
use proptest::prelude::*;
use serde_json::json;

#[test]
fn fixtures_read_as_expected() {
    let mut scratch = Vec::new();
    fixtures::check("journal_json", |line| match parse(line, &mut scratch) {
        Some(entry) => json!({
            "time": entry.time.0,
            "message": String::from_utf8_lossy(entry.message),
            "identifier": entry.field("SYSLOG_IDENTIFIER").map(|value| String::from_utf8_lossy(value.bytes()).into_owned()),
        }),
        None => json!(null),
    });
}

#[test]
fn recorded_entries_are_read_and_no_two_have_one_time() {
    let mut scratch = Vec::new();
    let mut times = std::collections::BTreeSet::new();
    for (path, line) in fixtures::samples("sshd") {
        let entry = parse(&line, &mut scratch).unwrap_or_else(|| panic!("{}", path.display()));
        assert!(!entry.message.is_empty() && entry.is("_TRANSPORT", "syslog"));
        assert!(times.insert(entry.time), "{}: {}", path.display(), entry.time.0);
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(line: Vec<u8>, edits in arbitrary::edits()) {
        let _ = parse(&line, &mut Vec::new());
        let entry = br#"{"MESSAGE":[["x"],[104,105],null],"__REALTIME_TIMESTAMP":"1","__CURSOR":"s=0;i=ff"}"#.to_vec();
        let edited = arbitrary::edited(entry, &edits);
        if let Some(entry) = parse(&edited, &mut Vec::new()) {
            let _ = entry.field("MESSAGE");
        }
    }

    #[test]
    fn what_journalctl_prints_is_read_back(micros in 0..i64::MAX / 1000 - 1, sequence: u64, message: Vec<u8>, as_bytes: bool) {
        let value = match String::from_utf8(message.clone()) {
            Ok(text) if !as_bytes => json!(text),
            _ => json!(message),
        };
        let cursor = format!("s=7c5566d11ea646589ad33d3508cc2ce6;i={sequence:x};b=860a49547c11493fb2c2e4eeffecc8df;m=1;t=2;x=3");
        let line = json!({"MESSAGE": value, "__CURSOR": cursor, "__REALTIME_TIMESTAMP": micros.to_string(), "_UID": "0"}).to_string();
        let mut scratch = b"left from before".to_vec();
        let entry = parse(line.as_bytes(), &mut scratch).unwrap();
        let below = i64::try_from(sequence % 1000).unwrap();
        prop_assert_eq!((entry.time.0, entry.message), (micros * 1000 + below, &message[..]));
        prop_assert!(entry.is("_UID", "0") && !entry.is("_GID", "0"));
    }
}
