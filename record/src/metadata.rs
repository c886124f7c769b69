//! The structured metadata of one entry: a list of names and values that is filled again for every line.
//!
//! It is kept as it will stand in the request, so a list that is warm allocates nothing and a value is copied once. A value
//! is never empty, since Loki leaves empty ones out, and never longer than [`MAX_VALUE_BYTES`]: longer ones are cut at a
//! character, and counted.

use proto::loki::metadata::{Name, StructuredMetadata};

use crate::json::Sink;

#[cfg(test)]
mod tests;

/// The longest value, in bytes. Loki refuses label values above it by default (`max_label_value_length`), and what a
/// rule groups by becomes a label.
pub const MAX_VALUE_BYTES: usize = 2048;

/// Names and values, in the order in which they were pushed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    pairs: StructuredMetadata,
    /// A value that has to be put together.
    value: String,
    cut: usize,
}

impl Metadata {
    /// Empties the list and keeps its memory.
    pub fn clear(&mut self) {
        self.pairs.clear();
        self.cut = 0;
    }

    /// Makes this list equal to `other`, in the memory that it has.
    pub fn copy_from(&mut self, other: &Self) {
        self.pairs.copy_from(&other.pairs);
        self.cut = other.cut;
    }

    /// Adds a pair, unless the value is empty.
    pub fn push(&mut self, name: &str, value: &str) {
        self.push_with(name, |out| out.push_bytes(value.as_bytes()));
    }

    /// Adds a pair whose value is nothing but printable ASCII as it stands, as nearly all are. Adds nothing and says so if
    /// it may be another.
    #[inline]
    pub(crate) fn push_plain(&mut self, name: &Name, value: &[u8]) -> bool {
        value.is_empty() || value.len() <= MAX_VALUE_BYTES && self.pairs.push_plain(name, value)
    }

    /// Adds a pair whose value is written piece by piece, unless it stays empty.
    pub fn push_with(&mut self, name: &str, write: impl FnOnce(&mut Value<'_>)) {
        self.value.clear();
        let mut value = Value { text: &mut self.value, cut: false };
        write(&mut value);
        self.cut += usize::from(value.cut);
        if !self.value.is_empty() {
            self.pairs.push(name, &self.value);
        }
    }

    /// Adds all pairs of `others`, as they are.
    pub fn append(&mut self, others: &StructuredMetadata) {
        self.pairs.append(others);
    }

    /// The pairs, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter()
    }

    /// The first value with this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find_map(|(candidate, value)| (candidate == name).then_some(value))
    }

    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// As the request takes it.
    pub fn structured(&self) -> &StructuredMetadata {
        &self.pairs
    }

    /// How many values were cut since the list was emptied.
    pub fn cut(&self) -> usize {
        self.cut
    }
}

/// A value while it is written; see [`Metadata::push_with`].
#[derive(Debug)]
pub struct Value<'a> {
    text: &'a mut String,
    cut: bool,
}

impl Value<'_> {
    /// Appends text, up to the longest value.
    pub fn push_str(&mut self, text: &str) {
        if self.cut {
            return;
        }
        let room = MAX_VALUE_BYTES - self.text.len();
        let kept = text.floor_char_boundary(room);
        self.text.push_str(&text[..kept]);
        self.cut = kept < text.len();
    }
}

/// Bytes that are not UTF-8, and NUL, which few programs downstream survive, become U+FFFD.
impl Sink for Value<'_> {
    fn push_bytes(&mut self, bytes: &[u8]) {
        // Nearly every value is plain text: one look instead of a search for what has to be replaced.
        if let Ok(text) = str::from_utf8(bytes)
            && !bytes.contains(&0)
        {
            self.push_str(text);
            return;
        }
        for chunk in bytes.utf8_chunks() {
            for (index, part) in chunk.valid().split('\0').enumerate() {
                if index > 0 {
                    self.push_str("\u{FFFD}");
                }
                self.push_str(part);
            }
            if !chunk.invalid().is_empty() {
                self.push_str("\u{FFFD}");
            }
        }
    }

    fn push_char(&mut self, character: char) {
        let character = if character == '\0' { char::REPLACEMENT_CHARACTER } else { character };
        self.push_str(character.encode_utf8(&mut [0; 4]));
    }
}
