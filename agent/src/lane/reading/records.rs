//! Lines become records, and records entries: fragments and groups of lines are joined, what is too long is taken apart, each record
//! is given its time and put into the batch or accounted for.
//!
//! Every line that is not settled ends in exactly one account: the batch's entries, or what the batch withholds.

use proto::time::UnixNanos;
use record::cri::{self, Output};

use super::{Reading, Surroundings};
use crate::batch::Extent;
use crate::checkpoint::{Part, Stamp, Ties};
use crate::config::checked::LongLines;
use crate::lane::chain::{ChainLane, Lines};
use crate::lane::deliver::Stream;
use crate::lane::join::{At, Join};
use crate::lane::standing::{PARTS, Replay};
use crate::lane::stream_sets::StreamSet;
use crate::ledger::Fate;
use crate::shape::{Origin, Shaped};
use crate::tail::framing::Framed;
use crate::tail::segment::SegmentNumber;

/// A fragment whose record is not complete after so many bytes of the file is taken as it is.
const FRAGMENT_SPAN: u64 = 4 << 20;

impl Reading {
    /// One line, complete or known to be the last.
    #[inline]
    pub(super) fn line(
        &mut self,
        buffer: &[u8],
        line: Framed,
        chain: &mut ChainLane,
        around: &mut Surroundings<'_>,
        unterminated: bool,
    ) {
        let text = &buffer[line.start..line.end];
        let extent = Extent { bytes: (line.next - self.begin) as u64, lines: 1 };
        if line.nuls > 0 {
            around.gate.counters.nul_bytes.add(line.nuls as u64);
            if text.is_empty() {
                if !self.is_settled(chain, 0) {
                    chain.touched = true;
                    chain.streams[0].count(extent);
                    around.gate.batch.withhold(
                        around.gate.now,
                        &chain.streams[0].source,
                        Fate::Filtered,
                        &self.reasons.nuls,
                        extent,
                    );
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
            around.gate.counters.malformed.add(1);
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

    pub(super) fn flush_groups(&mut self, chain: &mut ChainLane, around: &mut Surroundings<'_>) {
        for part in 0..PARTS {
            if self.groups[part].is_open() {
                let mut group = std::mem::take(&mut self.groups[part]);
                self.emit_join(&mut group, part, chain, around);
                self.groups[part] = group;
            }
        }
    }

    /// Records whose last fragment will never come.
    pub(super) fn flush_fragments(&mut self, chain: &mut ChainLane, around: &mut Surroundings<'_>) {
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
    pub(super) fn overlong(&mut self, buffer: &[u8], line: Framed, chain: &mut ChainLane, around: &mut Surroundings<'_>) {
        let extent = Extent { bytes: (line.next - self.begin) as u64, lines: u64::from(!self.mid_line) };
        let first = !std::mem::replace(&mut self.mid_line, true);
        if self.is_settled(chain, 0) {
            return;
        }
        if first || chain.long_lines == LongLines::Split {
            around.gate.counters.overlong.add(u64::from(first));
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
        around.gate.batch.withhold(around.gate.now, &chain.streams[0].source, Fate::Filtered, &self.reasons.cut, extent);
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
            around.gate.batch.withhold(around.gate.now, source, Fate::Filtered, &self.reasons.elsewhere, whole.extent);
            return;
        }
        let Some(begun) = open.get(whole.begin.0) else { return };
        let origin = Origin { metadata: Some(&begun.metadata), ..whole.origin };
        let entry = match shaper.shape(whole.text, origin, around.work) {
            Shaped::Entry(entry) => entry,
            Shaped::Dropped(rule) => {
                around.gate.batch.withhold(around.gate.now, source, Fate::Filtered, rule, whole.extent);
                return;
            }
        };
        around.gate.counters.mark(entry.marks);
        let is_stamped = whole.time.is_none() && entry.time.is_none() && !(shaper.is_timed() && self.ties[part].last != 0);
        let time = match (whole.time, entry.time) {
            (Some(_), Some(own)) if stream > 0 => own.0,
            (Some(time), _) => time,
            (None, Some(own)) => self.tie(part, Some(own.0)).unwrap_or(own.0),
            (None, None) if !is_stamped => self.tie(part, None).unwrap_or(around.wall),
            (None, None) => self.stamp(begun.segment.number, whole.begin.1, replay.as_ref(), stamps, around.wall),
        };
        if floor.is_some_and(|floor| time < floor) {
            around.gate.batch.withhold(around.gate.now, source, Fate::Filtered, &self.reasons.old, whole.extent);
            return;
        }
        let stream = Stream {
            source,
            labels: &labels[part],
            feed: (*index, Part(part as u16)),
            newest: &mut newest_times[stream][part],
            slot: &mut slots[stream][part],
        };
        let pieces = around.gate.deliver(&entry, time, stream, whole.extent, shaper, &self.reasons.refused);
        // What follows comes after the last piece, in time too.
        let further = pieces.saturating_sub(1);
        let ties = &mut self.ties[part];
        if is_stamped {
            ties.last = ties.last.saturating_add(i64::from(further));
        } else {
            ties.added = ties.added.saturating_add(further);
        }
    }
}

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
