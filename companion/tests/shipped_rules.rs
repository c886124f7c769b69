//! The shipped rules: their own tests, and that nothing in them is left untested.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use companion::rules::duration;
use companion::rules::file::{self, Group, Kind};
use companion::rules::generated::{self, Sources};
use companion::rules::log_format::Format;
use companion::rules::render::files;
use companion::rules::replay::{self, Source};
use companion::rules::unit_test::{self, Coverage};
use serde_json::{Value, json};

#[test]
fn every_test_of_the_shipped_rules_passes_and_every_rule_and_filter_is_met() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/rules/logs/tests");
    let mut files: Vec<_> = std::fs::read_dir(&tests).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 6, "{files:?}");
    let (mut coverage, mut report, mut ran) = (Coverage::default(), Vec::new(), 0);
    for file in files {
        let outcome = unit_test::run(&file, &mut coverage).unwrap_or_else(|problems| panic!("{problems}"));
        ran += outcome.tests;
        unit_test::write(&outcome, &mut report).unwrap();
        assert!(outcome.failures.is_empty(), "{}", String::from_utf8_lossy(&report));
    }
    assert!(ran > 150, "{ran} tests");
    let gaps: Vec<String> = coverage
        .gaps()
        .iter()
        .map(|gap| format!("{}: {}: {}", gap.at.file, gap.rule, gap.filter.as_deref().unwrap_or("has never fired")))
        .collect();
    assert!(gaps.is_empty(), "{}", gaps.join("\n"));
}

/// A `ClusterRole` of several hundred kilobytes, with the one rule that matters at its end: Loki refuses such a line, an engine that reads
/// the stream must not.
#[test]
fn a_rule_at_the_end_of_a_very_long_event_is_found() {
    let rule = |verb: &str, resource: &str| json!({"verbs": [verb], "apiGroups": ["*"], "resources": [resource]});
    let mut rules: Vec<Value> = (0..6000).map(|number| rule("get", &format!("widgets{number}"))).collect();
    rules.push(rule("*", "*"));
    let event = json!({
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Request", "auditID": "long", "stage": "ResponseComplete",
        "requestURI": "/apis/rbac.authorization.k8s.io/v1/clusterroles", "verb": "create", "user": {"username": "alice"},
        "sourceIPs": ["10.0.20.41"], "objectRef": {"resource": "clusterroles", "name": "big", "apiGroup": "rbac.authorization.k8s.io"},
        "responseStatus": {"code": 201}, "requestObject": {"kind": "ClusterRole", "rules": rules},
        "requestReceivedTimestamp": "2026-05-04T10:00:00.000000Z", "stageTimestamp": "2026-05-04T10:00:00.000000Z",
    });
    let line = event.to_string();
    assert!(line.len() > 350_000, "{} bytes", line.len());
    let stream = [("job", "kubernetes-audit")].into_iter().collect();
    let source = Source::new(Box::new(Cursor::new(line.into_bytes())), stream, Format::KubeAudit);
    let mut found = Vec::new();
    let summary = replay::run(shipped(), vec![source], &mut |report| {
        found.push((report.labels.get("rule").cloned().unwrap_or_default(), report.labels.get("role").cloned()));
        Ok(())
    });
    assert_eq!(summary.unwrap().failed_lines, 0);
    found.retain(|(rule, _)| !rule.is_empty());
    assert_eq!(found, [("K7".to_owned(), Some("big".to_owned()))]);
}

/// Every stream that a rule reads is watched for silence, but for those that are silent by nature.
#[test]
fn every_source_of_the_shipped_rules_is_watched() {
    let silent_by_nature = generated::SILENT_BY_NATURE.map(str::to_owned).to_vec();
    let silent_after = duration::parse("30m").unwrap();
    let mut sources = Sources { silent_after, except: Vec::new(), silent_by_nature, has_watchdog: true };
    let left = |sources: &Sources| -> Vec<String> {
        let generated = generated::groups(&shipped(), sources, &Arc::default()).unwrap();
        generated.iter().flat_map(|group| &group.rules).map(|rule| rule.expr.clone()).collect()
    };
    assert_eq!(left(&sources), [""; 0]);
    sources.silent_by_nature.clear();
    assert_eq!(
        left(&sources),
        ["absent_over_time({job=~\"(?:calico-flow)\"} [30m])", "absent_over_time({job=~\"(?:file-changes)\"} [30m])"]
    );
}

/// Whoever reads an alert of a log that knows addresses need not look into the log for the address.
#[test]
fn every_alert_says_from_which_address() {
    let groups = shipped();
    let alerts = groups.iter().flat_map(|group| &group.rules).filter_map(|rule| match &rule.kind {
        Kind::Alerting(alerting) => Some((rule, alerting)),
        Kind::Recording => None,
    });
    let mut told = 0;
    for (rule, alerting) in alerts {
        let knows_addresses = ["kubernetes-audit", "vault-audit", "sshd-pve"].iter().any(|job| rule.expr.contains(job));
        if !knows_addresses || rule.expr.contains("absent_over_time") {
            continue;
        }
        let summary = alerting.annotations.iter().find(|(name, _)| name == "summary").map(|(_, text)| text.text());
        assert!(summary.is_some_and(|summary| summary.contains("{{ $labels.ip }}")), "{}: {summary:?}", rule.name);
        told += 1;
    }
    assert!(told > 25, "{told} rules");
}

/// The rules with the example's values.
fn shipped() -> Vec<Group> {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/rules");
    let values = files::read_values(&rules.join("values.example.yaml")).unwrap_or_else(|wrong| panic!("{wrong}"));
    let rendered = files::render_all(&[rules.join("logs")], &values).unwrap_or_else(|wrong| panic!("{wrong}"));
    let load = |(name, text): (&PathBuf, &String)| {
        let name: Arc<str> = name.display().to_string().into();
        file::load(&name, text.as_bytes(), &Arc::default()).unwrap_or_else(|problems| panic!("{problems}"))
    };
    rendered.files.iter().flat_map(load).collect()
}
