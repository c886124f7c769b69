//! What a rule's query gives of the points that the rule has, and what that becomes: alerts with their texts, or series.

use std::collections::BTreeSet;
use std::sync::Arc;

use proto::time::UnixNanos;

use super::{LeafState, RuleState};
use crate::labels::LabelSet;
use crate::logql::{self, EvalError, Point, Sample, Series, Value, Windows};
use crate::rules::alert::{Alert, Found};
use crate::rules::file::Kind;
use crate::rules::leaf::KeptLine;
use crate::rules::template::{Needs, Template};

impl RuleState {
    /// What the query gives at that time, in one part or as a whole.
    pub(in crate::rules::engine) fn query(
        &self,
        part: Option<&LabelSet>,
        at: UnixNanos,
        query_offset: i64,
    ) -> Result<Vec<Sample>, String> {
        let at = UnixNanos(at.0.saturating_sub(query_offset));
        let by_id = self.leaves.iter().map(|leaf| {
            let until = UnixNanos(at.0.saturating_sub(leaf.leaf.offset));
            let after = UnixNanos(until.0.saturating_sub(leaf.leaf.range));
            let is_copied = leaf.points.is_by_id() && !leaf.leaf.counts;
            is_copied.then(|| (after, until, leaf.points.window_by_id(part, after, until)))
        });
        let windows = RuleWindows { leaves: &self.leaves, part, by_id: by_id.collect() };
        match logql::evaluate(&self.rule.query, at, &windows) {
            Ok(Value::Scalar(value)) => Ok(vec![Sample { labels: LabelSet::new(), value }]),
            Ok(Value::Vector(samples)) => Ok(samples),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Samples with the rule's labels and texts. Those of the last evaluation are taken where they must come out the same.
    pub(in crate::rules::engine) fn found(&self, samples: Vec<Sample>, at: UnixNanos) -> Vec<Found> {
        let known = |labels: &LabelSet| {
            let found = self.found.get(&self.partition.key(labels))?;
            found.iter().find(|found| found.series == *labels)
        };
        self.with_texts(samples, at, known, self.needs.0.max(self.needs.1))
    }

    /// The same of one part where it is evaluated for an event: `before` is what was found there. Annotations stay as they are until
    /// all events have been evaluated ([`Self::freshen`]), so that texts cost nothing per event.
    pub(in crate::rules::engine) fn found_for_event(&self, samples: Vec<Sample>, at: UnixNanos, before: &[Found]) -> Vec<Found> {
        let known = |labels: &LabelSet| before.iter().find(|found| found.series == *labels);
        self.with_texts(samples, at, known, self.needs.0)
    }

    /// What the last evaluation of a part found.
    pub(in crate::rules::engine) fn found_in(&self, part: &LabelSet) -> &[Found] {
        self.found.get(part).map_or(&[], Vec::as_slice)
    }

    fn with_texts<'f>(
        &self,
        samples: Vec<Sample>,
        at: UnixNanos,
        known: impl Fn(&LabelSet) -> Option<&'f Found>,
        needs: Needs,
    ) -> Vec<Found> {
        let Kind::Alerting(alerting) = &self.rule.kind else { return Vec::new() };
        let found = samples.into_iter().map(|Sample { labels, value }| {
            let known = known(&labels).filter(|known| match needs {
                Needs::Labels => true,
                Needs::Value => known.value.to_bits() == value.to_bits(),
                Needs::Moment => false,
            });
            if let Some(known) = known {
                return Found { value, ..known.clone() };
            }
            let render = |(name, text): &(String, Template)| (name.clone(), text.render(&labels, value, at));
            let annotations = texts(&alerting.annotations, &labels, value, at);
            let own = self.rule.labels.iter().map(render).chain([("alertname".to_owned(), self.rule.name.clone())]);
            let all = labels.without(|name| name == "__name__").with(own);
            // To Prometheus and Alertmanager an empty label is none.
            let told = all.iter().filter(|(_, value)| !value.is_empty()).collect();
            Found { series: labels, labels: told, annotations, value }
        });
        found.collect()
    }

    /// Writes the annotations of alerts anew whose values events have changed.
    pub(super) fn freshen(&mut self) {
        let Kind::Alerting(alerting) = &self.rule.kind else { return };
        for (part, at) in std::mem::take(&mut self.stale) {
            for found in self.found.get_mut(&part).into_iter().flatten() {
                found.annotations = texts(&alerting.annotations, &found.series, found.value, at);
                self.alerts.annotate(&found.labels, &found.annotations);
            }
        }
    }

    pub(super) fn record(&self, samples: Vec<Sample>, limit: usize) -> Result<Vec<Sample>, String> {
        if limit > 0 && samples.len() > limit {
            return Err(format!("{} series, and the limit is {limit}", samples.len()));
        }
        let own = || {
            let labels = self.rule.labels.iter().map(|(name, text)| (name.as_str(), text.text()));
            labels.chain([("__name__", self.rule.name.as_str())])
        };
        let mut recorded: Vec<Sample> =
            samples.into_iter().map(|Sample { labels, value }| Sample { labels: labels.with(own()), value }).collect();
        recorded.sort_by(|left, right| left.labels.cmp(&right.labels));
        match recorded.windows(2).find(|pair| pair[0].labels == pair[1].labels) {
            Some(pair) => Err(format!("two samples become the same series {}", pair[0].labels)),
            None => Ok(recorded),
        }
    }

    /// Whether everything that an evaluation at that time would speak of has been seen.
    pub(in crate::rules::engine) fn is_known(&self, at: UnixNanos, query_offset: i64) -> bool {
        self.is_monotone
            || self.leaves.iter().all(|leaf| {
                let until = at.0.saturating_sub(query_offset).saturating_sub(leaf.leaf.offset);
                until.saturating_sub(leaf.leaf.range) >= self.seen_from.0 && until <= self.seen_until.0
            })
    }

    /// The times between both at which events change it.
    pub(in crate::rules::engine) fn event_times(
        &self,
        part: Option<&LabelSet>,
        from: UnixNanos,
        to: UnixNanos,
        query_offset: i64,
    ) -> BTreeSet<UnixNanos> {
        let times = self.leaves.iter().flat_map(|leaf| {
            let shift = leaf.leaf.offset.saturating_add(query_offset);
            let (from, to) = (UnixNanos(from.0.saturating_sub(shift).saturating_sub(1)), UnixNanos(to.0.saturating_sub(shift)));
            leaf.points.times(part, from, to).map(move |time| UnixNanos(time.0.saturating_add(shift)))
        });
        times.collect()
    }

    /// The lines that an alert was made of up to a time, if lines are kept: those of the series that agree with its labels, newer than
    /// `after`, or as far back as its windows reach.
    pub fn causes(&self, alert: &Alert, after: Option<UnixNanos>, at: UnixNanos, query_offset: i64) -> Vec<Arc<KeptLine>> {
        let own = |name: &str| self.rule.labels.iter().any(|(own, _)| own == name);
        let agrees = |series: &LabelSet| {
            series.iter().all(|(name, value)| own(name) || alert.labels.get(name).is_none_or(|known| known == value))
        };
        let part = self.partition.key(&alert.labels);
        let mut lines = Vec::new();
        for leaf in self.leaves.iter().filter(|leaf| !leaf.leaf.is_absence) {
            let until = UnixNanos(at.0.saturating_sub(query_offset).saturating_sub(leaf.leaf.offset));
            let from = after.unwrap_or(UnixNanos(until.0.saturating_sub(leaf.leaf.range)));
            // Empty labels are not told, so the alert of a part may not name it.
            let part = Some(&part).filter(|part| leaf.points.has_part(part));
            lines.extend(leaf.points.lines(part, from, until, agrees));
        }
        lines
    }
}

fn texts(templates: &[(String, Template)], labels: &LabelSet, value: f64, at: UnixNanos) -> LabelSet {
    templates.iter().map(|(name, text)| (name, text.render(labels, value, at))).collect()
}

/// The series of one window, with each id once, and where the window begins and ends.
type IdWindow = (UnixNanos, UnixNanos, Vec<(LabelSet, Vec<Point>)>);

/// The points of a rule's leaves, as a query asks for them.
struct RuleWindows<'a> {
    leaves: &'a [LeafState],
    part: Option<&'a LabelSet>,
    /// Of leaves whose points depend on ids: the window of the evaluation under way.
    by_id: Vec<Option<IdWindow>>,
}

impl Windows for RuleWindows<'_> {
    fn window(&self, leaf: usize, after: UnixNanos, until: UnixNanos) -> Result<Vec<Series<'_>>, EvalError> {
        let Some(state) = self.leaves.get(leaf) else {
            return Err(EvalError(format!("the query has no leaf {leaf}")));
        };
        match self.by_id.get(leaf) {
            Some(Some((known_after, known_until, series))) => {
                if (*known_after, *known_until) != (after, until) {
                    return Err(EvalError("the query asks for another window than its leaf has".to_owned()));
                }
                Ok(series.iter().map(|(labels, points)| Series::new(labels, points)).collect())
            }
            _ => Ok(state.points.window(self.part, after, until)),
        }
    }
}
