//! What the page and `/metrics` show of the rules and of those who are told.

use std::collections::BTreeMap;

use proto::exposition::{Exposition, Kind};
use proto::time::UnixNanos;

use super::page::{AlertView, GroupView, ReceiverView, RuleState, RuleView, SilenceView, SourceView};
use crate::logql::Extractor;
use crate::notify::notifier::{Notifier, Status};
use crate::rules::alert::{Alert, Phase};
use crate::rules::engine::{Engine, Health};
use crate::window::Window;

/// Whoever is told.
pub fn receivers(status: &Status) -> Vec<ReceiverView> {
    match status {
        Status::Alertmanagers(instances) => instances
            .iter()
            .map(|instance| ReceiverView {
                name: instance.url.clone(),
                pending: instance.pending,
                failed: instance.failed_attempts + instance.rejected + instance.given_up,
                last: instance.last_success,
                error: current(instance.last_error.as_ref(), instance.last_success),
            })
            .collect(),
        Status::Router(router) => router
            .receivers
            .iter()
            .map(|receiver| ReceiverView {
                name: format!("{} ({})", receiver.receiver, receiver.integration),
                pending: receiver.pending,
                failed: receiver.failed_attempts,
                last: receiver.last_success,
                error: current(receiver.last_error.as_ref(), receiver.last_success),
            })
            .collect(),
    }
}

/// A failure that was longer ago than a success is past.
fn current(error: Option<&(UnixNanos, String)>, success: Option<UnixNanos>) -> Option<String> {
    let (when, words) = error?;
    success.is_none_or(|success| success < *when).then(|| words.clone())
}

/// Alerts, firing ones first, then by severity, then the newest; and which of them whoever tells of them was asked not to.
pub fn alerts(engine: &Engine, notifier: Option<&Notifier>, now: UnixNanos) -> Vec<AlertView> {
    let active = engine.rules().flat_map(|rule| rule.alerts().iter()).filter(|alert| alert.phase != Phase::Inactive);
    // It always fires, and says so by arriving.
    let mut alerts: Vec<AlertView> =
        active.map(|active| alert(active, notifier, now)).filter(|alert| alert.name != "Watchdog").collect();
    let rank = |alert: &AlertView| match alert.severity.as_str() {
        "critical" => 0,
        "warning" => 1,
        _ => 2,
    };
    alerts.sort_by_key(|alert| (!alert.firing, rank(alert), std::cmp::Reverse(alert.since)));
    alerts
}

fn alert(alert: &Alert, notifier: Option<&Notifier>, now: UnixNanos) -> AlertView {
    let annotations = alert.told_annotations();
    let text = |name: &str| alert.labels.get(name).unwrap_or_default().to_owned();
    let others = alert.labels.iter().filter(|(name, value)| !matches!(*name, "alertname" | "severity") && !value.is_empty());
    AlertView {
        name: text("alertname"),
        severity: text("severity"),
        summary: annotations.get("summary").unwrap_or_default().to_owned(),
        labels: others.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        firing: alert.phase == Phase::Firing,
        since: alert.active_at,
        late: annotations.get("late").map(str::to_owned),
        silenced: notifier.and_then(|notifier| notifier.silence_of(&alert.labels, now)).map(|silence| SilenceView {
            by: silence.created_by,
            comment: silence.comment,
            until: silence.ends_at,
        }),
    }
}

/// Rules by group. A rule is blind when no stream of the window is one that it reads.
pub fn groups(engine: &Engine, window: &Window) -> Vec<GroupView> {
    let streams: Vec<_> = window.newest().map(|(labels, _)| labels).collect();
    let view = |state: &crate::rules::engine::GroupState| GroupView {
        name: state.group.name.clone(),
        file: state.group.file.to_string(),
        rules: state
            .rules
            .iter()
            .map(|rule| {
                let query = rule.query_ast();
                let leaves = query.leaves();
                let sees = leaves.is_empty()
                    || leaves.iter().any(|leaf| leaf.is_absence)
                    || (0..leaves.len()).any(|leaf| {
                        let extractor = Extractor::new(query, leaf);
                        streams.iter().any(|stream| extractor.selects(stream))
                    });
                let (state, note) = match (rule.health(), rule.alerts().phase()) {
                    (Health::Err(why), _) => (RuleState::Unhealthy, why.clone()),
                    (_, Phase::Firing) => (RuleState::Firing, String::new()),
                    (_, Phase::Pending) => (RuleState::Pending, String::new()),
                    _ if !sees => (RuleState::Blind, "no line of a source that it reads has come within the window".to_owned()),
                    _ => (RuleState::Watching, String::new()),
                };
                RuleView { name: rule.rule().name.clone(), state, note }
            })
            .collect(),
    };
    engine.groups().iter().map(view).collect()
}

/// Streams, job by job: the newest event of each job and node.
pub fn sources(window: &Window) -> Vec<SourceView> {
    let mut sources: BTreeMap<(String, String), UnixNanos> = BTreeMap::new();
    for (labels, newest) in window.newest() {
        let name = labels.get("job").map_or_else(|| labels.to_string(), str::to_owned);
        let place = labels.get("node").unwrap_or_default().to_owned();
        let known = sources.entry((name, place)).or_insert(newest);
        *known = newest.max(*known);
    }
    sources.into_iter().map(|((name, labels), newest)| SourceView { name, labels, newest }).collect()
}

/// The rules' metrics.
pub fn rule_metrics(engine: &Engine, out: &mut Exposition) {
    let groups = || engine.groups().iter().flat_map(|group| group.rules.iter().map(move |rule| (group, rule)));
    let mut by_rule = |name: &str, kind: Kind, help: &str, value: &dyn Fn(&crate::rules::engine::RuleState) -> f64| {
        for (group, rule) in groups() {
            out.sample(name, kind, help, &[("group", &group.group.name), ("rule", &rule.rule().name)], value(rule));
        }
    };
    by_rule("rule_evaluations_total", Kind::Counter, "Evaluations of a rule.", &|rule| rule.counts().evaluations as f64);
    by_rule("rule_evaluation_failures_total", Kind::Counter, "Evaluations that failed.", &|rule| rule.counts().failures as f64);
    by_rule("rule_failed_lines_total", Kind::Counter, "Lines that passed a rule's filters with an error in them.", &|rule| {
        rule.counts().failed_lines as f64
    });
    by_rule("rule_fired_total", Kind::Counter, "Alerts of a rule that began to fire.", &|rule| rule.counts().fired as f64);
    by_rule("rule_healthy", Kind::Gauge, "0 while a rule cannot be evaluated.", &|rule| {
        f64::from(u8::from(!matches!(rule.health(), Health::Err(_))))
    });
    let counts = engine.counts();
    out.counter("rule_entries_total", "Entries that were offered to the rules.", counts.entries as f64);
    out.counter("rule_points_total", "Entries that rules have counted, once for each rule.", counts.points as f64);
    out.counter("rule_repeated_total", "Entries that a rule had counted already.", counts.repeated as f64);
    out.counter("rule_points_given_up_total", "Counted entries that were given up for memory.", counts.given_up as f64);
    out.gauge("rule_points_bytes", "Memory of what the rules have counted.", engine.bytes() as f64);
    let phases = |phase: Phase| engine.rules().flat_map(|rule| rule.alerts().iter()).filter(|alert| alert.phase == phase).count();
    for (word, phase) in [("firing", Phase::Firing), ("pending", Phase::Pending)] {
        out.sample("alerts", Kind::Gauge, "Alerts by state.", &[("state", word)], phases(phase) as f64);
    }
    out.gauge(
        "catching_up",
        "1 while sources send what happened while the companion did not run.",
        f64::from(u8::from(engine.is_catching_up())),
    );
}
