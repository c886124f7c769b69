//! Loki's read API, as far as Grafana and people ask it: queries, labels, series, and which rules there are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use hyper::StatusCode;
use proto::time::UnixNanos;
use serde_json::{Value, json};

use super::answer::{self, Answer};
use super::parameters::Parameters;
use crate::clock;
use crate::labels::LabelSet;
use crate::logql::store::Direction;
use crate::logql::{self, Extractor, Matrix, Query, Sample};
use crate::window::Window;
use crate::window::store::Shared;

/// Loki's own default.
const LINES_DEFAULT: usize = 100;
/// Loki's own limit.
const LINES_MAX: usize = 5000;
const HOUR: i64 = 3600 * 1_000_000_000;

/// What is wrong with what was asked.
pub type Wrong = String;

/// `query`: at one instant.
pub fn instant(parameters: &Parameters, window: &RwLock<Window>) -> Result<Answer, Wrong> {
    let at = parameters.time("time", clock::now())?;
    let value = match parse(parameters.needed("query")?)? {
        Query::Log(_) => {
            return Err("log queries are not supported as an instant query type, please change your query to a range query type"
                .to_owned());
        }
        Query::Metric(query) => query.instant(&Shared(window), at).map_err(|error| error.to_string())?,
    };
    Ok(success(&value_json(&value, at)))
}

/// `query_range`: over a time.
pub fn range(parameters: &Parameters, window: &RwLock<Window>) -> Result<Answer, Wrong> {
    let (start, end) = bounds(parameters)?;
    match parse(parameters.needed("query")?)? {
        Query::Metric(query) => {
            // As Loki: about 250 points.
            let default = Duration::from_secs((u64::try_from(end.0 - start.0).unwrap_or_default() / 250_000_000_000).max(1));
            let step = parameters.span("step")?.unwrap_or(default);
            let step = i64::try_from(step.as_nanos()).unwrap_or(i64::MAX);
            let matrix = query.range(&Shared(window), start, end, step).map_err(|error| error.to_string())?;
            Ok(success(&matrix_json(&matrix)))
        }
        Query::Log(query) => {
            let limit = parameters.count("limit", LINES_DEFAULT, LINES_MAX)?;
            if limit == 0 {
                return Err("limit must be a positive value".to_owned());
            }
            let direction = match parameters.get("direction") {
                Some(word) if word.eq_ignore_ascii_case("forward") => Direction::Forward,
                Some(word) if !word.eq_ignore_ascii_case("backward") => return Err(format!("invalid direction '{word}'")),
                _ => Direction::Backward,
            };
            let interval =
                parameters.span("interval")?.map_or(0, |interval| i64::try_from(interval.as_nanos()).unwrap_or(i64::MAX));
            let streams = query.lines(&Shared(window), start, end, direction, interval, limit);
            let result: Vec<Value> = streams
                .into_iter()
                .map(|stream| {
                    let lines = stream.lines.into_iter();
                    let values: Vec<Value> = lines.map(|(time, line)| json!([time.0.to_string(), line])).collect();
                    json!({"stream": labels_json(&stream.labels), "values": values})
                })
                .collect();
            Ok(success(&json!({"resultType": "streams", "result": result, "stats": {}})))
        }
    }
}

/// `labels`: their names.
pub fn labels(parameters: &Parameters, window: &RwLock<Window>) -> Result<Answer, Wrong> {
    let streams = chosen(parameters, &["query"], window)?;
    let names: BTreeSet<&str> = streams.iter().flat_map(LabelSet::iter).map(|(name, _)| name).collect();
    Ok(success(&json!(names)))
}

/// `label/NAME/values`
pub fn values(name: &str, parameters: &Parameters, window: &RwLock<Window>) -> Result<Answer, Wrong> {
    let streams = chosen(parameters, &["query"], window)?;
    let values: BTreeSet<&str> = streams.iter().filter_map(|stream| stream.get(name)).collect();
    Ok(success(&json!(values)))
}

/// `series`: the label sets of streams.
pub fn series(parameters: &Parameters, window: &RwLock<Window>) -> Result<Answer, Wrong> {
    // Loki's own client says `match`.
    let streams = chosen(parameters, &["match[]", "match"], window)?;
    let series: Vec<Value> = streams.iter().map(labels_json).collect();
    Ok(success(&json!(series)))
}

/// `index/stats`: how much a selector finds.
pub fn stats(parameters: &Parameters, window: &RwLock<Window>) -> Result<Answer, Wrong> {
    let (start, end) = bounds(parameters)?;
    let query = parse(parameters.needed("query")?)?;
    let selection = {
        let window = window.read().unwrap_or_else(PoisonError::into_inner);
        window.select(|stream| selects(&query, stream), start, end)
    };
    let (streams, mut entries, mut bytes) = (selection.streams().count(), 0_u64, 0_u64);
    selection.visit(|_, entry| {
        entries += 1;
        bytes += entry.line.len() as u64;
        std::ops::ControlFlow::Continue(())
    });
    Ok(answer::json(&json!({"streams": streams, "chunks": streams, "entries": entries, "bytes": bytes})))
}

/// Loki says what is wrong as plain text.
pub fn refused(wrong: &str) -> Answer {
    answer::plain(StatusCode::BAD_REQUEST, wrong)
}

/// The streams that one of the selectors finds, or all.
fn chosen(parameters: &Parameters, names: &[&str], window: &RwLock<Window>) -> Result<BTreeSet<LabelSet>, Wrong> {
    let (start, end) = bounds(parameters)?;
    let queries: Vec<Query> = names
        .iter()
        .flat_map(|name| parameters.all(name))
        .filter(|text| !text.is_empty())
        .map(parse)
        .collect::<Result<_, Wrong>>()?;
    let streams = window.read().unwrap_or_else(PoisonError::into_inner).streams(start, end);
    let is_chosen = |stream: &LabelSet| queries.is_empty() || queries.iter().any(|query| selects(query, stream));
    Ok(streams.into_iter().filter(is_chosen).collect())
}

/// `start` and `end`, or `since`; the last hour without.
fn bounds(parameters: &Parameters) -> Result<(UnixNanos, UnixNanos), Wrong> {
    let end = parameters.time("end", clock::now())?;
    let since = parameters.span("since")?.map_or(HOUR, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX));
    let start = parameters.time("start", UnixNanos(end.0.saturating_sub(since)))?;
    if start > end { Err("end timestamp must not be before or equal to start time".to_owned()) } else { Ok((start, end)) }
}

/// With the place of what is wrong, as Loki says it.
pub fn parse(text: &str) -> Result<Query, Wrong> {
    logql::parse(text).map_err(|error| {
        let before = text.get(..error.at.start).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let hint = error.hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        format!("parse error at line {line}, col {column}: {}{hint}", error.message)
    })
}

/// A stream that the query reads.
fn selects(query: &Query, stream: &LabelSet) -> bool {
    match query {
        Query::Log(query) => query.selects(stream),
        Query::Metric(query) => (0..query.leaves().len()).any(|leaf| Extractor::new(query, leaf).selects(stream)),
    }
}

fn success(data: &Value) -> Answer {
    answer::json(&json!({"status": "success", "data": data}))
}

/// An instant's value, as Loki and Prometheus have it.
pub fn value_json(value: &logql::Value, at: UnixNanos) -> Value {
    match value {
        logql::Value::Scalar(number) => json!({"resultType": "scalar", "result": [seconds(at), number_text(*number)]}),
        logql::Value::Vector(samples) => {
            let result: Vec<Value> = samples.iter().map(|sample| sample_json(sample, at)).collect();
            json!({"resultType": "vector", "result": result})
        }
    }
}

fn sample_json(sample: &Sample, at: UnixNanos) -> Value {
    json!({"metric": labels_json(&sample.labels), "value": [seconds(at), number_text(sample.value)]})
}

/// Values over time, as Loki and Prometheus have them.
pub fn matrix_json(matrix: &Matrix) -> Value {
    let result: Vec<Value> = matrix
        .iter()
        .map(|series| {
            let points = series.points.iter();
            let values: Vec<Value> = points.map(|(time, value)| json!([seconds(*time), number_text(*value)])).collect();
            json!({"metric": labels_json(&series.labels), "values": values})
        })
        .collect();
    json!({"resultType": "matrix", "result": result})
}

/// Names and values.
pub fn labels_json(labels: &LabelSet) -> Value {
    json!(labels.iter().collect::<BTreeMap<&str, &str>>())
}

/// With three digits after the point.
fn seconds(time: UnixNanos) -> f64 {
    (time.0 / 1_000_000) as f64 / 1000.0
}

/// As Go prints it: without an exponent.
pub fn number_text(number: f64) -> String {
    if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() }
    } else {
        number.to_string()
    }
}
