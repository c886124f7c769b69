//! Tests of Vault's audit entries.

use super::*;
use crate::{arbitrary, fixtures};
use proptest::prelude::*;
use serde_json::Value;

const NAMES: &[&str] = &[
    "time",
    "type",
    "request",
    "response",
    "auth",
    "metadata",
    "path",
    "id",
    "namespace",
    "error",
    "entity_id",
    "2026-11-23T09:10:00Z",
];

fn all() -> Vec<String> {
    VaultAudit::METADATA.iter().map(|name| (*name).to_owned()).collect()
}

fn scan(prefix: &str, line: &str) -> (Result<Scanned, Malformed>, Metadata, String) {
    let (mut metadata, mut rewritten) = (Metadata::default(), b"left from before".to_vec());
    let result = VaultAudit::new(prefix, &all()).unwrap().scan(line.as_bytes(), &mut metadata, &mut rewritten);
    (result, metadata, String::from_utf8(rewritten).unwrap())
}

fn pairs(metadata: &Metadata) -> Vec<(String, String)> {
    metadata.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn expected_metadata(entry: &Value) -> Vec<(String, String)> {
    let mut expected = Metadata::default();
    for (name, path) in FIELDS {
        match path.split('.').try_fold(entry, |value, name| value.get(name)) {
            Some(Value::String(text)) => expected.push(name, &text.replace('\0', "\u{FFFD}")),
            Some(scalar @ (Value::Number(_) | Value::Bool(_))) => {
                expected.push(name, &scalar.to_string());
            }
            _ => {}
        }
    }
    pairs(&expected)
}

#[test]
fn fixtures_read_as_expected() {
    let audit = VaultAudit::new("", &all()).unwrap();
    let (mut metadata, mut rewritten) = (Metadata::default(), Vec::new());
    fixtures::check("vault_audit", |line| {
        let result = audit.scan(line, &mut metadata, &mut rewritten);
        fixtures::show(result, &metadata, &rewritten)
    });
}

#[test]
fn recorded_entries_are_read_and_told_from_the_lines_of_the_server() {
    for (path, line) in fixtures::samples("vault-audit") {
        let is_server = path.ends_with("server-operational.log");
        assert_eq!(is_vault_audit(&line), !is_server, "{}", path.display());
        let (result, metadata, _) = scan("", str::from_utf8(&line).unwrap());
        if !is_server {
            assert!(result.unwrap().time.is_some());
            assert_eq!(pairs(&metadata), expected_metadata(&serde_json::from_slice(&line).unwrap()));
        }
    }
}

#[test]
fn a_prefix_is_taken_off() {
    let (result, metadata, rewritten) = scan("@cee: ", r#"@cee: {"time":"1970-01-01T00:00:01Z","type":"request"}"#);
    let scanned = result.unwrap();
    assert_eq!((scanned.text, scanned.time.map(|time| time.0)), (Text::Rewritten, Some(1_000_000_000)));
    assert_eq!(rewritten, r#"{"time":"1970-01-01T00:00:01Z","type":"request"}"#);
    assert_eq!(metadata.get("type"), Some("request"));
    assert_eq!(scan("@cee: ", r#"{"type":"request"}"#).0.unwrap().text, Text::Source);
}

#[test]
fn a_prefix_alone_is_malformed() {
    let malformed = scan("@cee: ", "@cee: ").0.unwrap_err();
    assert_eq!((malformed.text, malformed.redacted), (Text::Source, false));
}

#[test]
fn every_default_name_exists_and_an_unknown_one_is_refused() {
    let defaults: Vec<String> = VaultAudit::DEFAULT_METADATA.iter().map(|name| (*name).to_owned()).collect();
    assert!(VaultAudit::new("", &defaults).is_ok());
    assert!(VaultAudit::new("", &["operation".to_owned()]).is_err());
}

#[test]
fn only_an_object_with_type_and_time_is_an_audit_entry() {
    assert!(is_vault_audit(br#" {"time":"","type":"response"}"#));
    for line in [
        &br#"{"type":"request"}"#[..],
        br#"{"time":"x","type":"other"}"#,
        br#"{"time":1,"type":"request"}"#,
        br#"{"time":"x","type":"request""#,
        br#"{"time":"x","type":"request"} x"#,
        br#"[{"time":"x","type":"request"}]"#,
        b"plain text",
        b"",
    ] {
        assert!(!is_vault_audit(line), "{}", String::from_utf8_lossy(line));
    }
}

proptest! {
    #[test]
    fn metadata_is_that_of_the_tree(entry in arbitrary::document(NAMES), pretty: bool) {
        let line = String::from_utf8(arbitrary::text(&entry, pretty)).unwrap();
        let (result, metadata, _) = scan("", &line);
        prop_assert!(result.is_ok());
        prop_assert_eq!(pairs(&metadata), expected_metadata(&entry));
    }

    #[test]
    fn no_bytes_make_it_panic(line: Vec<u8>) {
        let _ = is_vault_audit(&line);
        let _ = VaultAudit::new("x", &all()).unwrap().scan(&line, &mut Metadata::default(), &mut Vec::new());
    }
}
