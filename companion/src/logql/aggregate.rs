//! Aggregations over series.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::Sample;
use super::ast::{Grouping, VectorAggregation, VectorFunction};
use super::range_functions::variance;
use crate::labels::LabelSet;

pub(crate) fn aggregate(aggregation: &VectorAggregation, mut samples: Vec<Sample>) -> Vec<Sample> {
    let grouping = aggregation.grouping.as_ref();
    match aggregation.function {
        VectorFunction::Sort => samples.sort_by(|left, right| rising(left.value, right.value)),
        VectorFunction::SortDescending => samples.sort_by(|left, right| falling(left.value, right.value)),
        VectorFunction::Top | VectorFunction::ApproximateTop => return best(aggregation, samples, falling),
        VectorFunction::Bottom => return best(aggregation, samples, rising),
        function => {
            let groups = groups(grouping, samples);
            return groups.into_iter().map(|(labels, values)| Sample { labels, value: fold(function, &values) }).collect();
        }
    }
    samples
}

/// The values of each group, in the order in which the groups were first seen.
fn groups(grouping: Option<&Grouping>, samples: Vec<Sample>) -> Vec<(LabelSet, Vec<f64>)> {
    let mut groups: Vec<(LabelSet, Vec<f64>)> = Vec::new();
    let mut places: HashMap<LabelSet, usize> = HashMap::new();
    for sample in samples {
        let labels = group(grouping, &sample.labels);
        let place = *places.entry(labels.clone()).or_insert_with(|| {
            groups.push((labels, Vec::new()));
            groups.len() - 1
        });
        if let Some((_, values)) = groups.get_mut(place) {
            values.push(sample.value);
        }
    }
    groups
}

/// The labels of the group that a series belongs to.
fn group(grouping: Option<&Grouping>, labels: &LabelSet) -> LabelSet {
    match grouping {
        None => LabelSet::new(),
        Some(grouping) => labels.without(|name| grouping.labels.iter().any(|label| label == name) == grouping.without),
    }
}

fn fold(function: VectorFunction, values: &[f64]) -> f64 {
    let sum = || values.iter().sum::<f64>();
    let pick = |better: fn(f64, f64) -> bool| {
        values.iter().copied().fold(f64::NAN, |best, value| if best.is_nan() || better(value, best) { value } else { best })
    };
    match function {
        VectorFunction::Average => values.iter().enumerate().fold(0.0, |mean: f64, (place, value)| {
            if mean.is_infinite() && !value.is_nan() && (value.is_finite() || value.is_sign_negative() == mean.is_sign_negative())
            {
                mean
            } else {
                mean + (value - mean) / (place + 1) as f64
            }
        }),
        VectorFunction::Maximum => pick(|value, best| value > best),
        VectorFunction::Minimum => pick(|value, best| value < best),
        VectorFunction::Count => values.len() as f64,
        VectorFunction::StandardVariance => variance(values.iter().copied()),
        VectorFunction::StandardDeviation => variance(values.iter().copied()).sqrt(),
        _ => sum(),
    }
}

/// Small ones first, what is no number last.
fn rising(left: f64, right: f64) -> Ordering {
    left.partial_cmp(&right).unwrap_or_else(|| left.is_nan().cmp(&right.is_nan()))
}

/// Large ones first, what is no number last.
fn falling(left: f64, right: f64) -> Ordering {
    right.partial_cmp(&left).unwrap_or_else(|| left.is_nan().cmp(&right.is_nan()))
}

/// The best of each group, best first; they keep all their labels.
fn best(aggregation: &VectorAggregation, mut samples: Vec<Sample>, order: fn(f64, f64) -> Ordering) -> Vec<Sample> {
    samples.sort_by(|left, right| order(left.value, right.value));
    let count = aggregation.count.unwrap_or_default();
    let mut taken: HashMap<LabelSet, usize> = HashMap::new();
    samples.retain(|sample| {
        let taken = taken.entry(group(aggregation.grouping.as_ref(), &sample.labels)).or_default();
        *taken += 1;
        *taken <= count
    });
    samples
}
