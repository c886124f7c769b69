//! Where a lane stands in one chain: the open segments, and for each of the chain's parts how far it was read in them.
//!
//! A position here is one of reading; it becomes one of the position log when the batch that leads to it is settled. Going
//! back to what is settled is always possible, since nothing is kept but positions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::loki::metadata::StructuredMetadata;

use crate::checkpoint::{Cursor, EntryPlace, Part, SegmentIdentity, Stamp, Ties};
use crate::tail::chain::Chain;
use crate::tail::identity::{FINGERPRINT_BYTES, Fingerprint, Marker};
use crate::tail::rotation::Encoding;
use crate::tail::segment::{JOURNAL_ID, Segment, SegmentNumber};

/// A file to which nothing was written for so long was complete when it was copied and truncated.
const QUIET: Duration = Duration::from_secs(5);

/// Stdout and stderr of a container; files have the first only.
pub const PARTS: usize = 2;

/// A place in a segment, and what is needed to go on from there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// The byte.
    pub at: u64,
    /// The bytes before it.
    pub marker: Marker,
    /// Tie state there, by part: streams do not tie with each other.
    pub ties: [Ties; PARTS],
    /// Within a line that is too long for memory.
    pub mid_line: bool,
    /// Of a journal file, where `at` counts entries: the last one before it.
    pub entry: Option<EntryPlace>,
}

/// A segment that is read or may still grow.
#[derive(Debug)]
pub struct OpenSegment {
    /// The file.
    pub segment: Arc<Segment>,
    /// How far each part was read.
    pub marks: [Mark; PARTS],
    /// Of the bytes before the marks.
    pub fingerprint: Fingerprint,
    /// The position log knows the fingerprint.
    pub identified: bool,
    /// Since when it was found at its end, with how many bytes.
    pub quiet: Option<(Instant, u64)>,
    /// Read to the end that it will have; kept until that is settled.
    pub done: bool,
    /// It would be done if not for a record that begins in it and goes on in the next, or a part that is left alone.
    pub held: bool,
    /// Where reading went on in the next segment.
    pub left: Option<Mark>,
    /// What every entry of the file carries.
    pub metadata: StructuredMetadata,
}

impl OpenSegment {
    /// Begins at the start of a segment.
    pub fn new(segment: Arc<Segment>) -> Self {
        Self {
            segment,
            marks: [Mark::default(); PARTS],
            fingerprint: Fingerprint::default(),
            identified: false,
            quiet: None,
            done: false,
            held: false,
            left: None,
            metadata: StructuredMetadata::default(),
        }
    }

    /// Where the parts stand, as the position log has it.
    pub fn cursor(&self, parts: usize) -> Cursor {
        let marks = &self.marks[..parts];
        let low = marks.iter().min_by_key(|mark| mark.at).copied().unwrap_or_default();
        let ahead =
            marks.iter().enumerate().filter(|(_, mark)| mark.at > low.at).map(|(part, mark)| (Part(part as u16), mark.at));
        Cursor {
            segment: self.segment.number,
            at: low.at,
            marker: low.marker,
            ties: low.ties,
            mid_line: low.mid_line,
            ahead: ahead.collect(),
            entry: low.entry,
        }
    }

    /// Whether the file that takes this one's place, its copy, has all that was ever written to it: nothing was written for so
    /// long that nothing was in the moment between the copying and the truncation.
    fn was_complete(&self, copy: &Segment) -> bool {
        let at = self.marks.iter().map(|mark| mark.at).max().unwrap_or(0);
        let was_quiet = self.quiet.is_some_and(|(since, len)| len == at && since.elapsed() >= QUIET);
        was_quiet && (copy.encoding != Encoding::Plain || copy.stat().is_ok_and(|stat| stat.len == at))
    }

    /// Goes to where a cursor of the position log is, with all parts or with one.
    pub fn go_to(&mut self, cursor: &Cursor, only: Option<Part>) {
        (self.held, self.left) = (false, None);
        let Cursor { at, marker, ties, mid_line, entry, .. } = *cursor;
        let low = Mark { at, marker, ties, mid_line, entry };
        for (part, mark) in self.marks.iter_mut().enumerate() {
            let part = Part(part as u16);
            if only.is_none_or(|only| only == part) {
                *mark = low;
                if let Some((_, at)) = cursor.ahead.iter().find(|(ahead, _)| *ahead == part) {
                    // Reading starts at the lowest part; what this one needs is only to know what it has already.
                    mark.at = *at;
                }
            }
        }
    }

    /// Whether the position log knows it.
    pub fn is_identified(&self) -> bool {
        self.identified
    }

    /// What makes it known again; `None` if the position log knows it already.
    pub fn identify(&mut self, parts: usize) -> Option<SegmentIdentity> {
        let at = self.marks[..parts].iter().map(|mark| mark.at).max().unwrap_or(0);
        let want = match self.segment.encoding {
            Encoding::Journal => JOURNAL_ID.1,
            _ => usize::try_from(at).unwrap_or(FINGERPRINT_BYTES).min(FINGERPRINT_BYTES),
        };
        if self.identified && usize::from(self.fingerprint.len) >= want {
            return None;
        }
        if let Ok(head) = self.segment.head() {
            self.fingerprint = Fingerprint::of(&head[..want.min(head.len())]);
        }
        self.identified = true;
        let name = self.segment.path().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Some(SegmentIdentity { id: self.segment.id, fingerprint: self.fingerprint, name })
    }
}

/// An announced batch of an earlier run, as one chain has it: the times it gave to lines, and where it ended.
#[derive(Debug, Default)]
pub struct Replay {
    /// The times, in order.
    pub stamps: Vec<Stamp>,
    /// Where each segment ended.
    pub ends: Vec<Cursor>,
    /// Segments that were open before it; of these, the ones without an end were read to their own end.
    pub before: Vec<SegmentNumber>,
}

impl Replay {
    /// Whether the batch read the segment to its end.
    pub fn was_finished(&self, segment: SegmentNumber) -> bool {
        let newest = self.ends.iter().map(|cursor| cursor.segment).max();
        let named = self.ends.iter().any(|cursor| cursor.segment == segment);
        !named && (self.before.contains(&segment) || newest.is_some_and(|newest| segment < newest))
    }

    /// The byte at which a part of a segment ends; 0 for a segment that came later.
    pub fn end(&self, segment: SegmentNumber, part: usize) -> u64 {
        match self.ends.iter().find(|cursor| cursor.segment == segment) {
            Some(cursor) => cursor.ahead.iter().find(|(ahead, _)| usize::from(ahead.0) == part).map_or(cursor.at, |(_, at)| *at),
            None if self.was_finished(segment) => u64::MAX,
            None => 0,
        }
    }

    /// Where a part of a segment ends, if the segment was not read to its own end.
    pub fn mark(&self, segment: SegmentNumber, part: usize) -> Option<Mark> {
        let cursor = self.ends.iter().find(|cursor| cursor.segment == segment)?;
        let Cursor { marker, ties, mid_line, entry, .. } = *cursor;
        Some(Mark { at: self.end(segment, part), marker, ties, mid_line, entry })
    }

    /// The byte at which all parts of a segment have ended.
    pub fn last(&self, segment: SegmentNumber) -> u64 {
        (0..PARTS).map(|part| self.end(segment, part)).max().unwrap_or(0)
    }
}

/// Parts of a chain that a destination refuses for now.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parked([bool; PARTS]);

impl Parked {
    /// Leaves a part alone, or takes it up again.
    pub fn set(&mut self, part: Part, parked: bool) {
        if let Some(slot) = self.0.get_mut(usize::from(part.0)) {
            *slot = parked;
        }
    }

    /// Whether a part is left alone.
    pub fn is(self, part: usize) -> bool {
        self.0.get(part).copied().unwrap_or(false)
    }

    /// Whether any is.
    pub fn any(self) -> bool {
        self.0.iter().any(|parked| *parked)
    }
}

/// What was lost since the chain's list was followed last.
#[derive(Debug, Default)]
pub struct Followed {
    /// Segments that are gone unread.
    pub gone: Vec<OpenSegment>,
    /// Segments of which only a copy is left, which may lack what was written before the truncation.
    pub cut_short: usize,
}

/// Brings the open segments up to the chain's list: new ones are added, and one whose file was exchanged (a copy was found
/// after a truncation) gets the new file.
pub fn follow(open: &mut Vec<OpenSegment>, chain: &Chain, newest_known: &mut Option<SegmentNumber>) -> Followed {
    let mut cut_short = 0;
    let segments = chain.segments();
    for segment in &segments {
        match open.iter_mut().find(|known| known.segment.number == segment.number) {
            Some(known) if !Arc::ptr_eq(&known.segment, segment) => {
                cut_short += usize::from(!known.was_complete(segment));
                known.segment = Arc::clone(segment);
                known.identified = false;
                known.quiet = None;
                (known.done, known.held, known.left) = (false, false, None);
            }
            None if newest_known.is_none_or(|newest| segment.number > newest) => {
                open.push(OpenSegment::new(Arc::clone(segment)));
                *newest_known = Some(segment.number);
            }
            Some(_) | None => {}
        }
    }
    let is_gone = |known: &OpenSegment| !known.done && !segments.iter().any(|segment| segment.number == known.segment.number);
    let (gone, kept) = std::mem::take(open).into_iter().partition(is_gone);
    *open = kept;
    Followed { gone, cut_short }
}
