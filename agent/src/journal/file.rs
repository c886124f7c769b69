//! One journal file: its entries in the order in which they were written, each with the fields that are wanted.
//!
//! In: a source of bytes (a file, or memory) that may be written to meanwhile, and cut or deleted. Out: entries, or a word on what is
//! damaged. The format is the published one, <https://systemd.io/JOURNAL_FILE_FORMAT/>: regular and compact, and all three
//! compressions. Two rules. Every byte is doubted: none makes the reader fall over, loop, or hold more than its bounds. And the reader
//! never decides that something is lost: an inconsistency may be a write in progress, so it is told ([`Damaged`]) as often as it is
//! met, until the caller goes over it ([`JournalFile::step`]).
//!
//! The file is read with `pread`, never mapped: one that is cut under us is a short read. What a live writer adds is seen after
//! [`JournalFile::refresh`].

mod chain;
mod damage;
mod entry;
mod header;
mod known;
mod lz4;
mod object;
mod payload;
mod seek;
mod source;
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

/// A journal file, read entry by entry. It holds buffers only while it is read, at most some 700 KiB beside one very long value;
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
    /// How many entries [`Self::step`] goes over: more than one where the way to several is lost.
    stride: u64,
}

impl<S: ReadAt> JournalFile<S> {
    /// Opens what `source` holds, before its first entry. Of every entry, the fields in `wanted` will be read.
    pub fn open(source: S, wanted: Arc<Wanted>) -> Result<Self, OpenError> {
        let header = Header::read(&source)?;
        let layout = header.layout();
        let mut bytes = Bytes::new(source);
        bytes.set_end(&header);
        Ok(Self {
            bytes,
            header,
            layout,
            chain: Chain::default(),
            reading: Reading::new(wanted),
            place: 0,
            peeked: None,
            stride: 1,
        })
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
        if header.differs(&self.header) {
            // Windows may end where the writer has gone on since.
            self.forget_windows();
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
            self.place = self.place.saturating_add(self.stride).min(self.header.n_entries);
        }
        self.peeked = None;
        self.stride = 1;
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
        let found = self.chain.entry_at(&self.bytes, &self.header, self.place).and_then(|at| {
            let entry = self.bytes.room(at).and_then(|room| {
                let bytes = self.bytes.ahead(at, Entry::HEAD)?;
                Entry::parse(at, bytes, room, self.header.seqnum_id, self.layout)
            });
            entry.map_err(|flaw| Lost { at, flaw, entries: 1 })
        });
        match found {
            Ok(entry) => {
                self.bytes.walked(entry.at + entry.size(self.layout) as u64);
                self.peeked = Some(entry);
                Ok(self.peeked)
            }
            Err(lost) => Err(self.damaged(lost)),
        }
    }

    fn read_entry(&mut self, lenient: bool) -> Result<Option<EntryView<'_>>, Damaged> {
        let Some(entry) = self.next_entry()? else { return Ok(None) };
        if let Err(lost) = self.reading.read(&mut self.bytes, self.layout, &entry, lenient) {
            self.peeked = None;
            return Err(self.damaged(lost));
        }
        Ok(Some(self.reading.view(entry.head)))
    }

    /// Says what is lost. What was read of it is forgotten: the next look may find it mended.
    fn damaged(&mut self, lost: Lost) -> Damaged {
        self.forget_windows();
        self.stride = lost.entries;
        Damaged { place: self.place, offset: lost.at, missing: lost.entries, flaw: lost.flaw }
    }

    fn forget_windows(&mut self) {
        self.bytes.forget();
        self.chain.forget();
    }
}
