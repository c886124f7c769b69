//! The structured metadata of one entry, kept as it stands in the request: names and values are encoded once, when they come.
//!
//! A list is filled again for every entry; one that is warm allocates nothing.

use super::fields::{tag, text_len, varint};
use crate::snappy::put_varint;

/// Names and values, in the order in which they were pushed, as fields `structuredMetadata` of an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StructuredMetadata {
    fields: Vec<u8>,
    n_pairs: usize,
}

impl StructuredMetadata {
    /// Empties the list and keeps its memory.
    pub fn clear(&mut self) {
        self.fields.clear();
        self.n_pairs = 0;
    }

    /// Makes this list equal to `other`, in the memory that it has.
    pub fn copy_from(&mut self, other: &Self) {
        self.fields.clone_from(&other.fields);
        self.n_pairs = other.n_pairs;
    }

    /// Adds a pair, unless Loki would answer the whole request with 500, for ever: a name without any ASCII letter or digit.
    pub fn push(&mut self, name: &str, value: &str) {
        self.push_text(name, value.as_bytes());
    }

    /// Adds a pair whose value is plain: ASCII, and neither NUL nor a backslash in it. Adds nothing and says so if it is not.
    #[inline]
    pub fn push_plain(&mut self, name: &Name, value: &[u8]) -> bool {
        let is_plain = is_plain(value);
        if is_plain {
            self.push_named(name, value);
        }
        is_plain
    }

    fn push_named(&mut self, name: &Name, value: &[u8]) {
        let len = name.before_value - PAIR_HEADER + value.len();
        let Some(before_value) = name.short.filter(|_| len < 0x80 && !value.is_empty()) else {
            return self.push_text(&name.text, value);
        };
        // Nearly every pair: all lengths are one byte.
        self.n_pairs += 1;
        let fields = &mut self.fields;
        let start = fields.len();
        fields.reserve(before_value.len() + value.len());
        // As many bytes as a name may have, since that is known when this is compiled.
        fields.extend_from_slice(&before_value);
        fields[start + 1] = len as u8;
        fields[start + name.before_value - 1] = value.len() as u8;
        fields.truncate(start + name.before_value);
        fields.extend_from_slice(value);
    }

    /// Adds all pairs of `others`.
    pub fn append(&mut self, others: &Self) {
        self.fields.extend_from_slice(&others.fields);
        self.n_pairs += others.n_pairs;
    }

    fn push_text(&mut self, name: &str, value: &[u8]) {
        if !is_taken(name) {
            return;
        }
        self.n_pairs += 1;
        let fields = &mut self.fields;
        let len = text_len(name.as_bytes()) + text_len(value);
        fields.reserve(len + 11);
        fields.push(tag::ENTRY_METADATA);
        put_varint(fields, len as u64);
        for (tag, text) in [(tag::PAIR_NAME, name.as_bytes()), (tag::PAIR_VALUE, value)] {
            if !text.is_empty() {
                fields.push(tag);
                put_varint(fields, text.len() as u64);
                fields.extend_from_slice(text);
            }
        }
    }

    /// The pairs, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut rest = self.fields.as_slice();
        std::iter::from_fn(move || {
            let pair = field(&mut rest)?;
            let mut pair = pair;
            // An empty value is not written.
            let (name, value) = (field(&mut pair)?, field(&mut pair).unwrap_or_default());
            // What was pushed is text.
            Some((str::from_utf8(name).unwrap_or_default(), str::from_utf8(value).unwrap_or_default()))
        })
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.n_pairs
    }

    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.n_pairs == 0
    }

    /// As it stands in the entry.
    #[inline]
    pub(super) fn fields(&self) -> &[u8] {
        &self.fields
    }
}

/// A name that many pairs have, encoded once.
#[derive(Clone, Debug)]
pub struct Name {
    text: Box<str>,
    /// All that stands before a value in a pair of fewer than 128 bytes, without the lengths of pair and value. `None` for a
    /// name that is too long for it, or that Loki does not take.
    short: Option<[u8; SHORT_NAME]>,
    /// How many bytes of it count.
    before_value: usize,
}

/// How long what stands before a value is, at most, where it is copied at once.
const SHORT_NAME: usize = 32;

/// Tag and length of a pair.
const PAIR_HEADER: usize = 2;

impl Name {
    /// Encodes `text`.
    pub fn new(text: &str) -> Self {
        let mut before_value = vec![tag::ENTRY_METADATA, 0, tag::PAIR_NAME, text.len() as u8];
        before_value.extend_from_slice(text.as_bytes());
        before_value.extend_from_slice(&[tag::PAIR_VALUE, 0]);
        let mut short = None;
        if before_value.len() <= SHORT_NAME && is_taken(text) {
            let bytes: &mut [u8; SHORT_NAME] = short.insert([0; SHORT_NAME]);
            bytes[..before_value.len()].copy_from_slice(&before_value);
        }
        Self { text: text.into(), short, before_value: before_value.len() }
    }

    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Whether Loki takes the name: it answers the whole request with 500, for ever, if there is no ASCII letter or digit in one.
fn is_taken(name: &str) -> bool {
    name.bytes().any(|byte| byte.is_ascii_alphanumeric())
}

/// Whether all bytes are ASCII, and none is NUL or a backslash.
#[inline]
fn is_plain(value: &[u8]) -> bool {
    // Both words together are all of a value of up to sixteen bytes.
    let words = match (value.first_chunk(), value.last_chunk()) {
        (Some(first), Some(last)) => [u64::from_le_bytes(*first), u64::from_le_bytes(*last)],
        _ => [value.iter().fold(u64::from_le_bytes([b' '; 8]), |word, byte| word << 8 | u64::from(*byte)); 2],
    };
    words.into_iter().all(is_plain_word) && (value.len() <= 16 || is_plain_text(value))
}

/// The same for eight bytes. Nothing is borrowed from a byte that is above zero, so the upper bits tell.
fn is_plain_word(word: u64) -> bool {
    let all = |byte| u64::from_le_bytes([byte; 8]);
    let without_backslash = (word ^ all(b'\\')).wrapping_sub(all(1));
    (word | word.wrapping_sub(all(1)) | without_backslash) & all(0x80) == 0
}

/// The same for sixteen bytes or more. Every byte is looked at, so that it can be many at once.
fn is_plain_text(value: &[u8]) -> bool {
    // As a signed number a byte that is not ASCII is negative.
    let any_other = |bytes: &[u8; 16]| bytes.iter().fold(false, |any, byte| any | (byte.cast_signed() < 1 || *byte == b'\\'));
    let (parts, _) = value.as_chunks();
    // What is left after the last part is looked at together with what stands before it.
    !parts.iter().chain(value.last_chunk()).fold(false, |any, part| any | any_other(part))
}

/// Takes the length-delimited field off that `rest` begins with.
fn field<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (len, header) = varint(rest.get(1..)?);
    let content = rest.get(1 + header..)?.get(..len as usize)?;
    *rest = &rest[1 + header + content.len()..];
    Some(content)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_loki_would_answer_with_500_is_left_out() {
        let mut metadata = StructuredMetadata::default();
        for (name, value) in [("", "1"), ("__", "2"), ("é.", "3"), ("_a", "4"), ("b", "")] {
            metadata.push(name, value);
        }
        assert_eq!(metadata.iter().collect::<Vec<_>>(), [("_a", "4"), ("b", "")]);
        assert_eq!(metadata.len(), 2);
    }

    #[test]
    fn only_what_is_plain_is_added_as_such() {
        let mut metadata = StructuredMetadata::default();
        let name = Name::new("a");
        for value in ["\\", "a\0", "é", "\u{80}"] {
            assert!(!metadata.push_plain(&name, value.as_bytes()), "{value:?}");
        }
        assert!(metadata.is_empty());
        assert!(metadata.push_plain(&name, b"\x01 ~\x7f"));
        assert_eq!(metadata.iter().collect::<Vec<_>>(), [("a", "\u{1} ~\u{7f}")]);
    }

    proptest! {
        #[test]
        fn what_was_pushed_comes_back(pairs: Vec<(String, String)>) {
            let mut metadata = StructuredMetadata::default();
            for (name, value) in &pairs {
                metadata.push(name, value);
            }
            let kept = |(name, _): &&(String, String)| name.bytes().any(|b| b.is_ascii_alphanumeric());
            let expected: Vec<_> = pairs.iter().filter(kept).map(|(name, value)| (name.as_str(), value.as_str())).collect();
            prop_assert_eq!(metadata.len(), expected.len());
            prop_assert_eq!(metadata.iter().collect::<Vec<_>>(), expected);
        }

        #[test]
        fn a_name_that_was_encoded_makes_the_same_pair(name in "[a_é]{0,40}", value in r"([ -\[\]-~]|[é\\\x00]?){0,150}") {
            let (mut plain, mut any) = (StructuredMetadata::default(), StructuredMetadata::default());
            let is_plain = plain.push_plain(&Name::new(&name), value.as_bytes());
            prop_assert_eq!(is_plain, value.is_ascii() && !value.contains(['\\', '\0']));
            if is_plain {
                any.push(&name, &value);
            }
            prop_assert_eq!(plain, any);
        }
    }
}
