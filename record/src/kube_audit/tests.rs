//! Tests of Kubernetes audit events: the time, the metadata, and that nothing secret stays.

use super::*;
use crate::{arbitrary, fixtures};
use proptest::prelude::*;
use serde_json::{Value, json};

const NAMES: &[&str] = &[
    "user",
    "username",
    "uid",
    "verb",
    "objectRef",
    "resource",
    "subresource",
    "secrets",
    "pods",
    "token",
    "sourceIPs",
    "responseStatus",
    "code",
    "requestObject",
    "responseObject",
    "kind",
    "Secret",
    "annotations",
    "stageTimestamp",
    "patch.webhook.admission.k8s.io/round_0_index_0",
    "2026-11-23T09:10:00Z",
];

fn all() -> Vec<String> {
    KubeAudit::METADATA.iter().map(|name| (*name).to_owned()).collect()
}

fn scan(line: &str) -> (Result<Scanned, Malformed>, Metadata, String) {
    let (mut metadata, mut rewritten) = (Metadata::default(), b"left from before".to_vec());
    metadata.push("left", "from before");
    let result = KubeAudit::new(true, &all()).unwrap().scan(line.as_bytes(), &mut metadata, &mut rewritten);
    (result, metadata, String::from_utf8(rewritten).unwrap())
}

/// The text that is shipped of a line.
fn text(line: &str) -> String {
    let (result, _, rewritten) = scan(line);
    match result.map_or_else(|malformed| malformed.text, |scanned| scanned.text) {
        Text::Source => line.to_owned(),
        Text::Rewritten => rewritten,
    }
}

fn seconds(line: &str) -> Option<i64> {
    scan(line).0.unwrap().time.map(|time| time.0 / 1_000_000_000)
}

#[test]
fn fixtures_read_as_expected() {
    let audit = KubeAudit::new(true, &all()).unwrap();
    let (mut metadata, mut rewritten) = (Metadata::default(), Vec::new());
    fixtures::check("kube_audit", |line| {
        let result = audit.scan(line, &mut metadata, &mut rewritten);
        fixtures::show(result, &metadata, &rewritten)
    });
}

#[test]
fn recorded_events_are_read_and_their_metadata_is_that_of_the_tree() {
    for (path, line) in [fixtures::samples("kube-audit/real-falco"), fixtures::samples("kube-audit/synthesized")].concat() {
        let (result, metadata, rewritten) = scan(str::from_utf8(&line).unwrap());
        let scanned = result.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(scanned.time.is_some(), "{}", path.display());
        let event: Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(pairs(&metadata), expected_metadata(&event));
        if scanned.redacted {
            serde_json::from_str::<Value>(&rewritten).unwrap();
        }
    }
}

#[test]
fn the_time_is_that_of_the_stage_then_of_the_request() {
    assert_eq!(
        seconds(r#"{"requestReceivedTimestamp":"1970-01-01T00:00:02Z","stageTimestamp":"1970-01-01T00:00:01Z"}"#),
        Some(1)
    );
    assert_eq!(seconds(r#"{"requestReceivedTimestamp":"1970-01-01T00:00:02Z","stageTimestamp":null}"#), Some(2));
    assert_eq!(
        seconds(r#"{"timestamp":"1970-01-01T00:00:03Z","metadata":{"creationTimestamp":"1970-01-01T00:00:04Z"}}"#),
        Some(3)
    );
    assert_eq!(seconds(r#"{"metadata":{"creationTimestamp":"1970-01-01T00:00:04Z"}}"#), Some(4));
    assert_eq!(seconds(r#"{"stageTimestamp":"soon"}"#), None);
    assert_eq!(seconds("{}"), None);
}

#[test]
fn metadata_comes_in_the_order_of_the_table_whatever_the_order_asked_for_or_found() {
    let wanted = ["stage", "verb", "stage"].map(str::to_owned);
    let audit = KubeAudit::new(true, &wanted).unwrap();
    let (mut metadata, mut rewritten) = (Metadata::default(), Vec::new());
    audit.scan(br#"{"stage":"Panic","level":"Request","verb":"get"}"#, &mut metadata, &mut rewritten).unwrap();
    assert_eq!(metadata.iter().collect::<Vec<_>>(), [("verb", "get"), ("stage", "Panic")]);
}

#[test]
fn every_default_name_exists_and_an_unknown_one_is_refused() {
    let defaults: Vec<String> = KubeAudit::DEFAULT_METADATA.iter().map(|name| (*name).to_owned()).collect();
    assert!(KubeAudit::new(true, &defaults).is_ok());
    let error = KubeAudit::new(true, &["user".to_owned()]).unwrap_err();
    assert!(error.to_string().starts_with("no metadata is called `user`; there is verb, user_username"));
}

#[test]
fn the_source_is_the_last_address() {
    let source = |line| scan(line).1.get("source_ip").map(str::to_owned);
    assert_eq!(source(r#"{"sourceIPs":["198.51.100.1", "10.0.0.1" ]}"#).as_deref(), Some("10.0.0.1"));
    assert_eq!(source(r#"{"sourceIPs":[]}"#), None);
    assert_eq!(source(r#"{"sourceIPs":"10.0.0.1"}"#), None);
    assert_eq!(source(r#"{"sourceIPs":["10.0.0.1",7]}"#), None);
    assert_eq!(source(r#"{"sourceIPs":null}"#), None);
}

#[test]
fn a_value_that_is_no_text_is_left_out_and_a_number_is_its_text() {
    let (_, metadata, _) = scan(r#"{"verb":"","stage":null,"level":{"a":1},"auditID":[1],"responseStatus":{"code":201}}"#);
    assert_eq!(metadata.iter().collect::<Vec<_>>(), [("responseStatus_code", "201")]);
}

#[test]
fn the_last_of_two_equal_members_counts() {
    let (_, metadata, _) = scan(r#"{"verb":"get","verb":"delete","verb":null,"user":{"username":"alice"},"user":{"uid":"1"}}"#);
    assert_eq!(metadata.iter().collect::<Vec<_>>(), [("verb", "delete"), ("user_username", "alice"), ("user_uid", "1")]);
}

#[test]
fn names_are_matched_exactly() {
    assert!(scan(r#"{"Verb":"get","VERB":"get"}"#).1.is_empty());
}

#[test]
fn bodies_of_secrets_are_taken_out_wherever_the_object_reference_stands() {
    let redacted = r#"{"requestObject":{"picket_redacted":true},"objectRef":{"resource":"secrets"},"responseObject" : {"picket_redacted":true} }"#;
    let line =
        r#"{"requestObject":{"data":{"p":"hunter2"}},"objectRef":{"resource":"secrets"},"responseObject" : [{"x":"hunter2"}] }"#;
    assert_eq!(text(line), redacted);
    assert!(scan(line).0.unwrap().redacted);
}

#[test]
fn every_kind_of_request_that_carries_secrets_is_redacted() {
    for object in [
        r#""objectRef":{"resource":"secrets"}"#,
        r#""objectRef":{"resource":"configmaps"}"#,
        r#""objectRef":{"resource":"serviceaccounts","subresource":"token"}"#,
        r#""objectRef":{"resource":"tokenreviews"}"#,
        r#""objectRef":{"resource":"secrets"},"objectRef":{"resource":"pods"}"#,
        r#""objectRef":{"\u0072esource":"s\u0065crets"}"#,
    ] {
        let line = format!(
            r#"{{{object},"requestObject":"hunter2","requestObject":{{"a":"hunter2"}},"request\u004fbject":["hunter2"]}}"#
        );
        assert!(!text(&line).contains("hunter2"), "{line}");
    }
    for kind in SECRET_KINDS {
        let line = format!(
            r#"{{"responseObject":{{"data":"hunter2","kind":"{kind}"}},"requestObject":{{"kind":"Status","a":"hunter2"}}}}"#
        );
        assert!(!text(&line).contains("hunter2"), "{line}");
    }
}

#[test]
fn patches_by_webhooks_are_taken_out_with_the_bodies() {
    let line = r#"{"annotations":{"a":"kept","patch.webhook.admission.k8s.io/round_0_index_0":"hunter2"},"requestObject":1,"objectRef":{"resource":"secrets"}}"#;
    let expected = r#"{"annotations":{"a":"kept","patch.webhook.admission.k8s.io/round_0_index_0":{"picket_redacted":true}},"requestObject":{"picket_redacted":true},"objectRef":{"resource":"secrets"}}"#;
    assert_eq!(text(line), expected);
}

#[test]
fn other_bodies_stay() {
    for line in [
        r#"{"objectRef":{"resource":"pods"},"requestObject":{"kind":"Pod","metadata":{"name":"secrets"}}}"#,
        r#"{"objectRef":{"resource":"secrets"},"responseStatus":{"code":200}}"#,
        r#"{"objectRef":{"resource":"clusterroles"},"responseObject":{"rules":[{"resources":["secrets"]}]}}"#,
    ] {
        assert_eq!(text(line), line);
        assert!(!scan(line).0.unwrap().redacted);
    }
}

#[test]
fn without_redaction_the_text_is_the_line() {
    let audit = KubeAudit::new(false, &[]).unwrap();
    let line = br#"{"objectRef":{"resource":"secrets"},"requestObject":{"data":"hunter2"}}"#;
    let scanned = audit.scan(line, &mut Metadata::default(), &mut Vec::new()).unwrap();
    assert_eq!((scanned.text, scanned.redacted), (Text::Source, false));
    let malformed = audit.scan(&line[..60], &mut Metadata::default(), &mut Vec::new()).unwrap_err();
    assert_eq!((malformed.text, malformed.redacted), (Text::Source, false));
}

#[test]
fn a_line_that_was_cut_ends_before_its_body() {
    let line = r#"{"verb":"create","requestObject":{"data":{"p":"hunter2"#;
    let (result, metadata, _) = scan(line);
    assert!(matches!(result.unwrap_err().reason, MalformedReason::Json(error) if error.reason == json::Reason::Incomplete));
    assert!(metadata.is_empty());
    assert_eq!(text(line), r#"{"verb":"create",{"picket_redacted":true}"#);
}

#[test]
fn nothing_stays_of_a_line_that_does_not_begin_as_an_event() {
    assert_eq!(text(r#"data":{"p":"hunter2"}},"verb":"create"}"#), REDACTED);
    assert_eq!(text("hunter2"), REDACTED);
    assert_eq!(text(r#"{"verb":"create""#), r#"{"verb":"create""#);
}

#[test]
fn a_list_of_events_is_malformed_and_ends_before_its_first_body() {
    let line = r#"{"kind":"EventList","items":[{"verb":"create","requestObject":{"kind":"Secret","data":"hunter2"}}]}"#;
    let (result, metadata, _) = scan(line);
    assert_eq!(result.unwrap_err().reason, MalformedReason::EventList);
    assert!(metadata.is_empty() && !text(line).contains("hunter2"));
}

#[test]
fn annotations_that_cannot_be_walked_do_not_let_a_secret_through() {
    let line = r#"{"annotations":{1 2},"requestObject":{"p":"hunter2"},"objectRef":{"resource":"secrets"}}"#;
    assert!(scan(line).0.is_err() && scan(line).1.is_empty());
    assert!(!text(line).contains("hunter2"));
}

#[test]
fn metadata_is_text_even_if_the_line_is_not() {
    let (mut metadata, mut rewritten) = (Metadata::default(), Vec::new());
    let audit = KubeAudit::new(true, &all()).unwrap();
    audit.scan(b"{\"verb\":\"g\xFFe\0t\\u0000\\ud800\"}", &mut metadata, &mut rewritten).unwrap();
    assert_eq!(metadata.get("verb"), Some("g\u{FFFD}e\u{FFFD}t\u{FFFD}\u{FFFD}"));
}

fn pairs(metadata: &Metadata) -> Vec<(String, String)> {
    metadata.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The metadata of an event, taken from its tree.
fn expected_metadata(event: &Value) -> Vec<(String, String)> {
    let mut expected = Metadata::default();
    for (name, path) in FIELDS {
        let value = path.split('.').try_fold(event, |value, name| value.get(name));
        match value {
            Some(Value::Array(addresses)) if name == "source_ip" => {
                expected.push(name, addresses.last().and_then(Value::as_str).unwrap_or_default());
            }
            Some(_) if name == "source_ip" => {}
            Some(Value::String(text)) => expected.push(name, &text.replace('\0', "\u{FFFD}")),
            Some(scalar @ (Value::Number(_) | Value::Bool(_))) => {
                expected.push(name, &scalar.to_string());
            }
            _ => {}
        }
    }
    pairs(&expected)
}

/// The event with its bodies replaced, if it carries secrets.
fn expected_redaction(mut event: Value) -> Value {
    let is_secret = SECRET_RESOURCES.iter().any(|resource| event["objectRef"]["resource"] == *resource)
        || event["objectRef"]["subresource"] == "token"
        || ["requestObject", "responseObject"].iter().any(|body| SECRET_KINDS.iter().any(|kind| event[body]["kind"] == *kind));
    let members = event.as_object_mut().unwrap();
    if !is_secret || !(members.contains_key("requestObject") || members.contains_key("responseObject")) {
        return event;
    }
    for (name, value) in members {
        if name == "requestObject" || name == "responseObject" {
            *value = json!({"picket_redacted": true});
        } else if let (Some(annotations), "annotations") = (value.as_object_mut(), name.as_str()) {
            let patches = annotations.iter_mut().filter(|(name, _)| name.starts_with(PATCH_ANNOTATION));
            patches.for_each(|(_, value)| *value = json!({"picket_redacted": true}));
        }
    }
    event
}

proptest! {
    #[test]
    fn metadata_and_redaction_are_those_of_the_tree(event in arbitrary::document(NAMES), pretty: bool) {
        let line = String::from_utf8(arbitrary::text(&event, pretty)).unwrap();
        let (result, metadata, _) = scan(&line);
        prop_assert!(result.is_ok());
        prop_assert_eq!(pairs(&metadata), expected_metadata(&event));
        prop_assert_eq!(serde_json::from_str::<Value>(&text(&line)).unwrap(), expected_redaction(event.clone()));
    }

    #[test]
    fn a_broken_event_does_not_make_it_panic(event in arbitrary::document(NAMES), edits in arbitrary::edits()) {
        let line = arbitrary::edited(arbitrary::text(&event, false), &edits);
        let audit = KubeAudit::new(true, &all()).unwrap();
        let _ = audit.scan(&line, &mut Metadata::default(), &mut Vec::new());
    }

    #[test]
    fn an_event_that_was_cut_shows_no_body(event in arbitrary::document(NAMES), place: proptest::sample::Index) {
        let mut event = event;
        event["objectRef"] = json!({"resource": "secrets"});
        event["requestObject"] = json!({"data": "hunter2"});
        let line = String::from_utf8(arbitrary::text(&event, false)).unwrap();
        let cut = &line[..line.floor_char_boundary(place.index(line.len()))];
        prop_assert!(scan(cut).0.is_err());
        prop_assert!(!text(cut).contains("hunter2"));
    }

    #[test]
    fn no_bytes_make_it_panic(line: Vec<u8>) {
        let audit = KubeAudit::new(true, &all()).unwrap();
        let _ = audit.scan(&line, &mut Metadata::default(), &mut Vec::new());
    }
}
