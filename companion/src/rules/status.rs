//! Rules and alerts as Prometheus' read API shows them: `/api/v1/rules` and `/api/v1/alerts`. Only the shapes; serving is `web`'s.

use std::collections::BTreeMap;

use proto::time::UnixNanos;
use record::time::format_rfc3339;
use serde::Serialize;

use super::alert::{Alert, Phase};
use super::engine::{Engine, GroupState, Health, RuleState};
use super::file::{Kind, Rule};
use super::template::Template;
use super::template::humanize::scientific;
use crate::labels::LabelSet;

/// The `data` of `/api/v1/rules`.
#[derive(Clone, Debug, Serialize)]
pub struct Rules {
    /// In the order of the files.
    pub groups: Vec<GroupStatus>,
}

/// A group.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupStatus {
    /// Its name.
    pub name: String,
    /// The file that it stands in.
    pub file: String,
    /// Seconds.
    pub interval: f64,
    /// 0 for none.
    pub limit: usize,
    /// In their order.
    pub rules: Vec<RuleStatus>,
    /// Seconds, of the last evaluations of its rules.
    pub evaluation_time: f64,
    /// RFC 3339.
    pub last_evaluation: String,
}

/// A rule.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleStatus {
    /// `alerting` or `recording`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Of the alert or the series.
    pub name: String,
    /// As it is written.
    pub query: String,
    /// As they are written.
    pub labels: BTreeMap<String, String>,
    /// `ok`, `err` or `unknown`.
    pub health: &'static str,
    /// Why the last evaluation failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Seconds.
    pub evaluation_time: f64,
    /// RFC 3339.
    pub last_evaluation: String,
    /// What only alerting rules have.
    #[serde(flatten)]
    pub alerting: Option<AlertingStatus>,
    /// Lines that passed its filters with an error, which Loki's ruler would fail of.
    pub failed_lines: u64,
}

/// What only alerting rules have.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AlertingStatus {
    /// `firing`, `pending` or `inactive`.
    pub state: Phase,
    /// `for`, seconds.
    pub duration: f64,
    /// Seconds.
    pub keep_firing_for: f64,
    /// As they are written.
    pub annotations: BTreeMap<String, String>,
    /// Pending and firing ones.
    pub alerts: Vec<AlertStatus>,
}

/// The `data` of `/api/v1/alerts`.
#[derive(Clone, Debug, Serialize)]
pub struct AlertList {
    /// Pending and firing ones.
    pub alerts: Vec<AlertStatus>,
}

/// An alert.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AlertStatus {
    /// With `alertname`.
    pub labels: BTreeMap<String, String>,
    /// Expanded.
    pub annotations: BTreeMap<String, String>,
    /// `firing` or `pending`.
    pub state: Phase,
    /// RFC 3339.
    pub active_at: String,
    /// RFC 3339, while it fires without its condition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_firing_since: Option<String>,
    /// As Prometheus writes it: `1e+00`.
    pub value: String,
}

/// All groups.
pub fn rules(engine: &Engine) -> Rules {
    Rules { groups: engine.groups().iter().map(group).collect() }
}

/// All pending and firing alerts.
pub fn alerts(engine: &Engine) -> AlertList {
    AlertList { alerts: engine.rules().flat_map(active).collect() }
}

fn group(state: &GroupState) -> GroupStatus {
    let took = state.rules.iter().map(|rule| rule.evaluation_took().as_secs_f64()).sum();
    GroupStatus {
        name: state.group.name.clone(),
        file: state.group.file.to_string(),
        interval: state.ticks.interval() as f64 / 1e9,
        limit: state.group.limit,
        rules: state.rules.iter().map(rule).collect(),
        evaluation_time: took,
        last_evaluation: time(state.rules.iter().filter_map(RuleState::last_evaluation).max()),
    }
}

fn rule(state: &RuleState) -> RuleStatus {
    let rule: &Rule = state.rule();
    let (health, last_error) = match state.health() {
        Health::Unknown => ("unknown", None),
        Health::Ok => ("ok", None),
        Health::Err(error) => ("err", Some(error.clone())),
    };
    let (kind, alerting) = match &rule.kind {
        Kind::Recording => ("recording", None),
        Kind::Alerting(alerting) => {
            let status = AlertingStatus {
                state: state.alerts().phase(),
                duration: alerting.wait.0.as_secs_f64(),
                keep_firing_for: alerting.keep_firing.0.as_secs_f64(),
                annotations: texts(&alerting.annotations),
                alerts: active(state).collect(),
            };
            ("alerting", Some(status))
        }
    };
    RuleStatus {
        kind,
        name: rule.name.clone(),
        query: rule.expr.clone(),
        labels: texts(&rule.labels),
        health,
        last_error,
        evaluation_time: state.evaluation_took().as_secs_f64(),
        last_evaluation: time(state.last_evaluation()),
        alerting,
        failed_lines: state.counts().failed_lines,
    }
}

fn active(state: &RuleState) -> impl Iterator<Item = AlertStatus> {
    state.alerts().iter().filter(|alert| alert.phase != Phase::Inactive).map(alert)
}

fn alert(alert: &Alert) -> AlertStatus {
    AlertStatus {
        labels: map(&alert.labels),
        annotations: map(&alert.told_annotations()),
        state: alert.phase,
        active_at: time(Some(alert.active_at)),
        keep_firing_since: alert.missing_since.map(|since| time(Some(since))),
        value: scientific(alert.value),
    }
}

fn texts(templates: &[(String, Template)]) -> BTreeMap<String, String> {
    templates.iter().map(|(name, template)| (name.clone(), template.text().to_owned())).collect()
}

fn map(labels: &LabelSet) -> BTreeMap<String, String> {
    labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// RFC 3339; Go's zero time where there is none yet.
fn time(time: Option<UnixNanos>) -> String {
    let mut text = String::new();
    match time.filter(|time| time.0 != i64::MIN) {
        Some(time) => format_rfc3339(time, &mut text),
        None => text.push_str("0001-01-01T00:00:00Z"),
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::entry::Entry;
    use crate::rules::engine::Options;
    use crate::rules::file;

    #[test]
    fn rules_and_alerts_have_the_shapes_of_prometheus() {
        let text = "groups:\n- name: g\n  interval: 15s\n  rules:\n  - {alert: A, expr: 'sum by (user) (count_over_time({job=\"a\"} | logfmt [1m])) > 0', for: 1m, labels: {severity: page}, annotations: {summary: 'by {{ $labels.user }}'}}\n  - {record: 'a:b', expr: 'vector(1)'}\n";
        let groups = file::load(&"rules.yaml".into(), text.as_bytes(), &Arc::default()).unwrap();
        let start = UnixNanos(1_795_424_400_000_000_000);
        let mut engine = Engine::new(groups, Options::default(), start);
        let stream = [("job", "a")].into_iter().collect();
        engine.offer(&stream, Entry { time: start, line: "user=eve", metadata: &[] }, start);
        engine.advance(start);
        let mut shown = serde_json::to_value(rules(&engine)).unwrap();
        // How long it took is another one each time.
        for group in shown["groups"].as_array_mut().unwrap() {
            group["evaluationTime"] = 0.into();
            for rule in group["rules"].as_array_mut().unwrap() {
                rule["evaluationTime"] = 0.into();
                rule["lastEvaluation"] = "".into();
            }
        }
        expect_test::expect![[r#"
            {
              "groups": [
                {
                  "evaluationTime": 0,
                  "file": "rules.yaml",
                  "interval": 15.0,
                  "lastEvaluation": "2026-11-23T09:00:00Z",
                  "limit": 0,
                  "name": "g",
                  "rules": [
                    {
                      "alerts": [
                        {
                          "activeAt": "2026-11-23T09:00:00Z",
                          "annotations": {
                            "summary": "by eve"
                          },
                          "labels": {
                            "alertname": "A",
                            "severity": "page",
                            "user": "eve"
                          },
                          "state": "pending",
                          "value": "1e+00"
                        }
                      ],
                      "annotations": {
                        "summary": "by {{ $labels.user }}"
                      },
                      "duration": 60.0,
                      "evaluationTime": 0,
                      "failedLines": 0,
                      "health": "ok",
                      "keepFiringFor": 0.0,
                      "labels": {
                        "severity": "page"
                      },
                      "lastEvaluation": "",
                      "name": "A",
                      "query": "sum by (user) (count_over_time({job=\"a\"} | logfmt [1m])) > 0",
                      "state": "pending",
                      "type": "alerting"
                    },
                    {
                      "evaluationTime": 0,
                      "failedLines": 0,
                      "health": "ok",
                      "labels": {},
                      "lastEvaluation": "",
                      "name": "a:b",
                      "query": "vector(1)",
                      "type": "recording"
                    }
                  ]
                }
              ]
            }
        "#]]
        .assert_eq(&format!("{shown:#}\n"));
        expect_test::expect![[r#"
            {
              "alerts": [
                {
                  "activeAt": "2026-11-23T09:00:00Z",
                  "annotations": {
                    "summary": "by eve"
                  },
                  "labels": {
                    "alertname": "A",
                    "severity": "page",
                    "user": "eve"
                  },
                  "state": "pending",
                  "value": "1e+00"
                }
              ]
            }
        "#]]
        .assert_eq(&format!("{:#}\n", serde_json::to_value(alerts(&engine)).unwrap()));
    }
}
