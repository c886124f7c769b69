//! Labels and annotations of a rule: templates that name a label which the query's result never has, and an `event_id` that no
//! line yields.

use std::collections::BTreeSet;

use regex::Regex;
use settings::problem::quote;
use settings::read::nearest;

use super::Check;
use super::fields::{Known, is_stream_label};
use crate::logql::ast::{BinaryOp, Expression, ExpressionKind, Grouping, MatchOp, RangeFunction, VectorFunction};
use crate::rules::file::{EVENT_ID, Kind};

/// The labels that series of a result may have; nothing where that is not known.
pub(super) fn labels(expression: &Expression) -> Option<BTreeSet<String>> {
    match &expression.kind {
        ExpressionKind::Number(_) | ExpressionKind::Vector(_) => Some(BTreeSet::new()),
        ExpressionKind::Range(range) if range.function == RangeFunction::Absent => {
            let equal = range.selector.matchers.iter().filter(|matcher| matcher.op == MatchOp::Equal);
            Some(equal.map(|matcher| matcher.name.clone()).collect())
        }
        ExpressionKind::Range(range) => grouped(range.grouping.as_ref()?, None),
        ExpressionKind::Aggregation(aggregation) => {
            let inner = labels(&aggregation.inner);
            match (aggregation.function, &aggregation.grouping) {
                // These take series as they are.
                (
                    VectorFunction::Top
                    | VectorFunction::Bottom
                    | VectorFunction::ApproximateTop
                    | VectorFunction::Sort
                    | VectorFunction::SortDescending,
                    _,
                ) => inner,
                (_, None) => Some(BTreeSet::new()),
                (_, Some(grouping)) => grouped(grouping, inner),
            }
        }
        ExpressionKind::LabelReplace(replace) => {
            let mut labels = labels(&replace.inner)?;
            labels.insert(replace.target.clone());
            Some(labels)
        }
        ExpressionKind::Binary(binary) => {
            let (left, right) = (labels(&binary.left), labels(&binary.right));
            if binary.left.is_scalar() {
                return right;
            }
            match binary.op {
                _ if binary.right.is_scalar() => left,
                BinaryOp::And | BinaryOp::Unless => left,
                BinaryOp::Or => Some(&left? | &right?),
                _ => match (&binary.matching.group, &binary.matching.labels) {
                    (Some(group), _) => {
                        let mut many = if group.left { left? } else { right? };
                        many.extend(group.include.iter().cloned());
                        Some(many)
                    }
                    (None, Some(named)) => {
                        let matched = Grouping { without: !named.on, labels: named.labels.clone() };
                        grouped(&matched, left)
                    }
                    (None, None) => left,
                },
            }
        }
    }
}

/// What a grouping leaves of labels.
fn grouped(grouping: &Grouping, labels: Option<BTreeSet<String>>) -> Option<BTreeSet<String>> {
    let named: BTreeSet<String> = grouping.labels.iter().cloned().collect();
    if grouping.without { labels.map(|labels| &labels - &named) } else { Some(named) }
}

/// The labels that a template names by themselves, each with the place of its name. What a template makes of the answer of a query is
/// not looked at.
fn named(template: &str) -> Vec<(usize, String)> {
    #[expect(clippy::expect_used, reason = "a constant that a test runs")]
    let name = Regex::new(r#"\$labels\.([A-Za-z_]\w*)|\bindex \$labels "([A-Za-z_]\w*)""#).expect("an expression");
    let mut found = Vec::new();
    let mut rest = template;
    while let Some(open) = rest.find("{{") {
        let begin = template.len() - rest.len() + open;
        let action = &template[begin..];
        let end = action.find("}}").map_or(action.len(), |end| end + 2);
        for names in name.captures_iter(&action[..end]) {
            if let Some(name) = names.get(1).or_else(|| names.get(2)) {
                found.push((begin + name.start(), name.as_str().to_owned()));
            }
        }
        rest = &action[end..];
    }
    found
}

impl Check<'_> {
    /// Templates that name a label which is never there.
    pub(super) fn templates(&mut self) {
        let rule = self.rule;
        let Some(labels) = labels(rule.query.expression()) else { return };
        let annotations = match &rule.kind {
            Kind::Alerting(alerting) => alerting.annotations.as_slice(),
            Kind::Recording => &[],
        };
        let texts = [("label", &rule.labels[..], &rule.places.labels), ("annotation", annotations, &rule.places.annotations)];
        let known: Vec<&str> = labels.iter().map(String::as_str).collect();
        for (what, texts, places) in texts {
            for (key, template) in texts {
                for (offset, name) in named(template.text()).into_iter().filter(|(_, name)| !labels.contains(name)) {
                    let begin = places.iter().find(|(known, _)| known == key).map_or(&rule.at, |(_, at)| at);
                    let at = self.source.within(begin, template.text(), offset).unwrap_or_else(|| begin.clone());
                    let hint = match (nearest(&name, &known), &known[..]) {
                        (Some(near), _) => format!(", did you mean `{near}`?"),
                        (None, []) => "; it has none: group `by` it".to_owned(),
                        (None, known) => format!("; it has {}", known.join(", ")),
                    };
                    let message = format!("{what} {}: what the query gives never has a label {}{hint}", quote(key), quote(&name));
                    self.say_at(at, &message);
                }
            }
        }
    }

    /// An `event_id` that lines never have counts each line.
    pub(super) fn event_id(&mut self, known: Option<&Known>) {
        let rule = self.rule;
        let (Kind::Alerting(alerting), Some(known)) = (&rule.kind, known.filter(|known| known.has_fields())) else { return };
        let Some(text) = &alerting.event_id else { return };
        let begin = rule.places.annotations.iter().find(|(name, _)| name == EVENT_ID).map_or(&rule.at, |(_, at)| at);
        let is_single = !text.contains(',');
        let mut offset = 0;
        for part in text.split(',') {
            let field = part.trim();
            let is_known = if is_single && !field.contains('.') {
                known.has_label(field) || is_stream_label(field)
            } else {
                known.has_path(field)
            };
            if !is_known {
                let start = offset + part.len() - part.trim_start().len();
                let at = self.source.within(begin, text, start).unwrap_or_else(|| begin.clone());
                let message = format!(
                    "`{EVENT_ID}`: no line has a field {}, so each line counts by itself{}",
                    quote(field),
                    known.near_path(field),
                );
                self.say_at(at, &message);
            }
            offset += part.len() + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logql::{self, Query};

    #[test]
    fn what_a_result_may_have_is_what_all_of_its_query_leaves() {
        let of = |text: &str| match logql::parse(text).unwrap() {
            Query::Metric(query) => labels(query.expression()).map(|labels| labels.into_iter().collect::<Vec<_>>().join(" ")),
            Query::Log(_) => panic!("{text} is about lines"),
        };
        for (text, expected) in [
            (r#"count_over_time({a="b"}[1m])"#, None),
            (r#"sum(count_over_time({a="b"}[1m])) > 1"#, Some("")),
            (r#"1 < sum by (x, y) (count_over_time({a="b"}[1m]))"#, Some("x y")),
            (r#"sum without (y) (sum by (x, y) (count_over_time({a="b"}[1m])))"#, Some("x")),
            (r#"sum without (y) (count_over_time({a="b"}[1m]))"#, None),
            (r#"topk by (x) (1, sum by (x, y) (count_over_time({a="b"}[1m])))"#, Some("x y")),
            (r#"absent_over_time({a="b", c=~"d"}[1m])"#, Some("a")),
            (r#"sum by (x) (count_over_time({a="b"}[1m])) or sum by (y) (count_over_time({a="b"}[1m]))"#, Some("x y")),
            (r#"sum by (x, y) (count_over_time({a="b"}[1m])) and on () sum(count_over_time({a="b"}[1m]))"#, Some("x y")),
            (r#"sum by (x, y) (count_over_time({a="b"}[1m])) / on (x) sum by (x) (count_over_time({a="b"}[1m]))"#, Some("x")),
            (
                r#"sum by (x) (count_over_time({a="b"}[1m])) * on (x) group_left (y) sum by (x, y) (count_over_time({a="b"}[1m]))"#,
                Some("x y"),
            ),
            (r#"label_replace(sum by (x) (count_over_time({a="b"}[1m])), "y", "$1", "x", "(.)")"#, Some("x y")),
        ] {
            assert_eq!(of(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn labels_are_named_in_actions_alone() {
        let text = r#"$labels.no {{ $labels.a }} {{ if index $labels "b" }}{{ $labels.c | toUpper }}{{ end }} $labels.no"#;
        let names: Vec<String> = named(text).into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["a", "b", "c"]);
        assert!(named(text).iter().all(|(at, name)| text[*at..].starts_with(name)));
        assert!(named("{{ $labels").is_empty());
    }
}
