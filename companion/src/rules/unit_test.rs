//! Unit tests of rules: promtool's test files, with `input_streams` and `logql_expr_test`.
//!
//! A test's streams go through the engine at their own times, with the rules of its `rule_files`; at each `eval_time` the firing
//! alerts are compared with those that were expected. Only firing alerts are, `alertname` is not repeated, and annotations are
//! always compared: those that are not written are expected not to be. `coverage` says which rule or filter no test has met.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use proto::time::UnixNanos;
use settings::problem::{At, Problems};

use super::alert::Phase;
use super::engine::{Engine, Options};
use super::file::{self, Group};
use super::render::{Used, Values, render};
use super::template::Environment;
use crate::entry::Entry;
use crate::labels::LabelSet;
use crate::logql::{self, MetricQuery, Sample};

pub mod coverage;
pub mod example;
mod raw;
mod streams;
#[cfg(test)]
mod tests;

pub use coverage::Coverage;
pub use raw::{AlertTest, ExpectedAlert, ExpectedSample, ExprTest, InputStream, Test, TestFile};

/// How far two numbers of an expression test may differ, relative to the larger one.
const EPSILON: f64 = 1e-6;

/// What came out of test files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Tests that were run.
    pub tests: usize,
    /// Expectations that were looked at.
    pub expectations: usize,
    /// What was not as expected, each with its place.
    pub failures: Vec<Failure>,
}

/// An expectation that was not met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Where the expectation stands.
    pub at: At,
    /// What differs, over several lines.
    pub difference: String,
}

/// Runs one test file. Files that it names are looked for beside it; with `values`, rule files
/// are sources that are filled in with them first. What its rules meet is noted in `coverage`.
pub fn run(path: &Path, coverage: &mut Coverage) -> Result<Outcome, Problems> {
    let name: Arc<str> = path.display().to_string().into();
    let unreadable = |at: &At, what: &Path, error: &std::io::Error| {
        let mut problems = Problems::default();
        problems.push(at, format!("cannot read {}: {error}", what.display()));
        problems
    };
    let bytes = std::fs::read(path).map_err(|error| unreadable(&At::outside(&name), path, &error))?;
    let directory = path.parent().unwrap_or(Path::new(""));
    let file = raw::read(&name, &bytes)?;
    let values = file.values.as_ref().map(|values| {
        let path = directory.join(&values.value);
        let bytes = std::fs::read(&path).map_err(|error| unreadable(&values.at, &path, &error))?;
        Values::read(&path.display().to_string().into(), &bytes)
    });
    let values = values.transpose()?;
    let mut outcome = Outcome::default();
    for test in &file.tests {
        let environment = Arc::new(Environment {
            external_labels: test.external_labels.clone(),
            external_url: test.external_url.clone(),
            querier: None,
        });
        let mut groups = Vec::new();
        for rules in &file.rule_files {
            for path in streams::expand(directory, rules)? {
                let mut bytes = std::fs::read(&path).map_err(|error| unreadable(&rules.at, &path, &error))?;
                let name: Arc<str> = path.display().to_string().into();
                if let Some(values) = &values {
                    bytes = render(&name, &String::from_utf8_lossy(&bytes), values, &mut Used::new())?.into_bytes();
                }
                groups.extend(file::load(&name, &bytes, &environment)?);
            }
        }
        let entries = streams::entries(directory, test)?;
        run_test(&file, test, groups, &entries, &mut outcome, coverage);
    }
    Ok(outcome)
}

/// Writes what came out, for people; true if all is well.
pub fn write(outcome: &Outcome, out: &mut dyn Write) -> std::io::Result<bool> {
    for failure in &outcome.failures {
        writeln!(out, "{}:{}: {}", failure.at.file, failure.at.line, failure.difference)?;
    }
    writeln!(out, "{} tests, {} expectations, {} not met", outcome.tests, outcome.expectations, outcome.failures.len())?;
    Ok(outcome.failures.is_empty())
}

/// An entry of a test, with its stream.
#[derive(Clone, Debug, PartialEq)]
pub struct TestEntry {
    /// The labels.
    pub stream: LabelSet,
    /// When it is offered.
    pub arrival: UnixNanos,
    /// When it happened.
    pub time: UnixNanos,
    /// The line.
    pub line: String,
    /// Names and values.
    pub metadata: Vec<(String, String)>,
}

impl TestEntry {
    /// As the rules see it.
    pub fn entry(&self) -> Entry<'_> {
        Entry { time: self.time, line: &self.line, metadata: &self.metadata }
    }
}

/// Something that is compared at a time.
enum Check<'a> {
    Alert(&'a AlertTest),
    Expr(&'a ExprTest, Box<Engine>),
}

fn run_test(
    file: &TestFile,
    test: &Test,
    groups: Vec<Group>,
    entries: &[TestEntry],
    outcome: &mut Outcome,
    coverage: &mut Coverage,
) {
    outcome.tests += 1;
    let start = test.start.unwrap_or_else(|| streams::start(entries));
    let options = Options {
        interval: file.evaluation_interval.nanos(),
        ticks_from: Some(start),
        ahead: 0,
        external_labels: LabelSet::new(),
        external_url: test.external_url.clone(),
        ..Options::default()
    };
    for group in &groups {
        coverage.know(group);
    }
    for entry in entries {
        coverage.offer(&entry.stream, entry.entry());
    }
    let mut checks: Vec<(UnixNanos, Check<'_>)> =
        test.alert_tests.iter().map(|expected| (after(start, expected.eval_time.nanos()), Check::Alert(expected))).collect();
    for expected in &test.expr_tests {
        let engine = engine_of_query(&expected.query, &options, start);
        checks.push((after(start, expected.eval_time.nanos()), Check::Expr(expected, Box::new(engine))));
    }
    checks.sort_by_key(|(at, _)| *at);
    let mut engine = Engine::new(groups, options, start);
    engine.assume_all_seen();
    let mut left = entries.iter().peekable();
    for (at, check) in &mut checks {
        while let Some(entry) = left.next_if(|entry| entry.arrival <= *at) {
            step_to(&mut engine, entry.arrival, coverage);
            engine.offer(&entry.stream, entry.entry(), entry.arrival);
            // Entries of one time are evaluated at once.
            if left.peek().is_none_or(|next| next.arrival > entry.arrival) {
                step(&mut engine, entry.arrival, coverage);
            }
        }
        step_to(&mut engine, *at, coverage);
        step(&mut engine, *at, coverage);
        outcome.expectations += 1;
        let (place, difference) = match check {
            Check::Alert(expected) => (&expected.at, compare_alerts(&engine, expected)),
            Check::Expr(expected, engine) => {
                for entry in entries.iter().filter(|entry| entry.arrival <= *at) {
                    engine.offer(&entry.stream, entry.entry(), *at);
                }
                (&expected.at, compare_samples(engine, expected, *at))
            }
        };
        if let Some(difference) = difference {
            let test = if test.name.is_empty() { String::new() } else { format!("{}: ", test.name) };
            outcome.failures.push(Failure { at: place.clone(), difference: test + &difference });
        }
    }
}

/// All that is due before a time.
fn step_to(engine: &mut Engine, time: UnixNanos, coverage: &mut Coverage) {
    while let Some(due) = engine.next_due().map(|due| due.max(engine.now())).filter(|due| *due < time) {
        step(engine, due, coverage);
        if engine.next_due().is_some_and(|next| next <= due) {
            break;
        }
    }
}

fn step(engine: &mut Engine, time: UnixNanos, coverage: &mut Coverage) {
    engine.advance(time);
    engine.notifications();
    coverage.fired(engine);
}

fn after(start: UnixNanos, nanos: i64) -> UnixNanos {
    UnixNanos(start.0.saturating_add(nanos))
}

/// An engine that knows nothing but a query, as if it were a rule that nobody evaluates.
fn engine_of_query(query: &MetricQuery, options: &Options, start: UnixNanos) -> Engine {
    let at = At::outside("logql_expr_test");
    let rule = file::Rule {
        name: "expr".to_owned(),
        at: at.clone(),
        expr: query.to_string(),
        expr_at: at.clone(),
        query: query.clone(),
        labels: Vec::new(),
        kind: file::Kind::Recording,
        places: file::Places::default(),
    };
    let group = Group {
        file: Arc::clone(&at.file),
        name: "expr".to_owned(),
        at,
        interval: None,
        query_offset: super::duration::RuleDuration::default(),
        limit: 0,
        rules: vec![Arc::new(rule)],
    };
    Engine::new(vec![group], options.clone(), start)
}

fn compare_alerts(engine: &Engine, expected: &AlertTest) -> Option<String> {
    let mut got = Vec::new();
    for rule in engine.rules().filter(|rule| rule.rule().name == expected.alertname) {
        let firing = rule.alerts().iter().filter(|alert| alert.phase == Phase::Firing);
        got.extend(firing.map(|alert| ExpectedAlert {
            labels: alert.labels.without(|name| name == "alertname"),
            annotations: alert.told_annotations(),
        }));
    }
    let mut wanted = expected.alerts.clone();
    got.sort();
    wanted.sort();
    let show = |alert: &ExpectedAlert| {
        let annotations = alert.annotations.iter().map(|(name, text)| format!("\n      {name}: {text}"));
        format!("{}{}", alert.labels, annotations.collect::<String>())
    };
    let known = engine.rules().any(|rule| rule.rule().name == expected.alertname);
    let hint = if known { "" } else { " (no rule makes alerts of that name)" };
    difference(&format!("{} at {}{hint}", expected.alertname, expected.eval_time), &wanted, &got, show)
}

fn compare_samples(engine: &Engine, expected: &ExprTest, at: UnixNanos) -> Option<String> {
    let rule = engine.rules().next()?;
    let samples = match rule.evaluate(at) {
        Ok(samples) => samples,
        Err(error) => return Some(format!("{} at {}: {error}", expected.query, expected.eval_time)),
    };
    let mut got: Vec<Sample> = samples;
    let mut wanted: Vec<Sample> =
        expected.samples.iter().map(|sample| Sample { labels: sample.labels.clone(), value: sample.value }).collect();
    let order = |left: &Sample, right: &Sample| left.labels.cmp(&right.labels);
    got.sort_by(order);
    wanted.sort_by(order);
    let same = |left: &Sample, right: &Sample| left.labels == right.labels && is_close(left.value, right.value);
    if got.len() == wanted.len() && got.iter().zip(&wanted).all(|(left, right)| same(left, right)) {
        return None;
    }
    let show = |sample: &Sample| format!("{} {}", sample.labels, sample.value);
    let head = format!("{} at {}", expected.query, expected.eval_time);
    Some(listed(&head, &wanted.iter().map(show).collect::<Vec<_>>(), &got.iter().map(show).collect::<Vec<_>>()))
}

fn is_close(left: f64, right: f64) -> bool {
    if !left.is_finite() || !right.is_finite() {
        return left.total_cmp(&right).is_eq() || left.is_nan() && right.is_nan();
    }
    (left - right).abs() <= EPSILON * left.abs().max(right.abs())
}

fn difference<T: PartialEq>(head: &str, wanted: &[T], got: &[T], show: impl Fn(&T) -> String) -> Option<String> {
    if wanted == got {
        return None;
    }
    Some(listed(head, &wanted.iter().map(&show).collect::<Vec<_>>(), &got.iter().map(&show).collect::<Vec<_>>()))
}

/// What is in one list only, marked by its side; of texts that stand several times in one all beyond those of the other.
fn listed(head: &str, wanted: &[String], got: &[String]) -> String {
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    for (texts, sign) in [(wanted, 1), (got, -1)] {
        for text in texts {
            *counts.entry(text).or_default() += sign;
        }
    }
    let mut out = head.to_owned();
    for (text, count) in counts {
        let (sign, what) = if count > 0 { ('-', "expected, and not there") } else { ('+', "there, and not expected") };
        for _ in 0..count.unsigned_abs() {
            let _ = write!(out, "\n  {sign} {what}: {text}");
        }
    }
    out
}

/// Reads the query of an expression test.
fn query(text: &str) -> Result<MetricQuery, String> {
    match logql::parse(text) {
        Ok(logql::Query::Metric(query)) => Ok(query),
        Ok(logql::Query::Log(_)) => Err("asks for lines; an expression test compares numbers".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
