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
    pub fn push_plain(&mut self, name: &str, value: &[u8]) -> bool {
        // Every byte is looked at, so that it can be many at once.
        let is_plain = value.iter().fold(true, |plain, byte| plain & (byte.wrapping_sub(1) < 0x7F) && (*byte != b'\\'));
        if is_plain {
            self.push_text(name, value);
        }
        is_plain
    }

    /// Adds all pairs of `others`.
    pub fn append(&mut self, others: &Self) {
        self.fields.extend_from_slice(&others.fields);
        self.n_pairs += others.n_pairs;
    }

    fn push_text(&mut self, name: &str, value: &[u8]) {
        if !name.bytes().any(|byte| byte.is_ascii_alphanumeric()) {
            return;
        }
        self.n_pairs += 1;
        let fields = &mut self.fields;
        let len = text_len(name.as_bytes()) + text_len(value);
        fields.reserve(len + 11);
        if len < 0x80 && !value.is_empty() {
            // Nearly every pair: all lengths are one byte.
            fields.extend_from_slice(&[tag::ENTRY_METADATA, len as u8, tag::PAIR_NAME, name.len() as u8]);
            fields.extend_from_slice(name.as_bytes());
            fields.extend_from_slice(&[tag::PAIR_VALUE, value.len() as u8]);
            fields.extend_from_slice(value);
            return;
        }
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
        for value in ["\\", "a\0", "é", "\u{80}"] {
            assert!(!metadata.push_plain("a", value.as_bytes()), "{value:?}");
        }
        assert!(metadata.is_empty());
        assert!(metadata.push_plain("a", b"\x01 ~\x7f"));
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
    }
}
