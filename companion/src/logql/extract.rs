//! Entries → points of a query's leaves.
//!
//! A leaf's points carry only the labels that the query can tell apart: below `sum by (a)`, `a` alone. That is exact where a
//! sum over series equals the function over all their entries, and nowhere else is it done.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Leaf;
use super::ast::{Expression, ExpressionKind, Grouping, MatchOp, RangeAggregation, RangeFunction, Selector, VectorFunction};
use super::matcher::TextMatcher;
use super::pipeline::{ERROR, JsonIndex, LabelBuffers, Labels, Line, Passage, Pipeline, Searched, Wanted};
use crate::entry::Entry;
use crate::labels::LabelSet;

/// Which streams a selector means.
#[derive(Clone, Debug)]
pub(crate) struct StreamMatcher(Arc<[(String, TextMatcher)]>);

impl StreamMatcher {
    pub(crate) fn new(selector: &Selector) -> Result<Self, String> {
        let matchers =
            selector.matchers.iter().map(|matcher| Ok((matcher.name.clone(), TextMatcher::new(matcher.op, &matcher.value)?)));
        Ok(Self(matchers.collect::<Result<_, String>>()?))
    }

    pub(crate) fn matches(&self, stream: &LabelSet) -> bool {
        self.0.iter().all(|(name, matcher)| matcher.matches(stream.get(name).unwrap_or_default()))
    }
}

/// Which labels a leaf's points keep.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kept {
    Only(BTreeSet<String>),
    AllBut(BTreeSet<String>),
}

/// A leaf, compiled.
#[derive(Debug)]
pub(crate) struct LeafPlan {
    pub(crate) function: RangeFunction,
    pub(crate) parameter: Option<f64>,
    pub(crate) range: i64,
    pub(crate) offset: i64,
    /// What `absent_over_time` says when there is nothing.
    pub(crate) absent_labels: LabelSet,
    streams: StreamMatcher,
    pipeline: Pipeline,
    kept: Kept,
    wanted: Wanted,
    /// A parser's error is no failure: the query asks for it.
    keeps_errors: bool,
}

/// The leaves of a query, in the order of their numbers.
pub(crate) fn plans(expression: &Expression) -> Result<Vec<Arc<LeafPlan>>, String> {
    let mut plans = Vec::new();
    collect(expression, None, &mut plans)?;
    plans.sort_by_key(|(number, _)| *number);
    Ok(plans.into_iter().map(|(_, plan)| Arc::new(plan)).collect())
}

/// `outer` is the grouping of a sum right above.
fn collect(expression: &Expression, outer: Option<&Option<Grouping>>, plans: &mut Vec<(usize, LeafPlan)>) -> Result<(), String> {
    match &expression.kind {
        ExpressionKind::Number(_) | ExpressionKind::Vector(_) => Ok(()),
        ExpressionKind::Range(range) => {
            plans.push((range.leaf, LeafPlan::new(range, outer)?));
            Ok(())
        }
        ExpressionKind::Aggregation(aggregation) => {
            let outer = (aggregation.function == VectorFunction::Sum).then_some(&aggregation.grouping);
            collect(&aggregation.inner, outer, plans)
        }
        ExpressionKind::LabelReplace(replace) => collect(&replace.inner, None, plans),
        ExpressionKind::Binary(binary) => {
            collect(&binary.left, None, plans)?;
            collect(&binary.right, None, plans)
        }
    }
}

impl LeafPlan {
    fn new(range: &RangeAggregation, outer: Option<&Option<Grouping>>) -> Result<Self, String> {
        let pipeline = Pipeline::new(&range.stages)?;
        let set = |labels: &[String]| labels.iter().cloned().collect::<BTreeSet<_>>();
        let mut kept = match (&range.grouping, outer) {
            _ if range.function == RangeFunction::Absent => Kept::Only(BTreeSet::new()),
            (Some(grouping), _) if grouping.without => Kept::AllBut(set(&grouping.labels)),
            (Some(grouping), _) => Kept::Only(set(&grouping.labels)),
            (None, Some(None)) if range.function.is_additive() => Kept::Only(BTreeSet::new()),
            (None, Some(Some(grouping))) if range.function.is_additive() => {
                if grouping.without {
                    Kept::AllBut(set(&grouping.labels))
                } else {
                    Kept::Only(set(&grouping.labels))
                }
            }
            _ => Kept::AllBut(BTreeSet::new()),
        };
        if let (Kept::AllBut(labels), Some(unwrap)) = (&mut kept, pipeline.unwraps()) {
            labels.insert(unwrap.label.clone());
        }
        let wanted = match &kept {
            Kept::AllBut(_) => Wanted::All,
            Kept::Only(labels) => wanted(pipeline.reads().union(labels)),
        };
        let keeps_errors = matches!(&wanted, Wanted::Only(names) if names.contains(ERROR));
        Ok(Self {
            function: range.function,
            parameter: range.parameter,
            range: range.range,
            offset: range.offset,
            absent_labels: absent_labels(&range.selector),
            streams: StreamMatcher::new(&range.selector)?,
            pipeline,
            kept,
            wanted,
            keeps_errors,
        })
    }

    pub(crate) fn leaf(&self) -> Leaf {
        let counts =
            self.function == RangeFunction::Count || (self.function == RangeFunction::Rate && self.pipeline.unwraps().is_none());
        Leaf { range: self.range, offset: self.offset, is_absence: self.function == RangeFunction::Absent, counts }
    }

    fn labels(&self, labels: &Labels<'_>) -> LabelSet {
        match &self.kept {
            Kept::Only(kept) if kept.is_empty() => LabelSet::new(),
            Kept::Only(kept) => labels.pick(kept),
            Kept::AllBut(dropped) => labels.to_set(|name| !dropped.contains(name)),
        }
    }
}

fn wanted<'n>(names: impl Iterator<Item = &'n String>) -> Wanted {
    let mut wanted = BTreeSet::new();
    for name in names {
        if let Some(field) = name.strip_suffix("_extracted") {
            wanted.insert(field.to_owned());
        }
        wanted.insert(name.clone());
    }
    if wanted.is_empty() { Wanted::None } else { Wanted::Only(wanted) }
}

/// The labels that a selector fixes; one that it names twice is not fixed.
fn absent_labels(selector: &Selector) -> LabelSet {
    let times = |name: &str| selector.matchers.iter().filter(|matcher| matcher.name == name).count();
    selector
        .matchers
        .iter()
        .filter(|matcher| matcher.op == MatchOp::Equal && times(&matcher.name) == 1 && !matcher.value.is_empty())
        .map(|matcher| (&matcher.name, &matcher.value))
        .collect()
}

/// Turns entries into the points of one leaf.
#[derive(Clone, Debug)]
pub struct Extractor {
    /// None selects nothing.
    plan: Option<Arc<LeafPlan>>,
}

/// What one line has given to the extractors that have asked so far: parsed once for all.
#[derive(Debug, Default)]
pub struct LineCache {
    searched: Searched,
    json: JsonIndex,
    buffers: LabelBuffers,
    /// Hashes of what stands in the line, by what was asked.
    hashes: Vec<(u64, Option<u64>)>,
}

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
    /// Of one leaf of a query. Of a leaf that the query does not have, one that selects nothing.
    pub fn new(query: &super::MetricQuery, leaf: usize) -> Self {
        Self { plan: query.leaves.get(leaf).cloned() }
    }

    /// Whether entries of that stream can matter.
    pub fn selects(&self, stream: &LabelSet) -> bool {
        self.plan.as_ref().is_some_and(|plan| plan.streams.matches(stream))
    }

    /// What happens to its lines; nothing if it selects none.
    pub(super) fn pipeline(&self) -> Option<&Pipeline> {
        self.plan.as_deref().map(|plan| &plan.pipeline)
    }

    /// Whether the line passes the filters that stand before all else.
    pub fn admits(&self, line: &str, cache: &mut LineCache) -> bool {
        self.plan.as_ref().is_some_and(|plan| plan.pipeline.admits(line, &mut cache.searched))
    }

    /// What the entry is to the leaf. `cache` must be the one of this very entry ([`LineCache::begin`] for each new one).
    pub fn extract(&self, stream: &LabelSet, entry: Entry<'_>, cache: &mut LineCache) -> Extracted {
        let point = self.point(stream, entry, cache, |plan, labels, value| Extracted::Point(plan.labels(labels), value));
        match point {
            Ok(point) => point.unwrap_or(Extracted::Nothing),
            Err(error) => Extracted::Failed(error),
        }
    }

    /// The values of the labels that the entry's point has, into `out` with a zero byte between them. False if there is no point
    /// or its first value is empty.
    pub(crate) fn values(&self, stream: &LabelSet, entry: Entry<'_>, cache: &mut LineCache, out: &mut String) -> bool {
        let point = self.point(stream, entry, cache, |plan, labels, _| {
            let Kept::Only(kept) = &plan.kept else { return false };
            let mut is_first = true;
            for value in kept.iter().filter_map(|name| labels.get_for_template(name)) {
                if is_first && value.is_empty() {
                    return false;
                }
                if !is_first {
                    out.push('\0');
                }
                is_first = false;
                out.push_str(value);
            }
            !is_first
        });
        matches!(point, Ok(Some(true)))
    }

    /// Gives `made` the labels and the value of the entry's point, if it has one.
    fn point<T>(
        &self,
        stream: &LabelSet,
        entry: Entry<'_>,
        cache: &mut LineCache,
        made: impl FnOnce(&LeafPlan, &Labels<'_>, f64) -> T,
    ) -> Result<Option<T>, PipelineError> {
        let Some(plan) = self.plan.as_deref().filter(|plan| plan.pipeline.admits(entry.line, &mut cache.searched)) else {
            return Ok(None);
        };
        cache.passage(stream, entry, |passage| {
            let Some(number) = plan.pipeline.run(passage, &plan.wanted) else { return Ok(None) };
            if let Some(kind) = passage.labels.error()
                && !(plan.keeps_errors && passage.labels.parser_failed())
            {
                let details = passage.labels.details().unwrap_or_default().to_owned();
                return Err(PipelineError { kind: kind.to_owned(), details });
            }
            let value = match plan.function {
                RangeFunction::Bytes | RangeFunction::BytesRate => passage.line.text().len() as f64,
                _ => number,
            };
            Ok(Some(made(plan, passage.labels, value)))
        })
    }
}

impl LineCache {
    /// Forgets the last line.
    pub fn begin(&mut self) {
        self.searched.clear();
        self.json.clear();
        self.hashes.clear();
    }

    /// A hash of something in the line, found once however many ask for it by that key.
    pub(crate) fn hash_once(&mut self, key: u64, find: impl FnOnce(&mut Self) -> Option<u64>) -> Option<u64> {
        if let Some((_, known)) = self.hashes.iter().find(|(of, _)| *of == key) {
            return *known;
        }
        let found = find(self);
        self.hashes.push((key, found));
        found
    }

    /// What was looked for in this line.
    pub(crate) fn searched(&mut self) -> &mut Searched {
        &mut self.searched
    }

    /// An entry at the start of a pipeline.
    pub(crate) fn passage<T>(&mut self, stream: &LabelSet, entry: Entry<'_>, run: impl FnOnce(&mut Passage<'_, '_>) -> T) -> T {
        let mut labels = Labels::new(stream, entry.metadata, std::mem::take(&mut self.buffers));
        let result =
            run(&mut Passage { time: entry.time, line: Line::Original(entry.line), labels: &mut labels, json: &mut self.json });
        self.buffers = labels.into_buffers();
        result
    }
}
