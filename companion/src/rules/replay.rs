//! Rules over past logs: would this have fired last month? The lines of several logs go in the order of their times through the
//! engine, whose clock is the lines' own; each alert comes out once it is over, with the lines that caused it.
//!
//! At the end the alerts that time alone would end are let end; what is absent after the last line is not taken for silent.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io::{self, Write};
use std::sync::Arc;

use proto::time::UnixNanos;
use record::time::format_rfc3339;
use serde::Serialize;

use super::alert::{Alert, Phase};
use super::engine::{Changes, Engine, Options};
use super::file::Group;
use super::leaf::KeptLine;
use crate::entry::Entry;
use crate::labels::LabelSet;

mod source;
#[cfg(test)]
mod tests;

pub use source::Source;

/// Most lines that are shown for one alert.
pub const EVENTS_MAX: usize = 1000;
/// Nobody waits longer than this, in the time of the log, for alerts to end.
const END_MAX: i64 = 32 * 86_400 * 1_000_000_000;

/// An alert, as the JSON output has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AlertReport {
    /// The rule's name.
    pub alert: String,
    /// All of them.
    pub labels: BTreeMap<String, String>,
    /// RFC 3339.
    pub starts_at: String,
    /// RFC 3339; nothing if it has not ended.
    pub ends_at: Option<String>,
    /// The sample's, when it was seen last.
    pub value: f64,
    /// The lines that caused it, at most [`EVENTS_MAX`], the oldest first.
    pub events: Vec<EventReport>,
    /// What it says.
    #[serde(skip)]
    pub annotations: BTreeMap<String, String>,
}

/// A line that caused an alert.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventReport {
    /// RFC 3339.
    pub ts: String,
    /// Of its stream.
    pub labels: BTreeMap<String, String>,
    /// The line.
    pub line: String,
}

/// What a replay has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Lines that were read.
    pub lines: u64,
    /// Lines that do not say when they happened; they were taken for as old as the line before.
    pub without_time: u64,
    /// Lines that were too long to be read.
    pub too_long: u64,
    /// Alerts that fired.
    pub alerts: u64,
    /// Lines that passed the filters of a rule with an error in them.
    pub failed_lines: u64,
}

/// How people or programs want to read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// In words.
    Text,
    /// One object a line.
    Json,
}

/// How far the clock goes at once while there are lines, nanoseconds.
const STEP: i64 = 1_000_000_000;
/// Most lines that are read before they are evaluated.
const LINES_TOGETHER: usize = 1_000;
/// How often the lines of alerts that go on are collected, in the time of the log; the engine keeps them for longer.
const COLLECT_EVERY: i64 = 1_800_000_000_000;

/// The options of an engine for a replay.
pub fn engine_options() -> Options {
    Options { keeps_lines: true, ahead: 0, resend_delay: i64::MAX / 4, points_bytes: 1 << 30, ..Options::default() }
}

/// Replays logs through rules and writes each alert.
pub fn write(groups: Vec<Group>, sources: Vec<Source>, output: Output, out: &mut dyn Write) -> io::Result<Summary> {
    run(groups, sources, &mut |report| match output {
        Output::Json => writeln!(out, "{}", serde_json::to_string(&report)?),
        Output::Text => write_text(&report, out),
    })
}

/// Replays logs through rules and hands over each alert when it is over.
pub fn run(groups: Vec<Group>, sources: Vec<Source>, each: &mut dyn FnMut(AlertReport) -> io::Result<()>) -> io::Result<Summary> {
    let mut merged = Merged::new(sources)?;
    let mut summary = Summary::default();
    let Some(start) = merged.next_time() else { return Ok(summary) };
    let mut replay =
        Replay { engine: Engine::new(groups, engine_options(), start), open: BTreeMap::new(), collected: start, each };
    let mut end = start;
    while let Some(first) = merged.next_time() {
        replay.up_to(first, &mut summary)?;
        // Each line is evaluated at its own time, so the clock may go in small steps, from one tick to the next at most.
        let until = UnixNanos(first.0.saturating_add(STEP)).min(replay.due().unwrap_or(UnixNanos(i64::MAX)).max(first));
        for _ in 0..LINES_TOGETHER {
            let Some(time) = merged.next_time().filter(|time| *time <= until) else { break };
            let arrival = time.max(replay.engine.now());
            merged.take(|stream, entry| {
                summary.lines += 1;
                replay.engine.offer(stream, entry, arrival);
            })?;
            end = end.max(time);
        }
        replay.step(end, &mut summary)?;
    }
    replay.engine.end_watch(end);
    let last = UnixNanos(end.0.saturating_add(END_MAX));
    while let Some(due) = replay.due().filter(|due| *due <= last)
        && replay.engine.has_alerts_that_end()
    {
        replay.step(due, &mut summary)?;
    }
    replay.close()?;
    (summary.without_time, summary.too_long) = merged.lost();
    summary.failed_lines = replay.engine.rules().map(|rule| rule.counts().failed_lines).sum();
    Ok(summary)
}

struct Replay<'a> {
    engine: Engine,
    /// Alerts that fire, by the places of group and rule, and labels.
    open: BTreeMap<(usize, usize, LabelSet), Open>,
    /// When lines were last collected.
    collected: UnixNanos,
    each: &'a mut dyn FnMut(AlertReport) -> io::Result<()>,
}

/// An alert that fires, as it was when it began.
struct Open {
    alert: Alert,
    lines: Vec<Arc<KeptLine>>,
    /// Lines up to then are there.
    collected: Option<UnixNanos>,
}

impl Replay<'_> {
    /// When the engine has something to do by itself.
    fn due(&self) -> Option<UnixNanos> {
        self.engine.next_due().map(|due| due.max(self.engine.now()))
    }

    /// Everything that happens before that time without an entry.
    fn up_to(&mut self, time: UnixNanos, summary: &mut Summary) -> io::Result<()> {
        while let Some(due) = self.due().filter(|due| *due < time) {
            self.step(due, summary)?;
            // What did not go away by being done is not due.
            if self.due() == Some(due) {
                break;
            }
        }
        Ok(())
    }

    fn step(&mut self, time: UnixNanos, summary: &mut Summary) -> io::Result<()> {
        self.engine.advance(time);
        self.engine.notifications();
        for Changes { group, rule, alerts, episodes } in self.engine.take_changes() {
            for (labels, alert) in alerts {
                let key = (group, rule, labels);
                let firing = alert.as_ref().filter(|alert| alert.phase == Phase::Firing);
                if let Some(open) = self.open.get(&key)
                    && firing.is_none_or(|firing| firing.fired_at != open.alert.fired_at)
                {
                    let mut own = episodes.iter().filter(|episode| episode.labels == key.2);
                    let mut episode = || own.find(|episode| Some(episode.from) == open.alert.fired_at);
                    let resolved_at = alert.as_ref().and_then(|alert| alert.resolved_at);
                    let ends_at = resolved_at.or_else(|| Some(episode()?.until));
                    self.end(&key, alert.as_ref().filter(|_| firing.is_none()), Some(ends_at.unwrap_or(time)))?;
                }
                if let Some(firing) = firing
                    && !self.open.contains_key(&key)
                {
                    summary.alerts += 1;
                    let mut open = Open { alert: firing.clone(), lines: Vec::new(), collected: None };
                    collect(&self.engine, (group, rule), &mut open, firing.seen_at);
                    self.open.insert(key, open);
                }
            }
        }
        if time.0.saturating_sub(self.collected.0) >= COLLECT_EVERY {
            self.collected = time;
            for ((group, rule, labels), open) in &mut self.open {
                let alert = self.engine.groups()[*group].rules[*rule].alerts().get(labels);
                if let Some(seen_at) = alert.map(|alert| alert.seen_at) {
                    collect(&self.engine, (*group, *rule), open, seen_at);
                }
            }
        }
        Ok(())
    }

    /// Hands over an alert that is over, or that the end of the log leaves; `last` is how it was in the end, where that is known.
    fn end(&mut self, key: &(usize, usize, LabelSet), last: Option<&Alert>, ends_at: Option<UnixNanos>) -> io::Result<()> {
        let Some(mut open) = self.open.remove(key) else { return Ok(()) };
        if let Some(last) = last {
            collect(&self.engine, (key.0, key.1), &mut open, last.seen_at);
            open.alert = last.clone();
        }
        let name = self.engine.groups()[key.0].rules[key.1].rule().name.clone();
        (self.each)(report(name, open, ends_at))
    }

    /// What still fires at the end.
    fn close(&mut self) -> io::Result<()> {
        let keys: Vec<_> = self.open.keys().cloned().collect();
        for key in keys {
            let last = self.engine.groups()[key.0].rules[key.1].alerts().get(&key.2).cloned();
            self.end(&key, last.as_ref(), None)?;
        }
        Ok(())
    }
}

/// Takes the lines of an alert up to a time, as long as there are not too many.
fn collect(engine: &Engine, (group, rule): (usize, usize), open: &mut Open, until: UnixNanos) {
    let group = &engine.groups()[group];
    if open.lines.len() < EVENTS_MAX && open.collected.is_none_or(|collected| collected < until) {
        open.lines.extend(group.rules[rule].causes(&open.alert, open.collected, until, group.group.query_offset.nanos()));
        open.collected = Some(until);
    }
}

/// Several logs in the order of their times.
struct Merged {
    sources: Vec<Source>,
    heap: BinaryHeap<Reverse<(UnixNanos, usize)>>,
}

impl Merged {
    fn new(sources: Vec<Source>) -> io::Result<Self> {
        let mut merged = Self { sources, heap: BinaryHeap::new() };
        for number in 0..merged.sources.len() {
            merged.refill(number)?;
        }
        Ok(merged)
    }

    fn refill(&mut self, number: usize) -> io::Result<()> {
        if let Some(time) = self.sources[number].advance()? {
            self.heap.push(Reverse((time, number)));
        }
        Ok(())
    }

    fn next_time(&self) -> Option<UnixNanos> {
        self.heap.peek().map(|Reverse((time, _))| *time)
    }

    fn take(&mut self, each: impl FnOnce(&LabelSet, Entry<'_>)) -> io::Result<()> {
        let Some(Reverse((time, number))) = self.heap.pop() else { return Ok(()) };
        self.sources[number].entry(time, each);
        self.refill(number)
    }

    fn lost(&self) -> (u64, u64) {
        self.sources.iter().fold((0, 0), |sum, source| (sum.0 + source.without_time(), sum.1 + source.too_long()))
    }
}

fn report(name: String, open: Open, ends_at: Option<UnixNanos>) -> AlertReport {
    let mut lines = open.lines;
    lines.sort_by(|left, right| (left.time, &left.stream).cmp(&(right.time, &right.stream)));
    lines.dedup_by(|left, right| Arc::ptr_eq(left, right) || left == right);
    lines.truncate(EVENTS_MAX);
    let events = lines.iter().map(|line| EventReport { ts: text(line.time), labels: map(&line.stream), line: line.line.clone() });
    AlertReport {
        alert: name,
        labels: map(&open.alert.labels),
        starts_at: text(open.alert.fired_at.unwrap_or(open.alert.active_at)),
        ends_at: ends_at.map(text),
        value: open.alert.value,
        events: events.collect(),
        annotations: map(&open.alert.told_annotations()),
    }
}

fn write_text(report: &AlertReport, out: &mut dyn Write) -> io::Result<()> {
    let ends = report.ends_at.as_deref().unwrap_or("the end of the log");
    writeln!(out, "{} from {} to {ends}, value {}", report.alert, report.starts_at, report.value)?;
    let labels: LabelSet = report.labels.iter().filter(|(name, _)| *name != "alertname").collect();
    writeln!(out, "  {labels}")?;
    for (name, text) in &report.annotations {
        writeln!(out, "  {name}: {text}")?;
    }
    for event in &report.events {
        writeln!(out, "    {} {}", event.ts, event.line)?;
    }
    Ok(())
}

fn map(labels: &LabelSet) -> BTreeMap<String, String> {
    labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn text(time: UnixNanos) -> String {
    let mut text = String::new();
    format_rfc3339(time, &mut text);
    text
}
