//! A journal file's header, and the few types in which it speaks. Little endian, 208 bytes at least, longer in newer files.

use std::fmt;

use super::damage::OpenError;
use super::object::{id_at, u32_at, u64_at};
use super::source::{ReadAt, read_full};

const SIGNATURE: &[u8; 8] = b"LPKSHHRH";
/// The header of the oldest files; all that is needed is in it.
const SHORTEST: usize = 208;

const COMPRESSED_XZ: u32 = 1;
const COMPRESSED_LZ4: u32 = 1 << 1;
const KEYED_HASH: u32 = 1 << 2;
const COMPRESSED_ZSTD: u32 = 1 << 3;
const COMPACT: u32 = 1 << 4;
const KNOWN_FLAGS: u32 = COMPRESSED_XZ | COMPRESSED_LZ4 | KEYED_HASH | COMPRESSED_ZSTD | COMPACT;

/// A 128-bit identifier of systemd: a boot, a machine, a file, a run of sequence numbers.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id128(pub [u8; 16]);

impl fmt::Display for Id128 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Id128 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// A time of the wall clock in microseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RealtimeMicros(pub u64);

/// A time in microseconds since the boot of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MonotonicMicros(pub u64);

/// Whether a file is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Closed; whoever wrote it may open it again.
    Offline,
    /// Being written to, or left so by a crash.
    Online,
    /// Never written to again.
    Archived,
}

/// What a file says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whether it is written to.
    pub state: State,
    /// Which file it is.
    pub file_id: Id128,
    /// On which machine it was written.
    pub machine_id: Id128,
    /// The boot of the newest entry. Files of systemd before 254 do not promise so much.
    pub tail_entry_boot_id: Id128,
    /// The run of sequence numbers to which its entries belong.
    pub seqnum_id: Id128,
    /// Features that a reader need not know.
    pub compatible_flags: u32,
    /// Features that a reader has to know.
    pub incompatible_flags: u32,
    /// How many entries it holds; never more than have room in it.
    pub n_entries: u64,
    /// The sequence number of the oldest entry, 0 without one.
    pub head_entry_seqnum: u64,
    /// The sequence number of the newest entry, 0 without one.
    pub tail_entry_seqnum: u64,
    /// When the oldest entry was written.
    pub head_entry_realtime: RealtimeMicros,
    /// When the newest entry was written.
    pub tail_entry_realtime: RealtimeMicros,
    /// When the newest entry was written, since its boot.
    pub tail_entry_monotonic: MonotonicMicros,
    /// Where its objects begin.
    pub(super) objects: u64,
    /// Where its objects end at the latest.
    pub(super) end: u64,
    /// Where the newest object begins.
    pub(super) tail_object: u64,
    /// Where the list of entries begins.
    pub(super) entry_array: u64,
}

/// How wide the fields of a file's objects are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    compact: bool,
}

impl Layout {
    /// Bytes of an item in an entry.
    pub(super) fn entry_item(self) -> u64 {
        if self.compact { 4 } else { 16 }
    }

    /// Bytes of an item in a list of entries.
    pub(super) fn array_item(self) -> u64 {
        if self.compact { 4 } else { 8 }
    }

    /// Where in a data object its payload begins.
    pub(super) fn payload(self) -> u64 {
        if self.compact { 72 } else { 64 }
    }

    /// The offset at the beginning of an item.
    pub(super) fn offset(self, item: &[u8]) -> Option<u64> {
        if self.compact { u32_at(item, 0).map(u64::from) } else { u64_at(item, 0) }
    }
}

impl Header {
    pub(super) fn read<S: ReadAt>(source: &S) -> Result<Self, OpenError> {
        let mut bytes = [0; SHORTEST];
        if read_full(source, &mut bytes, 0)? < SHORTEST {
            return Err(OpenError::TooShort);
        }
        Self::parse(&bytes).ok_or(OpenError::TooShort)?
    }

    /// `None` only for fewer bytes than the shortest header has.
    fn parse(bytes: &[u8]) -> Option<Result<Self, OpenError>> {
        if bytes.get(..8)? != SIGNATURE {
            return Some(Err(OpenError::NotAJournal("its signature is another")));
        }
        let incompatible_flags = u32_at(bytes, 12)?;
        if incompatible_flags & !KNOWN_FLAGS != 0 {
            return Some(Err(OpenError::UnknownFlags(incompatible_flags & !KNOWN_FLAGS)));
        }
        let state = match bytes.get(16)? {
            0 => State::Offline,
            1 => State::Online,
            2 => State::Archived,
            _ => return Some(Err(OpenError::NotAJournal("its state is none that there is"))),
        };
        let header_size = u64_at(bytes, 88)?;
        let Some(end) = header_size
            .checked_add(u64_at(bytes, 96)?)
            .filter(|_| header_size >= SHORTEST as u64 && header_size.is_multiple_of(8))
        else {
            return Some(Err(OpenError::NotAJournal("its header has a size that cannot be")));
        };
        Some(Ok(Self {
            state,
            file_id: id_at(bytes, 24)?,
            machine_id: id_at(bytes, 40)?,
            tail_entry_boot_id: id_at(bytes, 56)?,
            seqnum_id: id_at(bytes, 72)?,
            compatible_flags: u32_at(bytes, 8)?,
            incompatible_flags,
            n_entries: u64_at(bytes, 152)?.min(end / super::object::SHORTEST_ENTRY),
            head_entry_seqnum: u64_at(bytes, 168)?,
            tail_entry_seqnum: u64_at(bytes, 160)?,
            head_entry_realtime: RealtimeMicros(u64_at(bytes, 184)?),
            tail_entry_realtime: RealtimeMicros(u64_at(bytes, 192)?),
            tail_entry_monotonic: MonotonicMicros(u64_at(bytes, 200)?),
            objects: header_size,
            end,
            tail_object: u64_at(bytes, 136)?,
            entry_array: u64_at(bytes, 176)?,
        }))
    }

    pub(super) fn layout(&self) -> Layout {
        Layout { compact: self.incompatible_flags & COMPACT != 0 }
    }

    /// Whether something was written between this header and `earlier`.
    pub(super) fn differs(&self, earlier: &Self) -> bool {
        self != earlier
    }
}
