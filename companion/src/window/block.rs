//! Some 64 KiB of a stream's entries: open, where they find their places, then closed and compressed.
//!
//! An entry is stored as: line, number of metadata pairs, names and values, each text after its length as a varint; in a closed block
//! its time stands before it, as the difference to the one before.

use proto::time::UnixNanos;

use crate::entry::Entry;

/// What a closed block takes beside its bytes: its fields, the count of those who share it, its places in tables.
const BLOCK_BYTES: usize = 160;

/// Entries that still come, sorted by time; those of one time in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(super) struct Open {
    bytes: Vec<u8>,
    slots: Vec<Slot>,
    line_bytes: u64,
}

/// One entry in `bytes`.
#[derive(Clone, Copy, Debug)]
struct Slot {
    time: i64,
    mark: u64,
    begin: usize,
    end: usize,
}

impl Open {
    /// `mark` is what tells the entry from others.
    pub(super) fn push(&mut self, entry: Entry<'_>, mark: u64) {
        let begin = self.bytes.len();
        put_text(&mut self.bytes, entry.line);
        put_varint(&mut self.bytes, entry.metadata.len() as u64);
        for (name, value) in entry.metadata {
            put_text(&mut self.bytes, name);
            put_text(&mut self.bytes, value);
        }
        let place = self.slots.partition_point(|slot| slot.time <= entry.time.0);
        self.slots.insert(place, Slot { time: entry.time.0, mark, begin, end: self.bytes.len() });
        self.line_bytes += entry.line.len() as u64;
    }

    pub(super) fn has(&self, time: i64, mark: u64) -> bool {
        let begin = self.slots.partition_point(|slot| slot.time < time);
        self.slots.iter().skip(begin).take_while(|slot| slot.time == time).any(|slot| slot.mark == mark)
    }

    pub(super) fn first(&self) -> Option<i64> {
        self.slots.first().map(|slot| slot.time)
    }

    pub(super) fn last(&self) -> Option<i64> {
        self.slots.last().map(|slot| slot.time)
    }

    /// Bytes of entries.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes of memory.
    pub(super) fn memory(&self) -> usize {
        self.bytes.capacity() + self.slots.capacity() * size_of::<Slot>()
    }

    /// What can be read, without what comes later.
    pub(super) fn unpacked(&self) -> Unpacked {
        let places = self.slots.iter().map(|slot| (slot.time, slot.begin)).collect();
        Unpacked { bytes: self.bytes.clone(), places }
    }

    /// Compressed; nothing if there is no entry.
    pub(super) fn pack(&self) -> Option<Block> {
        let (first, last) = (self.first()?, self.last()?);
        let mut raw = Vec::with_capacity(self.bytes.len() + 4 * self.slots.len());
        let mut before = first;
        for slot in &self.slots {
            put_varint(&mut raw, slot.time.wrapping_sub(before).cast_unsigned());
            before = slot.time;
            raw.extend_from_slice(self.bytes.get(slot.begin..slot.end)?);
        }
        let packed = snap::raw::Encoder::new().compress_vec(&raw).ok()?.into_boxed_slice();
        let mut marks: Box<[u64]> = self.slots.iter().map(|slot| slot.mark).collect();
        marks.sort_unstable();
        Some(Block { first, last, packed, marks, line_bytes: self.line_bytes })
    }
}

/// Entries that no longer change.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) first: i64,
    pub(super) last: i64,
    packed: Box<[u8]>,
    /// Sorted.
    marks: Box<[u64]>,
    pub(super) line_bytes: u64,
}

impl Block {
    pub(super) fn has(&self, time: i64, mark: u64) -> bool {
        (self.first..=self.last).contains(&time) && self.marks.binary_search(&mark).is_ok()
    }

    pub(super) fn entries(&self) -> u64 {
        self.marks.len() as u64
    }

    /// Bytes of memory.
    pub(super) fn memory(&self) -> usize {
        self.packed.len() + self.marks.len() * size_of::<u64>() + BLOCK_BYTES
    }

    /// As it was. (It is our own memory: what cannot be read in it cannot be.)
    pub(super) fn unpack(&self) -> Unpacked {
        let bytes = snap::raw::Decoder::new().decompress_vec(&self.packed).unwrap_or_default();
        let mut places = Vec::with_capacity(self.marks.len());
        let (mut reader, mut time) = (Reader { bytes: &bytes, at: 0 }, self.first);
        while let Some(difference) = reader.varint() {
            time = time.wrapping_add(difference.cast_signed());
            places.push((time, reader.at));
            if reader.skip_entry().is_none() {
                places.pop();
                break;
            }
        }
        Unpacked { bytes, places }
    }
}

/// Entries that can be read, by time.
#[derive(Clone, Debug)]
pub(super) struct Unpacked {
    bytes: Vec<u8>,
    places: Vec<(i64, usize)>,
}

impl Unpacked {
    /// Times, and where in it their entries are.
    pub(super) fn places(&self) -> &[(i64, usize)] {
        &self.places
    }

    /// The entry at a place. `metadata` is a buffer.
    pub(super) fn entry<'a>(&'a self, (time, at): (i64, usize), metadata: &'a mut Vec<(String, String)>) -> Option<Entry<'a>> {
        let mut reader = Reader { bytes: &self.bytes, at };
        let line = reader.text()?;
        let pairs = reader.varint()? as usize;
        metadata.truncate(pairs);
        for place in 0..pairs {
            let (name, value) = (reader.text()?, reader.text()?);
            match metadata.get_mut(place) {
                Some(pair) => {
                    name.clone_into(&mut pair.0);
                    value.clone_into(&mut pair.1);
                }
                None => metadata.push((name.to_owned(), value.to_owned())),
            }
        }
        Some(Entry { time: UnixNanos(time), line, metadata })
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn text(&mut self) -> Option<&'a str> {
        let len = self.varint()? as usize;
        let text = self.bytes.get(self.at..self.at.checked_add(len)?)?;
        self.at += len;
        std::str::from_utf8(text).ok()
    }

    fn skip(&mut self) -> Option<()> {
        let len = self.varint()? as usize;
        self.at = self.at.checked_add(len).filter(|end| *end <= self.bytes.len())?;
        Some(())
    }

    fn skip_entry(&mut self) -> Option<()> {
        self.skip()?;
        for _ in 0..self.varint()?.checked_mul(2)? {
            self.skip()?;
        }
        Some(())
    }
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    put_varint(bytes, text.len() as u64);
    bytes.extend_from_slice(text.as_bytes());
}

fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}
