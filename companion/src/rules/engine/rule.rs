//! One rule: what its leaves have counted, when it is to be evaluated next, and its alerts.
//!
//! Each rule has a timeline of its own, since over logs no rule reads what another one makes. An alerting rule is evaluated at
//! every event that changed a leaf, for the part of its query that the event is in, and as a whole at the ticks of its group; a
//! recording rule at the ticks. So an event costs the same however many others the windows hold, and what is over ends at a tick.
//! Between events a monotone rule that gave nothing gives nothing, so its ticks are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::time::UnixNanos;

use super::event_id::EventId;
use super::{Context, Options, late};
use crate::entry::Entry;
use crate::labels::LabelSet;
use crate::logql::{Extractor, Leaf, LineCache, Partition, PipelineError, Point, Sample};
use crate::rules::alert::{Alert, Found, Moment, Notification};
use crate::rules::alerts::{ALERTS_MAX, Alerts};
use crate::rules::file::{self, Kind};
use crate::rules::journal::RuleId;
use crate::rules::leaf::{Inserted, Keeping, KeptLine, LeafPoints, Mark};
use crate::rules::template::{Needs, Template};
use crate::rules::timeline::Ticks;

mod agenda;
mod evaluate;
mod report;
mod saved;

use agenda::Agenda;
pub(super) use agenda::Touched;

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
    /// Its query as a URL has it.
    encoded: String,
    leaves: Vec<LeafState>,
    event_id: Option<EventId>,
    is_monotone: bool,
    /// By which labels its query falls into parts.
    partition: Partition,
    /// Events that have changed it, not yet evaluated.
    agenda: Agenda,
    /// The last time that was evaluated.
    last: Option<UnixNanos>,
    /// The next tick needs no evaluation: nothing was there, and nothing came.
    is_quiet: bool,
    /// Points enter its windows up to then.
    loud_until: UnixNanos,
    alerts: Alerts,
    /// What the last evaluation of each part found, with its texts.
    found: BTreeMap<LabelSet, Vec<Found>>,
    /// How many that are.
    found_count: usize,
    /// `found` is of all parts.
    is_whole: bool,
    /// Parts whose annotations tell of an earlier value, and when they were evaluated last.
    stale: BTreeMap<LabelSet, UnixNanos>,
    /// What the texts depend on, of labels and of annotations.
    needs: (Needs, Needs),
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
            encoded: gotmpl::url_encode(&rule.expr),
            leaves: leaves.collect(),
            event_id: field.map(EventId::new),
            is_monotone: rule.query.is_monotone(),
            partition: partition(&rule),
            agenda: Agenda::default(),
            last: None,
            is_quiet: false,
            loud_until: UnixNanos(i64::MIN),
            alerts: Alerts::default(),
            found: BTreeMap::new(),
            found_count: 0,
            is_whole: false,
            stale: BTreeMap::new(),
            needs: needs(&rule),
            recorded: Vec::new(),
            seen_from: now,
            seen_until: UnixNanos(i64::MAX),
            health: Health::default(),
            failed_line: None,
            took: Duration::ZERO,
            counts: RuleCounts::default(),
            is_dirty: false,
            rule,
        }
    }

    /// The leaves that select a stream.
    pub(super) fn selecting<'a>(&'a self, stream: &'a LabelSet) -> impl Iterator<Item = usize> + 'a {
        let leaves = self.leaves.iter().enumerate();
        leaves.filter(|(_, leaf)| leaf.extractor.selects(stream)).map(|(number, _)| number)
    }

    /// What makes points of a leaf.
    pub(super) fn extractor(&self, leaf: usize) -> &Extractor {
        &self.leaves[leaf].extractor
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
        let part = self.partition.key(labels);
        let state = &mut self.leaves[leaf];
        match state.points.insert(&part, labels, point, mark, line) {
            Inserted::Again => return false,
            Inserted::Known => {
                self.is_dirty = true;
                return true;
            }
            Inserted::New => {}
        }
        let at = UnixNanos(point.time.0.saturating_add(state.leaf.offset).saturating_add(query_offset));
        self.is_dirty = true;
        // What is not evaluated at its own time the ticks have to see.
        let for_ticks = if self.is_alerting() { self.agenda.add(at, part) } else { Some(at) };
        if let Some(at) = for_ticks {
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
            && self.agenda.first().is_some_and(|first| first < last)
        {
            let late = self.agenda.take_before(last);
            late::evaluate(self, late, last, context);
        }
        let horizon = UnixNanos(context.now.0.saturating_add(context.options.ahead));
        loop {
            // An event that is dated ahead waits for the tick before it, or there would never be one.
            let tick = self.next_tick(context);
            let is_next = |event: &UnixNanos| *event <= horizon && tick.is_none_or(|tick| *event < tick || tick <= context.now);
            let event = self.agenda.first().filter(is_next);
            let tick = tick.filter(|tick| *tick <= context.now);
            let Some(at) = event.into_iter().chain(tick).min() else { break };
            let touched = self.agenda.take(at).filter(|_| tick != Some(at)).unwrap_or(Touched::Whole);
            self.step(at, touched, context);
        }
        self.freshen();
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
        if self.agenda.first().is_none_or(|event| event > skipped) {
            self.counts.skipped_ticks += surplus.unsigned_abs();
            self.last = Some(UnixNanos(skipped.0 - context.ticks.interval()));
            return Some(skipped);
        }
        Some(next)
    }

    /// One evaluation of the timeline.
    fn step(&mut self, at: UnixNanos, touched: Touched, context: &Context<'_>) {
        self.last = Some(at);
        if !self.is_known(at, context.query_offset) {
            self.health = Health::Unknown;
            return;
        }
        let began = Instant::now();
        self.counts.evaluations += 1;
        let is_whole = touched == Touched::Whole;
        let mut failed = self.evaluate_scopes(touched.scopes(), at, context);
        // A part that gives no answer keeps none of the others from giving theirs.
        if failed.is_some() && is_whole && self.is_alerting() {
            let parts = self.leaves.iter().flat_map(|leaf| leaf.points.parts()).chain(self.found.keys());
            let parts: BTreeSet<LabelSet> = parts.cloned().collect();
            failed = failed.or(self.evaluate_scopes(parts.into_iter().map(Some), at, context));
        }
        self.took = began.elapsed();
        if let Some(error) = failed {
            self.counts.failures += 1;
            self.health = Health::Err(error);
            self.is_quiet = false;
            return;
        }
        // What is wrong with the whole, a part cannot say.
        if is_whole || self.health == Health::Unknown {
            self.health = Health::Ok;
        }
        self.is_quiet = self.found_count == 0
            && (is_whole || self.is_whole)
            && self.is_monotone
            && self.has_leaves()
            && self.alerts.is_empty()
            && at >= self.loud_until;
    }

    /// Evaluates each of them. Gives the first error.
    fn evaluate_scopes(
        &mut self,
        scopes: impl IntoIterator<Item = Option<LabelSet>>,
        at: UnixNanos,
        context: &Context<'_>,
    ) -> Option<String> {
        let mut failed = None;
        for part in scopes {
            let samples = self.query(part.as_ref(), at, context.query_offset);
            let outcome = samples.and_then(|samples| self.take(part, samples, at, context));
            failed = failed.or(outcome.err());
        }
        failed
    }

    /// What the samples of an evaluation of a part, or of all of it, mean.
    fn take(&mut self, part: Option<LabelSet>, samples: Vec<Sample>, at: UnixNanos, context: &Context<'_>) -> Result<(), String> {
        if !self.is_alerting() {
            self.found_count = samples.len();
            self.recorded = self.record(samples, context.limit)?;
            return Ok(());
        }
        self.is_dirty |= !samples.is_empty();
        let moment = self.moment(at, context);
        let observed = match part {
            None => {
                self.freshen();
                let found = self.found(samples, at);
                let observed = self.alerts.observe(&moment, found.clone());
                if observed.is_ok() {
                    self.found_count = found.len();
                    self.found.clear();
                    for found in found {
                        self.found.entry(self.partition.key(&found.series)).or_default().push(found);
                    }
                    self.is_whole = true;
                }
                observed
            }
            Some(part) => {
                let found = self.found_for_event(samples, at, self.found_in(&part));
                if self.needs.1 > Needs::Labels && !found.is_empty() {
                    self.stale.insert(part.clone(), at);
                }
                let before = if found.is_empty() { self.found.remove(&part) } else { self.found.insert(part, found.clone()) };
                let before = before.unwrap_or_default();
                self.found_count = (self.found_count + found.len()).saturating_sub(before.len());
                self.alerts.observe_part(&moment, found, before)
            }
        };
        let observed = observed.map_err(|error| error.to_string())?;
        self.counts.fired += observed.fired as u64;
        let active = self.alerts.active().max(self.found_count);
        if context.limit > 0 && active > context.limit {
            self.alerts.clear();
            return Err(format!("{active} alerts, and the limit is {}: all of them are dropped", context.limit));
        }
        match observed.refused {
            0 => Ok(()),
            refused => Err(format!("{ALERTS_MAX} alerts are pending or firing, and {refused} more are not told of")),
        }
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
            most: ALERTS_MAX,
        }
    }

    pub(super) fn prune(&mut self, now: UnixNanos, late: i64, query_offset: i64) {
        let lead = self.waits().0.min(late);
        let arrival = UnixNanos(now.0.saturating_sub(late));
        for leaf in &mut self.leaves {
            let looks_back =
                leaf.leaf.range.saturating_add(leaf.leaf.offset.max(0)).saturating_add(query_offset).saturating_add(lead);
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
        let url = || format!("{}/graph?g0.expr={}&g0.tab=1", options.external_url, self.encoded);
        let mut due = self.alerts.notifications(now, interval, options.resend_delay, &url);
        self.is_dirty |= !due.is_empty();
        if !options.external_labels.is_empty() {
            for notification in &mut due {
                notification.labels = options.external_labels.with(notification.labels.iter());
            }
        }
        due
    }

    pub(super) fn next_due(&self, ticks: Ticks, is_catching_up: bool) -> Option<UnixNanos> {
        let resend = self.alerts.next_due();
        if !self.is_monotone && is_catching_up {
            return resend;
        }
        let tick = match self.last {
            _ if self.is_quiet => None,
            None => Some(UnixNanos(i64::MIN)),
            Some(last) => Some(ticks.after(last)),
        };
        tick.into_iter().chain(self.agenda.first()).chain(resend).min()
    }

    pub(super) fn clock_jumped(&mut self, now: UnixNanos) {
        if !self.is_monotone {
            self.seen_from = now;
        }
        self.last = self.last.map(|last| last.min(now));
        self.alerts.turn_back(now, HOLD_MIN.max(self.range()));
        self.is_quiet = false;
        self.is_dirty = true;
    }

    /// It has seen everything from then on.
    pub(super) fn seen_from(&self) -> UnixNanos {
        self.seen_from
    }

    pub(super) fn end_watch(&mut self, end: UnixNanos) {
        self.seen_until = end;
    }

    pub(super) fn assume_all_seen(&mut self) {
        self.seen_from = UnixNanos(i64::MIN);
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
}

/// By which labels the alerts of a rule fall into parts: the query's, but for those that the rule itself sets.
fn partition(rule: &file::Rule) -> Partition {
    let own = rule.labels.iter().map(|(name, _)| name.as_str()).chain(["alertname", "__name__"]);
    rule.query.partition().except(own)
}

/// What the templates of a rule's labels depend on, and those of its annotations.
fn needs(rule: &file::Rule) -> (Needs, Needs) {
    let annotations = match &rule.kind {
        Kind::Alerting(alerting) => alerting.annotations.as_slice(),
        Kind::Recording => &[],
    };
    let most = |texts: &[(String, Template)]| texts.iter().map(|(_, text)| text.needs()).max().unwrap_or(Needs::Labels);
    (most(&rule.labels), most(annotations))
}
