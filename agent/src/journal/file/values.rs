//! The wanted values of one entry, in the order of the entry.

use super::wanted::{FieldId, Wanted};

/// Where a value's bytes are.
#[derive(Clone, Copy)]
pub(super) enum Kept {
    /// With the entry.
    Here,
    /// With what is known of the file.
    Known,
}

/// One value of a wanted field.
#[derive(Clone, Copy)]
pub(super) struct Value {
    pub(super) field: FieldId,
    pub(super) kept: Kept,
    pub(super) from: usize,
    pub(super) len: usize,
    /// The offset of its data object.
    pub(super) key: u64,
    pub(super) left_out: u64,
    pub(super) stored: u64,
}

/// No value: more than an entry can have.
const NONE: u16 = u16::MAX;
/// Memory that is kept for the next entry; what a longer one needed is given back.
const KEPT: usize = 64 << 10;

/// All of them.
#[derive(Default)]
pub(super) struct Values {
    list: Vec<Value>,
    /// For each wanted field, which of the list is its first.
    first: Vec<u16>,
    /// What is [`Kept::Here`].
    pub(super) bytes: Vec<u8>,
    /// Fields that could not be read.
    pub(super) unreadable: u64,
}

impl Values {
    /// Begins an entry of which `wanted` fields may be found.
    pub(super) fn begin(&mut self, wanted: usize) {
        self.list.clear();
        self.first.clear();
        self.first.resize(wanted, NONE);
        self.unreadable = 0;
        self.bytes.clear();
        if self.bytes.capacity() > KEPT {
            self.bytes = Vec::new();
        }
    }

    /// How many more bytes the entry's values may have: all together as many as the limits of all fields.
    pub(super) fn room(&self, wanted: &Wanted) -> usize {
        wanted.limits().saturating_sub(self.bytes.len())
    }

    #[inline]
    pub(super) fn push(&mut self, value: Value) {
        if let Some(first) = self.first.get_mut(usize::from(value.field.0)).filter(|first| **first == NONE) {
            *first = self.list.len() as u16; // an entry has fewer fields than u16::MAX
        }
        self.list.push(value);
    }

    pub(super) fn first(&self, field: FieldId) -> Option<&Value> {
        let first = *self.first.get(usize::from(field.0))?;
        self.list.get(usize::from(first))
    }

    pub(super) fn all(&self, field: FieldId) -> impl Iterator<Item = &Value> {
        let from = self.first.get(usize::from(field.0)).map_or(self.list.len(), |first| usize::from(*first));
        self.list.iter().skip(from).filter(move |value| value.field == field)
    }

    pub(super) fn release(&mut self) {
        *self = Self::default();
    }
}
