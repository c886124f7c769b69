//! Tests of JSON lines.

use super::*;
use crate::fixtures;

fn paths(paths: &[&str]) -> Vec<String> {
    paths.iter().map(|path| (*path).to_owned()).collect()
}

fn reader() -> JsonLine {
    let metadata = paths(&["level", "http.status", "log\\.level", "k8s.pod-name", "0.id"]);
    JsonLine::new(&paths(&["ts", "@timestamp", "time.unix"]), &metadata).unwrap()
}

fn time_of(line: &str) -> Option<i64> {
    let scanned = reader().scan(line.as_bytes(), &mut Metadata::default(), &mut Vec::new()).unwrap();
    scanned.time.map(|time| time.0)
}

#[test]
fn fixtures_read_as_expected() {
    let (mut metadata, mut rewritten) = (Metadata::default(), Vec::new());
    fixtures::check("json", |line| {
        let result = reader().scan(line, &mut metadata, &mut rewritten);
        fixtures::show(result, &metadata, &rewritten)
    });
}

#[test]
fn a_time_is_a_text_or_a_number_or_the_text_of_a_number() {
    assert_eq!(time_of(r#"{"ts":"1970-01-01T00:00:01Z"}"#), Some(1_000_000_000));
    assert_eq!(time_of(r#"{"ts":1.5}"#), Some(1_500_000_000));
    assert_eq!(time_of(r#"{"ts":"1.5"}"#), Some(1_500_000_000));
    assert_eq!(time_of(r#"{"ts":true}"#), None);
}

#[test]
fn the_first_path_that_holds_a_time_counts() {
    assert_eq!(time_of(r#"{"time":{"unix":3},"@timestamp":2,"ts":"no time"}"#), Some(2_000_000_000));
    assert_eq!(time_of(r#"{"time":{"unix":3}}"#), Some(3_000_000_000));
}

#[test]
fn names_are_those_of_the_json_stage() {
    let names: Vec<_> = reader().names.iter().map(|name| name.as_str().to_owned()).collect();
    assert_eq!(names, ["level", "http_status", "log_level", "k8s_pod_name", "_0_id"]);
}

#[test]
fn a_line_that_is_no_object_is_malformed_and_stays_as_it_is() {
    for line in ["", "[]", "text", "1", "{\"a\":1", "{\"a\":1} {}"] {
        let malformed = reader().scan(line.as_bytes(), &mut Metadata::default(), &mut Vec::new()).unwrap_err();
        assert_eq!((malformed.text, malformed.redacted), (Text::Source, false), "{line}");
    }
}

#[test]
fn there_is_a_limit_to_the_number_of_paths() {
    let many = vec!["a".to_owned(); MAX_PATHS];
    assert!(JsonLine::new(&[], &many).is_ok());
    let error = JsonLine::new(&paths(&["ts"]), &many).unwrap_err();
    assert_eq!(error.to_string(), "65 paths where 64 are possible");
    assert!(matches!(JsonLine::new(&paths(&["a..b"]), &[]), Err(InvalidPaths::Path(_))));
}
