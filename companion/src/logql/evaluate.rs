//! What a metric query gives, at one instant or at several.

use std::collections::HashMap;

use proto::time::UnixNanos;

use super::ast::{Expression, ExpressionKind, LabelReplace, RangeFunction};
use super::extract::LeafPlan;
use super::matcher::anchored;
use super::{EvalError, MetricQuery, Sample, Value, Windows, aggregate, binary, range_functions};
use crate::labels::LabelSet;

/// How many instants one query may ask for.
pub const STEPS_MAX: usize = 11_000;

/// Series over several instants.
pub type Matrix = Vec<MatrixSeries>;

/// A series over several instants, in their order; those at which it has no number are left out.
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixSeries {
    /// Its labels.
    pub labels: LabelSet,
    /// When, and what.
    pub points: Vec<(UnixNanos, f64)>,
}

/// What the query gives at that instant.
pub fn evaluate(query: &MetricQuery, at: UnixNanos, windows: &dyn Windows) -> Result<Value, EvalError> {
    Evaluation { query, at, windows }.expression(&query.expression)
}

/// What the query gives at `start`, and every `step` nanoseconds after it up to `end`, which counts too.
pub fn evaluate_range(
    query: &MetricQuery,
    start: UnixNanos,
    end: UnixNanos,
    step: i64,
    windows: &dyn Windows,
) -> Result<Matrix, EvalError> {
    let mut matrix: Vec<MatrixSeries> = Vec::new();
    let mut places: HashMap<LabelSet, usize> = HashMap::new();
    for at in instants(start, end, step)? {
        let samples = match evaluate(query, at, windows)? {
            Value::Scalar(value) => vec![Sample { labels: LabelSet::new(), value }],
            Value::Vector(samples) => samples,
        };
        for sample in samples {
            let place = *places.entry(sample.labels.clone()).or_insert_with(|| {
                matrix.push(MatrixSeries { labels: sample.labels, points: Vec::new() });
                matrix.len() - 1
            });
            if let Some(series) = matrix.get_mut(place) {
                series.points.push((at, sample.value));
            }
        }
    }
    Ok(matrix)
}

/// The instants of a range query.
pub(crate) fn instants(start: UnixNanos, end: UnixNanos, step: i64) -> Result<Vec<UnixNanos>, EvalError> {
    if end < start {
        return Err(EvalError("the end is before the start".to_owned()));
    }
    if step <= 0 {
        return Err(EvalError("the step must be above 0".to_owned()));
    }
    let count = (i128::from(end.0) - i128::from(start.0)) / i128::from(step) + 1;
    if count > STEPS_MAX as i128 {
        return Err(EvalError(format!("{count} steps are more than {STEPS_MAX}: use a longer step")));
    }
    Ok((0..count as i64).map(|number| UnixNanos(start.0.saturating_add(number.saturating_mul(step)))).collect())
}

struct Evaluation<'q> {
    query: &'q MetricQuery,
    at: UnixNanos,
    windows: &'q dyn Windows,
}

impl Evaluation<'_> {
    fn expression(&self, expression: &Expression) -> Result<Value, EvalError> {
        match &expression.kind {
            ExpressionKind::Number(number) => Ok(Value::Scalar(*number)),
            ExpressionKind::Vector(number) => Ok(Value::Vector(vec![Sample { labels: LabelSet::new(), value: *number }])),
            ExpressionKind::Range(range) => self.range(range.leaf).map(Value::Vector),
            ExpressionKind::Aggregation(aggregation) => {
                let samples = self.vector(&aggregation.inner, aggregation.function.name())?;
                Ok(Value::Vector(aggregate::aggregate(aggregation, samples)))
            }
            ExpressionKind::LabelReplace(replace) => self.label_replace(replace).map(Value::Vector),
            ExpressionKind::Binary(binary) => {
                let left = self.expression(&binary.left)?;
                let right = self.expression(&binary.right)?;
                binary::apply(binary, left, right)
            }
        }
    }

    fn vector(&self, expression: &Expression, function: &str) -> Result<Vec<Sample>, EvalError> {
        match self.expression(expression)? {
            Value::Vector(samples) => Ok(samples),
            Value::Scalar(_) => Err(EvalError(format!("`{function}` is over series, and this is a number"))),
        }
    }

    fn range(&self, leaf: usize) -> Result<Vec<Sample>, EvalError> {
        let plan: &LeafPlan = self.query.leaves.get(leaf).ok_or_else(|| EvalError(format!("there is no leaf {leaf}")))?;
        let until = UnixNanos(self.at.0.saturating_sub(plan.offset));
        let after = UnixNanos(until.0.saturating_sub(plan.range));
        let series = self.windows.window(leaf, after, until)?;
        if plan.function == RangeFunction::Absent {
            let is_absent = series.iter().all(|series| series.points.is_empty());
            let sample = Sample { labels: plan.absent_labels.clone(), value: 1.0 };
            return Ok(if is_absent { vec![sample] } else { Vec::new() });
        }
        let window = range_functions::Window { after, until, range: plan.range, counts: plan.leaf().counts };
        let samples = series.iter().filter(|series| !series.points.is_empty()).map(|series| Sample {
            labels: series.labels.clone(),
            value: range_functions::apply(plan.function, plan.parameter, &window, series),
        });
        Ok(samples.collect())
    }

    fn label_replace(&self, replace: &LabelReplace) -> Result<Vec<Sample>, EvalError> {
        let regex = anchored(&replace.regex).map_err(EvalError)?;
        let mut samples = self.vector(&replace.inner, "label_replace")?;
        for sample in &mut samples {
            let source = sample.labels.get(&replace.source).unwrap_or_default();
            let Some(groups) = regex.captures(source) else { continue };
            let mut value = String::new();
            groups.expand(&replace.replacement, &mut value);
            sample.labels = if value.is_empty() {
                sample.labels.without(|name| name == replace.target)
            } else {
                sample.labels.with([(&replace.target, &value)])
            };
        }
        Ok(samples)
    }
}
