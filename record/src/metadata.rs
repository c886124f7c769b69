//! The structured metadata of one entry: a list of names and values that is filled again for every line.
//!
//! All text lies in one buffer, so a list that is warm allocates nothing. A value is never empty, since Loki leaves
//! empty ones out, and never longer than [`MAX_VALUE_BYTES`]: longer ones are cut at a character, and counted.

use crate::json::Sink;

#[cfg(test)]
mod tests;

/// The longest value, in bytes. Loki refuses label values above it by default (`max_label_value_length`), and what a
/// rule groups by becomes a label.
pub const MAX_VALUE_BYTES: usize = 2048;

/// Names and values, in the order in which they were pushed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    text: String,
    pairs: Vec<Pair>,
    cut: usize,
}

/// Where in the text a pair lies; it starts where the one before it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pair {
    name_end: usize,
    value_end: usize,
}

impl Metadata {
    /// Empties the list and keeps its memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.pairs.clear();
        self.cut = 0;
    }

    /// Adds a pair, unless the value is empty.
    pub fn push(&mut self, name: &str, value: &str) {
        self.push_with(name, |out| out.push_str(value));
    }

    /// Adds a pair whose value is written piece by piece, unless it stays empty.
    pub fn push_with(&mut self, name: &str, write: impl FnOnce(&mut Value<'_>)) {
        let start = self.text.len();
        self.text.push_str(name);
        let name_end = self.text.len();
        let mut value = Value { text: &mut self.text, start: name_end, cut: false };
        write(&mut value);
        self.cut += usize::from(value.cut);
        let value_end = self.text.len();
        if value_end == name_end {
            self.text.truncate(start);
        } else {
            self.pairs.push(Pair { name_end, value_end });
        }
    }

    /// The pairs, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        let starts = std::iter::once(0).chain(self.pairs.iter().map(|pair| pair.value_end));
        starts.zip(&self.pairs).map(|(start, pair)| (&self.text[start..pair.name_end], &self.text[pair.name_end..pair.value_end]))
    }

    /// The first value with this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find_map(|(candidate, value)| (candidate == name).then_some(value))
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Bytes of all names and values together, as Loki counts them against its limit.
    pub fn bytes(&self) -> usize {
        self.text.len()
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
    start: usize,
    cut: bool,
}

impl Value<'_> {
    /// Appends text, up to the longest value.
    pub fn push_str(&mut self, text: &str) {
        if self.cut {
            return;
        }
        let room = MAX_VALUE_BYTES - (self.text.len() - self.start);
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
