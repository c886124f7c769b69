//! One stream: closed blocks, and the one that is open. Blocks may overlap in time where entries came late; reading sorts them out.

use std::collections::BTreeMap;
use std::sync::Arc;

use proto::time::UnixNanos;

use super::block::{Block, Open, Unpacked};
use crate::entry::Entry;

/// At so many bytes a block is closed: snappy looks back 64 KiB.
const BLOCK_BYTES_MAX: usize = 64 << 10;

#[derive(Debug)]
pub(super) struct Stream {
    closed: BTreeMap<u64, Arc<Block>>,
    open: Open,
    newest: i64,
    /// When an entry came last, by the clock.
    pushed: i64,
}

/// What went with a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gone {
    pub(super) entries: u64,
    pub(super) bytes: usize,
    pub(super) line_bytes: u64,
}

/// A block as a reader holds it.
#[derive(Clone, Debug)]
pub(super) enum Part {
    Closed(Arc<Block>),
    Open { entries: Unpacked, first: i64, last: i64 },
}

impl Default for Stream {
    fn default() -> Self {
        Self { closed: BTreeMap::new(), open: Open::default(), newest: i64::MIN, pushed: i64::MIN }
    }
}

impl Stream {
    pub(super) fn has(&self, time: i64, mark: u64) -> bool {
        // What is newer than all cannot be there: the way that nearly every entry goes.
        time <= self.newest && (self.open.has(time, mark) || self.closed.values().any(|block| block.has(time, mark)))
    }

    pub(super) fn push(&mut self, entry: Entry<'_>, mark: u64, now: UnixNanos) {
        self.newest = self.newest.max(entry.time.0);
        self.pushed = now.0;
        self.open.push(entry, mark);
    }

    pub(super) fn is_full(&self) -> bool {
        self.open.len() >= BLOCK_BYTES_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        self.closed.is_empty() && self.open.first().is_none()
    }

    /// Whether its open block has entries and did not grow since.
    pub(super) fn rests_since(&self, moment: i64) -> bool {
        self.open.first().is_some() && self.pushed <= moment
    }

    pub(super) fn open_bytes(&self) -> usize {
        self.open.memory()
    }

    pub(super) fn newest(&self) -> i64 {
        self.newest
    }

    pub(super) fn oldest(&self) -> Option<i64> {
        self.closed.values().map(|block| block.first).chain(self.open.first()).min()
    }

    /// Closes the open block as number `number`: the time of its last entry, and its bytes.
    pub(super) fn close(&mut self, number: u64) -> Option<(i64, usize)> {
        let block = std::mem::take(&mut self.open).pack()?;
        let (last, bytes) = (block.last, block.memory());
        self.closed.insert(number, Arc::new(block));
        Some((last, bytes))
    }

    pub(super) fn give_up(&mut self, number: u64) -> Option<Gone> {
        let block = self.closed.remove(&number)?;
        Some(Gone { entries: block.entries(), bytes: block.memory(), line_bytes: block.line_bytes })
    }

    /// What may have entries from `from` to `to`.
    pub(super) fn parts(&self, from: i64, to: i64) -> Vec<Part> {
        let closed = self.closed.values().filter(|block| block.first <= to && block.last >= from);
        let mut parts: Vec<Part> = closed.map(|block| Part::Closed(Arc::clone(block))).collect();
        if let (Some(first), Some(last)) = (self.open.first(), self.open.last())
            && first <= to
            && last >= from
        {
            parts.push(Part::Open { entries: self.open.unpacked(), first, last });
        }
        parts.sort_by_key(Part::first);
        parts
    }
}

impl Part {
    pub(super) fn first(&self) -> i64 {
        match self {
            Self::Closed(block) => block.first,
            Self::Open { first, .. } => *first,
        }
    }

    pub(super) fn last(&self) -> i64 {
        match self {
            Self::Closed(block) => block.last,
            Self::Open { last, .. } => *last,
        }
    }

    pub(super) fn unpack(&self) -> Unpacked {
        match self {
            Self::Closed(block) => block.unpack(),
            Self::Open { entries, .. } => entries.clone(),
        }
    }
}
