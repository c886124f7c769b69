//! Rules that nobody has to write: a source that goes quiet is an alert, and one alert always fires, so that its absence says that
//! the whole is dead.
//!
//! For each stream selector that a rule reads there is one `SourceSilent`, unless a rule somebody wrote watches it already, who knows
//! better how long it may be silent; the same goes for the alert that always fires. They are made as a rule file like any other, so what
//! runs can be printed, and put before another ruler.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use settings::problem::Problems;

use super::duration::RuleDuration;
use super::file::{self, Group};
use super::template::Environment;
use crate::logql::ast::{Expression, ExpressionKind, RangeAggregation, RangeFunction};

/// The file that generated rules say they stand in.
pub const FILE: &str = "generated";

/// Which rules to make.
#[derive(Clone, Debug)]
pub struct Sources {
    /// So long without a line is silence.
    pub silent_after: RuleDuration,
    /// Selectors, as they print, with a time of their own; none for those that may be silent as long as they like.
    pub except: Vec<(String, Option<RuleDuration>)>,
    /// `Watchdog`, which always fires.
    pub has_watchdog: bool,
}

/// The selectors that the rules read, as they print, each once.
pub fn selectors(groups: &[Group]) -> BTreeSet<String> {
    let rules = groups.iter().flat_map(|group| &group.rules);
    rules.flat_map(|rule| range_aggregations(rule.query.expression())).map(|leaf| leaf.selector.to_string()).collect()
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
    for selector in selectors(groups).into_iter().filter(|selector| !watched.contains(selector)) {
        let own = sources.except.iter().find(|(known, _)| *known == selector).map(|(_, after)| *after);
        let Some(after) = own.unwrap_or(Some(sources.silent_after)) else { continue };
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
}
