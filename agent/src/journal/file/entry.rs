//! The fields of one entry: which of its data are wanted, and their values.
//!
//! In: an entry's object. Out: its wanted values. What occurs again in a file is decoded once (`known.rs`).

use std::sync::Arc;

use super::chain::Lost;
use super::damage::Flaw;
use super::header::Layout;
use super::known::{Fact, Known};
use super::object::{Entry, EntryHead, Kind, ObjectHeader, u64_at};
use super::payload::{Compression, Decoder};
use super::source::{Bytes, ReadAt};
use super::values::{Kept, Value, Values};
use super::wanted::{FieldId, LONGEST_NAME, Wanted, name};

/// Where a data object says how many entries have it.
const DATA_ENTRIES: usize = 56;
/// Memory of a long value that is not kept for the next.
const KEPT: usize = 64 << 10;

/// What is needed to read entries, and the values of the last one.
pub(super) struct Reading {
    wanted: Arc<Wanted>,
    known: Known,
    values: Values,
    decoder: Decoder,
    /// The offsets of an entry's data.
    items: Vec<u64>,
    /// What was decompressed.
    plain: Vec<u8>,
}

/// A data object's header.
struct Data {
    at: u64,
    size: u64,
    compression: Compression,
    /// Whether several entries have it, as far as the file knows by now.
    again: bool,
}

impl Reading {
    pub(super) fn new(wanted: Arc<Wanted>) -> Self {
        let (known, values, decoder) = (Known::default(), Values::default(), Decoder::default());
        Self { wanted, known, values, decoder, items: Vec::new(), plain: Vec::new() }
    }

    /// Reads the wanted fields of `entry`. If `lenient`, those that cannot be read are counted, and left out.
    pub(super) fn read<S: ReadAt>(
        &mut self,
        bytes: &mut Bytes<S>,
        layout: Layout,
        entry: &Entry,
        lenient: bool,
    ) -> Result<(), Lost> {
        self.known.make_room();
        self.values.begin(self.wanted.len());
        let object = bytes.ahead(entry.at, entry.size(layout)).map_err(|flaw| Lost { at: entry.at, flaw, entries: 1 })?;
        self.items.clear();
        layout.offsets(object.get(Entry::HEAD..entry.size(layout)).unwrap_or_default(), &mut self.items);
        for index in 0..self.items.len() {
            let at = self.items[index]; // nothing adds or removes items meanwhile
            match self.known.get(at) {
                Some(Fact::Unwanted) => {}
                Some(Fact::Value { field, from, len, stored }) => {
                    let (from, len, stored) = (from as usize, usize::from(len), u64::from(stored));
                    self.values.push(Value { field, kept: Kept::Known, from, len, key: at, left_out: 0, stored });
                }
                None => match self.load(bytes, layout, at) {
                    Ok(()) => {}
                    Err(_) if lenient => self.values.unreadable += 1,
                    Err(flaw) => return Err(Lost { at, flaw, entries: 1 }),
                },
            }
        }
        bytes.trim();
        if self.plain.capacity() > KEPT {
            self.plain = Vec::new();
        }
        Ok(())
    }

    /// What the last [`Self::read`] found of the entry with this head.
    pub(super) fn view(&self, head: EntryHead) -> EntryView<'_> {
        EntryView { head, known: self.known.bytes(), values: &self.values }
    }

    /// Bytes of memory, without what a decoder has: some 200 KiB while compressed payloads are read.
    pub(super) fn held(&self) -> usize {
        self.known.held() + self.values.held() + self.items.capacity() * size_of::<u64>() + self.plain.capacity()
    }

    /// Gives up all memory.
    pub(super) fn release(&mut self) {
        self.known.release();
        self.values.release();
        self.decoder.release();
        self.items = Vec::new();
        self.plain = Vec::new();
    }

    /// Reads the data object at `at`, of which nothing is known.
    fn load<S: ReadAt>(&mut self, bytes: &mut Bytes<S>, layout: Layout, at: u64) -> Result<(), Flaw> {
        let room = bytes.room(at)?;
        let payload = layout.payload();
        let head = bytes.anywhere(at, payload as usize)?;
        let object = ObjectHeader::expect(head, Kind::Data, room, payload + 1)?;
        let again = u64_at(head, DATA_ENTRIES).is_some_and(|entries| entries > 1);
        let data = Data { at, size: object.size, compression: Compression::of(object.flags)?, again };
        if data.compression == Compression::None { self.plain(bytes, &data, payload) } else { self.packed(bytes, &data, payload) }
    }

    /// A payload that is not compressed.
    fn plain<S: ReadAt>(&mut self, bytes: &mut Bytes<S>, data: &Data, payload: u64) -> Result<(), Flaw> {
        let head = bytes.anywhere(data.at, data.size.min(payload + LONGEST_NAME as u64 + 1) as usize)?;
        let rest = (data.size - payload) as usize;
        let name = name(slice(head, payload as usize, rest)?)?;
        let Some((field, limit)) = self.wanted.find(name) else {
            self.unwanted(data);
            return Ok(());
        };
        let stored = rest - name.len() - 1; // a name ends with `=`
        let from = payload as usize + name.len() + 1;
        let len = stored.min(limit).min(self.values.room(&self.wanted));
        let object = bytes.anywhere(data.at, from + len)?;
        let value = object.get(from..from + len).ok_or(Flaw::Short)?;
        keep(&mut self.known, &mut self.values, data, field, value, (stored - len) as u64, stored as u64);
        Ok(())
    }

    /// A payload that is compressed.
    fn packed<S: ReadAt>(&mut self, bytes: &mut Bytes<S>, data: &Data, payload: u64) -> Result<(), Flaw> {
        let stored = data.size - payload;
        let look = data.compression.first_look();
        let mut whole = self.unpack(bytes, data, payload, look)?;
        let name = name(&self.plain)?;
        let Some((field, limit)) = self.wanted.find(name) else {
            self.unwanted(data);
            return Ok(());
        };
        let from = name.len() + 1;
        let limit = limit.min(self.values.room(&self.wanted));
        if self.plain.len() == look && from + limit > look {
            whole = self.unpack(bytes, data, payload, from + limit)?;
        }
        let got = self.plain.len().saturating_sub(from);
        let len = got.min(limit);
        let value = self.plain.get(from..from + len).ok_or(Flaw::Compression)?;
        let left_out = match whole {
            Some(whole) => whole.saturating_sub((from + len) as u64),
            None => ((got - len) as u64).max(1),
        };
        keep(&mut self.known, &mut self.values, data, field, value, left_out, stored);
        Ok(())
    }

    /// Decompresses at most `limit` bytes of a payload.
    fn unpack<S: ReadAt>(&mut self, bytes: &mut Bytes<S>, data: &Data, payload: u64, limit: usize) -> Result<Option<u64>, Flaw> {
        let len = (data.size - payload).min(Compression::enough(limit) as u64) as usize;
        let object = bytes.anywhere(data.at, payload as usize + len)?;
        let packed = slice(object, payload as usize, len)?;
        self.plain.clear();
        self.decoder.decode(data.compression, packed, &mut self.plain, limit)
    }

    fn unwanted(&mut self, data: &Data) {
        // To find out cost much if it was compressed.
        if data.again || data.compression != Compression::None {
            self.known.remember_unwanted(data.at);
        }
    }
}

/// A value goes to what is known if it will be met again, else to the entry.
fn keep(known: &mut Known, values: &mut Values, data: &Data, field: FieldId, value: &[u8], left_out: u64, stored: u64) {
    let remembered = if data.again && left_out == 0 { known.remember(data.at, field, value, stored) } else { None };
    let (kept, from) = match remembered {
        Some(from) => (Kept::Known, from),
        None => (Kept::Here, values.bytes.len()),
    };
    if remembered.is_none() {
        values.bytes.extend_from_slice(value);
    }
    values.push(Value { field, kept, from, len: value.len(), key: data.at, left_out, stored });
}

/// At most `len` bytes from `from` on.
fn slice(bytes: &[u8], from: usize, len: usize) -> Result<&[u8], Flaw> {
    let bytes = bytes.get(from..).ok_or(Flaw::Short)?;
    Ok(bytes.get(..len).unwrap_or(bytes))
}

/// An entry and its wanted fields, until the next one is read.
#[derive(Clone, Copy)]
pub struct EntryView<'a> {
    head: EntryHead,
    known: &'a [u8],
    values: &'a Values,
}

impl<'a> EntryView<'a> {
    /// What it says of itself.
    pub fn head(&self) -> &EntryHead {
        &self.head
    }

    /// The field's value, the first if it has several.
    pub fn get(&self, field: FieldId) -> Option<&'a [u8]> {
        self.values.first(field).map(|value| self.bytes(value))
    }

    /// All values of the field, in the order of the entry, which is that in which the values first came into the file.
    pub fn all(&self, field: FieldId) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let view = *self;
        self.values.all(field).map(move |value| view.bytes(value))
    }

    /// What identifies the field's first value within this file: equal keys, equal values. 0 without a value. Of equal values the keys
    /// may differ where a file is damaged.
    pub fn key(&self, field: FieldId) -> u64 {
        self.values.first(field).map_or(0, |value| value.key)
    }

    /// The keys of all values of the field, as [`Self::key`] has that of the first.
    pub fn keys(&self, field: FieldId) -> impl Iterator<Item = u64> + use<'a> {
        self.values.all(field).map(|value| value.key)
    }

    /// How many bytes of the field's first value were left out because of its limit; 1 where it is not known how many.
    pub fn left_out(&self, field: FieldId) -> u64 {
        self.values.first(field).map_or(0, |value| value.left_out)
    }

    /// How many bytes the field's first value has in the file: of what is compressed, the name among them.
    pub fn stored_size(&self, field: FieldId) -> u64 {
        self.values.first(field).map_or(0, |value| value.stored)
    }

    /// How many fields, wanted or not, could not be read ([`super::JournalFile::salvage`]).
    pub fn unreadable(&self) -> u64 {
        self.values.unreadable
    }

    fn bytes(&self, value: &Value) -> &'a [u8] {
        let bytes = match value.kept {
            Kept::Here => &self.values.bytes,
            Kept::Known => self.known,
        };
        bytes.get(value.from..value.from + value.len).unwrap_or_default()
    }
}
