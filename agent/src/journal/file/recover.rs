//! Entries to which the list of entries does not lead, since it is damaged: found by going from object to object. What is appended
//! stands in the order in which it was written, so that the next entry of the file is the next one of the list.

use super::object::{Kind, OBJECT_HEADER, ObjectHeader, u64_at};
use super::source::{Bytes, ReadAt};

/// The first entry that begins at `after` or later, unless what is no object stands before it.
pub(super) fn next_entry<S: ReadAt>(bytes: &mut Bytes<S>, after: u64) -> Option<u64> {
    let mut at = after.checked_next_multiple_of(8)?;
    loop {
        let room = bytes.room(at).ok()?;
        let object = bytes.ahead(at, OBJECT_HEADER as usize).ok()?;
        let (kind, size) = (*object.first()?, u64_at(object, 8)?);
        if kind == Kind::Entry as u8 {
            return Some(at);
        }
        if kind == 0 || size < OBJECT_HEADER || size > room {
            return None;
        }
        bytes.walked(at);
        at = at.checked_add(size)?.checked_next_multiple_of(8)?;
    }
}

/// Where the entry at `at` ends, if no more of it is right than its type and its size.
pub(super) fn end_of_entry<S: ReadAt>(bytes: &mut Bytes<S>, at: u64) -> Option<u64> {
    let room = bytes.room(at).ok()?;
    let object = bytes.ahead(at, OBJECT_HEADER as usize).ok()?;
    let header = ObjectHeader::expect(object, Kind::Entry, room, OBJECT_HEADER).ok()?;
    at.checked_add(header.size)
}
