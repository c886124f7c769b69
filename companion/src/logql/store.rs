//! Queries over entries that someone keeps.
//!
//! A log query's interval includes its start and not its end; a metric query's windows are the other way round. A line that
//! passes all filters with an error in it fails a metric query, as in Loki.

use std::collections::HashMap;
use std::ops::ControlFlow;

use proto::time::UnixNanos;

use super::evaluate::{Matrix, evaluate, evaluate_range};
use super::{EvalError, Extracted, Extractor, LineCache, LogQuery, MetricQuery, PipelineError, Point, Series, Value, Windows};
use crate::entry::Entry;
use crate::labels::LabelSet;

/// How many lines a query may answer with.
pub const LINES_MAX: usize = 5_000;

/// How many points one query may gather.
const POINTS_MAX: usize = 10_000_000;

/// From old to new or from new to old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Old ones first.
    Forward,
    /// New ones first.
    Backward,
}

/// Whoever keeps entries.
pub trait Store {
    /// How a stream is found again.
    type Stream;

    /// The streams that `selects` says yes to.
    fn streams(&self, selects: &dyn Fn(&LabelSet) -> bool) -> Vec<(LabelSet, Self::Stream)>;

    /// Calls `visit` with a stream's entries from `from` on and before `until`, in the order of their times, until it breaks off.
    fn visit(
        &self,
        stream: &Self::Stream,
        from: UnixNanos,
        until: UnixNanos,
        direction: Direction,
        visit: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>,
    );
}

/// Lines with the same labels.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledLines {
    /// The stream's labels, structured metadata and what the pipeline made, merged.
    pub labels: LabelSet,
    /// In the order that was asked for.
    pub lines: Vec<(UnixNanos, String)>,
}

impl LogQuery {
    /// The lines in `[start, end)`, at most `limit` of them (and [`LINES_MAX`]), the first in that direction. Of those of a stream
    /// that are less than `interval` nanoseconds from the one before only that one; 0 for all.
    pub fn lines<S: Store>(
        &self,
        store: &S,
        start: UnixNanos,
        end: UnixNanos,
        direction: Direction,
        interval: i64,
        limit: usize,
    ) -> Vec<LabelledLines> {
        let limit = limit.min(LINES_MAX);
        let mut found: Vec<(UnixNanos, LabelSet, String)> = Vec::new();
        let mut cache = LineCache::default();
        for (labels, stream) in store.streams(&|labels| self.selects(labels)) {
            let mut count = 0;
            let mut last: HashMap<LabelSet, UnixNanos> = HashMap::new();
            // Of each stream at most `limit` can be among the first of all.
            store.visit(&stream, start, end, direction, &mut |entry| {
                if count == limit {
                    return ControlFlow::Break(());
                }
                if let Some((labels, line)) = self.line(&labels, entry, &mut cache) {
                    if interval > 0 {
                        let is_near = |last: &UnixNanos| entry.time.0.saturating_sub(last.0).saturating_abs() < interval;
                        if last.get(&labels).is_some_and(is_near) {
                            return ControlFlow::Continue(());
                        }
                        last.insert(labels.clone(), entry.time);
                    }
                    found.push((entry.time, labels, line));
                    count += 1;
                }
                ControlFlow::Continue(())
            });
        }
        match direction {
            Direction::Forward => found.sort_by_key(|(time, ..)| *time),
            Direction::Backward => found.sort_by_key(|(time, ..)| std::cmp::Reverse(*time)),
        }
        found.truncate(limit);
        let mut streams: Vec<LabelledLines> = Vec::new();
        let mut places: HashMap<LabelSet, usize> = HashMap::new();
        for (time, labels, line) in found {
            let place = *places.entry(labels.clone()).or_insert_with(|| {
                streams.push(LabelledLines { labels, lines: Vec::new() });
                streams.len() - 1
            });
            if let Some(stream) = streams.get_mut(place) {
                stream.lines.push((time, line));
            }
        }
        streams
    }

    /// What becomes of one entry: its labels and line, unless a filter drops it.
    pub fn line(&self, stream: &LabelSet, entry: Entry<'_>, cache: &mut LineCache) -> Option<(LabelSet, String)> {
        cache.begin();
        if !self.pipeline.admits(entry.line, cache.searched()) {
            return None;
        }
        cache.passage(stream, entry, |passage| {
            self.pipeline.run(passage, &super::pipeline::Wanted::All)?;
            Some((passage.labels.to_set(|_| true), passage.line.text().to_owned()))
        })
    }
}

impl MetricQuery {
    /// What it gives at one instant.
    pub fn instant<S: Store>(&self, store: &S, at: UnixNanos) -> Result<Value, EvalError> {
        evaluate(self, at, &Gathered::new(self, store, at, at)?)
    }

    /// What it gives from `start` to `end`, both counting, every `step` nanoseconds.
    pub fn range<S: Store>(&self, store: &S, start: UnixNanos, end: UnixNanos, step: i64) -> Result<Matrix, EvalError> {
        super::evaluate::instants(start, end, step)?;
        evaluate_range(self, start, end, step, &Gathered::new(self, store, start, end)?)
    }
}

/// The points of one leaf.
#[derive(Debug, Default)]
struct LeafPoints {
    series: Vec<(LabelSet, Vec<Point>)>,
    /// Lines with an error, when.
    failures: Vec<(UnixNanos, PipelineError)>,
}

/// The points of a query's leaves, extracted from a store for some instants.
#[derive(Debug)]
struct Gathered(Vec<LeafPoints>);

impl Gathered {
    fn new<S: Store>(query: &MetricQuery, store: &S, first: UnixNanos, last: UnixNanos) -> Result<Self, EvalError> {
        let mut total = 0;
        let mut cache = LineCache::default();
        let mut gathered = Vec::new();
        for (number, leaf) in query.leaves().into_iter().enumerate() {
            let extractor = Extractor::new(query, number);
            // After the start of the first window, and up to the end of the last, which counts.
            let from = UnixNanos(first.0.saturating_sub(leaf.offset).saturating_sub(leaf.range).saturating_add(1));
            let until = UnixNanos(last.0.saturating_sub(leaf.offset).saturating_add(1));
            let mut points = LeafPoints::default();
            let mut places: HashMap<LabelSet, usize> = HashMap::new();
            for (labels, stream) in store.streams(&|labels| extractor.selects(labels)) {
                store.visit(&stream, from, until, Direction::Forward, &mut |entry| {
                    cache.begin();
                    match extractor.extract(&labels, entry, &mut cache) {
                        Extracted::Nothing => {}
                        Extracted::Point(labels, value) => {
                            total += 1;
                            let place = *places.entry(labels.clone()).or_insert_with(|| {
                                points.series.push((labels, Vec::new()));
                                points.series.len() - 1
                            });
                            if let Some((_, series)) = points.series.get_mut(place) {
                                series.push(Point { time: entry.time, value });
                            }
                        }
                        Extracted::Failed(error) => points.failures.push((entry.time, error)),
                    }
                    if total > POINTS_MAX || points.failures.len() > POINTS_MAX {
                        ControlFlow::Break(())
                    } else {
                        ControlFlow::Continue(())
                    }
                });
                if total > POINTS_MAX {
                    return Err(EvalError(format!("more than {POINTS_MAX} lines match: ask for less time, or filter more")));
                }
            }
            for (_, series) in &mut points.series {
                series.sort_by_key(|point| point.time);
            }
            points.failures.sort_by_key(|(time, _)| *time);
            gathered.push(points);
        }
        Ok(Self(gathered))
    }
}

impl Windows for Gathered {
    fn window(&self, leaf: usize, after: UnixNanos, until: UnixNanos) -> Result<Vec<Series<'_>>, EvalError> {
        let Some(leaf) = self.0.get(leaf) else { return Ok(Vec::new()) };
        let first_failure = leaf.failures.partition_point(|(time, _)| *time <= after);
        if let Some((_, error)) = leaf.failures.get(first_failure).filter(|(time, _)| *time <= until) {
            return Err(EvalError(format!("pipeline error: {}: {}", error.kind, error.details)));
        }
        let windows = leaf.series.iter().filter_map(|(labels, points)| {
            let first = points.partition_point(|point| point.time <= after);
            let end = points.partition_point(|point| point.time <= until);
            let points = points.get(first..end).filter(|points| !points.is_empty())?;
            Some(Series::new(labels, points))
        });
        Ok(windows.collect())
    }
}
