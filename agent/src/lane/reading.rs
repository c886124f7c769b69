//! Reads one chain: bytes become lines, lines become records, records go into the batch, and the chain's marks follow.
//!
//! It stops where the batch is full, and goes on there when it was sealed; it never waits, and it never knows what becomes
//! of a batch. What is not complete (half a line, half a record) is left in the file and read again.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::time::UnixNanos;
use record::cri::{self, Output};
use record::metadata::Metadata;

use super::chain::{ChainLane, Lines, StreamSet};
use super::join::{At, Join};
use super::standing::{Mark, PARTS, Replay};
use crate::batch::{Batch, Extent};
use crate::checkpoint::{Part, Stamp, Ties};
use crate::config::checked::LongLines;
use crate::ledger::Fate;
use crate::metrics::LaneCounters;
use crate::shape::{Origin, Shaped, Workspace};
use crate::tail::compressed::Decompressor;
use crate::tail::framing::{Framed, last_line, next_line};
use crate::tail::identity::{MARKER_BYTES, Marker};
use crate::tail::rotation::Encoding;
use crate::tail::segment::SegmentNumber;

/// At first; it grows with the lines up to the input's `max_line`.
const BUFFER_BYTES: usize = 128 * 1024;
/// What one chain may read before others have their turn.
const TURN_BYTES: usize = 4 << 20;
/// What is read before the page cache is told.
const RELEASE_BYTES: u64 = 1 << 20;
/// A fragment whose record is not complete after so many bytes of the file is taken as it is.
const FRAGMENT_SPAN: u64 = 4 << 20;

/// Why reading stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The batch is to be sealed; then go on.
    Full,
    /// Others' turn; there is more.
    More,
    /// Nothing more for now.
    Dry,
    /// The open segment of that index has lost bytes that were read, or is another file.
    Truncated(usize),
}

/// What does not change while one chain is read.
pub struct Surroundings<'l> {
    /// Where entries go.
    pub batch: &'l mut Batch,
    /// Buffers.
    pub work: &'l mut Workspace,
    /// The metadata of a piece of a line that was split.
    pub marked: &'l mut Metadata,
    /// What is counted.
    pub counters: &'l LaneCounters,
    /// Monotonic.
    pub now: Instant,
    /// Nanoseconds since the epoch.
    pub wall: i64,
    /// Entries older than that would be refused; `i64::MIN` for none.
    pub oldest: i64,
    /// How far behind the newest of its stream an entry may be, nanoseconds; `i64::MAX` for any.
    pub order_window: i64,
    /// Every source is read to its present end and no further.
    pub once: bool,
    /// The last line is shown though its newline is missing.
    pub show_unterminated: bool,
}

/// The state of reading one chain, between its steps.
pub struct Reading {
    buffer: Vec<u8>,
    begin: usize,
    end: usize,
    /// The byte of the segment at `begin`.
    at: u64,
    place: usize,
    ties: [Ties; PARTS],
    mid_line: bool,
    started: bool,
    fresh: bool,
    turn: usize,
    decompressor: Option<Decompressor>,
    fragments: [Join; PARTS],
    groups: [Join; PARTS],
    scratch: Vec<u8>,
    reasons: Reasons,
}

struct Reasons {
    old: Arc<str>,
    refused_age: Arc<str>,
    refused_order: Arc<str>,
    elsewhere: Arc<str>,
    nuls: Arc<str>,
    cut: Arc<str>,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            buffer: vec![0; BUFFER_BYTES],
            begin: 0,
            end: 0,
            at: 0,
            place: 0,
            ties: [Ties::default(); PARTS],
            mid_line: false,
            started: false,
            fresh: true,
            turn: 0,
            decompressor: None,
            fragments: Default::default(),
            groups: Default::default(),
            scratch: Vec::new(),
            reasons: Reasons {
                old: "older than max_age".into(),
                refused_age: "too_old".into(),
                refused_order: "too_far_behind".into(),
                elsewhere: "not for this destination".into(),
                nuls: "NUL bytes".into(),
                cut: "line too long".into(),
            },
        }
    }
}

impl Reading {
    /// Forgets what was begun; positions are not changed.
    pub fn abandon(&mut self) {
        self.started = false;
        self.decompressor = None;
        self.begin = 0;
        self.end = 0;
        self.fragments.iter_mut().chain(&mut self.groups).for_each(Join::clear);
    }

    /// Time has passed since the last step: whether the bytes before the place are still those that were read is seen anew.
    /// A compressed file is never truncated, and costs much to enter again.
    pub fn has_waited(&mut self) {
        if self.decompressor.is_none() {
            self.abandon();
        }
    }

    /// Gives memory back after a burst.
    pub fn shrink(&mut self) {
        if !self.started {
            self.buffer = vec![0; BUFFER_BYTES];
            self.fragments = Default::default();
            self.groups = Default::default();
            self.scratch = Vec::new();
        }
    }

    /// Reads on in `chain`.
    pub fn advance(&mut self, chain: &mut ChainLane, around: &mut Surroundings<'_>) -> io::Result<Step> {
        if !self.started && !self.enter_first(chain)? {
            return Ok(Step::Dry);
        }
        loop {
            if let Some(step) = self.lines(chain, around) {
                return Ok(step);
            }
            let replaying =
                chain.replay.as_ref().is_some_and(|replay| self.at >= replay.last(chain.open[self.place].segment.number));
            let plain = chain.open[self.place].segment.encoding == Encoding::Plain;
            if self.turn >= TURN_BYTES && plain && chain.replay.is_none() {
                self.commit(chain);
                self.release(chain, false);
                self.abandon();
                return Ok(Step::More);
            }
            let filled = if replaying { Ok(0) } else { self.fill(chain, around) };
            // What is in the batch already must not be read again after the error.
            let read = filled.inspect_err(|_| self.commit(chain))?;
            self.turn += read;
            around.counters.read_bytes.add(read as u64);
            if read > 0 {
                continue;
            }
            let over = self.at_end(chain, around, replaying)?;
            if let Some(step) = over {
                return Ok(step);
            }
        }
    }

    /// Goes to the first segment that has something to read.
    fn enter_first(&mut self, chain: &mut ChainLane) -> io::Result<bool> {
        self.turn = 0;
        self.fresh = true;
        let Some(place) = chain.open.iter().position(|open| !open.done) else { return Ok(false) };
        let Some(mark) = chain.start_of(place) else { return Ok(false) };
        self.ties = mark.ties;
        self.started = true;
        self.enter(chain, place, mark)
    }

    /// Begins at a place of a segment, with the bytes before it in the buffer.
    fn enter(&mut self, chain: &mut ChainLane, place: usize, mark: Mark) -> io::Result<bool> {
        let open = &mut chain.open[place];
        self.place = place;
        self.mid_line = mark.mid_line;
        self.decompressor = None;
        let history = Marker::len_at(mark.at);
        if open.segment.encoding != Encoding::Plain {
            let mut decompressor = open.segment.decompress()?;
            decompressor.skip_to(mark.at - history as u64, &mut self.buffer)?;
            self.decompressor = Some(decompressor);
        }
        self.at = mark.at - history as u64;
        self.begin = 0;
        self.end = 0;
        Ok(true)
    }

    /// The bytes before the place at which reading began must be those that were there. `None` while they are still to be read.
    fn check_history(&mut self, chain: &ChainLane) -> Option<bool> {
        let mark = chain.start_of(self.place)?;
        if self.at >= mark.at {
            return Some(true);
        }
        let history = (mark.at - self.at) as usize;
        let intact =
            self.end - self.begin >= history && Marker::of(&self.buffer[self.begin..self.begin + history]) == mark.marker;
        if intact {
            self.begin += history;
            self.at = mark.at;
        }
        Some(intact)
    }

    /// Reads more behind what is there. 0 at the end of the segment.
    fn fill(&mut self, chain: &ChainLane, around: &Surroundings<'_>) -> io::Result<usize> {
        if self.begin > 0 && (self.end == self.buffer.len() || self.begin == self.end) {
            let keep = self.begin.min(MARKER_BYTES);
            self.buffer.copy_within(self.begin - keep..self.end, 0);
            self.end -= self.begin - keep;
            self.begin = keep;
        }
        if self.end == self.buffer.len() {
            let most = chain.max_line + 2 * MARKER_BYTES;
            debug_assert!(self.buffer.len() < most + BUFFER_BYTES, "longer lines were taken apart before");
            self.buffer.resize((self.buffer.len() * 2).min(most.max(BUFFER_BYTES) + MARKER_BYTES), 0);
        }
        let _ = around;
        let room = &mut self.buffer[self.end..];
        let read = match &mut self.decompressor {
            Some(decompressor) => decompressor.read(room)?,
            None => chain.open[self.place].segment.read_at(room, self.at + (self.end - self.begin) as u64)?,
        };
        self.end += read;
        Ok(read)
    }

    /// Takes all complete lines out of the buffer.
    fn lines(&mut self, chain: &mut ChainLane, around: &mut Surroundings<'_>) -> Option<Step> {
        if self.begin == self.end {
            return None;
        }
        match self.check_history(chain) {
            Some(true) => {}
            Some(false) if self.end - self.begin < MARKER_BYTES && !self.is_short(chain) => return None,
            _ => {
                let place = self.place;
                self.abandon();
                return Some(Step::Truncated(place));
            }
        }
        let buffer = std::mem::take(&mut self.buffer);
        let step = self.lines_of(&buffer, chain, around);
        self.buffer = buffer;
        step
    }

    /// Whether the segment has fewer bytes than were read of it.
    fn is_short(&self, chain: &ChainLane) -> bool {
        let open = &chain.open[self.place];
        let mark = chain.start_of(self.place).unwrap_or_default();
        open.segment.encoding == Encoding::Plain && open.segment.stat().is_ok_and(|stat| stat.len < mark.at)
    }

    fn lines_of(&mut self, buffer: &[u8], chain: &mut ChainLane, around: &mut Surroundings<'_>) -> Option<Step> {
        while let Some(line) = next_line(&buffer[..self.end], self.begin) {
            let stop = chain.replay.as_ref().is_some_and(|replay| self.at >= replay.last(chain.open[self.place].segment.number));
            if stop {
                return None;
            }
            self.line(buffer, line, chain, around, false);
            self.step_over(line);
            if around.batch.is_full() && chain.replay.is_none() {
                self.commit_in(buffer, chain);
                return Some(Step::Full);
            }
        }
        // A line that is longer than memory allows is taken apart.
        while self.end - self.begin >= chain.max_line {
            let line = Framed { nuls: 0, start: self.begin, end: self.begin + chain.max_line, next: self.begin + chain.max_line };
            let line = Framed { end: line.start + boundary(&buffer[line.start..line.end]), ..line };
            let line = Framed { next: line.end, ..line };
            self.overlong(buffer, line, chain, around);
            self.step_over(line);
            if around.batch.is_full() && chain.replay.is_none() {
                self.commit_in(buffer, chain);
                return Some(Step::Full);
            }
        }
        None
    }

    fn step_over(&mut self, line: Framed) {
        self.at += (line.next - self.begin) as u64;
        self.begin = line.next;
    }

    /// Nothing more in this segment for now.
    fn at_end(&mut self, chain: &mut ChainLane, around: &mut Surroundings<'_>, replaying: bool) -> io::Result<Option<Step>> {
        let place = self.place;
        let open = &mut chain.open[place];
        let stat = open.segment.stat()?;
        let plain = open.segment.encoding == Encoding::Plain;
        let reached = self.at + (self.end - self.begin) as u64;
        let expected = chain.start_of(place).map_or(0, |mark| mark.at);
        if !replaying && ((plain && stat.len < reached) || reached < expected) {
            // What was read before the truncation is in the batch: the copy is read on from there.
            self.commit(chain);
            self.abandon();
            return Ok(Some(Step::Truncated(place)));
        }
        let open = &mut chain.open[place];
        if open.quiet.is_none_or(|(_, len)| len != stat.len) {
            open.quiet = Some((around.now, stat.len));
        }
        // Not only when directories are looked at: what was written to the newer file since is waiting.
        if !chain.open[place].segment.is_superseded()
            && chain.open[place + 1..].iter().any(|newer| newer.segment.stat().is_ok_and(|stat| stat.len > 0))
        {
            chain.open[place].segment.supersede();
        }
        let open = &chain.open[place];
        let waited = open.quiet.is_some_and(|(since, _)| around.now.duration_since(since) >= chain.rotate_wait) || around.once;
        let over = open.segment.is_superseded() || open.segment.is_deleted();
        let read_before = chain.replay.as_ref().is_some_and(|replay| replay.was_finished(open.segment.number));
        // Where a replay ends is not where the segment ends.
        let ended = read_before || (!replaying && (!plain || (over && waited)));
        let superseded = open.segment.is_superseded() || replaying || read_before;
        if ended || (around.show_unterminated && !superseded) {
            self.take_rest(chain, around);
        }
        let next = (place + 1..chain.open.len()).find(|next| !chain.open[*next].done);
        if next.is_none() || !(ended || superseded) {
            let quiet_for = chain.open[place].quiet.map_or(Duration::ZERO, |(since, _)| around.now.duration_since(since));
            let patience = chain.multiline.as_ref().map_or(Duration::ZERO, |join| join.timeout);
            let flush = around.once || replaying || chain.replay.is_some() || ended || quiet_for >= patience;
            if flush {
                self.flush_groups(chain, around);
                if ended || chain.replay.is_some() {
                    self.flush_fragments(chain, around);
                }
                chain.flush_at = None;
            } else if self.groups.iter().any(Join::is_open) {
                chain.flush_at = chain.open[place].quiet.map(|(since, _)| since + patience);
            }
            if next.is_none() && chain.replay.is_none() {
                chain.floor = None;
            }
        }
        self.commit(chain);
        let done = read_before || (ended && !self.is_wanted_still(chain));
        self.release(chain, done);
        if done {
            chain.open[place].done = true;
            chain.touched = true;
        }
        chain.open[place].held = ended && !done;
        if let Some(next) = next.filter(|_| ended || superseded)
            && let Some(mark) = chain.start_of(next)
        {
            // A replay leaves segments where the batch did, which may be within a record.
            if chain.replay.is_none() {
                chain.open[place].left = Some(self.mark_in(&self.buffer, self.ties));
            }
            self.enter(chain, next, mark)?;
            return Ok(None);
        }
        self.abandon();
        Ok(Some(Step::Dry))
    }

    /// Whether something of the segment has to be read again though its end was reached: a record that begins in it is not
    /// complete, or a part of it is left alone.
    fn is_wanted_still(&self, chain: &ChainLane) -> bool {
        let begins_here = |join: &Join| join.is_open() && join.begin.0 == self.place;
        let open = &chain.open[self.place];
        let is_behind = |part: usize| chain.parked.is(part) && open.marks[part].at < self.at;
        self.groups.iter().chain(&self.fragments).any(begins_here) || (0..chain.parts).any(is_behind)
    }

    /// What was read need not stay in memory, but for the last of it: where other lanes still want more, the segment knows.
    fn release(&self, chain: &ChainLane, done: bool) {
        let segment = &chain.open[self.place].segment;
        if done {
            segment.passed(chain.lane, self.at, 1);
        } else {
            segment.passed(chain.lane, self.at.saturating_sub(RELEASE_BYTES), RELEASE_BYTES);
        }
    }

    /// What stands behind the last newline, since no more will come.
    fn take_rest(&mut self, chain: &mut ChainLane, around: &mut Surroundings<'_>) {
        let buffer = std::mem::take(&mut self.buffer);
        if let Some(line) = last_line(&buffer[..self.end], self.begin) {
            self.line(&buffer, line, chain, around, true);
            self.step_over(line);
        }
        self.buffer = buffer;
    }

    /// One line, complete or known to be the last.
    #[inline]
    fn line(&mut self, buffer: &[u8], line: Framed, chain: &mut ChainLane, around: &mut Surroundings<'_>, unterminated: bool) {
        let text = &buffer[line.start..line.end];
        let extent = Extent { bytes: (line.next - self.begin) as u64, lines: 1 };
        if line.nuls > 0 {
            around.counters.nul_bytes.add(line.nuls as u64);
            if text.is_empty() {
                if !self.is_settled(chain, 0) {
                    chain.touched = true;
                    chain.streams[0].count(extent);
                    around.batch.withhold(around.now, &chain.streams[0].source, Fate::Filtered, &self.reasons.nuls, extent);
                }
                return;
            }
        }
        if self.mid_line {
            self.rest_of_overlong(buffer, line, chain, around);
            return;
        }
        match chain.lines {
            Lines::Plain => self.plain(buffer, text, extent, chain, around, unterminated),
            Lines::Container => self.container(buffer, text, extent, chain, around, unterminated),
        }
    }

    /// Whether the record that begins here was settled before, is parked, or lies behind the end of a replay.
    #[inline]
    fn is_settled(&self, chain: &ChainLane, part: usize) -> bool {
        let open = &chain.open[self.place];
        self.at < open.marks[part].at
            || chain.parked.is(part)
            || chain.replay.as_ref().is_some_and(|replay| self.at >= replay.end(open.segment.number, part))
    }

    fn plain(
        &mut self,
        buffer: &[u8],
        text: &[u8],
        extent: Extent,
        chain: &mut ChainLane,
        around: &mut Surroundings<'_>,
        unterminated: bool,
    ) {
        if self.is_settled(chain, 0) {
            return;
        }
        let Some(join) = chain.multiline.clone() else {
            let origin = Origin { unterminated, ..Origin::default() };
            self.emit(
                Whole { text, part: 0, stream: 0, time: None, begin: (self.place, self.at), extent, origin },
                chain,
                around,
            );
            return;
        };
        let mut group = std::mem::take(&mut self.groups[0]);
        if group.is_open()
            && (join.first.is_match(text) || group.lines >= join.max_lines as u64 || group.text.len() >= chain.max_line)
        {
            self.emit_join(&mut group, 0, chain, around);
        }
        let at = At { begin: (self.place, self.mark_in(buffer, self.ties)), time: None };
        group.add(at, text, true, extent.bytes, 1, chain.max_line);
        self.groups[0] = group;
    }

    fn container(
        &mut self,
        buffer: &[u8],
        text: &[u8],
        extent: Extent,
        chain: &mut ChainLane,
        around: &mut Surroundings<'_>,
        unterminated: bool,
    ) {
        let mut scratch = std::mem::take(&mut self.scratch);
        let parsed = cri::parse(text).map(|line| (line.time, line.output, line.partial, line.message));
        let parsed = parsed.or_else(|| {
            let line = record::docker::parse(text, &mut scratch)?;
            Some((line.time, line.output, !line.complete, line.message))
        });
        if let Some((time, output, partial, message)) = parsed {
            let part = usize::from(output == Output::Stderr);
            let line = Fragment { time, part, partial: partial && !unterminated, message, extent };
            self.fragment(buffer, line, chain, around);
        } else {
            around.counters.malformed.add(1);
            if !self.is_settled(chain, 0) {
                let time = self.tie(0, None);
                let origin = Origin { unterminated, ..Origin::default() };
                self.emit(Whole { text, part: 0, stream: 0, time, begin: (self.place, self.at), extent, origin }, chain, around);
            }
        }
        self.scratch = scratch;
    }

    fn fragment(&mut self, buffer: &[u8], line: Fragment<'_>, chain: &mut ChainLane, around: &mut Surroundings<'_>) {
        let part = line.part;
        let mut join = std::mem::take(&mut self.fragments[part]);
        let is_first = !join.mid_fragment;
        let before = self.ties;
        let time = if is_first { self.tie(part, Some(line.time.0)) } else { join.time };
        if self.is_settled(chain, part) {
            join.mid_fragment = line.partial;
            self.fragments[part] = join;
            return;
        }
        if is_first && !line.partial {
            // Nearly every line: a whole record, taken from where it lies.
            self.fragments[part] = join;
            let Some(multiline) = chain.multiline.clone() else {
                let begin = (self.place, self.at);
                self.emit(
                    Whole { text: line.message, part, stream: 0, time, begin, extent: line.extent, origin: Origin::default() },
                    chain,
                    around,
                );
                return;
            };
            let at = At { begin: (self.place, self.mark_in(buffer, before)), time };
            self.group(&multiline, line.message, part, at, line.extent, chain, around);
            return;
        }
        let at = At { begin: (self.place, self.mark_in(buffer, before)), time };
        join.add(at, line.message, false, line.extent.bytes, line.extent.lines, chain.max_line);
        join.mid_fragment = line.partial;
        let too_far = join.begin.0 == self.place && self.at.saturating_sub(join.begin.1.at) > FRAGMENT_SPAN;
        if !line.partial || too_far {
            self.finish_fragments(&mut join, part, too_far && line.partial, chain, around);
            join.mid_fragment = line.partial;
        }
        self.fragments[part] = join;
    }

    fn finish_fragments(
        &mut self,
        join: &mut Join,
        part: usize,
        partial: bool,
        chain: &mut ChainLane,
        around: &mut Surroundings<'_>,
    ) {
        let text = std::mem::take(&mut join.text);
        let extent = Extent { bytes: join.bytes, lines: join.lines };
        let origin = Origin { partial: partial || join.left_out > 0, left_out: join.left_out, ..Origin::default() };
        let begin = join.begin;
        if let Some(multiline) = chain.multiline.clone() {
            self.group(&multiline, &text, part, At { begin, time: join.time }, extent, chain, around);
        } else {
            self.emit(
                Whole { text: &text, part, stream: 0, time: join.time, begin: (begin.0, begin.1.at), extent, origin },
                chain,
                around,
            );
        }
        join.clear();
        join.text = text;
        join.text.clear();
    }

    #[expect(clippy::too_many_arguments, reason = "all of it is one record's place and meaning")]
    fn group(
        &mut self,
        join: &crate::config::checked::Multiline,
        text: &[u8],
        part: usize,
        at: At,
        extent: Extent,
        chain: &mut ChainLane,
        around: &mut Surroundings<'_>,
    ) {
        let mut group = std::mem::take(&mut self.groups[part]);
        if group.is_open()
            && (join.first.is_match(text) || group.lines >= join.max_lines as u64 || group.text.len() >= chain.max_line)
        {
            self.emit_join(&mut group, part, chain, around);
        }
        group.add(at, text, true, extent.bytes, extent.lines, chain.max_line);
        self.groups[part] = group;
    }

    fn emit_join(&mut self, join: &mut Join, part: usize, chain: &mut ChainLane, around: &mut Surroundings<'_>) {
        let text = std::mem::take(&mut join.text);
        let extent = Extent { bytes: join.bytes, lines: join.lines };
        let origin = Origin { left_out: join.left_out, ..Origin::default() };
        let begin = (join.begin.0, join.begin.1.at);
        self.emit(Whole { text: &text, part, stream: 0, time: join.time, begin, extent, origin }, chain, around);
        join.clear();
        join.text = text;
        join.text.clear();
    }

    fn flush_groups(&mut self, chain: &mut ChainLane, around: &mut Surroundings<'_>) {
        for part in 0..PARTS {
            if self.groups[part].is_open() {
                let mut group = std::mem::take(&mut self.groups[part]);
                self.emit_join(&mut group, part, chain, around);
                self.groups[part] = group;
            }
        }
    }

    /// Records whose last fragment will never come.
    fn flush_fragments(&mut self, chain: &mut ChainLane, around: &mut Surroundings<'_>) {
        for part in 0..PARTS {
            if self.fragments[part].is_open() {
                let mut join = std::mem::take(&mut self.fragments[part]);
                self.finish_fragments(&mut join, part, true, chain, around);
                self.fragments[part] = join;
            }
        }
        self.flush_groups(chain, around);
    }

    /// The beginning or middle of a line that is too long to be held.
    fn overlong(&mut self, buffer: &[u8], line: Framed, chain: &mut ChainLane, around: &mut Surroundings<'_>) {
        let extent = Extent { bytes: (line.next - self.begin) as u64, lines: u64::from(!self.mid_line) };
        let first = !std::mem::replace(&mut self.mid_line, true);
        if self.is_settled(chain, 0) {
            return;
        }
        if first || chain.long_lines == LongLines::Split {
            around.counters.overlong.add(u64::from(first));
            let text = &buffer[line.start..line.end];
            let time = if matches!(chain.lines, Lines::Container) { self.tie(0, None) } else { None };
            let origin = Origin { partial: true, ..Origin::default() };
            self.emit(Whole { text, part: 0, stream: 0, time, begin: (self.place, self.at), extent, origin }, chain, around);
        } else {
            self.discard(extent, chain, around);
        }
    }

    fn rest_of_overlong(&mut self, buffer: &[u8], line: Framed, chain: &mut ChainLane, around: &mut Surroundings<'_>) {
        self.mid_line = false;
        let extent = Extent { bytes: (line.next - self.begin) as u64, lines: 0 };
        if self.is_settled(chain, 0) {
            return;
        }
        if chain.long_lines == LongLines::Split && line.end > line.start {
            let text = &buffer[line.start..line.end];
            let time = if matches!(chain.lines, Lines::Container) { self.tie(0, None) } else { None };
            let origin = Origin { partial: true, ..Origin::default() };
            self.emit(Whole { text, part: 0, stream: 0, time, begin: (self.place, self.at), extent, origin }, chain, around);
        } else {
            self.discard(extent, chain, around);
        }
    }

    fn discard(&mut self, extent: Extent, chain: &mut ChainLane, around: &mut Surroundings<'_>) {
        chain.touched = true;
        chain.streams[0].count(extent);
        around.batch.withhold(around.now, &chain.streams[0].source, Fate::Filtered, &self.reasons.cut, extent);
    }

    /// The time of a record that begins here: its own, told apart from its neighbour's; or the neighbour's, if it has none.
    fn tie(&mut self, part: usize, own: Option<i64>) -> Option<i64> {
        let ties = &mut self.ties[part];
        let time = own.or_else(|| (ties.last != 0).then_some(ties.last))?;
        if time == ties.last {
            ties.added = ties.added.saturating_add(1);
        } else {
            *ties = Ties { last: time, added: 0 };
        }
        Some(time.saturating_add(i64::from(ties.added)))
    }

    /// A time for a record that has none and no neighbour: when it was read, and noted for a replay.
    fn stamp(&mut self, segment: SegmentNumber, from: u64, replay: Option<&Replay>, stamps: &mut Vec<Stamp>, wall: i64) -> i64 {
        let next = self.ties[0].last.saturating_add(1);
        let time = if let Some(replay) = replay {
            let noted = replay.stamps.iter().find(|stamp| stamp.segment == segment && stamp.from == from);
            noted.map_or(next, |stamp| stamp.time)
        } else if self.fresh || stamps.is_empty() {
            self.fresh = false;
            let time = wall.max(next);
            stamps.push(Stamp { segment, from, time });
            time
        } else {
            next
        };
        self.ties[0] = Ties { last: time, added: 0 };
        time
    }

    /// A whole record: shaped, given its time, and put into the batch or accounted for.
    #[inline]
    fn emit(&mut self, whole: Whole<'_>, chain: &mut ChainLane, around: &mut Surroundings<'_>) {
        chain.touched = true;
        let part = whole.part;
        let stream = if chain.streams.len() > 1 { chain.route(whole.text) } else { whole.stream };
        // Field by field: the stream's shaper is read while the chain's stamps are written.
        let ChainLane { index, streams, open, replay, stamps, floor, newest_times, slots, .. } = chain;
        let Some(set) = streams.get(stream) else { return };
        let StreamSet { source, shaper, wanted, labels, .. } = set;
        set.count(whole.extent);
        if !wanted {
            around.batch.withhold(around.now, source, Fate::Filtered, &self.reasons.elsewhere, whole.extent);
            return;
        }
        let Some(begun) = open.get(whole.begin.0) else { return };
        let origin = Origin { metadata: Some(&begun.metadata), ..whole.origin };
        let entry = match shaper.shape(whole.text, origin, around.work) {
            Shaped::Entry(entry) => entry,
            Shaped::Dropped(rule) => {
                around.batch.withhold(around.now, source, Fate::Filtered, rule, whole.extent);
                return;
            }
        };
        around.counters.mark(entry.marks);
        let is_stamped = whole.time.is_none() && entry.time.is_none() && !(shaper.is_timed() && self.ties[part].last != 0);
        let time = match (whole.time, entry.time) {
            (Some(_), Some(own)) if stream > 0 => own.0,
            (Some(time), _) => time,
            (None, Some(own)) => self.tie(part, Some(own.0)).unwrap_or(own.0),
            (None, None) if !is_stamped => self.tie(part, None).unwrap_or(around.wall),
            (None, None) => self.stamp(begun.segment.number, whole.begin.1, replay.as_ref(), stamps, around.wall),
        };
        if floor.is_some_and(|floor| time < floor) {
            around.batch.withhold(around.now, source, Fate::Filtered, &self.reasons.old, whole.extent);
            return;
        }
        if time < around.oldest {
            around.batch.withhold(around.now, source, Fate::Rejected, &self.reasons.refused_age, whole.extent);
            return;
        }
        // Loki answers 204 to a request of which it refused such entries, unless their stream is the last in it.
        let newest = &mut newest_times[stream][part];
        if time < newest.saturating_sub(around.order_window) {
            around.batch.withhold(around.now, source, Fate::Rejected, &self.reasons.refused_order, whole.extent);
            return;
        }
        *newest = time.max(*newest);
        let slot = &mut slots[stream][part];
        around.batch.slot(slot, &labels[part], source, (*index, Part(part as u16)));
        around.counters.entries.add(1);
        around.counters.newest(time);
        if entry.marks.split {
            let mut extent = whole.extent;
            for (number, piece) in shaper.pieces(entry.text).enumerate() {
                around.marked.copy_from(entry.metadata);
                around.marked.push("split", SPLIT[number.min(SPLIT.len() - 1)]);
                let time = UnixNanos(time.saturating_add(number as i64));
                around.batch.push(*slot, around.now, time, piece, around.marked.structured(), extent);
                extent = Extent { bytes: 0, lines: 0 };
                // What follows comes after the last piece, in time too.
                let ties = &mut self.ties[part];
                if is_stamped {
                    ties.last = ties.last.saturating_add(i64::from(number > 0));
                } else {
                    ties.added = ties.added.saturating_add(u32::from(number > 0));
                }
            }
        } else {
            around.batch.push(*slot, around.now, UnixNanos(time), entry.text, entry.metadata.structured(), whole.extent);
        }
    }

    /// The place of `begin`, with the tie state before the record there.
    fn mark_in(&self, buffer: &[u8], ties: [Ties; PARTS]) -> Mark {
        Mark { at: self.at, marker: Marker::of(&buffer[..self.begin]), ties, mid_line: self.mid_line }
    }

    /// Writes down how far each part was read.
    fn commit(&mut self, chain: &mut ChainLane) {
        let buffer = std::mem::take(&mut self.buffer);
        self.commit_in(&buffer, chain);
        self.buffer = buffer;
    }

    fn commit_in(&mut self, buffer: &[u8], chain: &mut ChainLane) {
        let here = self.mark_in(buffer, self.ties);
        for part in 0..PARTS {
            if chain.parked.is(part) {
                continue;
            }
            let group = Some(&self.groups[part]).filter(|group| group.is_open());
            let begun = group.or(Some(&self.fragments[part]).filter(|join| join.is_open())).map(|join| join.begin);
            // What began before this segment and is complete by now leaves nothing to be read there, or, when a batch is
            // repeated, what stands behind its end.
            let first = begun.map_or(self.place, |(place, _)| place);
            for open in &mut chain.open[..first] {
                let end = chain.replay.as_ref().map_or(open.left, |replay| replay.mark(open.segment.number, part));
                if let Some(end) = end.filter(|end| end.at > open.marks[part].at) {
                    open.marks[part] = end;
                    open.held = false;
                }
            }
            match begun {
                Some((place, mark)) => chain.open[place].marks[part] = mark,
                None if here.at >= chain.open[self.place].marks[part].at => {
                    let number = chain.open[self.place].segment.number;
                    let end = chain.replay.as_ref().and_then(|replay| replay.mark(number, part));
                    // Lines of this part that stand before the other's end were not part of the batch.
                    chain.open[self.place].marks[part] = end.filter(|end| end.at < here.at).unwrap_or(here);
                }
                None => {}
            }
        }
    }
}

/// Marks the pieces of a line that was split. Beyond the ninth all are alike.
const SPLIT: [&str; 10] = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "more"];

#[derive(Clone, Copy)]
struct Fragment<'a> {
    time: UnixNanos,
    part: usize,
    partial: bool,
    message: &'a [u8],
    extent: Extent,
}

#[derive(Clone, Copy)]
struct Whole<'a> {
    text: &'a [u8],
    part: usize,
    stream: usize,
    time: Option<i64>,
    /// Index of the open segment in which it begins, and the byte.
    begin: (usize, u64),
    extent: Extent,
    origin: Origin<'a>,
}

/// How much of `text` can be taken without cutting a character in two.
fn boundary(text: &[u8]) -> usize {
    let back = text.iter().rev().take(4).position(|byte| byte & 0xc0 != 0x80);
    match back {
        Some(back) if text[text.len() - 1 - back] >= 0xc0 => text.len() - 1 - back,
        _ => text.len(),
    }
}
