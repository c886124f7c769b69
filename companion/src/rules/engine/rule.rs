//! One rule: what its leaves have counted, when it is to be evaluated next, and its alerts.
//!
//! Each rule has a timeline of its own, since over logs no rule reads what another one makes. An alerting rule is evaluated at
//! every event that changed a leaf and at the ticks of its group; a recording rule at the ticks. Between events a monotone rule
//! that gave nothing gives nothing, so its ticks are left out.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::time::UnixNanos;

use super::event_id::EventId;
use super::{Context, Options, Restore, late};
use crate::entry::Entry;
use crate::labels::LabelSet;
use crate::logql::{
    self, EvalError, Extracted, Extractor, Leaf, LineCache, MetricQuery, PipelineError, Point, Sample, Series, Value, Windows,
};
use crate::rules::alert::{ALERTS_MAX, Alert, Alerts, Found, Moment, Notification};
use crate::rules::file::{self, Kind};
use crate::rules::leaf::{Inserted, KeptLine, Keeping, LeafPoints, Mark};
use crate::rules::journal::{Record, RuleId};
use crate::rules::timeline::Ticks;

/// A late alert fires at least so long from when it was found.
const HOLD_MIN: i64 = 5 * 60 * 1_000_000_000;
/// An alert found so much later than it happened is late, where the interval is not longer.
const LATE_AFTER_MIN: i64 = 30 * 1_000_000_000;
/// Most ticks that are made up for at once; of more the older ones are skipped.
const TICKS_MAX: i64 = 1000;

/// How a rule's last evaluation went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// There was none yet, or its window has not been seen whole.
    #[default]
    Unknown,
    /// It gave an answer.
    Ok,
    /// Why it did not.
    Err(String),
}

/// A leaf of the query.
#[derive(Debug)]
struct LeafState {
    leaf: Leaf,
    extractor: Extractor,
    points: LeafPoints,
}

/// Numbers that a rule counts of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleCounts {
    /// Evaluations.
    pub evaluations: u64,
    /// Evaluations that gave no answer.
    pub failures: u64,
    /// Lines that passed its filters with an error.
    pub failed_lines: u64,
    /// Ticks that were left out because there were too many at once, or the program did not run.
    pub skipped_ticks: u64,
    /// Alerts that began to fire.
    pub fired: u64,
}

/// A rule and what it knows.
#[derive(Debug)]
pub struct RuleState {
    id: RuleId,
    rule: Arc<file::Rule>,
    leaves: Vec<LeafState>,
    event_id: Option<EventId>,
    is_monotone: bool,
    /// Times at which events have changed it, not yet evaluated.
    agenda: BTreeSet<UnixNanos>,
    /// The last time that was evaluated.
    last: Option<UnixNanos>,
    /// The next tick needs no evaluation: nothing was there, and nothing came.
    is_quiet: bool,
    /// Points enter its windows up to then.
    loud_until: UnixNanos,
    alerts: Alerts,
    /// What a recording rule gave last.
    recorded: Vec<Sample>,
    /// It has seen everything from then on.
    seen_from: UnixNanos,
    /// And nothing after that.
    seen_until: UnixNanos,
    health: Health,
    failed_line: Option<PipelineError>,
    took: Duration,
    counts: RuleCounts,
    /// Something changed since the journal was taken.
    is_dirty: bool,
}

impl RuleState {
    pub(super) fn new(id: RuleId, rule: Arc<file::Rule>, now: UnixNanos) -> Self {
        let field = match &rule.kind {
            Kind::Alerting(alerting) => alerting.event_id.as_deref(),
            Kind::Recording => None,
        };
        let leaves = rule.query.leaves().into_iter().enumerate().map(|(number, leaf)| {
            let keeping = Keeping { range: leaf.range, is_absence: leaf.is_absence, by_id: field.is_some() && !leaf.is_absence };
            LeafState { leaf, extractor: Extractor::new(&rule.query, number), points: LeafPoints::new(keeping) }
        });
        Self {
            id,
            leaves: leaves.collect(),
            event_id: field.map(EventId::new),
            is_monotone: rule.query.is_monotone(),
            rule,
            agenda: BTreeSet::new(),
            last: None,
            is_quiet: false,
            loud_until: UnixNanos(i64::MIN),
            alerts: Alerts::default(),
            recorded: Vec::new(),
            seen_from: now,
            seen_until: UnixNanos(i64::MAX),
            health: Health::default(),
            failed_line: None,
            took: Duration::ZERO,
            counts: RuleCounts::default(),
            is_dirty: false,
        }
    }

    /// The leaves that select a stream.
    pub(super) fn selecting<'a>(&'a self, stream: &'a LabelSet) -> impl Iterator<Item = usize> + 'a {
        let leaves = self.leaves.iter().enumerate();
        leaves.filter(|(_, leaf)| leaf.extractor.selects(stream)).map(|(number, _)| number)
    }

    pub(super) fn extract(&self, leaf: usize, stream: &LabelSet, entry: Entry<'_>, cache: &mut LineCache) -> Extracted {
        self.leaves[leaf].extractor.extract(stream, entry, cache)
    }

    pub(super) fn event_id(&self, stream: &LabelSet, entry: Entry<'_>, cache: &mut LineCache) -> Option<u64> {
        self.event_id.as_ref()?.hash(stream, entry, cache)
    }

    /// A line passed the filters with an error in it.
    pub(super) fn line_failed(&mut self, error: &PipelineError) {
        self.counts.failed_lines += 1;
        if self.failed_line.as_ref() != Some(error) {
            self.failed_line = Some(error.clone());
        }
    }

    /// Takes a point in; false if it was there.
    pub(super) fn insert(
        &mut self,
        leaf: usize,
        labels: &LabelSet,
        point: Point,
        mark: Mark,
        line: Option<Arc<KeptLine>>,
        query_offset: i64,
    ) -> bool {
        let state = &mut self.leaves[leaf];
        if state.points.insert(labels, point, mark, line) == Inserted::Again {
            return false;
        }
        let at = UnixNanos(point.time.0.saturating_add(state.leaf.offset).saturating_add(query_offset));
        self.is_dirty = true;
        if self.is_alerting() {
            self.agenda.insert(at);
        } else {
            self.is_quiet = false;
            self.loud_until = self.loud_until.max(at);
        }
        true
    }

    /// Evaluates what has changed, and the ticks up to now.
    pub(super) fn advance(&mut self, context: &Context<'_>) {
        // What it says of is still on its way.
        if !self.is_monotone && context.is_catching_up {
            self.health = Health::Unknown;
            return;
        }
        if let Some(last) = self.last
            && self.agenda.first().is_some_and(|first| *first < last)
        {
            let later = self.agenda.split_off(&last);
            let times = std::mem::replace(&mut self.agenda, later);
            late::evaluate(self, &times, last, context);
        }
        let horizon = UnixNanos(context.now.0.saturating_add(context.options.ahead));
        loop {
            let event = self.agenda.first().copied().filter(|event| *event <= horizon);
            let tick = self.next_tick(context).filter(|tick| *tick <= context.now);
            let Some(at) = event.into_iter().chain(tick).min() else { return };
            self.agenda.remove(&at);
            self.step(at, context);
        }
    }

    /// The next tick that is worth an evaluation.
    fn next_tick(&mut self, context: &Context<'_>) -> Option<UnixNanos> {
        if self.is_quiet {
            return None;
        }
        let Some(last) = self.last else { return Some(context.ticks.up_to(context.now)) };
        let next = context.ticks.after(last);
        let surplus = context.now.0.saturating_sub(next.0) / context.ticks.interval() - TICKS_MAX;
        if surplus <= 0 {
            return Some(next);
        }
        let skipped = UnixNanos(next.0.saturating_add(surplus.saturating_mul(context.ticks.interval())));
        if self.agenda.first().is_none_or(|event| *event > skipped) {
            self.counts.skipped_ticks += surplus.unsigned_abs();
            self.last = Some(UnixNanos(skipped.0 - context.ticks.interval()));
            return Some(skipped);
        }
        Some(next)
    }

    /// One evaluation of the timeline.
    fn step(&mut self, at: UnixNanos, context: &Context<'_>) {
        self.last = Some(at);
        if !self.is_known(at, context.query_offset) {
            self.health = Health::Unknown;
            return;
        }
        let began = Instant::now();
        self.counts.evaluations += 1;
        let outcome = self.query(at, context.query_offset).and_then(|samples| self.take(samples, at, context));
        self.took = began.elapsed();
        match outcome {
            Ok(is_empty) => {
                self.health = Health::Ok;
                self.is_quiet = is_empty && self.is_monotone && self.has_leaves() && self.alerts.is_empty() && at >= self.loud_until;
            }
            Err(error) => {
                self.counts.failures += 1;
                self.health = Health::Err(error);
                self.is_quiet = false;
            }
        }
    }

    /// What the samples of an evaluation mean: true if there is none.
    fn take(&mut self, samples: Vec<Sample>, at: UnixNanos, context: &Context<'_>) -> Result<bool, String> {
        let is_empty = samples.is_empty();
        if !self.is_alerting() {
            self.recorded = self.record(samples, context.limit)?;
            return Ok(is_empty);
        }
        let found = self.found(samples, at);
        let moment = self.moment(at, context);
        let before = self.alerts.iter().filter(|alert| alert.fired_at == Some(at)).count();
        self.alerts.observe(&moment, found).map_err(|error| error.to_string())?;
        let fired = self.alerts.iter().filter(|alert| alert.fired_at == Some(at)).count();
        self.counts.fired += fired.saturating_sub(before) as u64;
        self.is_dirty |= !is_empty;
        let limit = if context.limit == 0 { ALERTS_MAX } else { context.limit };
        let active = self.alerts.active();
        if active > limit {
            self.alerts.clear();
            return Err(format!("{active} alerts, and the limit is {limit}: all of them are dropped"));
        }
        Ok(is_empty)
    }

    pub(super) fn moment(&self, at: UnixNanos, context: &Context<'_>) -> Moment {
        let (wait, keep_firing) = self.waits();
        Moment {
            at,
            now: context.now,
            wait,
            keep_firing,
            late_after: LATE_AFTER_MIN.max(context.ticks.interval()),
            hold: HOLD_MIN.max(self.range()),
            is_catching_up: context.is_catching_up,
        }
    }

    /// What the query gives at that time.
    pub(super) fn query(&self, at: UnixNanos, query_offset: i64) -> Result<Vec<Sample>, String> {
        let at = UnixNanos(at.0.saturating_sub(query_offset));
        let by_id = self.leaves.iter().map(|leaf| {
            let until = UnixNanos(at.0.saturating_sub(leaf.leaf.offset));
            let after = UnixNanos(until.0.saturating_sub(leaf.leaf.range));
            leaf.points.is_by_id().then(|| (after, until, leaf.points.window_by_id(after, until)))
        });
        let windows = RuleWindows { leaves: &self.leaves, by_id: by_id.collect() };
        match logql::evaluate(&self.rule.query, at, &windows) {
            Ok(Value::Scalar(value)) => Ok(vec![Sample { labels: LabelSet::new(), value }]),
            Ok(Value::Vector(samples)) => Ok(samples),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Samples with the rule's labels and texts.
    pub(super) fn found(&self, samples: Vec<Sample>, at: UnixNanos) -> Vec<Found> {
        let Kind::Alerting(alerting) = &self.rule.kind else { return Vec::new() };
        let found = samples.into_iter().map(|Sample { labels, value }| {
            let render = |(name, text): &(String, crate::rules::template::Template)| (name.clone(), text.render(&labels, value, at));
            let annotations = alerting.annotations.iter().map(render).collect();
            let own = self.rule.labels.iter().map(render).chain([("alertname".to_owned(), self.rule.name.clone())]);
            let all = labels.without(|name| name == "__name__").with(own);
            // To Prometheus and Alertmanager an empty label is none.
            let labels = all.iter().filter(|(_, value)| !value.is_empty()).collect();
            Found { labels, annotations, value }
        });
        found.collect()
    }

    fn record(&self, samples: Vec<Sample>, limit: usize) -> Result<Vec<Sample>, String> {
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
    pub(super) fn is_known(&self, at: UnixNanos, query_offset: i64) -> bool {
        self.is_monotone
            || self.leaves.iter().all(|leaf| {
                let until = at.0.saturating_sub(query_offset).saturating_sub(leaf.leaf.offset);
                until.saturating_sub(leaf.leaf.range) >= self.seen_from.0 && until <= self.seen_until.0
            })
    }

    pub(super) fn prune(&mut self, now: UnixNanos, late: i64, query_offset: i64) {
        let lead = self.waits().0.min(late);
        let arrival = UnixNanos(now.0.saturating_sub(late));
        for leaf in &mut self.leaves {
            let looks_back = leaf.leaf.range.saturating_add(leaf.leaf.offset.max(0)).saturating_add(query_offset).saturating_add(lead);
            leaf.points.prune(UnixNanos(now.0.saturating_sub(looks_back)), arrival);
        }
        self.alerts.forget(UnixNanos(now.0.saturating_sub(self.range()).saturating_sub(lead).saturating_sub(late)));
    }

    pub(super) fn give_up(&mut self, bytes: usize) -> usize {
        match self.leaves.iter_mut().max_by_key(|leaf| leaf.points.bytes()) {
            Some(leaf) => leaf.points.give_up(bytes),
            None => 0,
        }
    }

    pub(super) fn notifications(&mut self, now: UnixNanos, interval: i64, options: &Options) -> Vec<Notification> {
        if self.alerts.is_empty() {
            return Vec::new();
        }
        let url = format!("{}/graph?g0.expr={}&g0.tab=1", options.external_url, gotmpl::url_encode(&self.rule.expr));
        let mut due = self.alerts.notifications(now, interval, options.resend_delay, &url);
        self.is_dirty |= !due.is_empty();
        if !options.external_labels.is_empty() {
            for notification in &mut due {
                notification.labels = options.external_labels.with(notification.labels.iter());
            }
        }
        due
    }

    pub(super) fn next_due(&self, ticks: Ticks, is_catching_up: bool, resend_delay: i64) -> Option<UnixNanos> {
        let resend = self.alerts.next_due(resend_delay);
        if !self.is_monotone && is_catching_up {
            return resend;
        }
        let tick = match self.last {
            _ if self.is_quiet => None,
            None => Some(UnixNanos(i64::MIN)),
            Some(last) => Some(ticks.after(last)),
        };
        tick.into_iter().chain(self.agenda.first().copied()).chain(resend).min()
    }

    pub(super) fn end_watch(&mut self, end: UnixNanos) {
        self.seen_until = end;
    }

    pub(super) fn assume_all_seen(&mut self) {
        self.seen_from = UnixNanos(i64::MIN);
    }

    /// Takes back what was saved.
    pub(super) fn restore(&mut self, record: Record) {
        match record {
            Record::Rule { seen_from, .. } => self.seen_from = seen_from,
            Record::Evaluated { at, waiting, .. } => {
                self.last = Some(at);
                self.agenda = waiting.into_iter().collect();
            }
            Record::Point { leaf, labels, point, mark, .. } => {
                if let Some(leaf) = self.leaves.get_mut(leaf as usize) {
                    leaf.points.insert(&labels, point, mark, None);
                }
            }
            Record::Alert { labels, alert, .. } => self.alerts.restore(labels, alert.map(|alert| *alert)),
            Record::Episode { episode, .. } => self.alerts.restore_episode(episode),
        }
    }

    /// All that was saved is back: goes on from now.
    pub(super) fn resume(&mut self, now: UnixNanos, ticks: Ticks, restore: Restore) {
        // Its first evaluation says whether there is anything.
        self.is_quiet = false;
        self.is_dirty = true;
        let Some(last) = self.last else { return };
        // What happened meanwhile comes late: its alerts must not be taken for ended by the ticks that were missed. A rule without
        // alerts goes on where it was, and so does one that speaks of what is absent, once the sources have caught up.
        if restore == Restore::Restart && self.is_monotone && !self.alerts.is_empty() && last < now {
            let newest = ticks.up_to(now).max(last);
            self.counts.skipped_ticks += (newest.0.saturating_sub(last.0) / ticks.interval()).unsigned_abs();
            self.last = Some(newest);
        }
    }

    pub(super) fn snapshot(&self, records: &mut Vec<Record>) {
        let rule = self.id;
        records.push(Record::Rule { rule, seen_from: self.seen_from });
        for (number, leaf) in self.leaves.iter().enumerate() {
            let points = leaf.points.iter();
            records.extend(points.map(|(labels, point, mark)| Record::Point { rule, leaf: number as u32, labels: labels.clone(), point, mark }));
        }
        let alerts = self.alerts.iter();
        records.extend(alerts.map(|alert| Record::Alert { rule, labels: alert.labels.clone(), alert: Some(Box::new(alert.clone())) }));
        records.extend(self.alerts.episodes().map(|episode| Record::Episode { rule, episode: episode.clone() }));
        records.extend(self.evaluated());
    }

    pub(super) fn journal(&mut self, records: &mut Vec<Record>) {
        if !std::mem::take(&mut self.is_dirty) && !self.alerts.has_changes() {
            return;
        }
        let rule = self.id;
        let (alerts, episodes) = self.alerts.take_changes();
        records.extend(alerts.into_iter().map(|(labels, alert)| Record::Alert { rule, labels, alert: alert.map(Box::new) }));
        records.extend(episodes.into_iter().map(|episode| Record::Episode { rule, episode }));
        records.extend(self.evaluated());
    }

    fn evaluated(&self) -> Option<Record> {
        let waiting: Vec<UnixNanos> = self.agenda.iter().copied().collect();
        match self.last {
            Some(at) => Some(Record::Evaluated { rule: self.id, at, waiting }),
            None if waiting.is_empty() => None,
            None => Some(Record::Evaluated { rule: self.id, at: UnixNanos(i64::MIN), waiting }),
        }
    }

    /// `for` and `keep_firing_for`, nanoseconds.
    pub(super) fn waits(&self) -> (i64, i64) {
        match &self.rule.kind {
            Kind::Alerting(alerting) => (alerting.wait.nanos(), alerting.keep_firing.nanos()),
            Kind::Recording => (0, 0),
        }
    }

    /// The longest that any leaf looks back, nanoseconds.
    pub(super) fn range(&self) -> i64 {
        self.leaves.iter().map(|leaf| leaf.leaf.range).max().unwrap_or(0)
    }

    /// The times between both at which events change it.
    pub(super) fn event_times(&self, from: UnixNanos, to: UnixNanos, query_offset: i64) -> BTreeSet<UnixNanos> {
        let times = self.leaves.iter().flat_map(|leaf| {
            let shift = leaf.leaf.offset.saturating_add(query_offset);
            let (from, to) = (UnixNanos(from.0.saturating_sub(shift).saturating_sub(1)), UnixNanos(to.0.saturating_sub(shift)));
            leaf.points.times(from, to).map(move |time| UnixNanos(time.0.saturating_add(shift)))
        });
        times.collect()
    }

    pub(super) fn adopt(&mut self, alert: Alert, ended: Option<UnixNanos>, moment: &Moment) {
        self.is_quiet = false;
        self.is_dirty = true;
        self.counts.fired += u64::from(self.alerts.adopt(alert, ended, moment));
    }

    pub(super) fn failed(&mut self, error: String) {
        self.counts.failures += 1;
        self.health = Health::Err(error);
    }

    fn is_alerting(&self) -> bool {
        matches!(self.rule.kind, Kind::Alerting(_))
    }

    /// Whether it reads anything.
    pub fn has_leaves(&self) -> bool {
        !self.leaves.is_empty()
    }

    /// Whether more events can only make it true.
    pub fn is_monotone(&self) -> bool {
        self.is_monotone
    }

    /// What makes it the same rule after a restart.
    pub fn id(&self) -> RuleId {
        self.id
    }

    /// As it was read.
    pub fn rule(&self) -> &Arc<file::Rule> {
        &self.rule
    }

    /// Its query.
    pub fn query_ast(&self) -> &MetricQuery {
        &self.rule.query
    }

    /// Its alerts.
    pub fn alerts(&self) -> &Alerts {
        &self.alerts
    }

    /// What a recording rule gave last.
    pub fn recorded(&self) -> &[Sample] {
        &self.recorded
    }

    /// What its query gives at that time, of the points that it has; its state stays as it is.
    pub fn evaluate(&self, at: UnixNanos) -> Result<Vec<Sample>, String> {
        self.query(at, 0)
    }

    /// How the last evaluation went.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// The last line that passed its filters with an error, if there was one.
    pub fn failed_line(&self) -> Option<&PipelineError> {
        self.failed_line.as_ref()
    }

    /// The last time that was evaluated.
    pub fn last_evaluation(&self) -> Option<UnixNanos> {
        self.last
    }

    /// How long the last evaluation took.
    pub fn evaluation_took(&self) -> Duration {
        self.took
    }

    /// What it has counted.
    pub fn counts(&self) -> RuleCounts {
        self.counts
    }

    /// What its points take in memory.
    pub fn bytes(&self) -> usize {
        self.leaves.iter().map(|leaf| leaf.points.bytes()).sum()
    }

    /// How many points its leaves have.
    pub fn points(&self) -> usize {
        self.leaves.iter().map(|leaf| leaf.points.len()).sum()
    }

    /// The lines in the windows of an alert at that time that are newer than `after`, if lines are kept: those of the series that
    /// agree with its labels.
    pub fn causes(&self, alert: &Alert, after: UnixNanos, at: UnixNanos, query_offset: i64) -> Vec<Arc<KeptLine>> {
        let own = |name: &str| self.rule.labels.iter().any(|(own, _)| own == name);
        let agrees = |series: &LabelSet| {
            series.iter().all(|(name, value)| own(name) || alert.labels.get(name).is_none_or(|known| known == value))
        };
        let mut lines = Vec::new();
        for leaf in self.leaves.iter().filter(|leaf| !leaf.leaf.is_absence) {
            let until = UnixNanos(at.0.saturating_sub(query_offset).saturating_sub(leaf.leaf.offset));
            let from = UnixNanos(until.0.saturating_sub(leaf.leaf.range)).max(after);
            lines.extend(leaf.points.lines(from, until, agrees));
        }
        lines
    }
}

/// The points of a rule's leaves, as a query asks for them.
struct RuleWindows<'a> {
    leaves: &'a [LeafState],
    /// Of leaves that count ids: the window of the evaluation under way.
    by_id: Vec<Option<(UnixNanos, UnixNanos, Vec<(LabelSet, Vec<Point>)>)>>,
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
                Ok(series.iter().map(|(labels, points)| Series { labels, points }).collect())
            }
            _ => Ok(state.points.window(after, until)),
        }
    }
}
