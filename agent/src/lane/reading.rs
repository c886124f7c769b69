//! Reads one chain: bytes become lines, `records` takes them into the batch, and the chain's marks follow.
//!
//! It stops where the batch is full, and goes on there when it was sealed; it never waits, and it never knows what becomes
//! of a batch. What is not complete (half a line, half a record) is left in the file and read again.

mod records;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::chain::ChainLane;
use super::deliver::{self, Gate};
use super::join::Join;
use super::standing::{Mark, PARTS};
use crate::checkpoint::Ties;
use crate::shape::Workspace;
use crate::tail::compressed::Decompressor;
use crate::tail::framing::{Framed, last_line, next_line};
use crate::tail::identity::{MARKER_BYTES, Marker};
use crate::tail::rotation::Encoding;

/// At first; it grows with the lines up to the input's `max_line`.
const BUFFER_BYTES: usize = 128 * 1024;
/// What one chain may read before others have their turn.
const TURN_BYTES: usize = 4 << 20;
/// What is read before the page cache is told.
const RELEASE_BYTES: u64 = 1 << 20;

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
    /// Where entries go, and what is taken there.
    pub gate: Gate<'l>,
    /// Buffers.
    pub work: &'l mut Workspace,
    /// Nanoseconds since the epoch.
    pub wall: i64,
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
    refused: deliver::Reasons,
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
                refused: deliver::Reasons::default(),
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
        if let Some(mut journal) = chain.journal.take() {
            let step = journal.advance(chain, around);
            chain.journal = Some(journal);
            return Ok(step);
        }
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
            around.gate.counters.read_bytes.add(read as u64);
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
        // Of a file of which nothing was read yet, what the scout has seen tells whether it is still that file.
        let is_as_seen = self.at > 0 || chain.open[self.place].segment.seen().is_prefix_of(&self.buffer[..self.end]);
        match self.check_history(chain) {
            Some(true) if is_as_seen => {}
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
            if around.gate.batch.is_full() && chain.replay.is_none() {
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
            if around.gate.batch.is_full() && chain.replay.is_none() {
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
        let least = if reached == 0 { u64::from(open.segment.seen().len) } else { reached };
        let expected = chain.start_of(place).map_or(0, |mark| mark.at);
        if !replaying && ((plain && stat.len < least) || reached < expected) {
            // What was read before the truncation is in the batch: the copy is read on from there.
            self.commit(chain);
            self.abandon();
            return Ok(Some(Step::Truncated(place)));
        }
        let open = &mut chain.open[place];
        if open.quiet.is_none_or(|(_, len)| len != stat.len) {
            open.quiet = Some((around.gate.now, stat.len));
        }
        // Not only when directories are looked at: what was written to the newer file since is waiting.
        if !chain.open[place].segment.is_superseded()
            && chain.open[place + 1..].iter().any(|newer| newer.segment.stat().is_ok_and(|stat| stat.len > 0))
        {
            chain.open[place].segment.supersede();
        }
        let open = &chain.open[place];
        let waited =
            open.quiet.is_some_and(|(since, _)| around.gate.now.duration_since(since) >= chain.rotate_wait) || around.once;
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
            let quiet_for = chain.open[place].quiet.map_or(Duration::ZERO, |(since, _)| around.gate.now.duration_since(since));
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

    /// The place of `begin`, with the tie state before the record there.
    fn mark_in(&self, buffer: &[u8], ties: [Ties; PARTS]) -> Mark {
        Mark { at: self.at, marker: Marker::of(&buffer[..self.begin]), ties, mid_line: self.mid_line, entry: None }
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

/// How much of `text` can be taken without cutting a character in two.
fn boundary(text: &[u8]) -> usize {
    let back = text.iter().rev().take(4).position(|byte| byte & 0xc0 != 0x80);
    match back {
        Some(back) if text[text.len() - 1 - back] >= 0xc0 => text.len() - 1 - back,
        _ => text.len(),
    }
}
