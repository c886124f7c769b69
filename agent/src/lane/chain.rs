//! One chain as one lane sees it: where it stands, what its lines mean, and which streams they go to.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::loki::metadata::StructuredMetadata;

use super::Settings;
use super::journal::JournalLane;
use super::standing::{Followed, Mark, OpenSegment, PARTS, Parked, Replay, follow};
use super::stream_sets::{StreamSet, journal, streams};
use crate::batch::CachedSlot;
use crate::checkpoint::{Cursor, Move, Newest, Part, SegmentIdentity, Stamp};
use crate::config::checked::{Format, LongLines, Multiline};
use crate::kubelet::apps::Apps;
use crate::tail::chain::Chain;
use crate::tail::discovery::{pod_directory, restart_of};
use crate::tail::origin::Origin;
use crate::tail::segment::SegmentNumber;

/// How a file's lines are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// A line is a record.
    Plain,
    /// A line says which output it came from and whether it is a fragment: CRI, or Docker's JSON.
    Container,
}

/// A chain in a lane.
pub struct ChainLane {
    /// Place in the catalog.
    pub index: usize,
    /// Number in the position log.
    pub number: u32,
    /// The lane's number: that of its destination in the position log.
    pub lane: u32,
    /// The files.
    pub chain: Arc<Chain>,
    /// Of the files' list, when it was last followed.
    pub generation: u64,
    /// What is read or may still grow, oldest first.
    pub open: Vec<OpenSegment>,
    /// The newest segment ever opened.
    pub newest: Option<SegmentNumber>,
    /// How many parts it has.
    pub parts: usize,
    /// Which of them are left alone.
    pub parked: Parked,
    /// Records before that time are not wanted, nanoseconds since the epoch; only in the first reading of old files.
    pub floor: Option<i64>,
    /// Times given in the open batch.
    pub stamps: Vec<Stamp>,
    /// The batch that is being repeated.
    pub replay: Option<Replay>,
    /// Segments read to their end, with the batch that says so.
    pub finishing: Vec<(SegmentNumber, u64)>,
    /// When a group of lines is complete if nothing is added.
    pub flush_at: Option<Instant>,
    /// Something of it is in the open batch.
    pub touched: bool,
    /// The last batch that moves something of it.
    last_move: u64,
    /// The chain knows that this lane stands in it.
    stands: bool,
    /// A file was given up while batches with parts of it were on their way.
    pub given_up: bool,
    /// How lines are put together.
    pub lines: Lines,
    /// How records are joined.
    pub multiline: Option<Arc<Multiline>>,
    /// What happens to lines that memory does not hold.
    pub long_lines: LongLines,
    /// Bytes of a line that memory holds.
    pub max_line: usize,
    /// How long a rotated file is waited for.
    pub rotate_wait: Duration,
    /// Its own job first, then routes.
    pub streams: Vec<StreamSet>,
    /// The newest time of each stream and part, nanoseconds since the epoch; `i64::MIN` before the first entry ever.
    pub newest_times: Vec<[i64; PARTS]>,
    /// Their places in the open batch.
    pub slots: Vec<[CachedSlot; PARTS]>,
    /// What pods are called, if lines are to say so.
    apps: Option<Arc<Apps>>,
    /// What reads it, if it is the journal.
    pub journal: Option<Box<JournalLane>>,
}

impl ChainLane {
    /// `None` when the destination wants nothing of the chain. Errors are configuration that was not checked, in words.
    pub fn new(chain: &Arc<Chain>, number: u32, lane: u32, settings: &Settings) -> Result<Option<Self>, String> {
        let (lines, multiline, long_lines, max_line) = match &chain.origin {
            Origin::File { input, .. } => {
                let lines = if input.format == Format::Cri { Lines::Container } else { Lines::Plain };
                (lines, input.multiline.clone(), input.long_lines, input.max_line)
            }
            Origin::Pod { input, container } => {
                let pod = format!("{}/{}", container.namespace, container.pod);
                let join = input.multiline.iter().find(|join| {
                    join.pods.is_match(&pod) && join.container.as_ref().is_none_or(|glob| glob.is_match(&container.container))
                });
                (Lines::Container, join.map(|join| join.join.clone()), input.long_lines, input.max_line)
            }
            // It has entries, not lines, and its selections say what happens to long ones.
            Origin::Journal { .. } => (Lines::Plain, None, LongLines::Cut, 0),
        };
        let streams = streams(&chain.origin, settings)?;
        if streams.iter().all(|stream| !stream.wanted) {
            return Ok(None);
        }
        let newest_times = vec![[i64::MIN; PARTS]; streams.len()];
        let slots = vec![[CachedSlot::default(); PARTS]; streams.len()];
        Ok(Some(Self {
            index: chain.index,
            number,
            lane,
            chain: Arc::clone(chain),
            generation: u64::MAX,
            open: Vec::new(),
            newest: None,
            parts: if lines == Lines::Container { PARTS } else { 1 },
            parked: Parked::default(),
            floor: None,
            stamps: Vec::new(),
            replay: None,
            finishing: Vec::new(),
            flush_at: None,
            touched: false,
            last_move: 0,
            stands: false,
            given_up: false,
            lines,
            multiline: multiline.map(Arc::new),
            long_lines,
            max_line,
            apps: settings.apps.clone(),
            rotate_wait: chain.origin.rotate_wait(),
            journal: journal(&chain.origin, settings),
            streams,
            newest_times,
            slots,
        }))
    }

    /// Brings the open segments up to the chain's. Says what was lost.
    pub fn follow(&mut self) -> Followed {
        let generation = self.chain.generation();
        if generation == self.generation {
            return Followed::default();
        }
        self.generation = generation;
        let followed = follow(&mut self.open, &self.chain, &mut self.newest);
        for open in &mut self.open {
            open.metadata = file_metadata(&self.chain.origin, &open.segment.path(), self.apps.as_deref());
        }
        if !self.open.is_empty() {
            self.stand();
        }
        followed
    }

    /// The chain is not forgotten while something of it is open here, or on its way.
    fn stand(&mut self) {
        if !std::mem::replace(&mut self.stands, true) {
            self.chain.enter();
        }
    }

    /// Something moves without a line: the position has to be written again.
    pub fn touch(&mut self) {
        self.touched = true;
        self.stand();
    }

    /// Lets go of a segment.
    pub fn close(&mut self, number: SegmentNumber) {
        self.open.retain(|open| open.segment.number != number);
        self.finishing.retain(|(finishing, _)| *finishing != number);
        self.chain.settle(number);
    }

    /// Whether batches that move something of it have no answer yet.
    pub fn is_under_way(&self, settled: u64) -> bool {
        self.last_move > settled
    }

    /// Nothing is open any more, and the answer that says so is still to come.
    pub fn is_leaving(&self) -> bool {
        self.stands && self.open.is_empty()
    }

    /// Where reading begins in an open segment: at the first part that is not left alone. `None` if all are.
    pub fn start_of(&self, place: usize) -> Option<Mark> {
        let marks = self.open[place].marks.iter().take(self.parts).enumerate();
        marks.filter(|(part, _)| !self.parked.is(*part)).map(|(_, mark)| *mark).min_by_key(|mark| mark.at)
    }

    /// Goes on where an earlier run had settled.
    pub fn resume(&mut self, cursors: &[Cursor], newest: &[Newest]) {
        for open in &mut self.open {
            if let Some(cursor) = cursors.iter().find(|cursor| cursor.segment == open.segment.number) {
                open.go_to(cursor, None);
                // The position log knows it; here it is needed for when the file is truncated.
                open.identify(self.parts);
            }
        }
        if let Some(journal) = &mut self.journal {
            let is_gone = |cursor: &&Cursor| !self.open.iter().any(|open| open.segment.number == cursor.segment);
            journal.resume(cursors, cursors.iter().filter(is_gone).cloned().collect());
        }
        self.set_newest(newest, None);
    }

    /// Goes back to what is settled, with one part or all.
    pub fn go_back(&mut self, cursors: &[Cursor], newest: &[Newest], only: Option<Part>) {
        self.set_newest(newest, only);
        for open in &mut self.open {
            let number = open.segment.number;
            if let Some(cursor) = cursors.iter().find(|cursor| cursor.segment == number) {
                open.go_to(cursor, only);
                open.done = false;
            } else if cursors.iter().all(|cursor| cursor.segment < number) {
                open.go_to(&Cursor { segment: number, ..Cursor::default() }, only);
                open.done = false;
            }
        }
    }

    fn set_newest(&mut self, known: &[Newest], only: Option<Part>) {
        if let Some(journal) = &mut self.journal {
            return journal.set_newest(known);
        }
        for (times, stream) in self.newest_times.iter_mut().zip(&self.streams) {
            for (number, time) in times.iter_mut().enumerate() {
                let part = Part(number as u16);
                let labels = stream.labels_hash(number);
                if only.is_none_or(|only| only == part) {
                    let known = known.iter().find(|newest| newest.part == part && newest.stream == labels);
                    *time = known.map_or(i64::MIN, |newest| newest.time);
                }
            }
        }
    }

    /// The newest times, as the position log has them.
    fn newest(&mut self) -> Vec<Newest> {
        if let Some(journal) = &mut self.journal {
            return journal.take_newest();
        }
        let of = |(times, stream): (&[i64; PARTS], &StreamSet)| {
            std::array::from_fn::<_, PARTS, _>(|part| {
                let time = times[part];
                (time > i64::MIN).then(|| Newest { stream: stream.labels_hash(part), part: Part(part as u16), time })
            })
        };
        self.newest_times.iter().zip(&self.streams).flat_map(of).flatten().collect()
    }

    /// Which of the streams a record belongs to.
    pub fn route(&self, text: &[u8]) -> usize {
        let takes = |stream: &StreamSet| stream.takes.is_some_and(|takes| takes(text));
        self.streams.iter().position(takes).unwrap_or(0)
    }

    /// What the open batch does to the chain, and what the position log must know first. Begins anew with the next batch.
    pub fn take_move(&mut self, sequence: u64, segments: &mut Vec<(u32, SegmentNumber, SegmentIdentity)>) -> Move {
        self.touched = false;
        self.last_move = sequence;
        let mut cursors = Vec::new();
        for open in &mut self.open {
            if open.done {
                if !self.finishing.iter().any(|(number, _)| *number == open.segment.number) {
                    self.finishing.push((open.segment.number, sequence));
                }
                // Of a set, a file that nothing is said of was finished before: not by a batch that has no answer yet.
                if self.journal.is_none() {
                    continue;
                }
            }
            if let Some(identity) = open.identify(self.parts) {
                segments.push((self.number, open.segment.number, identity));
            }
            cursors.push(open.cursor(self.parts));
        }
        if let Some(journal) = &self.journal {
            cursors.extend(journal.further(&cursors));
            // Of a file that is newer than all that are named, the next run knows that this lane has not met it.
            if let Some(newest) = self.newest.filter(|newest| cursors.iter().all(|cursor| cursor.segment != *newest)) {
                cursors.push(Cursor { segment: newest, at: u64::MAX, ..Cursor::default() });
            }
        }
        Move { chain: self.number, cursors, stamps: std::mem::take(&mut self.stamps), newest: self.newest() }
    }

    /// Lets go of segments whose end is settled.
    pub fn finish(&mut self, settled: u64) {
        let (over, waiting): (Vec<_>, Vec<_>) = self.finishing.iter().partition(|(_, sequence)| *sequence <= settled);
        self.finishing = waiting;
        for (number, _) in over {
            let is_done = self.open.iter().any(|open| open.segment.number == number && open.done);
            if is_done {
                self.close(number);
            }
        }
        if !self.is_under_way(settled) {
            self.given_up = false;
            if self.is_leaving() && self.finishing.is_empty() && !self.touched {
                self.stands = false;
                self.chain.leave();
            }
        }
    }

    /// When it has to be looked at though nothing was written: a group is complete, or a rotated file was waited for.
    pub fn next_look(&self) -> Option<Instant> {
        let over = |open: &&OpenSegment| !open.done && !open.held && (open.segment.is_superseded() || open.segment.is_deleted());
        let waited = self.open.iter().filter(over).filter_map(|open| open.quiet.map(|(since, _)| since + self.rotate_wait)).min();
        self.flush_at.into_iter().chain(waited).min()
    }

    /// Bytes that stand in the files and were not read, and the newest of the files' last changes (nanoseconds since the epoch).
    pub fn unread(&self) -> (u64, i64) {
        let unread = self.open.iter().enumerate().filter(|(_, open)| !open.done).filter_map(|(place, open)| {
            let stat = open.segment.stat().ok()?;
            if let Some(journal) = &self.journal {
                return Some((journal.unread(place, stat.len), stat.mtime_ns));
            }
            let at = open.marks.iter().take(self.parts).map(|mark| mark.at).min()?;
            Some((stat.len.saturating_sub(at), stat.mtime_ns))
        });
        unread.fold((0, 0), |(bytes, newest), (unread, mtime)| (bytes + unread, newest.max(mtime)))
    }
}

/// What every entry of a file carries.
fn file_metadata(origin: &Origin, path: &Path, apps: Option<&Apps>) -> StructuredMetadata {
    let mut metadata = StructuredMetadata::default();
    let Origin::Pod { .. } = origin else { return metadata };
    let pod = path.ancestors().nth(2).and_then(|directory| directory.file_name()).and_then(|name| name.to_str());
    if let Some((_, _, uid)) = pod.and_then(pod_directory) {
        metadata.push("pod_uid", uid);
        if let Some(app) = apps.and_then(|apps| apps.of(uid)) {
            metadata.push("app", &app);
        }
    }
    let restart = path.file_name().and_then(|name| name.to_str()).and_then(restart_of);
    if let Some(restart) = restart {
        metadata.push("restart", &restart.to_string());
    }
    metadata
}
