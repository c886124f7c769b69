//! A shaped record goes into the batch, or is accounted for: what the destination would refuse is not sent.
//!
//! In: an entry with its time, and the state of its stream. Out: a full account, and how many pieces it became.

use std::sync::Arc;
use std::time::Instant;

use proto::time::UnixNanos;
use record::metadata::Metadata;

use crate::batch::{Batch, CachedSlot, Extent};
use crate::checkpoint::Part;
use crate::ledger::Fate;
use crate::metrics::LaneCounters;
use crate::shape::{Entry, Shaper};

/// Marks the pieces of a line that was split. Beyond the ninth all are alike.
const SPLIT: [&str; 10] = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "more"];

/// The batch, and what it takes.
pub struct Gate<'a> {
    /// Where entries go.
    pub batch: &'a mut Batch,
    /// The metadata of a piece of a line that was split.
    pub marked: &'a mut Metadata,
    /// What is counted.
    pub counters: &'a LaneCounters,
    /// Monotonic.
    pub now: Instant,
    /// Entries older than that would be refused, nanoseconds since the epoch; `i64::MIN` for none.
    pub oldest: i64,
    /// A time that is newer than that is a wrong one: the destination will not take it for its stream's newest either.
    pub latest: i64,
    /// How far behind the newest of its stream an entry may be, nanoseconds; `i64::MAX` for any.
    pub order_window: i64,
}

/// Where an entry goes.
pub struct Stream<'a> {
    /// The account that its bytes belong to.
    pub source: &'a Arc<str>,
    /// Its labels.
    pub labels: &'a Arc<str>,
    /// Which chain and part feed it.
    pub feed: (usize, Part),
    /// Its newest time, nanoseconds since the epoch.
    pub newest: &'a mut i64,
    /// Its place in the open batch.
    pub slot: &'a mut CachedSlot,
}

/// Why an entry is not sent.
pub struct Reasons {
    age: Arc<str>,
    order: Arc<str>,
}

impl Default for Reasons {
    fn default() -> Self {
        Self { age: "too_old".into(), order: "too_far_behind".into() }
    }
}

impl Gate<'_> {
    /// Puts the entry into the batch; says how many entries it became: 0 if it would be refused.
    #[inline]
    pub fn deliver(
        &mut self,
        entry: &Entry<'_>,
        time: i64,
        stream: Stream<'_>,
        extent: Extent,
        shaper: &Shaper,
        why: &Reasons,
    ) -> u32 {
        let Stream { source, labels, feed, newest, slot } = stream;
        if time < self.oldest {
            self.batch.withhold(self.now, source, Fate::Rejected, &why.age, extent);
            return 0;
        }
        // Loki answers 204 to a request of which it refused such entries, unless their stream is the last in it.
        if time < newest.saturating_sub(self.order_window) {
            self.batch.withhold(self.now, source, Fate::Rejected, &why.order, extent);
            return 0;
        }
        // Or one wrong time, far ahead, would keep out all that comes after it.
        if time <= self.latest {
            *newest = time.max(*newest);
        }
        self.batch.slot(slot, labels, source, feed);
        self.counters.entries.add(1);
        self.counters.newest(time);
        if !entry.marks.split {
            self.batch.push(*slot, self.now, UnixNanos(time), entry.text, entry.metadata.structured(), extent);
            return 1;
        }
        let (mut pieces, mut extent) = (0, extent);
        for (number, piece) in shaper.pieces(entry.text).enumerate() {
            self.marked.copy_from(entry.metadata);
            self.marked.push("split", SPLIT[number.min(SPLIT.len() - 1)]);
            let time = UnixNanos(time.saturating_add(number as i64));
            self.batch.push(*slot, self.now, time, piece, self.marked.structured(), extent);
            extent = Extent { bytes: 0, lines: 0 };
            pieces += 1;
        }
        pieces
    }
}
