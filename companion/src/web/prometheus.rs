//! Prometheus' read API over the rules, and Alertmanager's over alerts: so that Grafana lists rules and alerts of either kind of source.

use std::collections::{BTreeMap, BTreeSet};

use hyper::StatusCode;
use proto::time::UnixNanos;
use serde_json::{Value, json};

use super::answer::{self, Answer};
use super::loki::{matrix_json, parse, value_json};
use super::parameters::Parameters;
use crate::clock;
use crate::logql::{EvalError, MetricQuery, Query, Series, Windows, evaluate, evaluate_range};
use crate::rules::engine::Engine;
use crate::rules::status;

/// `rules`, of one kind if that is asked.
pub fn rules(engine: &Engine, parameters: &Parameters) -> Value {
    let kind = match parameters.get("type") {
        Some("alert") => Some("alerting"),
        Some("record") => Some("recording"),
        _ => None,
    };
    let names: BTreeSet<&str> = parameters.all("rule_name[]").collect();
    let groups: BTreeSet<&str> = parameters.all("rule_group[]").collect();
    let files: BTreeSet<&str> = parameters.all("file[]").collect();
    let wanted = |set: &BTreeSet<&str>, name: &str| set.is_empty() || set.contains(name);
    let mut rules = status::rules(engine);
    rules.groups.retain(|group| wanted(&groups, &group.name) && wanted(&files, &group.file));
    for group in &mut rules.groups {
        group.rules.retain(|rule| kind.is_none_or(|kind| rule.kind == kind) && wanted(&names, &rule.name));
    }
    if kind.is_some() || !names.is_empty() {
        rules.groups.retain(|group| !group.rules.is_empty());
    }
    success(&json!(rules))
}

/// `alerts`
pub fn alerts(engine: &Engine) -> Value {
    success(&json!(status::alerts(engine)))
}

/// Loki's `rules`: the files as its ruler has them, as YAML (of which JSON is a part).
pub fn loki_rules(engine: &Engine) -> String {
    let mut files: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for group in status::rules(engine).groups {
        let rules = group.rules.iter().map(|rule| match &rule.alerting {
            Some(alerting) => json!({
                "alert": rule.name, "expr": rule.query, "for": format!("{}s", alerting.duration), "labels": rule.labels,
                "annotations": alerting.annotations,
            }),
            None => json!({"record": rule.name, "expr": rule.query, "labels": rule.labels}),
        });
        let rules: Vec<Value> = rules.collect();
        let shown = json!({"name": group.name, "interval": format!("{}s", group.interval), "rules": rules});
        files.entry(group.file).or_default().push(shown);
    }
    format!("{:#}\n", json!(files))
}

/// `query` and `query_range` of numbers alone: rules over metrics are not there yet, but whoever looks whether this is a source
/// asks for `1+1`.
pub fn query(parameters: &Parameters, is_range: bool) -> Result<Value, String> {
    let text = parameters.needed("query")?;
    let Ok(Query::Metric(query)) = parse(text) else { return Err(later(text)) };
    if !query.leaves().is_empty() {
        return Err(later(text));
    }
    if is_range { constant_range(&query, parameters) } else { constant(&query, parameters) }
}

fn constant(query: &MetricQuery, parameters: &Parameters) -> Result<Value, String> {
    let at = parameters.time("time", clock::now())?;
    let value = evaluate(query, at, &Nothing).map_err(|error| error.to_string())?;
    Ok(success(&value_json(&value, at)))
}

fn constant_range(query: &MetricQuery, parameters: &Parameters) -> Result<Value, String> {
    let (start, end) = (parameters.time("start", clock::now())?, parameters.time("end", clock::now())?);
    let step = parameters.span("step")?.unwrap_or(std::time::Duration::from_secs(15));
    let step = i64::try_from(step.as_nanos()).unwrap_or(i64::MAX);
    let matrix = evaluate_range(query, start, end, step, &Nothing).map_err(|error| error.to_string())?;
    Ok(success(&matrix_json(&matrix)))
}

fn later(text: &str) -> String {
    format!("{text}: queries over metrics come in a later version; logs are asked at /loki/api/v1/query")
}

/// A query without leaves looks at nothing.
struct Nothing;

impl Windows for Nothing {
    fn window(&self, _: usize, _: UnixNanos, _: UnixNanos) -> Result<Vec<Series<'_>>, EvalError> {
        Ok(Vec::new())
    }
}

/// The names of labels of all alerts, for whoever lists them.
pub fn alert_label_names(engine: &Engine) -> Value {
    let names: BTreeSet<String> = status::alerts(engine).alerts.into_iter().flat_map(|alert| alert.labels.into_keys()).collect();
    success(&json!(names))
}

/// Nothing of that kind is kept.
pub fn empty_list() -> Answer {
    answer::json(&success(&json!([])))
}

/// Nothing of that kind is kept.
pub fn empty_map() -> Answer {
    answer::json(&success(&json!({})))
}

/// `status/buildinfo`
pub fn build_info() -> Value {
    success(&json!({
        "application": "Picket companion", "version": env!("CARGO_PKG_VERSION"), "revision": "", "branch": "", "buildUser": "",
        "buildDate": "", "goVersion": "", "features": {"ruler_config_api": "false", "alertmanager_config_api": "false"},
    }))
}

/// Loki's `status/buildinfo`, which is not wrapped.
pub fn loki_build_info() -> Value {
    json!({
        "version": env!("CARGO_PKG_VERSION"), "revision": "", "branch": "", "buildUser": "", "buildDate": "", "goVersion": "",
    })
}

/// As Prometheus says it.
pub fn refused(wrong: &str) -> Answer {
    answer::json_with(StatusCode::BAD_REQUEST, &json!({"status": "error", "errorType": "bad_data", "error": wrong}))
}

/// Too much waits before it.
pub fn busy() -> Answer {
    let value = json!({"status": "error", "errorType": "unavailable", "error": "the rules are behind; ask again"});
    answer::after(answer::json_with(StatusCode::SERVICE_UNAVAILABLE, &value), Some(std::time::Duration::from_secs(1)))
}

fn success(data: &Value) -> Value {
    json!({"status": "success", "data": data})
}
