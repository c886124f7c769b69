//! What is known of data objects that occur again: those of fields that nobody wants, and values that are short.
//!
//! Keyed by the object's offset, which identifies its value within the file for as long as the file exists. Bounded: when it is full
//! it is emptied, since what is in use is soon known again.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::wanted::FieldId;

/// Just what a table of 8192 holds, a quarter of a megabyte.
const MOST_OBJECTS: usize = 7168;
const MOST_BYTES: usize = 256 << 10;
/// Longer values are read anew.
const LONGEST: usize = 1 << 10;

/// A data object that was read before.
#[derive(Clone, Copy)]
pub(super) enum Fact {
    /// Its field is not wanted.
    Unwanted,
    /// Its value, in [`Known::bytes`].
    Value {
        /// Its field.
        field: FieldId,
        /// Where its value begins.
        from: u32,
        /// How long its value is.
        len: u16,
        /// How long its value is as stored.
        stored: u16,
    },
}

/// The data objects that are known.
#[derive(Default)]
pub(super) struct Known {
    facts: HashMap<u64, Fact, BuildHasherDefault<OffsetHasher>>,
    bytes: Vec<u8>,
}

impl Known {
    /// What is known of the object at `at`.
    #[inline]
    pub(super) fn get(&self, at: u64) -> Option<Fact> {
        self.facts.get(&at).copied()
    }

    /// The bytes of all values.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Before an entry: makes room. Between, nothing that an entry refers to may go.
    pub(super) fn make_room(&mut self) {
        if self.facts.len() >= MOST_OBJECTS || self.bytes.len() >= MOST_BYTES {
            self.facts.clear();
            self.bytes.clear();
        }
    }

    /// The object's field is not wanted.
    pub(super) fn remember_unwanted(&mut self, at: u64) {
        if self.facts.len() < MOST_OBJECTS {
            self.facts.insert(at, Fact::Unwanted);
        }
    }

    /// The object's value, if it is worth while and there is room: then the result is where in [`Self::bytes`] it is.
    pub(super) fn remember(&mut self, at: u64, field: FieldId, value: &[u8], stored: u64) -> Option<usize> {
        let from = self.bytes.len();
        if value.len() > LONGEST || from + value.len() > MOST_BYTES || self.facts.len() >= MOST_OBJECTS {
            return None;
        }
        let fact = Fact::Value {
            field,
            from: u32::try_from(from).ok()?,
            len: u16::try_from(value.len()).ok()?,
            stored: u16::try_from(stored).ok()?,
        };
        self.bytes.extend_from_slice(value);
        self.facts.insert(at, fact);
        Some(from)
    }

    /// Forgets all, and gives the memory back.
    pub(super) fn release(&mut self) {
        *self = Self::default();
    }
}

/// Spreads offsets, which are multiples of 8 and mostly close to each other. A file can be made so that all collide; the table is
/// small enough for that.
#[derive(Default)]
pub(super) struct OffsetHasher(u64);

impl Hasher for OffsetHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(self.0 ^ u64::from(byte));
        }
    }

    #[inline]
    fn write_u64(&mut self, offset: u64) {
        // 2^64 divided by the golden ratio; the upper half of the product depends on all bits.
        let product = u128::from(offset) * 0x9E37_79B9_7F4A_7C15;
        self.0 = product as u64 ^ (product >> 64) as u64;
    }
}
