//! Where the quotes and backslashes of a text stand, sixty-four bytes at a time: so strings end without a loop over their bytes.
//!
//! The marks of a block are one word, a bit for each byte, the first byte lowest; they are kept until a place beyond the
//! block is asked for. Most strings of a log line end in the block that the last one ended in.
//!
//! What is called takes and returns [`Marks`] by value, two words: so a loop over members keeps them in registers.

use super::block::{self, BLOCK_BYTES, equal};

/// The marks of one block of a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marks {
    /// Where the block begins.
    base: usize,
    bits: u64,
}

/// Where a string ends.
pub(super) struct End {
    /// The offset of the closing quote.
    pub(super) at: usize,
    /// Whether a backslash stands in the string.
    pub(super) escaped: bool,
}

impl Marks {
    /// The marks of the first bytes of `text`, which is to be given with every call.
    pub(super) fn of(text: &[u8]) -> Self {
        if text.is_empty() { Self { base: 0, bits: 0 } } else { Self::at(text, 0) }
    }

    /// The marks of the block that begins at `base`, where they are known.
    pub(super) fn known(base: usize, bits: u64) -> Self {
        Self { base, bits }
    }

    fn at(text: &[u8], base: usize) -> Self {
        Self { base, bits: block::look(text, base, |block| block.bits(|bytes| equal(bytes, b'"') | equal(bytes, b'\\'))) }
    }

    /// The end of the string whose first byte (after its quote) is at `at`, if it has one.
    #[expect(clippy::inline_always, reason = "called, its result goes through memory")]
    #[inline(always)]
    pub(super) fn string_end(&mut self, text: &[u8], at: usize) -> Option<End> {
        let at = self.next(text, at)?;
        if text[at] == b'"' {
            return Some(End { at, escaped: false });
        }
        *self = self.after_escapes(text, at);
        self.first().map(|at| End { at, escaped: true })
    }

    /// From the backslash at `at` on, the marks of a block that begins with the closing quote; without any if there is none.
    #[inline(never)]
    fn after_escapes(mut self, text: &[u8], mut at: usize) -> Self {
        while text[at] != b'"' {
            match self.next(text, at + 2) {
                Some(next) => at = next,
                None => return self,
            }
        }
        Self::at(text, at)
    }

    /// The first quote or backslash at `at` or behind it.
    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn next(&mut self, text: &[u8], at: usize) -> Option<usize> {
        // Before the block the difference wraps: also that is not in the block.
        let within = at.wrapping_sub(self.base);
        let bits = if within < BLOCK_BYTES { self.bits >> within } else { 0 };
        if bits != 0 {
            return Some(at + bits.trailing_zeros() as usize);
        }
        let from = if within < BLOCK_BYTES { self.base + BLOCK_BYTES } else { at };
        *self = Self::search(text, from);
        self.first()
    }

    /// The marks of the first block at `from` or behind it that has any; without any if no block has.
    #[inline(never)]
    fn search(text: &[u8], from: usize) -> Self {
        let mut marks = Self { base: from, bits: 0 };
        while marks.base < text.len() {
            marks = Self::at(text, marks.base);
            if marks.bits != 0 {
                break;
            }
            marks.base += BLOCK_BYTES;
        }
        marks
    }

    /// Where the first of them is.
    fn first(self) -> Option<usize> {
        (self.bits != 0).then(|| self.base + self.bits.trailing_zeros() as usize)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_end_of_a_string_is_found_at_every_alignment() {
        for length in 0..140 {
            for backslash in 0..=length {
                let mut text = vec![b'x'; length];
                text.splice(backslash..backslash, *b"\\\"");
                text.extend(b"\"tail");
                let end = Marks::of(&text).string_end(&text, 0).unwrap();
                assert_eq!((end.at, end.escaped), (length + 2, true));
            }
        }
    }

    proptest! {
        #[test]
        fn a_string_ends_where_a_look_at_each_byte_ends_it(text in prop::collection::vec(prop::sample::select(&b"\"\\abc"[..]), 0..300), starts in prop::collection::vec(0_usize..310, 1..20)) {
            let mut marks = Marks::of(&text);
            for start in starts {
                let (mut at, mut escaped) = (start, false);
                let expected = loop {
                    match text.get(at) {
                        None => break None,
                        Some(b'"') => break Some((at, escaped)),
                        Some(b'\\') => (at, escaped) = (at + 2, true),
                        Some(_) => at += 1,
                    }
                };
                let found = marks.string_end(&text, start).map(|end| (end.at, end.escaped));
                prop_assert_eq!(found, expected, "from {}", start);
            }
        }
    }
}
