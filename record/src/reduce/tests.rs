//! Tests of reduction: always valid, always short enough, and what matters most stays longest.

use super::*;
use crate::metadata::Metadata;
use crate::{arbitrary, fixtures};
use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

const NAMES: &[&str] = &[
    "kind",
    "verb",
    "patch",
    "user",
    "username",
    "groups",
    "extra",
    "sourceIPs",
    "objectRef",
    "responseStatus",
    "requestObject",
    "responseObject",
    "managedFields",
    "rules",
    "metadata",
    "name",
    "annotations",
    "picket_truncated",
    "type",
    "request",
    "response",
    "auth",
    "data",
    "policies",
    "path",
];

/// The event in at most `limit` bytes, read again.
fn reduced(kind: Kind, event: &Value, limit: usize) -> (Value, bool) {
    let line = event.to_string();
    let mut out = b"left from before".to_vec();
    let reduced = reduce(kind, line.as_bytes(), limit, &mut out).unwrap();
    assert!(out.len() <= limit, "{} > {limit}", out.len());
    assert_eq!(reduced.original, line.len());
    let mut short: Value = serde_json::from_slice(&out).unwrap();
    let members = short.as_object_mut().unwrap();
    if line.len() > limit {
        assert_eq!(members.remove("picket_truncated"), Some(json!(true)));
        assert_eq!(members.remove("picket_original_bytes"), Some(json!(line.len())));
    }
    (short, reduced.core_cut)
}

fn kube(event: &Value, limit: usize) -> Value {
    let (short, core_cut) = reduced(Kind::KubeAudit, event, limit);
    assert!(!core_cut);
    short
}

fn long(length: usize) -> String {
    "x".repeat(length)
}

/// An event whose request and response have parts of about 3,000 bytes of each sort.
fn event(verb: &str) -> Value {
    let body = json!({
        "kind": "ClusterRole", "apiVersion": "rbac.authorization.k8s.io/v1",
        "metadata": {"name": "wide", "uid": long(3000), "managedFields": [{"manager": long(3000)}],
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": long(3000), "note": "kept"}},
        "rules": [{"verbs": ["*"], "resources": ["*"]}],
    });
    json!({
        "kind": "Event", "level": "RequestResponse", "auditID": "1", "stage": "ResponseComplete", "verb": verb,
        "user": {"username": "alice", "groups": ["admins"]}, "sourceIPs": ["10.0.0.1"],
        "objectRef": {"resource": "clusterroles", "name": "wide"}, "responseStatus": {"code": 200},
        "requestObject": body, "responseObject": body, "requestURI": long(1000),
        "annotations": {"a": long(2000)}, "stageTimestamp": "2026-11-23T09:10:00Z",
    })
}

fn without_noise(body: &Value) -> Value {
    let mut body = body.clone();
    body["metadata"].as_object_mut().unwrap().remove("managedFields");
    body["metadata"]["annotations"].as_object_mut().unwrap().remove("kubectl.kubernetes.io/last-applied-configuration");
    body
}

fn core_of(body: &Value) -> Value {
    json!({"kind": body["kind"], "apiVersion": body["apiVersion"], "metadata": {"name": "wide"}, "rules": body["rules"]})
}

#[test]
fn fixtures_read_as_expected() {
    let mut out = Vec::new();
    fixtures::check("reduce", |line| {
        // A case is {"kind", "limit", "event", "times": {path of a string: how often it is repeated}}, so that it can
        // be short.
        let mut case: Value = serde_json::from_slice(line).unwrap();
        for (path, times) in case["times"].as_object().unwrap().clone() {
            let text = case["event"].pointer_mut(&path).unwrap();
            *text = text.as_str().unwrap().repeat(times.as_u64().unwrap() as usize).into();
        }
        let kind = match case["kind"].as_str().unwrap() {
            "kube_audit" => Kind::KubeAudit,
            "vault_audit" => Kind::VaultAudit,
            _ => Kind::Json,
        };
        let limit = case["limit"].as_u64().unwrap() as usize;
        reduce(kind, case["event"].to_string().as_bytes(), limit, &mut out).unwrap();
        serde_json::from_slice(&out).unwrap()
    });
}

#[test]
fn a_line_that_fits_is_copied_unchanged() {
    let line = br#" {"verb" : "get"} "#;
    let mut out = Vec::new();
    let reduced = reduce(Kind::KubeAudit, line, MIN_LIMIT, &mut out).unwrap();
    assert_eq!((reduced, &out[..]), (Reduced { original: line.len(), core_cut: false }, &line[..]));
}

#[test]
fn what_cannot_be_reduced_is_refused() {
    let mut out = Vec::new();
    let long = json!({"a": long(10_000)}).to_string();
    assert!(reduce(Kind::Json, long.as_bytes(), MIN_LIMIT - 1, &mut out).is_none());
    assert!(reduce(Kind::Json, &long.as_bytes()[1..], MIN_LIMIT, &mut out).is_none());
    assert!(reduce(Kind::Json, format!("[{long}]").as_bytes(), MIN_LIMIT, &mut out).is_none());
    assert!(reduce(Kind::Json, long.replace("xxx", "\\x").as_bytes(), MIN_LIMIT, &mut out).is_none());
    let not_utf8 = [&long.as_bytes()[..10], b"\xFF", &long.as_bytes()[10..]].concat();
    assert!(reduce(Kind::Json, &not_utf8, MIN_LIMIT, &mut out).is_none());
    assert!(out.is_empty());
}

#[test]
fn managed_fields_go_first() {
    let mut expected = event("update");
    for body in ["requestObject", "responseObject"] {
        expected[body]["metadata"].as_object_mut().unwrap().remove("managedFields");
    }
    assert_eq!(kube(&event("update"), 18_000), expected);
}

#[test]
fn then_the_last_applied_configuration_goes() {
    let mut expected = event("update");
    for body in ["requestObject", "responseObject"] {
        expected[body] = without_noise(&expected[body]);
    }
    assert_eq!(kube(&event("update"), 11_000), expected);
}

#[test]
fn then_of_the_response_only_what_rules_read_stays_then_of_the_request() {
    let mut expected = event("update");
    expected["requestObject"] = without_noise(&expected["requestObject"]);
    expected["responseObject"] = core_of(&expected["responseObject"]);
    assert_eq!(kube(&event("update"), 8_000), expected);
    expected["requestObject"] = core_of(&expected["requestObject"]);
    assert_eq!(kube(&event("update"), 5_000), expected);
}

#[test]
fn a_patch_stays_longer_than_the_response() {
    let mut expected = event("patch");
    expected["requestObject"] = without_noise(&expected["requestObject"]);
    expected["responseObject"] = json!({"kind": "ClusterRole", "rules": [long(3000)]});
    let mut given = event("patch");
    given["responseObject"] = expected["responseObject"].clone();
    assert_eq!(kube(&given, 10_000), expected);
    expected.as_object_mut().unwrap().remove("responseObject");
    assert_eq!(kube(&given, 7_000), expected);
    expected.as_object_mut().unwrap().remove("requestObject");
    assert_eq!(kube(&given, MIN_LIMIT), expected);
    given["verb"] = json!("update");
    given["requestObject"] = json!([{"op": "add", "value": long(1000)}]);
    assert_eq!(kube(&given, 5_000)["requestObject"], given["requestObject"]);
}

#[test]
fn then_the_largest_of_the_other_members_goes() {
    let mut given = event("update");
    given["annotations"] = json!({"a": long(5000)});
    let mut expected = given.clone();
    for gone in ["requestObject", "responseObject", "annotations"] {
        expected.as_object_mut().unwrap().remove(gone);
    }
    assert_eq!(kube(&given, MIN_LIMIT), expected);
}

#[test]
fn a_long_string_at_the_top_is_cut_and_not_dropped() {
    let mut given = event("get");
    given["requestURI"] = json!(format!("/api{}", "ü".repeat(5000)));
    let uri = kube(&given, MIN_LIMIT)["requestURI"].as_str().unwrap().to_owned();
    assert!(uri.starts_with("/apiü") && uri.ends_with("ü…"));
    assert!(uri.len() > 1000);
}

#[test]
fn the_core_is_cut_last_and_the_last_addresses_stay() {
    let addresses: Vec<String> = (0..5000).map(|n| format!("10.0.{}.{}", n / 256, n % 256)).collect();
    let mut given = event("get");
    given["sourceIPs"] = json!(addresses);
    given["user"] = json!({"username": long(5000), "groups": vec![long(300); 300], "extra": {"a": long(9000)}});
    given["auditID"] = json!(1);
    let (short, core_cut) = reduced(Kind::KubeAudit, &given, MIN_LIMIT);
    assert!(core_cut);
    assert_eq!(short["sourceIPs"], json!(addresses[addresses.len() - 8..]));
    assert_eq!(short["user"]["username"], json!(format!("{}…", long(64))));
    assert_eq!(short["objectRef"]["resource"], "clusterroles");
    assert_eq!(short["auditID"], 1);
    let (longer, core_cut) = reduced(Kind::KubeAudit, &given, 50_000);
    assert!(core_cut);
    assert_eq!(longer["sourceIPs"].as_array().unwrap().len(), 64);
}

#[test]
fn of_a_response_of_vault_the_data_goes_but_for_its_outcome() {
    let given = json!({
        "time": "2026-11-23T09:10:00Z", "type": "response", "error": "denied",
        "auth": {"display_name": "alice", "policies": ["admin"]},
        "request": {"id": "1", "operation": "update", "path": "sys/x", "mount_point": "sys/", "data": {"a": long(2000)}, "headers": {"h": [long(1500)]}},
        "response": {"data": {"error": "hmac", "complete": true, "keys": long(5000)}, "auth": {"policies": ["root"], "metadata": {"a": long(3000)}}},
    });
    let mut expected = given.clone();
    expected["response"]["data"].as_object_mut().unwrap().remove("keys");
    assert_eq!(reduced(Kind::VaultAudit, &given, 8_000), (expected.clone(), false));
    expected["request"].as_object_mut().unwrap().remove("data");
    assert_eq!(reduced(Kind::VaultAudit, &given, 6_000), (expected.clone(), false));
    expected["request"].as_object_mut().unwrap().remove("headers");
    assert_eq!(reduced(Kind::VaultAudit, &given, MIN_LIMIT), (expected.clone(), false));
    let mut given = given;
    given["response"]["auth"]["metadata"]["a"] = json!(long(9000));
    expected["response"]["auth"].as_object_mut().unwrap().remove("metadata");
    assert_eq!(reduced(Kind::VaultAudit, &given, MIN_LIMIT), (expected, false));
}

#[test]
fn of_json_the_largest_members_go_first() {
    let given = json!({"a": [long(3000)], "b": [long(4000)], "c": [long(2000)], "level": "info"});
    let expected = json!({"c": given["c"], "level": "info"});
    assert_eq!(reduced(Kind::Json, &given, MIN_LIMIT), (expected, false));
    let none = json!({"a": [long(9000)]});
    assert_eq!(reduced(Kind::Json, &none, MIN_LIMIT), (json!({}), false));
}

#[test]
fn marks_of_the_line_itself_are_replaced() {
    let given = json!({"a": [long(9000)], "b": 1, "picket_truncated": "no", "picket_original_bytes": 7});
    assert_eq!(reduced(Kind::Json, &given, MIN_LIMIT), (json!({"b": 1}), false));
}

#[test]
fn recorded_events_stay_readable_at_every_limit() {
    for (folder, kind) in [
        ("kube-audit/real-falco", Kind::KubeAudit),
        ("kube-audit/synthesized", Kind::KubeAudit),
        ("vault-audit", Kind::VaultAudit),
    ] {
        for (_, line) in fixtures::samples(folder) {
            let mut event: Value = serde_json::from_slice(&line).unwrap();
            event["padding"] = json!([long(6000)]);
            let (short, core_cut) = reduced(kind, &event, MIN_LIMIT);
            event.as_object_mut().unwrap().remove("padding");
            if line.len() < 3_500 {
                assert!(!core_cut);
                assert_eq!(short["user"], event["user"]);
                assert_eq!(short["request"]["path"], event["request"]["path"]);
            }
        }
    }
}

/// The metadata of an event does not change when the event is reduced, unless its core is cut.
fn metadata(event: &Value) -> Vec<(String, String)> {
    let names = crate::kube_audit::KubeAudit::DEFAULT_METADATA.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let mut metadata = Metadata::default();
    let audit = crate::kube_audit::KubeAudit::new(false, &names).unwrap();
    let _ = audit.scan(event.to_string().as_bytes(), &mut metadata, &mut Vec::new());
    metadata.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop::sample::select(vec![Kind::KubeAudit, Kind::VaultAudit, Kind::Json])
}

/// Makes every string of a tree longer.
fn stretched(value: &mut Value, times: usize) {
    match value {
        Value::String(text) => *text = text.repeat(times),
        Value::Array(elements) => elements.iter_mut().for_each(|value| stretched(value, times)),
        Value::Object(members) => members.values_mut().for_each(|value| stretched(value, times)),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_result_is_valid_and_fits(
        event in arbitrary::document(NAMES), kind in kinds(), times in 1_usize..400, limit in MIN_LIMIT..20_000, pretty: bool,
    ) {
        let mut event = event;
        stretched(&mut event, times);
        let line = arbitrary::text(&event, pretty);
        let (mut out, mut again) = (Vec::new(), Vec::new());
        let reduced = reduce(kind, &line, limit, &mut out).unwrap();
        prop_assert!(out.len() <= limit);
        let short: Value = serde_json::from_slice(&out).unwrap();
        prop_assert_eq!(short.get("picket_truncated") == Some(&json!(true)), line.len() > limit || event.get("picket_truncated") == Some(&json!(true)));
        prop_assert_eq!(reduce(kind, &line, limit, &mut again), Some(reduced));
        prop_assert_eq!(&again, &out);
        if kind == Kind::KubeAudit && !reduced.core_cut {
            prop_assert_eq!(metadata(&short), metadata(&event));
        }
    }

    #[test]
    fn only_a_valid_object_is_reduced(
        event in arbitrary::document(NAMES), edits in arbitrary::edits(), kind in kinds(), limit in 0..MIN_LIMIT * 2,
    ) {
        let mut event = event;
        event["padding"] = json!(vec![long(100); 50]);
        let line = arbitrary::edited(arbitrary::text(&event, false), &edits);
        let mut out = Vec::new();
        let reduced = reduce(kind, &line, limit, &mut out);
        let valid = serde_json::from_slice::<IgnoredAny>(&line).is_ok() && str::from_utf8(&line).is_ok();
        prop_assert_eq!(reduced.is_some(), valid && limit >= MIN_LIMIT);
        if reduced.is_some() {
            prop_assert!(out.len() <= limit && serde_json::from_slice::<IgnoredAny>(&out).is_ok());
        }
    }
}
