//! Which rules no test has made fire, and which of their filters no line has ever passed.
//!
//! Each leaf of a rule is tried as far as each of its filters, and each alternative of an `or` by itself: what never holds in any
//! test is either not tested or can never hold.

use std::collections::BTreeMap;
use std::io::{self, Write};

use settings::problem::At;

use crate::entry::Entry;
use crate::labels::LabelSet;
use crate::logql::ast::{LabelFilter, RangeAggregation, Stage, StageKind};
use crate::logql::{self, Extracted, Extractor, LineCache, Query};
use crate::rules::alert::Phase;
use crate::rules::engine::Engine;
use crate::rules::file::{Group, Kind};
use crate::rules::generated::range_aggregations;
use crate::rules::journal::RuleId;

/// What was met so far.
#[derive(Debug, Default)]
pub struct Coverage {
    rules: BTreeMap<RuleId, Covered>,
    cache: LineCache,
}

#[derive(Debug)]
struct Covered {
    name: String,
    at: At,
    is_alert: bool,
    has_fired: bool,
    filters: Vec<Filter>,
}

/// A filter of a rule, and what must hold before it.
#[derive(Debug)]
struct Filter {
    text: String,
    extractor: Extractor,
    has_passed: bool,
}

/// Something that no test has met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Of which rule.
    pub rule: String,
    /// Where the rule stands.
    pub at: At,
    /// The filter that no line has passed; none: the rule has never fired.
    pub filter: Option<String>,
}

impl Coverage {
    /// Rules that are to be met.
    pub fn know(&mut self, group: &Group) {
        for (rule, id) in group.rules.iter().zip(RuleId::of_group(group)) {
            self.rules.entry(id).or_insert_with(|| Covered {
                name: rule.name.clone(),
                at: rule.at.clone(),
                is_alert: matches!(rule.kind, Kind::Alerting(_)),
                has_fired: false,
                filters: range_aggregations(rule.query.expression()).into_iter().flat_map(filters).collect(),
            });
        }
    }

    /// A line of a test.
    pub fn offer(&mut self, stream: &LabelSet, entry: Entry<'_>) {
        self.cache.begin();
        for filter in self.rules.values_mut().flat_map(|rule| &mut rule.filters).filter(|filter| !filter.has_passed) {
            filter.has_passed = filter.extractor.selects(stream)
                && !matches!(filter.extractor.extract(stream, entry, &mut self.cache), Extracted::Nothing);
        }
    }

    /// What fires now.
    pub fn fired(&mut self, engine: &Engine) {
        for rule in engine.rules() {
            if let Some(covered) = self.rules.get_mut(&rule.id())
                && !covered.has_fired
            {
                covered.has_fired = rule.alerts().iter().any(|alert| alert.phase == Phase::Firing);
            }
        }
    }

    /// How many rules are known.
    pub fn rules(&self) -> usize {
        self.rules.len()
    }

    /// What was never met, rule by rule. Of filters behind one that nothing has passed nothing is said.
    pub fn gaps(&self) -> Vec<Gap> {
        let mut gaps = Vec::new();
        for rule in self.rules.values() {
            let gap =
                |filter: Option<&str>| Gap { rule: rule.name.clone(), at: rule.at.clone(), filter: filter.map(str::to_owned) };
            if rule.is_alert && !rule.has_fired {
                gaps.push(gap(None));
            }
            gaps.extend(rule.filters.iter().filter(|filter| !filter.has_passed).map(|filter| gap(Some(&filter.text))));
        }
        gaps.sort_by(|left, right| (&left.at.file, left.at.line).cmp(&(&right.at.file, right.at.line)));
        gaps
    }

    /// Writes what was never met; true if everything was.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<bool> {
        let gaps = self.gaps();
        for gap in &gaps {
            match &gap.filter {
                None => {
                    writeln!(out, "{}:{}: {} fires in no test", gap.at.file, gap.at.line, gap.rule)?;
                }
                Some(filter) => {
                    writeln!(out, "{}:{}: {}: no line of any test passes {filter}", gap.at.file, gap.at.line, gap.rule)?;
                }
            }
        }
        Ok(gaps.is_empty())
    }
}

/// The selector, then each filter of a leaf behind what stands before it.
fn filters(leaf: &RangeAggregation) -> Vec<Filter> {
    let mut found: Vec<Filter> = probe(leaf, &[], leaf.selector.to_string()).into_iter().collect();
    for (place, stage) in leaf.stages.iter().enumerate() {
        let mut stages = leaf.stages[..=place].to_vec();
        if !matches!(stage.kind, StageKind::LineFilter { .. } | StageKind::LabelFilter(_)) {
            continue;
        }
        found.extend(probe(leaf, &stages, stage.to_string()));
        for alternative in alternatives(stage) {
            let text = format!("{alternative}, an alternative of {stage}");
            stages[place] = alternative;
            found.extend(probe(leaf, &stages, text));
        }
    }
    found
}

/// What a filter with `or` in it also is: each of its alternatives alone.
fn alternatives(stage: &Stage) -> Vec<Stage> {
    let kinds: Vec<StageKind> = match &stage.kind {
        StageKind::LineFilter { op, needles } if needles.len() > 1 => {
            needles.iter().map(|needle| StageKind::LineFilter { op: *op, needles: vec![needle.clone()] }).collect()
        }
        StageKind::LabelFilter(filter) => each_alternative(filter).into_iter().map(StageKind::LabelFilter).collect(),
        _ => Vec::new(),
    };
    kinds.into_iter().map(|kind| Stage { kind, span: stage.span.clone() }).collect()
}

fn each_alternative(filter: &LabelFilter) -> Vec<LabelFilter> {
    match filter {
        LabelFilter::Or(filters) => filters
            .iter()
            .flat_map(|filter| {
                let deeper = each_alternative(filter);
                if deeper.is_empty() { vec![filter.clone()] } else { deeper }
            })
            .collect(),
        LabelFilter::And(filters) => {
            let mut found = Vec::new();
            for (place, filter) in filters.iter().enumerate() {
                for alternative in each_alternative(filter) {
                    let mut all = filters.clone();
                    all[place] = alternative;
                    found.push(LabelFilter::And(all));
                }
            }
            found
        }
        _ => Vec::new(),
    }
}

/// The lines of a leaf up to a filter, as a query of its own.
fn probe(leaf: &RangeAggregation, stages: &[Stage], text: String) -> Option<Filter> {
    let stages: Vec<String> = stages.iter().map(ToString::to_string).collect();
    let query = format!("sum(count_over_time({} {} [1s]))", leaf.selector, stages.join(" "));
    match logql::parse(&query) {
        Ok(Query::Metric(query)) => Some(Filter { text, extractor: Extractor::new(&query, 0), has_passed: false }),
        _ => None,
    }
}
