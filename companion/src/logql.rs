//! LogQL as Loki 3 documents it: text → query → what it says of entries. No I/O, no clock.
//!
//! A metric query has **leaves**, its range aggregations, numbered in the order of the text. An [`Extractor`] turns the entries
//! that a leaf selects into points; whoever keeps those points (a rule, or a query over the window) hands them back through
//! [`Windows`], and [`evaluate`] says what the query gives at one instant. So a rule never looks at a line twice.
//!
//! In the order in which a query goes: `lex` and `parse` read it into `ast`; `pipeline` (with `template`, `matcher`, `address`,
//! `quantity`) is what happens to a line; `extract` makes points of lines, `extractors` those of many leaves at once; `evaluate`
//! (with `range_functions`, `aggregate`, `binary`) makes series of points; `store` asks all of it of entries that someone keeps.
//!
//! Where Loki itself has two answers: regular expressions of label filters are anchored and logfmt reads all of a line, as is
//! documented; `json` below a `sum` reads only as far as the query can tell, as Loki does. docs/logql.md has the table.

mod address;
mod aggregate;
pub mod ast;
mod binary;
mod evaluate;
mod extract;
mod extractors;
mod lex;
mod matcher;
mod parse;
mod partition;
mod pipeline;
mod quantity;
mod range_functions;
pub mod store;
mod template;
#[cfg(test)]
mod tests;

use std::fmt::{Display, Formatter};
use std::ops::Range;
use std::sync::Arc;

use proto::time::UnixNanos;
use thiserror::Error;

use crate::labels::LabelSet;
use ast::{Expression, ExpressionKind, RangeFunction, Selector, Stage, VectorFunction};
use extract::{LeafPlan, StreamMatcher};
use parse::Parsed;
use pipeline::Pipeline;

pub use evaluate::{Matrix, MatrixSeries, STEPS_MAX, evaluate, evaluate_range};
pub use extract::{Extracted, Extractor, LineCache, PipelineError};
pub use extractors::Extractors;
pub use partition::Partition;

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
pub struct LogQuery {
    selector: Selector,
    stages: Vec<Stage>,
    streams: StreamMatcher,
    pipeline: Arc<Pipeline>,
}

/// Range aggregations, and what is made of them.
#[derive(Clone, Debug)]
pub struct MetricQuery {
    expression: Arc<Expression>,
    leaves: Vec<Arc<LeafPlan>>,
}

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
    let wrong = |span: &Range<usize>, message: String| SyntaxError { at: span.clone(), message, hint: None };
    match parse::parse(text)? {
        Parsed::Log(selector, stages) => {
            let span = selector.span.clone();
            let streams = StreamMatcher::new(&selector).map_err(|why| wrong(&span, why))?;
            let pipeline = Arc::new(Pipeline::new(&stages).map_err(|why| wrong(&span, why))?);
            Ok(Query::Log(LogQuery { selector, stages, streams, pipeline }))
        }
        Parsed::Metric(expression) => {
            let leaves = extract::plans(&expression).map_err(|why| wrong(&expression.span, why))?;
            Ok(Query::Metric(MetricQuery { expression: Arc::new(expression), leaves }))
        }
    }
}

/// The canonical text, which reads back as the same query.
impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Log(query) => query.fmt(f),
            Self::Metric(query) => query.fmt(f),
        }
    }
}

impl LogQuery {
    /// Which streams it reads.
    pub fn selector(&self) -> &Selector {
        &self.selector
    }

    /// What happens to their lines.
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// Whether entries of that stream can matter.
    pub fn selects(&self, stream: &LabelSet) -> bool {
        self.streams.matches(stream)
    }
}

impl Display for LogQuery {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.selector)?;
        self.stages.iter().try_for_each(|stage| write!(f, " {stage}"))
    }
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
    /// All it asks of a window is how many entries are in it.
    pub counts: bool,
}

impl MetricQuery {
    /// What it says.
    pub fn expression(&self) -> &Expression {
        &self.expression
    }

    /// Its range aggregations.
    pub fn leaves(&self) -> Vec<Leaf> {
        self.leaves.iter().map(|plan| plan.leaf()).collect()
    }

    /// More entries can only make it true, never false: no absence, no comparison with less or equal, no `unless`, no difference.
    pub fn is_monotone(&self) -> bool {
        stays(&self.expression)
    }
}

impl Display for MetricQuery {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        self.expression.fmt(f)
    }
}

/// With more entries it has the same series or more, whatever their numbers are.
fn stays(expression: &Expression) -> bool {
    use ast::BinaryOp;
    match &expression.kind {
        ExpressionKind::Number(_) | ExpressionKind::Vector(_) => true,
        ExpressionKind::Range(range) => range.function != RangeFunction::Absent,
        // A further series may take another one's place.
        ExpressionKind::Aggregation(aggregation) => {
            let picks =
                matches!(aggregation.function, VectorFunction::Top | VectorFunction::Bottom | VectorFunction::ApproximateTop);
            !picks && stays(&aggregation.inner)
        }
        ExpressionKind::LabelReplace(replace) => stays(&replace.inner),
        ExpressionKind::Binary(binary) => match binary.op {
            BinaryOp::Compare(_) | BinaryOp::Unless => grows(expression),
            _ => stays(&binary.left) && stays(&binary.right),
        },
    }
}

/// With more entries it has the same series or more, and none of its numbers becomes less.
fn grows(expression: &Expression) -> bool {
    use ast::{BinaryOp, CompareOp};
    match &expression.kind {
        ExpressionKind::Number(_) | ExpressionKind::Vector(_) => true,
        // What is unwrapped may be negative, and a maximum is the only one of the others that cannot fall.
        ExpressionKind::Range(range) => {
            matches!(
                range.function,
                RangeFunction::Count | RangeFunction::Bytes | RangeFunction::BytesRate | RangeFunction::Maximum
            ) || range.function == RangeFunction::Rate
                && !range.stages.iter().any(|stage| matches!(stage.kind, ast::StageKind::Unwrap { .. }))
        }
        ExpressionKind::Aggregation(aggregation) => {
            // A sum over maxima may be of negative numbers, of which a new one makes it less.
            let sums = aggregation.function == VectorFunction::Sum && is_positive(&aggregation.inner);
            let picks = matches!(
                aggregation.function,
                VectorFunction::Maximum | VectorFunction::Count | VectorFunction::Sort | VectorFunction::SortDescending
            );
            (sums || picks) && grows(&aggregation.inner)
        }
        // A label may be taken away, and then two series are one; but each still is there.
        ExpressionKind::LabelReplace(replace) => grows(&replace.inner),
        ExpressionKind::Binary(binary) => {
            let (left, right) = (&binary.left, &binary.right);
            let (grows_left, grows_right) = (grows(left), grows(right));
            let constant = |side: &Expression| side.is_scalar() || matches!(side.kind, ExpressionKind::Vector(_));
            match binary.op {
                BinaryOp::Add | BinaryOp::And => grows_left && grows_right,
                // A series of the right is there only while the left has none: it may give way to a smaller one of the left.
                BinaryOp::Or => grows_left && grows_right && constant(right) && at_most_zero(right) && is_positive(left),
                BinaryOp::Multiply => grows_left && grows_right && is_positive(left) && is_positive(right),
                BinaryOp::Divide => grows_left && constant(right) && is_positive(right),
                BinaryOp::Subtract | BinaryOp::Compare(CompareOp::Greater | CompareOp::GreaterOrEqual) => {
                    grows_left && constant(right)
                }
                BinaryOp::Compare(CompareOp::Less | CompareOp::LessOrEqual) => constant(left) && grows_right,
                BinaryOp::Compare(CompareOp::Equal | CompareOp::NotEqual)
                | BinaryOp::Unless
                | BinaryOp::Modulo
                | BinaryOp::Power => constant(left) && constant(right),
            }
        }
    }
}

/// None of its numbers is negative.
fn is_positive(expression: &Expression) -> bool {
    match &expression.kind {
        ExpressionKind::Number(number) | ExpressionKind::Vector(number) => *number >= 0.0,
        ExpressionKind::Range(range) => {
            !range.function.needs_unwrap()
                && !range.stages.iter().any(|stage| matches!(stage.kind, ast::StageKind::Unwrap { .. }))
        }
        ExpressionKind::Aggregation(aggregation) => is_positive(&aggregation.inner),
        ExpressionKind::LabelReplace(replace) => is_positive(&replace.inner),
        ExpressionKind::Binary(binary) => {
            !matches!(binary.op, ast::BinaryOp::Subtract | ast::BinaryOp::Modulo)
                && is_positive(&binary.left)
                && is_positive(&binary.right)
        }
    }
}

fn at_most_zero(expression: &Expression) -> bool {
    matches!(expression.kind, ExpressionKind::Number(number) | ExpressionKind::Vector(number) if number <= 0.0)
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
    /// How many of them count: all, or fewer where an id counts once.
    pub count: usize,
}

impl<'w> Series<'w> {
    /// All points count.
    pub fn new(labels: &'w LabelSet, points: &'w [Point]) -> Self {
        Self { labels, points, count: points.len() }
    }
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
