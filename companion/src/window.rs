//! The last hour of entries, by stream, in the order of their own times: what queries and the page look at.
//!
//! Goes in: entries as intake took them, in any order; [`Window::push`] says whether one was new. Comes out: a [`Selection`], which
//! holds what it shows, so that a long query and new entries do not wait for each other. Bounded in time and bytes: what is
//! older than the span goes, and above the limit the oldest blocks go first, each counted. Rules keep what they have
//! counted themselves and never look here.
//!
//! Entries are kept in blocks of some 64 KiB, compressed: of audit events of 1.2 KB about a fifth is left (`tests` measures it).

mod block;
mod selection;
pub mod store;
mod stream;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use proto::time::UnixNanos;

use crate::entry::Entry;
use crate::labels::LabelSet;

pub use selection::{Order, Selection};
use stream::Stream;

/// A block that did not grow for so long is closed, so that quiet streams are compressed too.
const IDLE: Duration = Duration::from_mins(1);
/// What a stream takes beside its blocks, roughly: its labels twice, and the tables that name it.
const STREAM_BYTES: usize = 512;

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It stands in its place.
    New,
    /// The very same is there already: time, line and metadata.
    Known,
    /// It is older than the window.
    TooOld,
}

/// What the window holds, and what it has given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measure {
    /// Streams that have entries.
    pub streams: usize,
    /// Entries.
    pub entries: u64,
    /// Bytes that they take.
    pub bytes: usize,
    /// The bytes of their lines, uncompressed.
    pub line_bytes: u64,
    /// Entries that went because the window was full, before their time.
    pub given_up: u64,
    /// Entries that were older than the window when they came.
    pub too_old: u64,
    /// Entries that were there already.
    pub known: u64,
}

/// Entries by stream.
#[derive(Debug)]
pub struct Window {
    span: i64,
    limit: usize,
    streams: HashMap<LabelSet, Stream>,
    /// Closed blocks by the time of their last entry: the first is given up first.
    by_age: BTreeMap<(i64, u64), LabelSet>,
    /// What blocks are called in `by_age`.
    next_block: u64,
    /// Bytes of blocks that are open, and of all.
    open_bytes: usize,
    bytes: usize,
    oldest: i64,
    /// Nobody outside can make two entries that are taken for one.
    hasher: RandomState,
    measure: Measure,
}

impl Window {
    /// Holds what is younger than `span`, in at most `limit` bytes.
    pub fn new(span: Duration, limit: usize) -> Self {
        Self {
            span: i64::try_from(span.as_nanos()).unwrap_or(i64::MAX),
            limit,
            streams: HashMap::new(),
            by_age: BTreeMap::new(),
            next_block: 0,
            open_bytes: 0,
            bytes: 0,
            oldest: i64::MIN,
            hasher: RandomState::new(),
            measure: Measure::default(),
        }
    }

    /// Other bounds from now on; what is above them goes with the next entry or moment.
    pub fn set_bounds(&mut self, span: Duration, limit: usize) {
        self.span = i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
        self.limit = limit;
    }

    /// Puts an entry into its place.
    pub fn push(&mut self, labels: &LabelSet, entry: Entry<'_>, now: UnixNanos) -> Kept {
        if entry.time.0 < self.oldest {
            self.measure.too_old += 1;
            return Kept::TooOld;
        }
        let mark = self.hasher.hash_one((entry.time, entry.line, entry.metadata));
        if !self.streams.contains_key(labels) {
            self.bytes += STREAM_BYTES;
        }
        let stream = self.streams.entry(labels.clone()).or_default();
        if stream.has(entry.time.0, mark) {
            self.measure.known += 1;
            return Kept::Known;
        }
        let before = stream.open_bytes();
        stream.push(entry, mark, now);
        let grown = stream.open_bytes() - before;
        self.open_bytes += grown;
        self.bytes += grown;
        self.measure.entries += 1;
        self.measure.line_bytes += entry.line.len() as u64;
        if stream.is_full() {
            self.close(&labels.clone());
        }
        if self.bytes > self.limit {
            self.shrink();
        }
        Kept::New
    }

    /// Time has passed: gives up what is too old, and compresses what has come to rest.
    pub fn advance(&mut self, now: UnixNanos) {
        self.oldest = now.0.saturating_sub(self.span);
        let idle = i64::try_from(IDLE.as_nanos()).unwrap_or(i64::MAX);
        let resting = self.streams.iter().filter(|(_, stream)| stream.rests_since(now.0.saturating_sub(idle)));
        for labels in resting.map(|(labels, _)| labels.clone()).collect::<Vec<_>>() {
            self.close(&labels);
        }
        while let Some(((last, _), _)) = self.by_age.first_key_value()
            && *last < self.oldest
        {
            self.give_up_oldest();
        }
        if self.bytes > self.limit {
            self.shrink();
        }
    }

    /// The entries of the streams that `wanted` says yes to, from `from` to `to`, both included.
    pub fn select(&self, wanted: impl Fn(&LabelSet) -> bool, from: UnixNanos, to: UnixNanos) -> Selection {
        let from = UnixNanos(from.0.max(self.oldest));
        let mut chosen: Vec<_> = self.streams.iter().filter(|(labels, _)| wanted(labels)).collect();
        chosen.sort_by_key(|(labels, _)| *labels);
        Selection::new(from.0, to.0, chosen.into_iter().map(|(labels, stream)| (labels.clone(), stream.parts(from.0, to.0))))
    }

    /// The entries of one stream, from `from` to `to`, both included.
    pub fn select_stream(&self, labels: &LabelSet, from: UnixNanos, to: UnixNanos) -> Selection {
        let from = from.0.max(self.oldest);
        let stream = self.streams.get_key_value(labels);
        Selection::new(from, to.0, stream.into_iter().map(|(labels, stream)| (labels.clone(), stream.parts(from, to.0))))
    }

    /// The streams that have entries between the two, sorted.
    pub fn streams(&self, from: UnixNanos, to: UnixNanos) -> BTreeSet<LabelSet> {
        let has = |stream: &Stream| stream.oldest().is_some_and(|first| first <= to.0) && stream.newest() >= from.0;
        self.streams.iter().filter(|(_, stream)| has(stream)).map(|(labels, _)| labels.clone()).collect()
    }

    /// Each stream, with the time of its newest entry.
    pub fn newest(&self) -> impl Iterator<Item = (&LabelSet, UnixNanos)> {
        self.streams.iter().map(|(labels, stream)| (labels, UnixNanos(stream.newest())))
    }

    /// How much is held.
    pub fn measure(&self) -> Measure {
        Measure { streams: self.streams.len(), bytes: self.bytes, ..self.measure }
    }

    /// Compresses the open block of a stream.
    fn close(&mut self, labels: &LabelSet) {
        let Some(stream) = self.streams.get_mut(labels) else { return };
        let open = stream.open_bytes();
        if let Some((last, bytes)) = stream.close(self.next_block) {
            self.by_age.insert((last, self.next_block), labels.clone());
            self.next_block += 1;
            self.open_bytes -= open;
            self.bytes = self.bytes + bytes - open;
        }
    }

    fn shrink(&mut self) {
        // Many streams with little each: compressed they may well fit.
        if self.open_bytes > self.limit / 2 || self.by_age.is_empty() {
            for labels in self.streams.keys().cloned().collect::<Vec<_>>() {
                self.close(&labels);
            }
        }
        while self.bytes > self.limit
            && let Some(count) = self.give_up_oldest()
        {
            self.measure.given_up += count;
        }
    }

    /// How many entries went; nothing if there was no closed block.
    fn give_up_oldest(&mut self) -> Option<u64> {
        let ((_, number), labels) = self.by_age.pop_first()?;
        let stream = self.streams.get_mut(&labels)?;
        let gone = stream.give_up(number)?;
        self.bytes -= gone.bytes;
        self.measure.entries -= gone.entries;
        self.measure.line_bytes -= gone.line_bytes;
        if stream.is_empty() {
            self.streams.remove(&labels);
            self.bytes -= STREAM_BYTES;
        }
        Some(gone.entries)
    }
}
