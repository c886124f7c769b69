//! The suite in shared/data/logql: what a real Loki answered. Prints passed and failed by feature, and fails if any case does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proto::time::UnixNanos;
use serde_json::Value as Json;

use super::DataSet;
use crate::labels::LabelSet;
use crate::logql::store::Direction;
use crate::logql::{Query, Value, parse, quantity};

/// As many cases as the suite is known to have.
const CASES: usize = 1_007;

fn text(json: &Json) -> String {
    json.as_str().unwrap().to_owned()
}

fn nanoseconds(json: &Json) -> UnixNanos {
    UnixNanos(json.as_str().unwrap().parse().unwrap())
}

fn labels(json: &Json) -> LabelSet {
    json.as_object().unwrap().iter().map(|(name, value)| (name.clone(), text(value))).collect()
}

fn load(path: &Path) -> DataSet {
    let json: Json = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut data = DataSet::default();
    for stream in json["streams"].as_array().unwrap() {
        for entry in stream["entries"].as_array().unwrap() {
            let metadata = entry.get(2).and_then(Json::as_object).into_iter().flatten();
            let metadata = metadata.map(|(name, value)| (name.clone(), text(value))).collect();
            data.push(labels(&stream["labels"]), (nanoseconds(&entry[0]), text(&entry[1]), metadata));
        }
    }
    data
}

/// An answer in a form that can be compared: each line or number with its labels and its time.
#[derive(Debug, PartialEq)]
enum Answer {
    Error,
    Scalar(f64),
    Samples(Vec<(LabelSet, i128, f64)>),
    Lines(Vec<(LabelSet, i128, String)>),
}

fn number(json: &Json) -> f64 {
    match json.as_str().unwrap() {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        "NaN" => f64::NAN,
        other => other.parse().unwrap(),
    }
}

fn expected(json: &Json) -> Answer {
    if json.get("error").is_some() {
        return Answer::Error;
    }
    let series = || json["result"].as_array().unwrap().iter();
    match json["type"].as_str().unwrap() {
        "scalar" => Answer::Scalar(number(&json["result"])),
        "vector" => Answer::Samples(series().map(|series| (labels(&series["metric"]), 0, number(&series["value"]))).collect()),
        "matrix" => {
            let mut samples = Vec::new();
            for series in series() {
                for point in series["values"].as_array().unwrap() {
                    let milliseconds = (point[0].as_f64().unwrap() * 1_000.0).round() as i128;
                    samples.push((labels(&series["metric"]), milliseconds, number(&point[1])));
                }
            }
            Answer::Samples(samples)
        }
        "streams" => {
            let mut lines = Vec::new();
            for series in series() {
                for line in series["values"].as_array().unwrap() {
                    lines.push((labels(&series["stream"]), i128::from(nanoseconds(&line[0]).0), text(&line[1])));
                }
            }
            Answer::Lines(lines)
        }
        other => panic!("{other}"),
    }
}

fn answered(case: &Json, data: &DataSet) -> Answer {
    let Ok(query) = parse(case["query"].as_str().unwrap()) else { return Answer::Error };
    let samples = |value: Value| match value {
        Value::Scalar(value) => Answer::Scalar(value),
        Value::Vector(samples) => Answer::Samples(samples.into_iter().map(|sample| (sample.labels, 0, sample.value)).collect()),
    };
    match (case["kind"].as_str().unwrap(), query) {
        ("log", Query::Log(query)) => {
            let direction = if case["direction"] == "forward" { Direction::Forward } else { Direction::Backward };
            let limit = case.get("limit").and_then(Json::as_u64).unwrap_or(100) as usize;
            let streams = query.lines(data, nanoseconds(&case["start"]), nanoseconds(&case["end"]), direction, 0, limit);
            let mut lines = Vec::new();
            for stream in streams {
                for (time, line) in stream.lines {
                    lines.push((stream.labels.clone(), i128::from(time.0), line));
                }
            }
            Answer::Lines(lines)
        }
        ("range", Query::Metric(query)) => {
            let step = quantity::duration(case["step"].as_str().unwrap()).unwrap();
            match query.range(data, nanoseconds(&case["start"]), nanoseconds(&case["end"]), step) {
                Ok(matrix) => {
                    let mut samples = Vec::new();
                    for series in matrix {
                        for (time, value) in series.points {
                            samples.push((series.labels.clone(), i128::from(time.0) / 1_000_000, value));
                        }
                    }
                    Answer::Samples(samples)
                }
                Err(_) => Answer::Error,
            }
        }
        // Two cases are refused only when they are evaluated; all others must not have been read.
        ("invalid", Query::Metric(query)) if matches!(case["query"].as_str(), Some("sum(1)" | "stddev(1)")) => {
            query.instant(data, UnixNanos(0)).map_or(Answer::Error, samples)
        }
        ("invalid", Query::Metric(_)) => Answer::Samples(Vec::new()),
        ("invalid", Query::Log(_)) => Answer::Lines(Vec::new()),
        ("instant", Query::Metric(query)) => query.instant(data, nanoseconds(&case["time"])).map_or(Answer::Error, samples),
        ("instant", Query::Log(_)) => Answer::Error,
        other => panic!("{other:?}"),
    }
}

fn same_number(left: f64, right: f64) -> bool {
    let same_sign = left.is_sign_negative() == right.is_sign_negative();
    if left.is_infinite() || right.is_infinite() {
        return left.is_infinite() && right.is_infinite() && same_sign;
    }
    left.is_nan() && right.is_nan() || (left - right).abs() <= 1e-9 * left.abs().max(right.abs())
}

/// In an order that does not depend on that of the answer; lines of one time in one stream may swap.
fn is_same(got: &Answer, wanted: &Answer, ordered: bool, backward: bool) -> bool {
    match (got, wanted) {
        (Answer::Error, Answer::Error) => true,
        (Answer::Scalar(left), Answer::Scalar(right)) => same_number(*left, *right),
        (Answer::Samples(left), Answer::Samples(right)) => {
            let (mut left, mut right): (Vec<_>, Vec<_>) = (left.iter().collect(), right.iter().collect());
            if !ordered {
                for side in [&mut left, &mut right] {
                    side.sort_by(|left, right| (&left.0, left.1).cmp(&(&right.0, right.1)).then(left.2.total_cmp(&right.2)));
                }
            }
            left.len() == right.len()
                && left
                    .iter()
                    .zip(&right)
                    .all(|(left, right)| left.0 == right.0 && left.1 == right.1 && same_number(left.2, right.2))
        }
        (Answer::Lines(left), Answer::Lines(right)) => {
            let in_order = |lines: &[(LabelSet, i128, String)]| {
                lines
                    .windows(2)
                    .all(|pair| pair[0].0 != pair[1].0 || if backward { pair[0].1 >= pair[1].1 } else { pair[0].1 <= pair[1].1 })
            };
            let sorted = |lines: &[(LabelSet, i128, String)]| {
                let mut lines = lines.to_vec();
                lines.sort();
                lines
            };
            in_order(left) && sorted(left) == sorted(right)
        }
        (Answer::Samples(left), Answer::Lines(right)) => left.is_empty() && right.is_empty(),
        (Answer::Lines(left), Answer::Samples(right)) => left.is_empty() && right.is_empty(),
        _ => false,
    }
}

/// What only one of two answers has.
fn difference(got: &Answer, wanted: &Answer) -> String {
    fn parts<T: std::fmt::Debug>(of: &[(LabelSet, i128, T)]) -> Vec<String> {
        of.iter().map(|(labels, time, value)| format!("{labels} {time} {value:?}")).collect()
    }
    let parts = |answer: &Answer| match answer {
        Answer::Samples(samples) => parts(samples),
        Answer::Lines(lines) => parts(lines),
        other => vec![format!("{other:?}")],
    };
    let (got, wanted) = (parts(got), parts(wanted));
    let only = |sign: &str, these: &[String], those: &[String]| -> String {
        let only = these.iter().filter(|part| !those.contains(part));
        only.fold(String::new(), |text, part| text + "  " + sign + " " + part + "\n")
    };
    only("wanted", &wanted, &got) + &only("got   ", &got, &wanted)
}

#[derive(Default)]
struct Tally {
    passed: usize,
    also: usize,
    failed: usize,
}

#[test]
fn every_recorded_answer_of_a_real_loki_is_given() {
    let suite: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/logql");
    if !suite.is_dir() {
        return super::skipped("every_recorded_answer_of_a_real_loki_is_given", "../shared/data/logql is not there");
    }
    let mut data = BTreeMap::new();
    for name in ["kube", "vault", "text", "misc", "grid"] {
        data.insert(name, load(&suite.join(format!("datasets/{name}.json"))));
    }
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    let mut failures = Vec::new();
    let mut files: Vec<_> = std::fs::read_dir(suite.join("cases")).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    for file in files {
        for line in std::fs::read_to_string(file).unwrap().lines() {
            let case: Json = serde_json::from_str(line).unwrap();
            let tally = tallies.entry(text(&case["feature"])).or_default();
            let dataset = case.get("dataset").and_then(Json::as_str).unwrap_or("grid");
            let got = answered(&case, &data[dataset]);
            let ordered = case.get("ordered").and_then(Json::as_bool).unwrap_or(false);
            let backward = case.get("direction").and_then(Json::as_str) != Some("forward");
            if is_same(&got, &expected(&case["expected"]), ordered, backward) {
                tally.passed += 1;
            } else if case.get("also").is_some_and(|also| is_same(&got, &expected(also), ordered, backward)) {
                tally.also += 1;
            } else {
                tally.failed += 1;
                failures.push(format!("{} {}\n{}", case["id"], case["query"], difference(&got, &expected(&case["expected"]))));
            }
        }
    }
    println!("{:<24} {:>6} {:>6} {:>6}", "feature", "passed", "also", "failed");
    let mut all = Tally::default();
    for (feature, tally) in &tallies {
        println!("{feature:<24} {:>6} {:>6} {:>6}", tally.passed, tally.also, tally.failed);
        all.passed += tally.passed;
        all.also += tally.also;
        all.failed += tally.failed;
    }
    println!("{:<24} {:>6} {:>6} {:>6}", "all", all.passed, all.also, all.failed);
    assert!(failures.is_empty(), "{} cases failed:\n{}", failures.len(), failures.join("\n"));
    assert_eq!(all.passed + all.also, CASES, "cases of the suite");
}
