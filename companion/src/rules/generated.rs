//! Rules that nobody has to write: a source that goes quiet is an alert, and one alert always fires, so that its absence says that
//! the whole is dead.
//!
//! For each stream selector that a rule reads there is one `SourceSilent`, unless a rule somebody wrote watches it already, who knows
//! better how long it may be silent, and unless all of its jobs are silent by nature; the first goes for the alert that always fires
//! too. They are made as a rule file like any other, so what runs can be printed, and put before another ruler.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};
use settings::problem::Problems;

use super::duration::RuleDuration;
use super::file::{self, Group};
use super::template::Environment;
use crate::logql::ast::{Expression, ExpressionKind, MatchOp, RangeAggregation, RangeFunction, Selector};

/// The file that generated rules say they stand in.
pub const FILE: &str = "generated";
/// Jobs that say something only when something happens: that they say nothing is no news. Flows that Calico logs because it is about
/// to deny them, and changes of files that nobody should change.
pub const SILENT_BY_NATURE: [&str; 2] = ["calico-flow", "file-changes"];

/// Which rules to make.
#[derive(Clone, Debug)]
pub struct Sources {
    /// So long without a line is silence.
    pub silent_after: RuleDuration,
    /// Selectors, as they print, with a time of their own; none for those that may be silent as long as they like.
    pub except: Vec<(String, Option<RuleDuration>)>,
    /// Jobs that may be silent as long as they like; a selector of these alone is not watched.
    pub silent_by_nature: Vec<String>,
    /// `Watchdog`, which always fires.
    pub has_watchdog: bool,
}

/// The selectors that the rules read, as they print, each once.
pub fn selectors(groups: &[Group]) -> BTreeSet<String> {
    by_text(groups).into_keys().collect()
}

fn by_text(groups: &[Group]) -> BTreeMap<String, &Selector> {
    let rules = groups.iter().flat_map(|group| &group.rules);
    let leaves = rules.flat_map(|rule| range_aggregations(rule.query.expression()));
    leaves.map(|leaf| (leaf.selector.to_string(), &leaf.selector)).collect()
}

/// Whether it selects these jobs and no other: `job="a"`, or `job=~"a|b"` with nothing but names in it.
fn is_of(selector: &Selector, jobs: &[String]) -> bool {
    let mut matchers = selector.matchers.iter().filter(|matcher| matcher.name == "job");
    matchers.any(|matcher| match matcher.op {
        MatchOp::Equal => jobs.contains(&matcher.value),
        MatchOp::Regex => {
            let text = matcher.value.trim_start_matches('^').trim_end_matches('$');
            let group = text.strip_prefix("(?:").or_else(|| text.strip_prefix('(')).and_then(|text| text.strip_suffix(')'));
            group.unwrap_or(text).split('|').all(|name| jobs.iter().any(|job| *job == name || regex::escape(job) == name))
        }
        MatchOp::NotEqual | MatchOp::NotRegex => false,
    })
}

/// Those whose absence a rule asks for.
fn watched(groups: &[Group]) -> BTreeSet<String> {
    let rules = groups.iter().flat_map(|group| &group.rules);
    let leaves = rules.flat_map(|rule| range_aggregations(rule.query.expression()));
    leaves.filter(|leaf| leaf.function == RangeFunction::Absent).map(|leaf| leaf.selector.to_string()).collect()
}

/// The text of a rule file with the generated rules: JSON, which is YAML.
pub fn rule_file(groups: &[Group], sources: &Sources) -> String {
    let mut rules: Vec<Value> = Vec::new();
    let watched = watched(groups);
    for (selector, parsed) in by_text(groups).into_iter().filter(|(selector, _)| !watched.contains(selector)) {
        let own = sources.except.iter().find(|(known, _)| *known == selector).map(|(_, after)| *after);
        let by_nature = is_of(parsed, &sources.silent_by_nature);
        let Some(after) = own.unwrap_or((!by_nature).then_some(sources.silent_after)) else { continue };
        rules.push(json!({
            "alert": "SourceSilent",
            "expr": format!("absent_over_time({selector} [{after}])"),
            "labels": {"severity": "warning", "selector": selector.replace("{{", "{{ `{{` }}")},
            "annotations": {
                "summary": format!("No line of {{{{ $labels.selector }}}} for {after}"),
                "description": "Rules read this source, and none of them can fire while it is silent: look at the agent of its node, and whether the program still writes its log.",
            },
        }));
    }
    let has_own_watchdog = groups.iter().flat_map(|group| &group.rules).any(|rule| rule.name == "Watchdog");
    if sources.has_watchdog && !has_own_watchdog {
        rules.push(json!({
            "alert": "Watchdog",
            "expr": "vector(1)",
            "labels": {"severity": "none"},
            "annotations": {"summary": "This alert always fires: when it does not arrive, alerts do not arrive"},
        }));
    }
    let file = json!({"groups": [{"name": "sources", "rules": rules}]});
    format!("{file:#}")
}

/// The generated rules, read.
pub fn groups(groups: &[Group], sources: &Sources, environment: &Arc<Environment>) -> Result<Vec<Group>, Problems> {
    file::load(&FILE.into(), rule_file(groups, sources).as_bytes(), environment)
}

/// The range aggregations of a query, in the order of its leaves.
pub fn range_aggregations(expression: &Expression) -> Vec<&RangeAggregation> {
    let mut found = Vec::new();
    let mut open = vec![expression];
    while let Some(expression) = open.pop() {
        match &expression.kind {
            ExpressionKind::Range(range) => found.push(range),
            ExpressionKind::Aggregation(aggregation) => open.push(&aggregation.inner),
            ExpressionKind::LabelReplace(replace) => open.push(&replace.inner),
            ExpressionKind::Binary(binary) => open.extend([&*binary.left, &*binary.right]),
            ExpressionKind::Number(_) | ExpressionKind::Vector(_) => {}
        }
    }
    found.sort_by_key(|range| range.leaf);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_selector_is_watched_once() {
        let text = r#"
groups:
- name: a
  rules:
  - {alert: A, expr: 'sum(count_over_time({job="x"} |= "a" [5m])) > 1 and sum(count_over_time({job="y", node=~".+"}[1m])) > 2'}
  - {alert: B, expr: 'count_over_time({job="x"} | json [1h]) > 0'}
  - {alert: C, expr: 'count_over_time({job="quiet"} [1h]) > 0'}
  - {alert: D, expr: 'count_over_time({job="watched"} [1h]) > 0 or absent_over_time({job="watched"} [2h])'}
"#;
        let read = file::load(&"a.yaml".into(), text.as_bytes(), &Arc::default()).unwrap();
        let sources = Sources {
            silent_after: super::super::duration::parse("30m").unwrap(),
            except: vec![("{job=\"quiet\"}".to_owned(), None)],
            silent_by_nature: Vec::new(),
            has_watchdog: true,
        };
        let generated = groups(&read, &sources, &Arc::default()).unwrap();
        let shown: Vec<String> = generated[0].rules.iter().map(|rule| format!("{} {}", rule.name, rule.expr)).collect();
        assert_eq!(
            shown,
            [
                "SourceSilent absent_over_time({job=\"x\"} [30m])",
                "SourceSilent absent_over_time({job=\"y\", node=~\".+\"} [30m])",
                "Watchdog vector(1)",
            ],
        );
    }

    #[test]
    fn jobs_that_are_silent_by_nature_are_not_watched_unless_others_are_with_them() {
        let jobs = SILENT_BY_NATURE.map(str::to_owned);
        for (matchers, expected) in [
            (r#"job="calico-flow""#, true),
            (r#"node="a", job="file-changes""#, true),
            (r#"job=~"calico-flow|file-changes""#, true),
            (r#"job=~"^(?:calico\\-flow)$""#, true),
            (r#"job=~"calico-flow|kubernetes-audit""#, false),
            (r#"job=~"calico-.*""#, false),
            (r#"job!="calico-flow", app="x""#, false),
            (r#"app="calico-flow""#, false),
        ] {
            let text = format!("groups: [{{name: g, rules: [{{alert: A, expr: 'count_over_time({{{matchers}}} [5m]) > 0'}}]}}]");
            let read =
                file::load(&"a.yaml".into(), text.as_bytes(), &Arc::default()).unwrap_or_else(|problems| panic!("{problems}"));
            let selectors = by_text(&read);
            assert!(selectors.values().all(|selector| is_of(selector, &jobs) == expected), "{matchers}");
        }
    }
}
