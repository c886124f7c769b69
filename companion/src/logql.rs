//! LogQL as Loki 3 documents it: text → query → what it says of entries. No I/O, no clock.
//!
//! A metric query has **leaves**, its range aggregations, numbered in the order of the text. An [`Extractor`] turns the entries
//! that a leaf selects into points; whoever keeps those points (a rule, or a query over the window) hands them back through
//! [`Windows`], and [`evaluate`] says what the query gives at one instant. So a rule never looks at a line twice.

use std::ops::Range;

use proto::time::UnixNanos;
use thiserror::Error;

use crate::entry::Entry;
use crate::labels::LabelSet;

/// A query that was read.
#[derive(Clone, Debug)]
pub enum Query {
    /// Lines.
    Log(LogQuery),
    /// Numbers.
    Metric(MetricQuery),
}

/// A selector and its pipeline.
#[derive(Clone, Debug)]
pub struct LogQuery {}

/// Range aggregations, and what is made of them.
#[derive(Clone, Debug)]
pub struct MetricQuery {}

/// Why a text is no query.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct SyntaxError {
    /// The bytes of the text that are wrong.
    pub at: Range<usize>,
    /// What is wrong, in words.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

/// Reads a query.
pub fn parse(text: &str) -> Result<Query, SyntaxError> {
    let _ = text;
    todo!()
}

/// A range aggregation of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// How far it looks back, nanoseconds.
    pub range: i64,
    /// How much earlier than the evaluation its window ends, nanoseconds; negative for later.
    pub offset: i64,
    /// It is `absent_over_time`: it speaks when there is nothing.
    pub is_absence: bool,
}

impl MetricQuery {
    /// Its range aggregations.
    pub fn leaves(&self) -> Vec<Leaf> {
        todo!()
    }

    /// More entries can only make it true, never false: no absence, no comparison with less or equal, no `unless`, no difference.
    pub fn is_monotone(&self) -> bool {
        todo!()
    }
}

/// Turns entries into the points of one leaf.
#[derive(Debug)]
pub struct Extractor {}

/// What one line has given to the extractors that have asked so far: parsed once for all.
#[derive(Debug, Default)]
pub struct LineCache {}

/// What an entry is to a leaf.
#[derive(Clone, Debug, PartialEq)]
pub enum Extracted {
    /// Nothing: a filter dropped it.
    Nothing,
    /// A point of the series with these labels (only those that the query can tell apart).
    Point(LabelSet, f64),
    /// It passed all filters with an error in it: Loki would fail the whole query.
    Failed(PipelineError),
}

/// `__error__` and `__error_details__`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineError {
    /// Such as `JSONParserErr`.
    pub kind: String,
    /// In words.
    pub details: String,
}

impl Extractor {
    /// Of one leaf of a query.
    pub fn new(query: &MetricQuery, leaf: usize) -> Self {
        let _ = (query, leaf);
        todo!()
    }

    /// Whether entries of that stream can matter.
    pub fn selects(&self, stream: &LabelSet) -> bool {
        let _ = (self, stream);
        todo!()
    }

    /// What the entry is to the leaf. `cache` must be the one of this very entry ([`LineCache::begin`] for each new one).
    pub fn extract(&self, stream: &LabelSet, entry: Entry<'_>, cache: &mut LineCache) -> Extracted {
        let _ = (self, stream, entry, cache);
        todo!()
    }
}

impl LineCache {
    /// Forgets the last line.
    pub fn begin(&mut self) {
        let _ = self;
        todo!()
    }
}

/// One number at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The entry's time.
    pub time: UnixNanos,
    /// 1, its bytes, or what was unwrapped.
    pub value: f64,
}

/// The points of one series within a window, in the order of their times.
#[derive(Clone, Copy, Debug)]
pub struct Series<'w> {
    /// Its labels.
    pub labels: &'w LabelSet,
    /// Never empty.
    pub points: &'w [Point],
}

/// Whoever has the points of a query's leaves.
pub trait Windows {
    /// The series of a leaf that have points in `(after, until]`.
    fn window(&self, leaf: usize, after: UnixNanos, until: UnixNanos) -> Result<Vec<Series<'_>>, EvalError>;
}

/// What a query gives at one instant.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number.
    Scalar(f64),
    /// Series, each with a number; sorted where the query sorts.
    Vector(Vec<Sample>),
}

/// A series and its number.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Its labels.
    pub labels: LabelSet,
    /// Its number.
    pub value: f64,
}

/// Why a query has no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct EvalError(pub String);

/// What the query gives at that instant.
pub fn evaluate(query: &MetricQuery, at: UnixNanos, windows: &dyn Windows) -> Result<Value, EvalError> {
    let _ = (query, at, windows);
    todo!()
}
