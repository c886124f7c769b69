//! Binary operations between numbers and series.
//!
//! A comparison without `bool` keeps what holds, with the value of the series; between two numbers it says 0 or 1. Nothing
//! divided by zero is a number.

use std::collections::{HashMap, HashSet};

use super::ast::{Binary, BinaryOp, Matching};
use super::{EvalError, Sample, Value};
use crate::labels::LabelSet;

pub(crate) fn apply(binary: &Binary, left: Value, right: Value) -> Result<Value, EvalError> {
    let Binary { op, matching, .. } = binary;
    Ok(match (left, right) {
        (Value::Scalar(left), Value::Scalar(right)) => Value::Scalar(match compute(*op, left, right) {
            Computed::Number(number) => number,
            Computed::Truth(truth) => f64::from(u8::from(truth)),
        }),
        (Value::Vector(samples), Value::Scalar(number)) => {
            let with = |sample: &Sample| of_series(*op, matching, sample.value, number, sample.value);
            Value::Vector(each(samples, with))
        }
        (Value::Scalar(number), Value::Vector(samples)) => {
            let with = |sample: &Sample| of_series(*op, matching, number, sample.value, sample.value);
            Value::Vector(each(samples, with))
        }
        (Value::Vector(left), Value::Vector(right)) => Value::Vector(match op {
            BinaryOp::And | BinaryOp::Or | BinaryOp::Unless => sets(*op, matching, left, right),
            _ => joined(*op, matching, left, right)?,
        }),
    })
}

enum Computed {
    Number(f64),
    Truth(bool),
}

fn compute(op: BinaryOp, left: f64, right: f64) -> Computed {
    Computed::Number(match op {
        BinaryOp::Add => left + right,
        BinaryOp::Subtract => left - right,
        BinaryOp::Multiply => left * right,
        BinaryOp::Divide | BinaryOp::Modulo if right == 0.0 => f64::NAN,
        BinaryOp::Divide => left / right,
        BinaryOp::Modulo => left % right,
        BinaryOp::Power => left.powf(right),
        BinaryOp::Compare(op) => return Computed::Truth(op.holds(&left, &right)),
        // Between numbers these do not pass the parser.
        BinaryOp::And | BinaryOp::Or | BinaryOp::Unless => f64::NAN,
    })
}

/// The value of a series after the operation; none where a comparison drops it.
fn of_series(op: BinaryOp, matching: &Matching, left: f64, right: f64, kept: f64) -> Option<f64> {
    match compute(op, left, right) {
        Computed::Number(number) => Some(number),
        Computed::Truth(truth) if matching.returns_bool => Some(f64::from(u8::from(truth))),
        Computed::Truth(truth) => truth.then_some(kept),
    }
}

fn each(samples: Vec<Sample>, value: impl Fn(&Sample) -> Option<f64>) -> Vec<Sample> {
    samples
        .into_iter()
        .filter_map(|sample| {
            let value = value(&sample)?;
            Some(Sample { value, ..sample })
        })
        .collect()
}

/// The labels by which a series meets one of the other side.
fn signature(matching: &Matching, labels: &LabelSet) -> LabelSet {
    match &matching.labels {
        None => labels.clone(),
        Some(named) => labels.without(|name| named.labels.iter().any(|label| label == name) != named.on),
    }
}

fn sets(op: BinaryOp, matching: &Matching, left: Vec<Sample>, right: Vec<Sample>) -> Vec<Sample> {
    let signatures =
        |samples: &[Sample]| samples.iter().map(|sample| signature(matching, &sample.labels)).collect::<HashSet<_>>();
    if op == BinaryOp::Or {
        let known = signatures(&left);
        let new = right.into_iter().filter(|sample| !known.contains(&signature(matching, &sample.labels)));
        return left.into_iter().chain(new).collect();
    }
    let known = signatures(&right);
    left.into_iter().filter(|sample| known.contains(&signature(matching, &sample.labels)) == (op == BinaryOp::And)).collect()
}

fn joined(op: BinaryOp, matching: &Matching, left: Vec<Sample>, right: Vec<Sample>) -> Result<Vec<Sample>, EvalError> {
    let many_is_right = matching.group.as_ref().is_some_and(|group| !group.left);
    let (many, one) = if many_is_right { (right, left) } else { (left, right) };
    let mut by_signature: HashMap<LabelSet, &Sample> = HashMap::with_capacity(one.len());
    for sample in &one {
        let signature = signature(matching, &sample.labels);
        if by_signature.insert(signature.clone(), sample).is_some() {
            let side = if many_is_right { "left" } else { "right" };
            let message =
                format!("several series of the {side} side have the labels {signature}: matching labels must be unique there");
            return Err(EvalError(message));
        }
    }
    let mut met: HashSet<LabelSet> = HashSet::new();
    let mut results = Vec::new();
    for sample in many {
        let signature = signature(matching, &sample.labels);
        let Some(other) = by_signature.get(&signature) else { continue };
        let labels = result_labels(matching, &sample.labels, &other.labels);
        let (left, right) = if many_is_right { (other.value, sample.value) } else { (sample.value, other.value) };
        let Some(value) = of_series(op, matching, left, right, left) else { continue };
        let key = if matching.group.is_some() { labels.clone() } else { signature };
        if !met.insert(key) {
            let hint = if matching.group.is_some() {
                "the labels of the result must be unique"
            } else {
                "say with `group_left` or `group_right` which side has several"
            };
            return Err(EvalError(format!("several series meet one other: {hint}")));
        }
        results.push(Sample { labels, value });
    }
    Ok(results)
}

fn result_labels(matching: &Matching, many: &LabelSet, one: &LabelSet) -> LabelSet {
    match &matching.group {
        None => match &matching.labels {
            None => many.clone(),
            Some(_) => signature(matching, many),
        },
        Some(group) => {
            let taken = |name: &str| group.include.iter().any(|label| label == name);
            let taken_over =
                group.include.iter().filter_map(|name| Some((name, one.get(name).filter(|value| !value.is_empty())?)));
            many.without(taken).with(taken_over)
        }
    }
}
