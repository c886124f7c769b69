//! By which labels a query falls into parts that have nothing to do with each other.
//!
//! The series of a result that agree in those labels come of the leaves' series with the same values of them, and of no other. So
//! who has counted something new for one user need not ask for all the others. Any fewer of these labels do as well.

use std::collections::BTreeSet;

use super::ast::{Expression, ExpressionKind, Grouping, RangeFunction, VectorFunction};
use crate::labels::LabelSet;

/// Labels of which each combination of values is a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Partition {
    /// These; without any, all is one part.
    By(BTreeSet<String>),
    /// All but these.
    Without(BTreeSet<String>),
}

impl Partition {
    /// Every label.
    fn all() -> Self {
        Self::Without(BTreeSet::new())
    }

    /// No label: all is one part.
    pub fn whole() -> Self {
        Self::By(BTreeSet::new())
    }

    /// Of an expression.
    pub(super) fn of(expression: &Expression) -> Self {
        match &expression.kind {
            // A vector's series would be in each part, and must be in one.
            ExpressionKind::Vector(_) => Self::whole(),
            ExpressionKind::Range(range) if range.function == RangeFunction::Absent => Self::whole(),
            // A number is the same in each part.
            ExpressionKind::Number(_) | ExpressionKind::Range(_) => Self::all(),
            ExpressionKind::Aggregation(aggregation) => {
                let groups = aggregation.grouping.as_ref().map_or_else(Self::whole, Self::of_grouping);
                // What sorts does not group; the order of a rule's series means nothing.
                match aggregation.function {
                    VectorFunction::Sort | VectorFunction::SortDescending => Self::of(&aggregation.inner),
                    _ => Self::of(&aggregation.inner).and(&groups),
                }
            }
            ExpressionKind::LabelReplace(replace) => Self::of(&replace.inner).except([replace.target.as_str()]),
            ExpressionKind::Binary(binary) => {
                let both = Self::of(&binary.left).and(&Self::of(&binary.right));
                if binary.left.is_scalar() || binary.right.is_scalar() {
                    return both;
                }
                let matched = match &binary.matching.labels {
                    None => both,
                    Some(named) if named.on => both.and(&Self::By(named.labels.iter().cloned().collect())),
                    Some(named) => both.except(named.labels.iter().map(String::as_str)),
                };
                match &binary.matching.group {
                    Some(group) => matched.except(group.include.iter().map(String::as_str)),
                    // `or` takes series of both sides as they are.
                    None => matched,
                }
            }
        }
    }

    fn of_grouping(grouping: &Grouping) -> Self {
        let labels = grouping.labels.iter().cloned().collect();
        if grouping.without { Self::Without(labels) } else { Self::By(labels) }
    }

    fn and(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::By(left), Self::By(right)) => Self::By(left & right),
            (Self::By(by), Self::Without(without)) | (Self::Without(without), Self::By(by)) => Self::By(by - without),
            (Self::Without(left), Self::Without(right)) => Self::Without(left | right),
        }
    }

    /// The same by fewer labels.
    #[must_use]
    pub fn except<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Self {
        self.and(&Self::Without(names.into_iter().map(str::to_owned).collect()))
    }

    /// The part that a series is in. A label that is empty is none there, as in the alerts that come of it.
    pub fn key(&self, series: &LabelSet) -> LabelSet {
        let is_key = |name: &str| match self {
            Self::By(labels) => labels.contains(name),
            Self::Without(labels) => !labels.contains(name),
        };
        if series.iter().any(|(_, value)| value.is_empty()) {
            return series.iter().filter(|(name, value)| is_key(name) && !value.is_empty()).collect();
        }
        series.without(|name| !is_key(name))
    }
}

impl super::MetricQuery {
    /// By which labels it falls into parts.
    pub fn partition(&self) -> Partition {
        Partition::of(&self.expression)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::logql::{self, EvalError, Point, Query, Sample, Series, Value, Windows};
    use proto::time::UnixNanos;

    fn query(text: &str) -> logql::MetricQuery {
        match logql::parse(text).unwrap() {
            Query::Metric(query) => query,
            Query::Log(_) => panic!("{text} is about lines"),
        }
    }

    fn partition(text: &str) -> String {
        match query(text).partition() {
            Partition::By(labels) => format!("by {}", labels.into_iter().collect::<Vec<_>>().join(" ")),
            Partition::Without(labels) => format!("without {}", labels.into_iter().collect::<Vec<_>>().join(" ")),
        }
    }

    #[test]
    fn a_query_falls_into_parts_by_the_labels_that_all_of_it_keeps() {
        for (text, expected) in [
            (r#"count_over_time({a="b"}[1m]) > 0"#, "without "),
            (r#"sum(count_over_time({a="b"}[1m])) > 0"#, "by "),
            (r#"sum by (x, y) (count_over_time({a="b"}[1m])) > 0"#, "by x y"),
            (r#"count by (x) (sum by (x, y) (count_over_time({a="b"}[1m]))) > 3"#, "by x"),
            (r#"sum without (x) (rate({a="b"}[1m])) > 0"#, "without x"),
            (r#"topk(3, sum by (x) (count_over_time({a="b"}[1m])))"#, "by "),
            (r#"sort(sum by (x) (count_over_time({a="b"}[1m])))"#, "by x"),
            (r#"sum by (x, y) (count_over_time({a="b"}[1m])) and on (x) sum by (x, z) (count_over_time({a="c"}[1m]))"#, "by x"),
            (r#"sum by (x, y) (count_over_time({a="b"}[1m])) unless sum by (x, y) (count_over_time({a="c"}[1m]))"#, "by x y"),
            (
                r#"sum by (x, y) (count_over_time({a="b"}[1m])) / ignoring (y) group_left sum by (x) (count_over_time({a="b"}[1m]))"#,
                "by x",
            ),
            (r#"sum by (x) (count_over_time({a="b"}[1m])) or vector(0)"#, "by "),
            (r#"absent_over_time({a="b"}[1m])"#, "by "),
            (r#"label_replace(sum by (x, y) (count_over_time({a="b"}[1m])), "y", "$1", "x", "(.)")"#, "by x"),
        ] {
            assert_eq!(partition(text), expected, "{text}");
        }
    }

    /// Points of several leaves, all within the window.
    struct Given(Vec<Vec<(LabelSet, Vec<Point>)>>);

    impl Windows for Given {
        fn window(&self, leaf: usize, _: UnixNanos, _: UnixNanos) -> Result<Vec<Series<'_>>, EvalError> {
            Ok(self.0.get(leaf).into_iter().flatten().map(|(labels, points)| Series::new(labels, points)).collect())
        }
    }

    fn samples(query: &logql::MetricQuery, given: &Given) -> Result<Vec<Sample>, EvalError> {
        match logql::evaluate(query, UnixNanos(60_000_000_000), given)? {
            Value::Vector(samples) => Ok(samples),
            Value::Scalar(_) => Ok(Vec::new()),
        }
    }

    proptest! {
        #[test]
        fn the_parts_give_together_what_the_whole_gives(
            given in prop::collection::vec((0_usize..2, 0_u8..3, 0_u8..3, 0_u8..3, 1_usize..4), 0..12),
            text in prop::sample::select(vec![
                r#"count_over_time({a="b"}[1m]) > 1"#,
                r#"sum by (x, y) (count_over_time({a="b"}[1m])) > 1"#,
                r#"count by (x) (sum by (x, y) (count_over_time({a="b"}[1m]))) > 1"#,
                r#"sum without (x) (count_over_time({a="b"}[1m])) > 2"#,
                r#"sum by (x) (count_over_time({a="b"}[1m])) and on (x) sum by (x, z) (count_over_time({a="c"}[1m])) > 1"#,
                r#"sum by (x, y) (count_over_time({a="b"}[1m])) unless sum by (x, y) (count_over_time({a="c"}[1m]))"#,
                r#"sum by (x, y) (count_over_time({a="b"}[1m])) or on (x) sum by (x, z) (count_over_time({a="c"}[1m]))"#,
                r#"sum by (x, y) (count_over_time({a="b"}[1m])) / on (x) group_left sum by (x) (count_over_time({a="c"}[1m]))"#,
                r#"label_replace(sum by (x, y) (count_over_time({a="b"}[1m])), "y", "$1", "x", "(.)")"#,
                r#"max by (z) (count_over_time({a="b"}[1m])) < 3"#,
            ]),
        ) {
            let query = query(text);
            let partition = query.partition();
            let mut leaves: Vec<Vec<(LabelSet, Vec<Point>)>> = vec![Vec::new(), Vec::new()];
            for (leaf, x, y, z, count) in given {
                let labels: LabelSet = [("x", x), ("y", y), ("z", z)].iter().map(|(name, value)| (*name, value.to_string())).collect();
                let point = Point { time: UnixNanos(30_000_000_000), value: 1.0 };
                if leaves[leaf].iter().all(|(known, _)| *known != labels) {
                    leaves[leaf].push((labels, vec![point; count]));
                }
            }
            // As the engine keeps them, so that a leaf has no labels that its sum cannot see.
            let keys: BTreeSet<LabelSet> = leaves.iter().flatten().map(|(labels, _)| partition.key(labels)).collect();
            let of_part = |key: &LabelSet| {
                let part = |leaf: &Vec<(LabelSet, Vec<Point>)>| {
                    leaf.iter().filter(|(labels, _)| partition.key(labels) == *key).cloned().collect::<Vec<_>>()
                };
                Given(leaves.iter().map(part).collect())
            };
            let parts: Result<Vec<Vec<Sample>>, EvalError> = keys.iter().map(|key| samples(&query, &of_part(key))).collect();
            let whole = samples(&query, &Given(leaves.clone()));
            prop_assert_eq!(whole.is_ok(), parts.is_ok());
            if let (Ok(whole), Ok(parts)) = (whole, parts) {
                let text = |samples: Vec<Sample>| {
                    let mut texts: Vec<String> =
                        samples.iter().map(|sample| format!("{} {}", sample.labels, sample.value)).collect();
                    texts.sort();
                    texts
                };
                prop_assert_eq!(text(whole), text(parts.into_iter().flatten().collect()));
            }
        }
    }
}
