//! All rules, as events arrive: entries in, alerts out. No I/O and no clock.
//!
//! [`Engine::offer`] hands an entry to the leaves that select its stream (decided once a stream); what they count is kept by the
//! rule. [`Engine::advance`] evaluates what that changed: each rule at the times of its events and at the ticks of its group, in
//! the order of time, and an event older than that at its own time on a copy (`late`). A rule that nothing happened to costs
//! nothing. [`Engine::notifications`] then says what to tell, and [`Engine::take_journal`] what must be saved first.
//!
//! After a restart the sources send what they kept. Until then nothing ends for lack of events, and rules that speak of what is
//! absent or few are not evaluated: for a minute, and as long as entries arrive that are older than half a minute, at most for an
//! hour. What such rules find in the time that was missed they find after that. Before it has seen the whole of its window
//! since the first start, or since it was added, such a rule is unknown.

use std::collections::HashMap;
use std::sync::Arc;

use proto::time::UnixNanos;
use twox_hash::XxHash3_64;

use super::alert::{Alert, Episode, Notification, Phase};
use super::file::Group;
use super::journal::{Record, RuleId};
use super::leaf::{KeptLine, Mark};
use super::timeline::Ticks;
use crate::entry::Entry;
use crate::labels::LabelSet;
use crate::logql::{Extracted, LineCache, Point};

mod event_id;
mod late;
mod plans;
mod rule;
#[cfg(test)]
mod tests;

use plans::Plans;
pub use rule::{Health, RuleState};

/// Nanoseconds of a second.
const SECOND: i64 = 1_000_000_000;
/// What is dated further ahead of its arrival is not taken.
const FUTURE_MAX: i64 = 3600 * SECOND;
/// An entry that is older than this when it arrives says that its source is still catching up.
const CAUGHT_UP: i64 = 30 * SECOND;
/// Longest time that a restart waits for sources that are catching up.
const CATCH_UP_MAX: i64 = 3600 * SECOND;
/// How often old points are dropped.
const PRUNE_EVERY: i64 = 10 * SECOND;

/// What all rules have in common.
#[derive(Clone, Debug)]
pub struct Options {
    /// Time between ticks of groups that do not say it, nanoseconds.
    pub interval: i64,
    /// Before this a firing alert is not told again, nanoseconds.
    pub resend_delay: i64,
    /// Points are kept at least so long from their arrival, so that a late event meets them, nanoseconds.
    pub late: i64,
    /// Events dated so far ahead are evaluated at once, nanoseconds; those further ahead when it is their time.
    pub ahead: i64,
    /// After a restart, time for the sources to begin sending what they kept, nanoseconds.
    pub catch_up: i64,
    /// Most bytes of points; beyond that the oldest of the leaf that has most are given up.
    pub points_bytes: usize,
    /// On every alert that is told.
    pub external_labels: LabelSet,
    /// Where this program can be seen, without a slash at its end.
    pub external_url: String,
    /// Lines are kept beside the points: only for a replay.
    pub keeps_lines: bool,
    /// What happens is journaled, for [`Engine::take_journal`].
    pub is_journaled: bool,
    /// Ticks of all groups begin there, as unit tests expect it; else each group has its own offset.
    pub ticks_from: Option<UnixNanos>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            interval: 60 * SECOND,
            resend_delay: 60 * SECOND,
            late: 3600 * SECOND,
            ahead: 10 * SECOND,
            catch_up: 60 * SECOND,
            points_bytes: 64 << 20,
            external_labels: LabelSet::new(),
            external_url: String::new(),
            keeps_lines: false,
            is_journaled: false,
            ticks_from: None,
        }
    }
}

/// Why records are put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restore {
    /// The program was not running: sources have kept what happened meanwhile.
    Restart,
    /// Rules were read anew; nothing was missed.
    Reload,
}

/// What the engine has done, and what it could not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Entries that were offered.
    pub entries: u64,
    /// Points that rules have counted.
    pub points: u64,
    /// Points that were there already: the entry was sent twice, or its id was.
    pub repeated: u64,
    /// Entries dated more than an hour ahead, which were not taken.
    pub from_the_future: u64,
    /// Points given up because there were too many bytes of them.
    pub given_up: u64,
}

/// A group and its rules.
#[derive(Debug)]
pub struct GroupState {
    /// As it was read.
    pub group: Group,
    /// When it is evaluated.
    pub ticks: Ticks,
    /// Beside those of the group.
    pub rules: Vec<RuleState>,
}

/// What became of the alerts of one rule.
#[derive(Clone, Debug)]
pub struct Changes {
    /// Which group.
    pub group: usize,
    /// Which of its rules.
    pub rule: usize,
    /// By labels; none is gone.
    pub alerts: Vec<(LabelSet, Option<Alert>)>,
    /// Times in which an alert fired, and that are over.
    pub episodes: Vec<Episode>,
}

/// All rules and what they have counted.
#[derive(Debug)]
pub struct Engine {
    options: Options,
    groups: Vec<GroupState>,
    plans: Plans,
    cache: LineCache,
    counts: Counts,
    journal: Vec<Record>,
    now: UnixNanos,
    /// Sources are still sending what they kept: since when, and until when at least.
    catching_up: Option<(UnixNanos, UnixNanos)>,
    pruned: UnixNanos,
}

/// What rules need to know of the engine while they are evaluated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    options: &'a Options,
    now: UnixNanos,
    is_catching_up: bool,
    ticks: Ticks,
    query_offset: i64,
    limit: usize,
}

impl Engine {
    /// An engine that begins to watch at `now`: what happened before it has not seen.
    pub fn new(groups: Vec<Group>, options: Options, now: UnixNanos) -> Self {
        let groups = groups.into_iter().map(|group| {
            let interval = group.interval.map_or(options.interval, super::duration::RuleDuration::nanos);
            let ticks = match options.ticks_from {
                Some(start) => Ticks::since(start, interval),
                None => Ticks::new(&group.file, &group.name, interval),
            };
            let ids = RuleId::of_group(&group);
            let rules = group.rules.iter().zip(ids).map(|(rule, id)| RuleState::new(id, Arc::clone(rule), now));
            let rules = rules.collect();
            GroupState { group, ticks, rules }
        });
        let mut engine = Self {
            groups: groups.collect(),
            options,
            plans: Plans::default(),
            cache: LineCache::default(),
            counts: Counts::default(),
            journal: Vec::new(),
            now,
            catching_up: None,
            pruned: now,
        };
        if engine.options.is_journaled {
            let known = engine.rules().map(|rule| Record::Rule { rule: rule.id(), seen_from: now });
            engine.journal = known.collect();
        }
        engine
    }

    /// Puts back what was saved. What belongs to no rule is left out.
    pub fn restore(&mut self, records: Vec<Record>, now: UnixNanos, restore: Restore) {
        let places: HashMap<RuleId, (usize, usize)> = self.places().map(|(place, rule)| (rule.id(), place)).collect();
        for record in records {
            let Some(&(group, rule)) = places.get(&record.rule()) else { continue };
            self.groups[group].rules[rule].restore(record);
        }
        self.now = now;
        if restore == Restore::Restart {
            self.catching_up = Some((now, UnixNanos(now.0.saturating_add(self.options.catch_up))));
        }
        for group in &mut self.groups {
            let (ticks, query_offset) = (group.ticks, group.group.query_offset.nanos());
            for rule in &mut group.rules {
                rule.resume(now, ticks, restore);
                rule.prune(now, self.options.late, query_offset);
            }
        }
    }

    /// Everything that there is to save, to begin a journal anew.
    pub fn snapshot(&self) -> Vec<Record> {
        let mut records = Vec::new();
        for rule in self.rules() {
            rule.snapshot(&mut records);
        }
        records
    }

    /// What happened since this was last asked, to be saved before anything is told or acknowledged.
    pub fn take_journal(&mut self) -> Vec<Record> {
        let mut journal = std::mem::take(&mut self.journal);
        if self.options.is_journaled {
            for rule in self.groups.iter_mut().flat_map(|group| &mut group.rules) {
                rule.journal(&mut journal);
            }
        }
        journal
    }

    /// Hands an entry to the rules. `arrival` is the time now. Nothing is evaluated before [`Self::advance`].
    pub fn offer(&mut self, stream: &LabelSet, entry: Entry<'_>, arrival: UnixNanos) {
        self.offer_all(stream, [entry], arrival);
    }

    /// The same with several entries of one stream.
    pub fn offer_all<'a>(&mut self, stream: &LabelSet, entries: impl IntoIterator<Item = Entry<'a>>, arrival: UnixNanos) {
        let Self { plans, groups, cache, counts, catching_up, options, journal, .. } = self;
        let plan = plans.of(stream, groups);
        for entry in entries {
            counts.entries += 1;
            if entry.time.0.saturating_sub(arrival.0) > FUTURE_MAX {
                counts.from_the_future += 1;
                continue;
            }
            if let Some((since, until)) = catching_up
                && arrival.0.saturating_sub(entry.time.0) > CAUGHT_UP
            {
                let longest = since.0.saturating_add(CATCH_UP_MAX);
                until.0 = until.0.max(arrival.0.saturating_add(CAUGHT_UP)).min(longest);
            }
            let mut hash = None;
            let mut kept = None;
            plan.extract(stream, entry, cache, |target, extracted, cache| {
                let group = &mut groups[target.group];
                let rule = &mut group.rules[target.rule];
                let (labels, value) = match extracted {
                    Extracted::Nothing => return,
                    Extracted::Failed(error) => return rule.line_failed(&error),
                    Extracted::Point(labels, value) => (labels, value),
                };
                let id = rule.event_id(stream, entry, cache);
                let hash = id.unwrap_or_else(|| *hash.get_or_insert_with(|| entry_hash(stream, entry)));
                let point = Point { time: entry.time, value };
                let mark = Mark { hash, arrival };
                let line = options.keeps_lines.then(|| {
                    let line = || Arc::new(KeptLine { time: entry.time, stream: stream.clone(), line: entry.line.to_owned() });
                    Arc::clone(kept.get_or_insert_with(line))
                });
                if rule.insert(target.leaf, &labels, point, mark, line, group.group.query_offset.nanos()) {
                    counts.points += 1;
                    if options.is_journaled {
                        journal.push(Record::Point { rule: rule.id(), leaf: target.leaf as u32, labels, point, mark });
                    }
                } else {
                    counts.repeated += 1;
                }
            });
        }
    }

    /// Evaluates what was offered, and the ticks up to now.
    pub fn advance(&mut self, now: UnixNanos) {
        self.now = self.now.max(now);
        let now = self.now;
        if self.catching_up.is_some_and(|(_, until)| now >= until) {
            self.catching_up = None;
        }
        let is_catching_up = self.catching_up.is_some();
        for group in &mut self.groups {
            let context = Context {
                options: &self.options,
                now,
                is_catching_up,
                ticks: group.ticks,
                query_offset: group.group.query_offset.nanos(),
                limit: group.group.limit,
            };
            for rule in &mut group.rules {
                rule.advance(&context);
            }
        }
        if now.0.saturating_sub(self.pruned.0) >= PRUNE_EVERY {
            self.pruned = now;
            for group in &mut self.groups {
                for rule in &mut group.rules {
                    rule.prune(now, self.options.late, group.group.query_offset.nanos());
                }
            }
        }
        self.give_up();
    }

    /// Keeps the points within their bytes.
    fn give_up(&mut self) {
        let mut bytes = self.bytes();
        while bytes > self.options.points_bytes {
            let rules = self.groups.iter_mut().flat_map(|group| &mut group.rules);
            let Some(rule) = rules.max_by_key(|rule| rule.bytes()) else { return };
            let surplus = bytes - self.options.points_bytes;
            let given_up = rule.give_up(surplus.max(rule.bytes() / 16));
            self.counts.given_up += given_up as u64;
            let left = self.bytes();
            if left >= bytes {
                return;
            }
            bytes = left;
        }
    }

    /// What is to be told now; it is taken for told.
    pub fn notifications(&mut self) -> Vec<Notification> {
        let (now, options) = (self.now, &self.options);
        let mut due = Vec::new();
        for group in &mut self.groups {
            let interval = group.ticks.interval();
            for rule in &mut group.rules {
                due.extend(rule.notifications(now, interval, options));
            }
        }
        due
    }

    /// The clock was set to that time, or stood still while the machine slept. Events are evaluated at their own times as ever; but
    /// ticks go on from now, also where the clock went back, and what rules that speak of the absent would speak of was not seen.
    pub fn clock_jumped(&mut self, now: UnixNanos) {
        self.now = now;
        self.pruned = self.pruned.min(now);
        if let Some((since, until)) = &mut self.catching_up {
            *since = (*since).min(now);
            until.0 = until.0.min(now.0.saturating_add(self.options.catch_up));
        }
        for rule in self.groups.iter_mut().flat_map(|group| &mut group.rules) {
            rule.clock_jumped(now);
            if self.options.is_journaled {
                self.journal.push(Record::Rule { rule: rule.id(), seen_from: rule.seen_from() });
            }
        }
    }

    /// What became of alerts since this was last asked, instead of a journal: by the places of group and rule, each alert that
    /// changed (none: it is gone), and the times in which others fired.
    pub fn take_changes(&mut self) -> Vec<Changes> {
        let mut changes = Vec::new();
        for (group, state) in self.groups.iter_mut().enumerate() {
            for (rule, state) in state.rules.iter_mut().enumerate().filter(|(_, rule)| rule.alerts().has_changes()) {
                let (alerts, episodes) = state.take_changes();
                changes.push(Changes { group, rule, alerts, episodes });
            }
        }
        changes
    }

    /// When [`Self::advance`] has something to do next, if nothing is offered before.
    pub fn next_due(&self) -> Option<UnixNanos> {
        let caught_up = self.catching_up.map(|(_, until)| until);
        let is_catching_up = caught_up.is_some();
        let rules = self.groups.iter().flat_map(|group| group.rules.iter().map(|rule| (group.ticks, rule)));
        let due = rules.filter_map(|(ticks, rule)| rule.next_due(ticks, is_catching_up));
        due.chain(caught_up).min()
    }

    /// Whether sources are still sending what they kept while the program did not run.
    pub fn is_catching_up(&self) -> bool {
        self.catching_up.is_some()
    }

    /// Nothing was seen after that time: what is absent then is not known to be.
    pub fn end_watch(&mut self, end: UnixNanos) {
        self.groups.iter_mut().flat_map(|group| &mut group.rules).for_each(|rule| rule.end_watch(end));
    }

    /// Everything before the start counts as seen and empty: what unit tests take for granted.
    pub fn assume_all_seen(&mut self) {
        self.groups.iter_mut().flat_map(|group| &mut group.rules).for_each(RuleState::assume_all_seen);
    }

    /// The groups, for whoever shows them.
    pub fn groups(&self) -> &[GroupState] {
        &self.groups
    }

    /// All rules.
    pub fn rules(&self) -> impl Iterator<Item = &RuleState> {
        self.groups.iter().flat_map(|group| &group.rules)
    }

    fn places(&self) -> impl Iterator<Item = ((usize, usize), &RuleState)> {
        let groups = self.groups.iter().enumerate();
        groups.flat_map(|(group, state)| state.rules.iter().enumerate().map(move |(rule, state)| ((group, rule), state)))
    }

    /// Whether an alert is pending or firing that time will end by itself.
    pub fn has_alerts_that_end(&self) -> bool {
        self.rules().any(|rule| rule.is_monotone() && rule.has_leaves() && rule.alerts().phase() != Phase::Inactive)
    }

    /// What it has done.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// What all points take in memory.
    pub fn bytes(&self) -> usize {
        self.rules().map(RuleState::bytes).sum()
    }

    /// The latest time that it was advanced to.
    pub fn now(&self) -> UnixNanos {
        self.now
    }
}

/// What tells one entry from another: its stream, time, line and metadata.
fn entry_hash(stream: &LabelSet, entry: Entry<'_>) -> u64 {
    let mut hasher = XxHash3_64::default();
    let mut text = |text: &str| {
        use std::hash::Hasher as _;
        hasher.write(text.as_bytes());
        hasher.write_u8(0xff);
    };
    stream.iter().chain(entry.metadata.iter().map(|(name, value)| (name.as_str(), value.as_str()))).for_each(|(name, value)| {
        text(name);
        text(value);
    });
    text(entry.line);
    std::hash::Hasher::write_i64(&mut hasher, entry.time.0);
    std::hash::Hasher::finish(&hasher)
}
