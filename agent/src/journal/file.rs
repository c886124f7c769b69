//! One journal file: its entries in the order in which they were written, each with the fields that are wanted.
//!
//! In: a source of bytes (a file, or memory) that may be written to meanwhile, and cut or deleted. Out: entries, or a word on what is
//! damaged. The format is the published one, <https://systemd.io/JOURNAL_FILE_FORMAT/>: regular and compact, and all three
//! compressions. Two rules. Every byte is doubted: none makes the reader fall over, loop, or hold more than its bounds. And the reader
//! never decides that something is lost: an inconsistency may be a write in progress, so it is told ([`Damaged`]) as often as it is
//! met, until the caller goes over it ([`JournalFile::step`]). Where only the list of entries is damaged, entries are found without it.
//!
//! The file is read with `pread`, never mapped: one that is cut under us is a short read. What a live writer adds is seen after
//! [`JournalFile::refresh`].

mod chain;
mod damage;
mod entry;
#[cfg(any(test, fuzzing))]
pub mod fixtures;
mod header;
mod known;
mod lz4;
mod object;
mod payload;
mod recover;
mod seek;
mod source;
#[cfg(test)]
mod tests;
mod values;
mod wanted;
mod xz;

use std::sync::Arc;

pub use damage::{Damaged, Flaw, OpenError};
pub use entry::EntryView;
pub use header::{Header, Id128, MonotonicMicros, RealtimeMicros, State};
pub use object::EntryHead;
pub use source::ReadAt;
pub use wanted::{FieldId, HARD_LIMIT, Wanted};

use chain::{Chain, Lost};
use entry::Reading;
use header::Layout;
use object::Entry;
use source::Bytes;

/// A journal file, read entry by entry. It holds buffers only while it is read, at most some 900 KiB beside one very long value;
/// [`JournalFile::shrink`] gives them up.
pub struct JournalFile<S> {
    bytes: Bytes<S>,
    header: Header,
    layout: Layout,
    chain: Chain,
    reading: Reading,
    /// How many entries stand before the next one.
    place: u64,
    /// The next entry, if it was looked at.
    peeked: Option<Entry>,
    /// The entry before the next one, or an earlier one, if it was looked at.
    last: Option<Extent>,
    /// Where the next entry is, if it was looked at and is damaged.
    damaged: Option<Extent>,
    /// The list of entries is damaged: the next one is looked for where it must be.
    searching: bool,
    /// How many entries were found so.
    searched: u64,
    /// How many entries [`Self::step`] goes over: more than one where the way to several is lost.
    stride: u64,
}

/// Where an entry is.
#[derive(Clone, Copy)]
struct Extent {
    at: u64,
    /// Where the next one has to be. Not known where what is between is damaged.
    end: Option<u64>,
}

impl<S: ReadAt> JournalFile<S> {
    /// Opens what `source` holds, before its first entry. Of every entry, the fields in `wanted` will be read.
    pub fn open(source: S, wanted: Arc<Wanted>) -> Result<Self, OpenError> {
        let header = Header::read(&source)?;
        let layout = header.layout();
        let mut bytes = Bytes::new(source);
        bytes.set_end(&header);
        let (chain, reading) = (Chain::default(), Reading::new(wanted));
        let (place, peeked, last, damaged, searching, searched, stride) = (0, None, None, None, false, 0, 1);
        Ok(Self { bytes, header, layout, chain, reading, place, peeked, last, damaged, searching, searched, stride })
    }

    /// What the file said of itself when it was opened or last refreshed.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The bytes behind the file.
    pub fn source(&self) -> &S {
        self.bytes.source()
    }

    /// Looks again at a file to which others write: there may be more entries, and it may have changed its state.
    pub fn refresh(&mut self) -> Result<(), OpenError> {
        let header = Header::read(self.bytes.source())?;
        if header.file_id != self.header.file_id || header.layout() != self.layout {
            return Err(OpenError::Replaced);
        }
        if header != self.header {
            // Windows may end where the writer has gone on since.
            self.bytes.forget();
            self.chain.refresh();
            self.searching = false;
        }
        self.bytes.set_end(&header);
        self.header = header;
        Ok(())
    }

    /// How many entries of the file stand before the next one.
    pub fn place(&self) -> u64 {
        self.place
    }

    /// The next entry is the one before which `place` others stand. Beyond the end there is none for now.
    pub fn go_to(&mut self, place: u64) {
        if place != self.place {
            self.place = place;
            self.peeked = None;
            self.last = None;
            self.damaged = None;
            self.searching = false;
            self.stride = 1;
        }
    }

    /// The next entry, without its fields; `None` at the end of what was there at the last [`Self::refresh`]. Asking again costs
    /// nothing.
    pub fn peek(&mut self) -> Result<Option<EntryHead>, Damaged> {
        Ok(self.next_entry()?.map(|entry| entry.head))
    }

    /// The next entry with its wanted fields; `None` where [`Self::peek`] has none. Asked again, it is read again.
    pub fn read(&mut self) -> Result<Option<EntryView<'_>>, Damaged> {
        self.read_entry(false)
    }

    /// As [`Self::read`], but a field that cannot be read is left out and counted ([`EntryView::unreadable`]): what can be had of an
    /// entry whose damage did not go away.
    pub fn salvage(&mut self) -> Result<Option<EntryView<'_>>, Damaged> {
        self.read_entry(true)
    }

    /// Goes over the next entry, read or not, damaged or not. Where the way to several is lost ([`Damaged::missing`]), over all of
    /// these. At the end it does nothing.
    pub fn step(&mut self) {
        if self.place < self.header.n_entries {
            let before = self.last.map(|last| Extent { end: None, ..last });
            self.last = self.peeked.map(|entry| self.extent(&entry)).or(self.damaged).or(before);
            self.place = self.place.saturating_add(self.stride).min(self.header.n_entries);
        }
        self.peeked = None;
        self.damaged = None;
        self.stride = 1;
    }

    /// How many entries were found although the list of entries, being damaged, did not lead to them.
    pub fn searched(&self) -> u64 {
        self.searched
    }

    /// How many bytes of memory its buffers have.
    pub fn held(&self) -> usize {
        self.bytes.held() + self.chain.held() + self.reading.held()
    }

    /// Gives up all buffers and all that is remembered of values. A file that is open and idle then costs a few hundred bytes; reading
    /// on builds it up again.
    pub fn shrink(&mut self) {
        self.bytes.release();
        self.chain.release();
        self.reading.release();
    }

    fn next_entry(&mut self) -> Result<Option<Entry>, Damaged> {
        if self.peeked.is_some() {
            return Ok(self.peeked);
        }
        if self.place >= self.header.n_entries {
            return Ok(None);
        }
        let found = self.find().and_then(|at| {
            let entry = self.entry(at);
            if entry.is_err() {
                self.damaged = recover::end_of_entry(&mut self.bytes, at).map(|end| Extent { at, end: Some(end) });
            }
            entry
        });
        match found {
            Ok(entry) => {
                self.bytes.walked(entry.at + entry.size(self.layout) as u64);
                self.peeked = Some(entry);
                // What was lost here before is there again.
                (self.stride, self.damaged) = (1, None);
                Ok(self.peeked)
            }
            Err(lost) => Err(self.damaged(lost)),
        }
    }

    /// Where the next entry is: as the list says, or where it has to be if the list is damaged.
    fn find(&mut self) -> Result<u64, Lost> {
        if !self.searching {
            match self.chain.entry_at(&self.bytes, &self.header, self.place) {
                // What is appended comes later in the file: nothing is read twice, however often it is listed.
                Ok(at) if self.last.is_none_or(|last| last.at < at) => return Ok(at),
                Err(lost) if matches!(lost.flaw, Flaw::Io(_)) => return Err(lost),
                _ => {}
            }
        }
        if let Some(at) = self.after_last().and_then(|after| recover::next_entry(&mut self.bytes, after)) {
            self.searching = true;
            self.searched += 1;
            return Ok(at);
        }
        self.searching = false;
        let at = self.chain.entry_at(&self.bytes, &self.header, self.place)?;
        if self.last.is_none_or(|last| last.at < at) { Ok(at) } else { Err(Lost { at, flaw: Flaw::Circle, entries: 1 }) }
    }

    /// Where the entry before the next one ends, or the first one would begin.
    fn after_last(&mut self) -> Option<u64> {
        let Some(before) = self.place.checked_sub(1) else { return Some(self.header.objects) };
        if let Some(last) = self.last {
            return last.end;
        }
        let at = self.chain.entry_at(&self.bytes, &self.header, before).ok()?;
        self.entry(at).ok().and_then(|entry| self.extent(&entry).end)
    }

    fn entry(&mut self, at: u64) -> Result<Entry, Lost> {
        let entry = self.bytes.room(at).and_then(|room| {
            let bytes = self.bytes.ahead(at, Entry::HEAD)?;
            Entry::parse(at, bytes, room, self.header.seqnum_id, self.layout)
        });
        entry.map_err(|flaw| Lost { at, flaw, entries: 1 })
    }

    fn extent(&self, entry: &Entry) -> Extent {
        Extent { at: entry.at, end: Some(entry.at + entry.size(self.layout) as u64) }
    }

    fn read_entry(&mut self, lenient: bool) -> Result<Option<EntryView<'_>>, Damaged> {
        let Some(entry) = self.next_entry()? else { return Ok(None) };
        if let Err(lost) = self.reading.read(&mut self.bytes, self.layout, &entry, lenient) {
            self.peeked = None;
            self.damaged = Some(self.extent(&entry));
            return Err(self.damaged(lost));
        }
        Ok(Some(self.reading.view(entry.head)))
    }

    /// Says what is lost. What was read of it is forgotten: the next look may find it mended.
    fn damaged(&mut self, lost: Lost) -> Damaged {
        self.bytes.forget();
        self.chain.forget();
        self.stride = lost.entries;
        Damaged { place: self.place, offset: lost.at, missing: lost.entries, flaw: lost.flaw }
    }
}
