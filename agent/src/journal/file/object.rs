//! The objects of a journal file: their common header, and the head of an entry.

use super::damage::Flaw;
use super::header::{Id128, Layout, MonotonicMicros, RealtimeMicros};

/// Every object begins with its type, flags and size.
pub(super) const OBJECT_HEADER: u64 = 16;
/// An entry with a single field, in a compact file.
pub(super) const SHORTEST_ENTRY: u64 = ENTRY_ITEMS + 4;
/// Where the items of an entry begin.
const ENTRY_ITEMS: u64 = 64;
/// Fields of an entry. The journal takes 1024 from a client and adds some thirty.
const MOST_ITEMS: u64 = 4096;
/// A time from here on is none: journald refuses it too.
const NO_TIME: u64 = 1 << 55;

/// The types of objects that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// `FIELD=value`, once for all entries that have it.
    Data = 1,
    /// An entry: its number and times, and offsets of its data.
    Entry = 3,
    /// A part of a list of entries.
    EntryArray = 6,
}

/// What every object begins with.
#[derive(Clone, Copy)]
pub(super) struct ObjectHeader {
    /// Compression of its payload.
    pub(super) flags: u8,
    /// Bytes of the whole object.
    pub(super) size: u64,
}

impl ObjectHeader {
    /// The header of an object of `kind` at the beginning of `bytes`, of which `room` bytes stand in the file.
    pub(super) fn expect(bytes: &[u8], kind: Kind, room: u64, shortest: u64) -> Result<Self, Flaw> {
        let header = Self::expect_kind(bytes, kind)?;
        if header.size < shortest || header.size > room {
            return Err(Flaw::Size(header.size));
        }
        Ok(header)
    }

    fn expect_kind(bytes: &[u8], kind: Kind) -> Result<Self, Flaw> {
        let (Some(&[found, flags]), Some(size)) = (bytes.first_chunk::<2>(), u64_at(bytes, 8)) else { return Err(Flaw::Short) };
        if found != kind as u8 {
            return Err(Flaw::Kind { expected: kind as u8, found });
        }
        Ok(Self { flags, size })
    }
}

/// What an entry says of itself, and what orders it among others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryHead {
    /// The run of sequence numbers to which [`Self::seqnum`] belongs.
    pub seqnum_id: Id128,
    /// Its number; those of one run have no gaps, but may be spread over several files.
    pub seqnum: u64,
    /// When the journal received it.
    pub realtime: RealtimeMicros,
    /// The same since the boot.
    pub monotonic: MonotonicMicros,
    /// The boot in which it was written.
    pub boot_id: Id128,
    /// A hash of all its fields.
    pub xor_hash: u64,
}

/// An entry's object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// Where it begins.
    pub(super) at: u64,
    /// How many fields it has.
    pub(super) items: usize,
    pub(super) head: EntryHead,
}

impl Entry {
    /// The entry at `at`, which begins with `bytes` and has `room` bytes in the file.
    pub(super) fn parse(at: u64, bytes: &[u8], room: u64, seqnum_id: Id128, layout: Layout) -> Result<Self, Flaw> {
        let header = ObjectHeader::expect(bytes, Kind::Entry, room, ENTRY_ITEMS + layout.entry_item())?;
        let head = Self::head(bytes, seqnum_id).ok_or(Flaw::Short)?;
        if head.seqnum == 0 || head.realtime.0 == 0 || head.realtime.0.max(head.monotonic.0) >= NO_TIME {
            return Err(Flaw::Head);
        }
        let items = (header.size - ENTRY_ITEMS) / layout.entry_item();
        if items > MOST_ITEMS {
            return Err(Flaw::Fields(items));
        }
        Ok(Self { at, items: items as usize, head })
    }

    fn head(bytes: &[u8], seqnum_id: Id128) -> Option<EntryHead> {
        Some(EntryHead {
            seqnum_id,
            seqnum: u64_at(bytes, 16)?,
            realtime: RealtimeMicros(u64_at(bytes, 24)?),
            monotonic: MonotonicMicros(u64_at(bytes, 32)?),
            boot_id: id_at(bytes, 40)?,
            xor_hash: u64_at(bytes, 56)?,
        })
    }

    /// Bytes before its items.
    pub(super) const HEAD: usize = ENTRY_ITEMS as usize;

    /// Bytes of all of it.
    pub(super) fn size(&self, layout: Layout) -> usize {
        Self::HEAD + self.items * layout.entry_item() as usize
    }
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_le_bytes(*chunk))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|chunk| u64::from_le_bytes(*chunk))
}

pub(super) fn id_at(bytes: &[u8], at: usize) -> Option<Id128> {
    bytes.get(at..)?.first_chunk().map(|chunk| Id128(*chunk))
}
