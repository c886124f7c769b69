//! One journal file as a lane reads it: where it stands, what its next entry is, and what was decided about combinations of its values.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use twox_hash::XxHash3_64;

use crate::checkpoint::EntryPlace;
use crate::journal::file::{Damaged, EntryHead, Flaw, Id128, JournalFile, OpenError, ReadAt, State, Wanted};
use crate::journal::selection::Choice;
use crate::tail::segment::{Segment, SegmentNumber};

/// A writer that lives mends in that time what it is in the middle of.
const PATIENCE: Duration = Duration::from_secs(5);
/// A disk that cannot read may be able to later.
const PATIENCE_WITH_SYSTEM: Duration = Duration::from_mins(1);
/// Combinations of values of one file that are remembered.
const DECISIONS_MAX: usize = 4096;

/// The bytes of a segment.
pub(super) struct Bytes(pub(super) Arc<Segment>);

impl ReadAt for Bytes {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        self.0.read_at(buffer, at)
    }
}

/// Who may take an entry, and which streams it then belongs to.
pub(super) struct Decision {
    pub(super) options: Vec<Taken>,
}

/// What was decided about combinations of values, by their keys.
#[derive(Default)]
pub(super) struct Decisions {
    by_keys: HashMap<Box<[u64]>, usize, BuildHasherDefault<Keys>>,
    list: Vec<Decision>,
}

impl Decisions {
    /// The decision about that combination: known, or made now.
    pub(super) fn about(&mut self, keys: &[u64], decide: impl FnOnce() -> Decision) -> &Decision {
        let known = self.by_keys.get(keys).copied();
        let place = known.unwrap_or_else(|| {
            if self.list.len() >= DECISIONS_MAX {
                self.list.clear();
                self.by_keys.clear();
            }
            self.list.push(decide());
            self.by_keys.insert(keys.into(), self.list.len() - 1);
            self.list.len() - 1
        });
        &self.list[place]
    }
}

/// One selection that may take it.
pub(super) struct Taken {
    pub(super) choice: Choice,
    /// The job's account, by place in the chain's stream sets.
    pub(super) set: usize,
    /// By place in the lane's streams.
    pub(super) stream: usize,
}

/// An open file.
pub(super) struct Source {
    pub(super) number: SegmentNumber,
    pub(super) file: JournalFile<Bytes>,
    /// Names the journal that the file is part of.
    pub(super) directory: u64,
    /// Whether it stands in memory, from where it may be copied to the disk.
    pub(super) in_memory: bool,
    /// Whether nothing more will ever be written to it, as of the last look at its header.
    pub(super) is_final: bool,
    /// Its index among the chain's open segments.
    pub(super) place: usize,
    /// Its next entry, if there is one that is to be read now.
    pub(super) head: Option<EntryHead>,
    /// Since it was last at its end.
    pub(super) was_read: bool,
    /// Since when its next entry cannot be read.
    pub(super) damaged_since: Option<Instant>,
    pub(super) decisions: Decisions,
    /// The boot of the last entry, and what it is hashed to.
    boot: (Id128, u64),
    sequence: u64,
}

impl Source {
    /// Begins to read a file.
    pub(super) fn open(segment: &Arc<Segment>, wanted: Arc<Wanted>) -> Result<Self, OpenError> {
        let was_final = was_final(segment);
        let file = JournalFile::open(Bytes(Arc::clone(segment)), wanted)?;
        let path = segment.path();
        let directory = path.parent().and_then(|directory| directory.file_name()).unwrap_or_default();
        let sequence = hash(file.header().seqnum_id);
        Ok(Self {
            number: segment.number,
            directory: XxHash3_64::oneshot(directory.as_encoded_bytes()),
            in_memory: path.starts_with("/run"),
            is_final: was_final || file.header().state == State::Archived,
            place: 0,
            head: None,
            was_read: false,
            damaged_since: None,
            decisions: Decisions::default(),
            boot: (Id128([0; 16]), hash(Id128([0; 16]))),
            sequence,
            file,
        })
    }

    /// Looks at the header again: what was written since can be read then.
    pub(super) fn refresh(&mut self) -> Result<(), OpenError> {
        // Asked before: the last entries may come right before the end.
        let was_final = was_final(&self.file.source().0);
        self.file.refresh()?;
        self.is_final = was_final || self.file.header().state == State::Archived;
        Ok(())
    }

    /// Gives up what only makes reading on quicker.
    pub(super) fn shrink(&mut self) {
        self.file.shrink();
        self.decisions = Decisions::default();
    }

    /// Whether an entry of the file may have that number.
    pub(super) fn may_have(&self, seqnum: u64) -> bool {
        let header = self.file.header();
        (header.head_entry_seqnum..=header.tail_entry_seqnum).contains(&seqnum)
    }

    /// Looks for the next entry before `end`. An error is damage that will not be mended by waiting.
    pub(super) fn look(&mut self, end: u64, now: Instant, once: bool) -> Result<(), Damaged> {
        self.head = None;
        if self.file.place() >= end {
            return Ok(());
        }
        match self.file.peek() {
            Ok(head) => {
                self.head = head;
                Ok(())
            }
            Err(damaged) => self.bear(damaged, now, once),
        }
    }

    /// Damage that may be a write in progress is borne for a while.
    pub(super) fn bear(&mut self, damaged: Damaged, now: Instant, once: bool) -> Result<(), Damaged> {
        let since = *self.damaged_since.get_or_insert(now);
        let patience = match damaged.flaw {
            Flaw::Io(_) => PATIENCE_WITH_SYSTEM,
            _ if self.is_final || self.file.header().state != State::Online => Duration::ZERO,
            _ => PATIENCE,
        };
        // Who reads to the present end and no further leaves to the next run what may yet be mended.
        if patience.is_zero() || (!once && now.duration_since(since) >= patience) {
            self.damaged_since = None;
            return Err(damaged);
        }
        self.head = None;
        Ok(())
    }

    /// What the position log will know the next entry by; `None` without a next one, or if its number cannot be: a spoilt bit would
    /// make a gap of billions.
    pub(super) fn next_place(&mut self) -> Option<EntryPlace> {
        let head = self.head.filter(|head| self.may_have(head.seqnum))?;
        if self.boot.0 != head.boot_id {
            self.boot = (head.boot_id, hash(head.boot_id));
        }
        Some(EntryPlace {
            directory: self.directory,
            in_memory: self.in_memory,
            sequence: self.sequence,
            seqnum: head.seqnum,
            boot: self.boot.1,
            monotonic: head.monotonic.0,
        })
    }

    /// Bytes of entries that were not read, as far as their average tells.
    pub(super) fn unread(&self, len: u64) -> u64 {
        let entries = self.file.header().n_entries;
        (len / entries.max(1)).saturating_mul(entries.saturating_sub(self.file.place()))
    }
}

/// Whether the file's name says that it is archived or set aside, or it has none. What was set aside after an unclean end may say for
/// ever that it is being written.
fn was_final(segment: &Segment) -> bool {
    let is_archived = segment.path().file_name().is_some_and(|name| name.as_encoded_bytes().contains(&b'@'));
    segment.is_deleted() || is_archived
}

fn hash(id: Id128) -> u64 {
    XxHash3_64::oneshot(&id.0)
}

/// Hashes offsets in a file, which nobody chooses to collide: whoever could has only his own file's decisions to slow down.
#[derive(Default)]
pub(super) struct Keys(u64);

impl Hasher for Keys {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }

    fn write(&mut self, bytes: &[u8]) {
        // Slices of numbers come as their bytes.
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_ne_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }
}
