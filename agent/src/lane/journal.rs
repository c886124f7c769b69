//! Reads the journal's files into a lane's batch: all files at once, in the order in which their entries were written.
//!
//! In: the chain's open segments. Out: entries in the batch, and each file's mark, which counts its entries. A file is read from its
//! own mark to its own end, so that nothing is passed over, whatever clocks and numbers say; these only say what comes first. What
//! is not there is counted (`journal::continuity`), what is damaged is borne for a while, then stepped over and counted.

mod beginning;
mod damage;
mod source;
mod streams;
mod taking;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::labels::Labels;
use record::metadata::Metadata;

use super::chain::ChainLane;
use super::deliver;
use super::reading::{Step, Surroundings};
use super::standing::Mark;
use super::{Settings, nanos};
use crate::batch::Extent;
use crate::checkpoint::{Cursor, EntryPlace, Newest};
use crate::config::checked::JournalInput;
use crate::journal::continuity::Continuity;
use crate::journal::file::Id128;
use crate::journal::order::{Boots, compare};
use crate::journal::selection::Selections;
use crate::ledger::Fate;
use beginning::Floors;
use damage::Told;
use source::Source;
use streams::Streams;

/// What the journal may give before others have their turn.
const TURN_ENTRIES: usize = 20_000;
/// Files of which values are remembered while nothing is read.
const WARM_FILES: usize = 2;
/// By then a new file has been found, and what was written at the same time is seen.
const FOUND_AFTER: Duration = Duration::from_secs(2);
/// When all files are looked at again before that.
const LOOK_ANEW: Duration = Duration::from_millis(50);
/// Bytes of messages that it may have read meanwhile, whoever takes them.
const TURN_BYTES: usize = 4 << 20;
/// When a file whose next entry cannot be read is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The journal in a lane.
pub struct JournalLane {
    selections: Selections,
    /// By selection: the places of its own stream set and of the one for what only pretends.
    sets: Vec<(usize, usize)>,
    /// By stream set: the labels of all its streams.
    bases: Vec<Labels>,
    /// This host's ids.
    machine: Option<Id128>,
    boot: Option<Id128>,
    sources: Vec<Source>,
    streams: Streams,
    continuity: Continuity,
    boots: Boots,
    /// Positions of an earlier run in files that are gone: they tell copies, and are kept until all copies are read.
    gone: Vec<Cursor>,
    /// The last entry of each journal that stands in a file that was read to its end: what is missing behind it is known by its number.
    last: Vec<Cursor>,
    floors: Option<Floors>,
    /// The next step goes on where the last one stopped.
    is_under_way: bool,
    /// The number of an entry that seems to come too early, and since when.
    early: Option<(u64, Instant)>,
    /// In some file, what is too old was left out.
    has_begun: bool,
    /// Bytes of messages that were read in this turn.
    turn_bytes: usize,
    generation: u64,
    keys: Vec<u64>,
    metadata: Metadata,
    reasons: Reasons,
    gap: Told,
    damage: Told,
}

struct Reasons {
    old: Arc<str>,
    elsewhere: Arc<str>,
    nobody: Arc<str>,
    empty: Arc<str>,
    copied: Arc<str>,
    twice: Arc<str>,
    sequence: Arc<str>,
    damaged: Arc<str>,
    unreadable: Arc<str>,
    refused: deliver::Reasons,
}

impl Default for Reasons {
    fn default() -> Self {
        Self {
            old: "older than max_age".into(),
            elsewhere: "not for this destination".into(),
            nobody: "no selection takes it".into(),
            empty: "no message".into(),
            copied: "copied from memory".into(),
            twice: "in two files".into(),
            sequence: "journal sequence".into(),
            damaged: "damaged".into(),
            unreadable: "not a journal that can be read".into(),
            refused: deliver::Reasons::default(),
        }
    }
}

impl JournalLane {
    /// For the stream sets of a chain: `bases` has the labels of each, `sets` those of each selection.
    pub fn new(input: &JournalInput, settings: &Settings, sets: Vec<(usize, usize)>, bases: Vec<Labels>) -> Self {
        Self {
            selections: Selections::new(input),
            sets,
            bases,
            machine: settings.host.machine,
            boot: settings.host.boot,
            sources: Vec::new(),
            streams: Streams::default(),
            continuity: Continuity::default(),
            boots: Boots::default(),
            gone: Vec::new(),
            last: Vec::new(),
            floors: None,
            is_under_way: false,
            early: None,
            has_begun: false,
            turn_bytes: 0,
            generation: u64::MAX,
            keys: Vec::new(),
            metadata: Metadata::default(),
            reasons: Reasons::default(),
            gap: Told::default(),
            damage: Told::default(),
        }
    }

    /// Goes on where an earlier run had settled. `gone`: cursors of files that are not there any more.
    pub fn resume(&mut self, cursors: &[Cursor], gone: Vec<Cursor>) {
        cursors.iter().filter_map(|cursor| cursor.entry.as_ref()).for_each(|entry| self.continuity.resume(entry));
        let is_memory = |cursor: &Cursor| cursor.entry.is_some_and(|entry| entry.in_memory);
        let (memory, disk): (Vec<Cursor>, Vec<Cursor>) = gone.into_iter().partition(is_memory);
        self.gone = memory;
        for cursor in disk {
            remember(&mut self.last, cursor);
        }
    }

    /// Goes back to what the position log knows of newest times.
    pub fn set_newest(&mut self, known: &[Newest]) {
        self.streams.set_newest(known);
        self.is_under_way = false;
    }

    /// The newest times that changed since they were asked for last.
    pub fn take_newest(&mut self) -> Vec<Newest> {
        self.streams.take_newest()
    }

    /// Cursors in files that are gone or finished, which are still needed beside those of the open ones.
    pub fn further(&self, open: &[Cursor]) -> Vec<Cursor> {
        let is_covered = |last: &Cursor| {
            let is_behind = |entry: EntryPlace| {
                let same = |last: EntryPlace| (last.directory, last.sequence) == (entry.directory, entry.sequence);
                last.entry.is_some_and(|last| same(last) && last.seqnum <= entry.seqnum)
            };
            open.iter().any(|cursor| cursor.segment == last.segment || cursor.entry.is_some_and(is_behind))
        };
        self.gone.iter().chain(self.last.iter().filter(|last| !is_covered(last))).cloned().collect()
    }

    /// Bytes of a file that were not read, as far as one can tell.
    pub fn unread(&self, place: usize, len: u64) -> u64 {
        self.sources.iter().find(|source| source.place == place).map_or(0, |source| source.unread(len))
    }

    /// Reads on.
    pub fn advance(&mut self, chain: &mut ChainLane, around: &mut Surroundings<'_>) -> Step {
        if chain.parked.is(0) {
            // Whoever resumes it wakes the lane.
            chain.flush_at = None;
            return Step::Dry;
        }
        let is_where_it_was =
            |source: &Source| chain.open.get(source.place).is_some_and(|open| open.segment.number == source.number);
        let is_under_way = std::mem::take(&mut self.is_under_way) && self.generation == chain.generation;
        if !is_under_way || !self.sources.iter().all(is_where_it_was) {
            self.generation = chain.generation;
            self.bring_up(chain, around);
            if std::mem::take(&mut self.has_begun) && chain.replay.is_none() {
                // Where a first reading begins is settled before anything is read: a batch without an answer begins there too.
                self.is_under_way = true;
                return Step::Full;
            }
        }
        let mut turn = 0;
        self.turn_bytes = 0;
        while let Some((first, limit)) = self.choose(chain, around) {
            loop {
                if self.is_early(first, chain, around) {
                    return Step::Dry;
                }
                if !self.entry(first, chain, around) {
                    break;
                }
                turn += 1;
                self.look(first, chain, around);
                if around.gate.batch.is_full() && chain.replay.is_none() {
                    self.is_under_way = true;
                    return Step::Full;
                }
                if (turn >= TURN_ENTRIES || self.turn_bytes >= TURN_BYTES) && chain.replay.is_none() {
                    self.is_under_way = true;
                    return Step::More;
                }
                let Some(head) = self.sources[first].head else { break };
                // As long as no other file has an older one, it need not be looked for.
                let is_first = limit.is_none_or(|limit| {
                    let other = self.sources[limit].head;
                    other.is_none_or(|other| compare(&head, &other, &self.boots) == Ordering::Less)
                });
                if !is_first {
                    break;
                }
            }
        }
        self.at_end(chain);
        Step::Dry
    }

    /// Opens what is new, closes what is done, and looks where the others stand by now.
    fn bring_up(&mut self, chain: &mut ChainLane, around: &mut Surroundings<'_>) {
        let open = &chain.open;
        self.sources.retain(|source| open.iter().any(|open| open.segment.number == source.number && !open.done));
        for place in 0..chain.open.len() {
            if chain.open[place].done {
                continue;
            }
            let number = chain.open[place].segment.number;
            let known = self.sources.iter().position(|source| source.number == number);
            if let Some(index) = known {
                // Before anything can fail: others may have been closed.
                (self.sources[index].place, self.sources[index].head) = (place, None);
            }
            let index = match known {
                Some(index) => match self.sources[index].refresh() {
                    Ok(()) => index,
                    Err(error) => {
                        self.refuse(place, &error, chain, around);
                        continue;
                    }
                },
                None => match Source::open(&chain.open[place].segment, self.selections.wanted()) {
                    Ok(source) => {
                        self.sources.push(source);
                        let index = self.sources.len() - 1;
                        self.enter(index, place, chain, around);
                        index
                    }
                    Err(error) => {
                        self.refuse(place, &error, chain, around);
                        continue;
                    }
                },
            };
            let source = &mut self.sources[index];
            source.place = place;
            self.boots.learn_file(source.file.header());
            source.file.go_to(chain.open[place].marks[0].at);
            self.look(index, chain, around);
            if known.is_none() {
                // There may be hundreds, whose turn comes one after the other.
                self.sources[index].shrink();
            }
        }
    }

    /// The file with the oldest next entry, and the one with the oldest of the others.
    fn choose(&mut self, chain: &mut ChainLane, around: &mut Surroundings<'_>) -> Option<(usize, Option<usize>)> {
        let (mut first, mut limit): (Option<usize>, Option<usize>) = (None, None);
        let mut index = 0;
        while index < self.sources.len() {
            let Some(head) = self.sources[index].head else {
                index += 1;
                continue;
            };
            if !self.sources[index].may_have(head.seqnum) {
                // What a spoilt number would put at the end stands here, between those before and those after it in its file.
                return Some((index, Some(index)));
            }
            let order = |other: Option<usize>| {
                let other = other.and_then(|other| self.sources[other].head)?;
                Some((compare(&head, &other, &self.boots), head.seqnum_id == other.seqnum_id && head.seqnum == other.seqnum))
            };
            match (order(first), order(limit)) {
                // The same entry, copied with its file: once is enough.
                (Some((Ordering::Equal, true)), _) | (_, Some((Ordering::Equal, true))) => {
                    self.step(index, chain, None);
                    withhold(chain, around, Fate::Filtered, &self.reasons.twice, Extent { bytes: 0, lines: 1 });
                    self.look(index, chain, around);
                    continue;
                }
                (None, _) => first = Some(index),
                (Some((Ordering::Less, _)), _) => (first, limit) = (Some(index), first),
                // A copy and what it was copied from: this is how the copy is known for one.
                (Some((Ordering::Equal, _)), _) if self.sources[index].in_memory => (first, limit) = (Some(index), first),
                (_, None | Some((Ordering::Less, _))) => limit = Some(index),
                _ => {}
            }
            index += 1;
        }
        first.map(|first| (first, limit))
    }

    /// Whether entries seem to be missing before the next one only because they were written after their file was looked at, or to a
    /// file that is yet to be found: journald writes to several files at once, and they are looked at one after the other. Of what
    /// was written long ago, all files are known.
    fn is_early(&mut self, index: usize, chain: &mut ChainLane, around: &Surroundings<'_>) -> bool {
        let source = &mut self.sources[index];
        let (Some(head), Some(place)) = (source.head, source.next_place()) else { return false };
        if around.once || chain.replay.is_some() || self.continuity.missing(&place) == 0 {
            self.early = None;
            return false;
        }
        let written = i64::try_from(head.realtime.0).unwrap_or(i64::MAX).saturating_mul(1000);
        // Of another entry, the wait begins anew.
        let since = self.early.filter(|(seqnum, _)| *seqnum == place.seqnum).map_or(around.gate.now, |(_, since)| since);
        self.early = Some((place.seqnum, since));
        // A clock that was set meanwhile makes nobody wait for ever.
        let is_old = around.wall.saturating_sub(written) >= nanos(FOUND_AFTER);
        // What cannot be read yet in another file of that journal may be just that.
        let is_borne = |other: &Source| other.directory == place.directory && other.damaged_since.is_some();
        let is_over = (is_old || around.gate.now.duration_since(since) >= FOUND_AFTER) && !self.sources.iter().any(is_borne);
        if is_over {
            self.early = None;
            return false;
        }
        chain.flush_at = Some(around.gate.now + LOOK_ANEW);
        true
    }

    /// Takes the next entry of a file. False if it is damaged, and may yet be mended.
    fn entry(&mut self, index: usize, chain: &mut ChainLane, around: &mut Surroundings<'_>) -> bool {
        let place = self.sources[index].next_place();
        let damaged = match self.take(index, place.as_ref(), false, chain, around) {
            Ok(()) => {
                self.step(index, chain, place);
                self.sources[index].was_read = true;
                return true;
            }
            Err(damaged) => damaged,
        };
        match self.sources[index].bear(damaged, around.gate.now, around.once) {
            Ok(()) => {
                look_later(chain, around);
                return false;
            }
            // Of an entry whose damage did not go away, what can be had.
            Err(damaged) => match self.take(index, place.as_ref(), true, chain, around) {
                Ok(()) => {
                    self.tell_damage(index, &damaged);
                    self.step(index, chain, place);
                }
                Err(_) => self.step_over(index, &damaged, chain, around),
            },
        }
        true
    }

    /// Goes over the next entry of a file: its mark moves.
    fn step(&mut self, index: usize, chain: &mut ChainLane, entry: Option<EntryPlace>) {
        let source = &mut self.sources[index];
        source.file.step();
        (source.head, source.damaged_since) = (None, None);
        let mark = &mut chain.open[source.place].marks[0];
        *mark = Mark { at: source.file.place(), entry: entry.or(mark.entry), ..Mark::default() };
        if !chain.touched {
            chain.touch();
        }
    }

    /// Looks for the next entry of a file; steps over what cannot be read.
    fn look(&mut self, index: usize, chain: &mut ChainLane, around: &mut Surroundings<'_>) {
        loop {
            let source = &mut self.sources[index];
            let end = chain.replay.as_ref().map_or(u64::MAX, |replay| replay.end(source.number, 0));
            match source.look(end, around.gate.now, around.once) {
                Ok(()) => {
                    if source.damaged_since.is_some() {
                        look_later(chain, around);
                    } else if source.head.is_none() && source.is_final {
                        source.shrink();
                        if !source.in_memory && chain.replay.is_none() {
                            let_go(source, chain, &mut self.last);
                        }
                    }
                    return;
                }
                Err(damaged) => self.step_over(index, &damaged, chain, around),
            }
        }
    }

    /// Nothing more to read for now: files that will not grow any more are let go.
    fn at_end(&mut self, chain: &mut ChainLane) {
        let is_waiting = self.sources.iter().any(|source| source.damaged_since.is_some());
        if !is_waiting {
            chain.flush_at = None;
        }
        if chain.replay.is_none() && !is_waiting {
            self.floors = None;
            if !std::mem::take(&mut self.gone).is_empty() {
                chain.touch();
            }
        }
        let mut warm = 0;
        for source in &mut self.sources {
            // Copies of what stands in memory are known by where reading stands in it.
            let is_needed = source.in_memory && is_waiting;
            if chain.replay.is_none() && !is_needed {
                let_go(source, chain, &mut self.last);
            }
            // Of those that are written, the system's and a user's as a rule.
            if !std::mem::take(&mut source.was_read) || warm >= WARM_FILES {
                source.shrink();
            } else {
                warm += 1;
            }
        }
        if chain.touched {
            chain.touch();
        }
    }
}

/// A file that will not grow any more and was read to its end is done, and what was read of it need not stay in memory.
fn let_go(source: &mut Source, chain: &mut ChainLane, last: &mut Vec<Cursor>) {
    let is_over = source.is_final && source.file.place() >= source.file.header().n_entries && source.damaged_since.is_none();
    let Some(open) = chain.open.get_mut(source.place).filter(|open| is_over && !open.done) else { return };
    let len = open.segment.stat().map_or(0, |stat| stat.len);
    open.segment.passed(chain.lane, len, 1);
    open.done = true;
    let (segment, entry) = (open.segment.number, open.marks[0].entry);
    remember(last, Cursor { segment, at: u64::MAX, entry, ..Cursor::default() });
    source.shrink();
    chain.touch();
}

/// Keeps the last of each journal.
fn remember(last: &mut Vec<Cursor>, cursor: Cursor) {
    let Some(entry) = cursor.entry else { return };
    let same = last.iter_mut().find(|known| known.entry.is_some_and(|known| known.directory == entry.directory));
    match same {
        Some(known) if known.entry.is_some_and(|known| known.seqnum > entry.seqnum) => {}
        Some(known) => *known = cursor,
        None => last.push(cursor),
    }
}

fn look_later(chain: &mut ChainLane, around: &Surroundings<'_>) {
    chain.flush_at = Some(around.gate.now + LOOK_AGAIN);
}

/// What belongs to no job.
fn withhold(chain: &mut ChainLane, around: &mut Surroundings<'_>, fate: Fate, why: &Arc<str>, extent: Extent) {
    let journal = &chain.streams[0];
    if fate == Fate::Filtered {
        journal.count(extent);
    }
    around.gate.batch.withhold(around.gate.now, &journal.source, fate, why, extent);
    chain.touch();
}
