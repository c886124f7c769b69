//! Where in a file a time begins.

use super::chain::Lost;
use super::damage::{Damaged, Flaw};
use super::header::RealtimeMicros;
use super::object::Entry;
use super::source::ReadAt;
use super::{EntryHead, JournalFile};

impl<S: ReadAt> JournalFile<S> {
    /// The place of the first entry that is not older than `at`; that of the end if all are older.
    ///
    /// A wall clock may have been set back between two entries. Then several places may do, and one of them is found: the entry
    /// before it is older and it is not, and of the entries that end the file and are not older, none is before it. An entry that
    /// cannot be read counts as not older, so that none is passed over unseen. Only a system that cannot read makes an error.
    pub fn find_realtime(&mut self, at: RealtimeMicros) -> Result<u64, Damaged> {
        let (mut low, mut high) = (0, self.header.n_entries);
        // The array in which it is: the first whose last entry is not older.
        while low < high {
            let Ok(array) = self.chain.array_of(&self.bytes, &self.header, low) else { return Ok(low) };
            let end = array.end().min(high);
            if !self.is_older(end - 1, at)? {
                high = end - 1;
                break;
            }
            low = end;
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if self.is_older(middle, at)? { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    fn is_older(&mut self, place: u64, than: RealtimeMicros) -> Result<bool, Damaged> {
        match self.head_at(place) {
            Ok(head) => Ok(head.realtime < than),
            Err(lost) if matches!(lost.flaw, Flaw::Io(_)) => {
                Err(Damaged { place, offset: lost.at, missing: lost.entries, flaw: lost.flaw })
            }
            Err(_) => Ok(false),
        }
    }

    /// The entry at `place`, without going there.
    fn head_at(&mut self, place: u64) -> Result<EntryHead, Lost> {
        let at = self.chain.entry_at(&self.bytes, &self.header, place)?;
        let entry = self.bytes.room(at).and_then(|room| {
            let bytes = self.bytes.anywhere(at, Entry::HEAD)?;
            Entry::parse(at, bytes, room, self.header.seqnum_id, self.layout)
        });
        entry.map(|entry| entry.head).map_err(|flaw| Lost { at, flaw, entries: 1 })
    }
}
