//! Entries on their way to one destination, gathered into a request of bounded size. Pure: it is given the time.
//!
//! A batch knows, beside the bytes to send, what must happen once they are acknowledged: where each chain's cursors go and
//! what to enter into the ledger. Nothing is allocated per entry: streams are looked up once per batch and chain.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use proto::loki::metadata::StructuredMetadata;
use proto::loki::push::{PushBuilder, StreamSlot};
use proto::time::UnixNanos;

use crate::checkpoint::{Move, Part, SegmentIdentity};
use crate::ledger::Fate;
use crate::tail::segment::SegmentNumber;

/// When a batch is full.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Uncompressed bytes.
    pub bytes: usize,
    /// Entries.
    pub entries: usize,
    /// How long its first entry waits for company.
    pub linger: Duration,
}

/// One stream's share of a batch.
#[derive(Clone, Debug)]
pub struct StreamShare {
    /// Its labels, as text.
    pub labels: Arc<str>,
    /// The account that its bytes belong to.
    pub source: Arc<str>,
    /// Entries.
    pub entries: u64,
    /// Lines of the source: several where lines were joined.
    pub lines: u64,
    /// Bytes of the source.
    pub bytes: u64,
    /// Which chains feed it, by place in the catalog, and with which part.
    pub feeds: Vec<(usize, Part)>,
}

/// Bytes that are not shipped, by account and reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withheld {
    /// The account.
    pub source: Arc<str>,
    /// Filtered or rejected.
    pub fate: Fate,
    /// Why.
    pub reason: Arc<str>,
    /// Bytes of the source.
    pub bytes: u64,
    /// Lines of the source.
    pub lines: u64,
}

/// A batch that is complete.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// Counts the destination's batches.
    pub sequence: u64,
    /// The request's body, compressed; empty if nothing is to be sent.
    pub body: Bytes,
    /// Its size before compression, bytes.
    pub uncompressed: usize,
    /// Entries.
    pub entries: usize,
    /// What is in it.
    pub streams: Vec<StreamShare>,
    /// What was read and is not in it.
    pub withheld: Vec<Withheld>,
    /// Where it leads.
    pub moves: Vec<Move>,
    /// Which chains the moves are of: place in the catalog, and number in the position log.
    pub chains: Vec<(usize, u32)>,
    /// Segments that the moves speak of and the position log may not know: the chain's number, the segment, its identity.
    pub segments: Vec<(u32, SegmentNumber, SegmentIdentity)>,
    /// When its first entry was read.
    pub opened: Instant,
}

/// A batch that is being filled; reused for ever.
pub struct Batch {
    limits: Limits,
    push: PushBuilder,
    slots: HashMap<Arc<str>, StreamSlot>,
    streams: Vec<StreamShare>,
    withheld: Vec<Withheld>,
    opened: Option<Instant>,
    generation: u64,
}

/// Where a stream stands in the batch of a certain generation: looked up once, then kept by the chain.
#[derive(Clone, Copy, Debug, Default)]
pub struct CachedSlot {
    generation: u64,
    slot: Option<StreamSlot>,
    share: usize,
}

/// Where a batch leads.
#[derive(Debug, Default)]
pub struct Steps {
    /// By chain.
    pub moves: Vec<Move>,
    /// Place in the catalog and number in the position log of each.
    pub chains: Vec<(usize, u32)>,
    /// What the position log must know first.
    pub segments: Vec<(u32, SegmentNumber, SegmentIdentity)>,
}

/// Whose bytes they are, and how many.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Bytes of the source.
    pub bytes: u64,
    /// Lines of the source.
    pub lines: u64,
}

impl Batch {
    /// An empty batch.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            push: PushBuilder::new(),
            slots: HashMap::new(),
            streams: Vec::new(),
            withheld: Vec::new(),
            opened: None,
            generation: 1,
        }
    }

    /// Nothing in it, not even something withheld.
    pub fn is_empty(&self) -> bool {
        self.push.is_empty() && self.withheld.is_empty()
    }

    /// No entry in it.
    pub fn has_no_entries(&self) -> bool {
        self.push.is_empty()
    }

    /// Whether it is to be sealed before more is added.
    pub fn is_full(&self) -> bool {
        self.push.entries() >= self.limits.entries || self.push.len_bytes() >= self.limits.bytes
    }

    /// When it is to be sealed though it is not full. What only moves positions can wait longer than entries can.
    pub fn due(&self) -> Option<Instant> {
        let patience = if self.push.is_empty() { self.limits.linger.max(Duration::from_secs(5)) } else { self.limits.linger };
        self.opened.map(|opened| opened + patience)
    }

    /// The place of a stream, through what the chain remembers of it.
    pub fn slot(&mut self, cached: &mut CachedSlot, labels: &Arc<str>, source: &Arc<str>, feed: (usize, Part)) {
        if cached.generation == self.generation && cached.slot.is_some() {
            return;
        }
        let (slot, share) = if let Some(slot) = self.slots.get(labels) {
            let share = self.streams.iter().position(|share| share.labels == *labels).unwrap_or_default();
            (*slot, share)
        } else {
            let slot = self.push.stream(labels);
            self.slots.insert(Arc::clone(labels), slot);
            self.streams.push(StreamShare {
                labels: Arc::clone(labels),
                source: Arc::clone(source),
                entries: 0,
                lines: 0,
                bytes: 0,
                feeds: Vec::new(),
            });
            (slot, self.streams.len() - 1)
        };
        if !self.streams[share].feeds.contains(&feed) {
            self.streams[share].feeds.push(feed);
        }
        *cached = CachedSlot { generation: self.generation, slot: Some(slot), share };
    }

    /// Adds an entry to a stream whose place was just made certain with [`Batch::slot`].
    #[inline]
    pub fn push(
        &mut self,
        cached: CachedSlot,
        now: Instant,
        time: UnixNanos,
        line: &str,
        metadata: &StructuredMetadata,
        extent: Extent,
    ) {
        let Some(slot) = cached.slot else { return };
        self.opened.get_or_insert(now);
        self.push.push(slot, time, line, metadata);
        let share = &mut self.streams[cached.share];
        share.entries += 1;
        share.lines += extent.lines;
        share.bytes += extent.bytes;
    }

    /// Notes what was read and is not shipped.
    pub fn withhold(&mut self, now: Instant, source: &Arc<str>, fate: Fate, reason: &Arc<str>, extent: Extent) {
        self.opened.get_or_insert(now);
        let known = self
            .withheld
            .iter_mut()
            .find(|withheld| withheld.fate == fate && withheld.source == *source && withheld.reason == *reason);
        if let Some(withheld) = known {
            withheld.bytes += extent.bytes;
            withheld.lines += extent.lines;
        } else {
            let (source, reason) = (Arc::clone(source), Arc::clone(reason));
            self.withheld.push(Withheld { source, fate, reason, bytes: extent.bytes, lines: extent.lines });
        }
    }

    /// Takes the batch out as a request, encoded into `body`, and begins the next.
    pub fn seal(&mut self, sequence: u64, now: Instant, mut body: Vec<u8>, steps: Steps) -> Sealed {
        let (entries, uncompressed) = (self.push.entries(), self.push.len_bytes());
        body.clear();
        if entries > 0 {
            self.push.encode(&mut body);
        }
        self.push.clear();
        self.slots.clear();
        self.generation += 1;
        Sealed {
            sequence,
            body: Bytes::from(body),
            uncompressed,
            entries,
            streams: std::mem::take(&mut self.streams),
            withheld: std::mem::take(&mut self.withheld),
            moves: steps.moves,
            chains: steps.chains,
            segments: steps.segments,
            opened: self.opened.take().unwrap_or(now),
        }
    }

    /// Gives memory back after a burst.
    pub fn shrink(&mut self) {
        self.push.shrink(64 * 1024);
    }
}
