//! The list of a file's entries: a chain of entry arrays, each with offsets of entries in the order in which they were written.
//!
//! In: the place of an entry. Out: its offset. A chain only goes forward in the file, as what is appended must; one that does not is
//! damaged. Nothing of it is held but the array in which the walk is, so that no chain costs memory.

use super::damage::Flaw;
use super::header::{Header, Layout};
use super::object::{Kind, OBJECT_HEADER, ObjectHeader, u64_at};
use super::source::{Bytes, ReadAt, Window};

/// Where in an entry array its items begin.
const ARRAY_ITEMS: u64 = OBJECT_HEADER + 8;
/// How much of an array is read at once.
const WINDOW: u64 = 8 << 10;

/// Entries to which there is no way.
pub(super) struct Lost {
    /// Where the flaw is.
    pub(super) at: u64,
    pub(super) flaw: Flaw,
    /// How many are lost.
    pub(super) entries: u64,
}

/// One array of the chain.
#[derive(Clone, Copy)]
pub(super) struct Array {
    /// Where it stands.
    at: u64,
    /// How many entries stand before its first.
    pub(super) first: u64,
    /// How many entries have room in it.
    items: u64,
    /// Where the next array stands, 0 as long as there is none.
    next: u64,
}

impl Array {
    /// The place after its last entry.
    pub(super) fn end(&self) -> u64 {
        self.first.saturating_add(self.items)
    }
}

/// A walk over the chain.
#[derive(Default)]
pub(super) struct Chain {
    window: Window,
    /// The array in which the walk is.
    array: Option<Array>,
}

impl Chain {
    /// The offset of the entry before which `place` others stand, which is less than what the header counts.
    pub(super) fn entry_at<S: ReadAt>(&mut self, bytes: &Bytes<S>, header: &Header, place: u64) -> Result<u64, Lost> {
        let array = self.array_of(bytes, header, place)?;
        let layout = header.layout();
        let at = array.at + ARRAY_ITEMS + (place - array.first) * layout.array_item();
        let entry = self.item(bytes, &array, at, layout).map_err(|flaw| Lost { at, flaw, entries: 1 })?;
        if entry == 0 {
            let entries = self.empty(bytes, &array, at, layout, header.n_entries.min(array.end()) - place);
            return Err(Lost { at, flaw: Flaw::Empty, entries });
        }
        Ok(entry)
    }

    /// The array in which the entry at `place` is listed.
    pub(super) fn array_of<S: ReadAt>(&mut self, bytes: &Bytes<S>, header: &Header, place: u64) -> Result<Array, Lost> {
        let lost = |at, flaw| Lost { at, flaw, entries: header.n_entries.saturating_sub(place).max(1) };
        let mut array = match self.array {
            Some(array) if array.first <= place => array,
            _ => self.read(bytes, header.entry_array, 0, header.layout()).map_err(|flaw| lost(header.entry_array, flaw))?,
        };
        while array.end() <= place {
            if array.next == 0 {
                // The writer may have added one since.
                self.window.forget();
                array = self.read(bytes, array.at, array.first, header.layout()).map_err(|flaw| lost(array.at, flaw))?;
            }
            if array.next == 0 || array.next <= array.at {
                self.array = Some(array);
                return Err(lost(array.at, if array.next == 0 { Flaw::Empty } else { Flaw::Circle }));
            }
            array = self.read(bytes, array.next, array.end(), header.layout()).map_err(|flaw| lost(array.next, flaw))?;
        }
        self.array = Some(array);
        Ok(array)
    }

    /// What stands in the list may have changed.
    pub(super) fn forget(&mut self) {
        self.window.forget();
        self.array = None;
    }

    pub(super) fn release(&mut self) {
        self.window.release();
    }

    fn read<S: ReadAt>(&mut self, bytes: &Bytes<S>, at: u64, first: u64, layout: Layout) -> Result<Array, Flaw> {
        let room = bytes.room(at)?;
        let head = Self::bytes(&mut self.window, bytes, at, ARRAY_ITEMS, at.saturating_add(room.min(WINDOW)))?;
        let object = ObjectHeader::expect(head, Kind::EntryArray, room, ARRAY_ITEMS + layout.array_item())?;
        let next = u64_at(head, OBJECT_HEADER as usize).ok_or(Flaw::Short)?;
        Ok(Array { at, first, items: (object.size - ARRAY_ITEMS) / layout.array_item(), next })
    }

    fn item<S: ReadAt>(&mut self, bytes: &Bytes<S>, array: &Array, at: u64, layout: Layout) -> Result<u64, Flaw> {
        let end = array.at + ARRAY_ITEMS + array.items * layout.array_item();
        let item = Self::bytes(&mut self.window, bytes, at, layout.array_item(), end.min(at + WINDOW))?;
        layout.offset(item).ok_or(Flaw::Short)
    }

    /// How many items from `at` on, of `most`, have nothing in them.
    fn empty<S: ReadAt>(&mut self, bytes: &Bytes<S>, array: &Array, at: u64, layout: Layout, most: u64) -> u64 {
        let nothing =
            |item: &u64| self.item(bytes, array, at + item * layout.array_item(), layout).is_ok_and(|offset| offset == 0);
        (0..most).take_while(nothing).count().max(1) as u64
    }

    /// At least `len` bytes from `at` on; if they have to be read, all until `end`.
    fn bytes<'a, S: ReadAt>(window: &'a mut Window, bytes: &Bytes<S>, at: u64, len: u64, end: u64) -> Result<&'a [u8], Flaw> {
        if window.get(at, len as usize).is_none() {
            window.fill(bytes.source(), at, (end - at) as usize)?;
        }
        window.get(at, len as usize).ok_or(Flaw::Short)
    }
}
