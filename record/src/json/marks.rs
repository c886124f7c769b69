//! Where the quotes and backslashes of a text stand, sixty-four bytes at a time: so strings end without a loop over their bytes.
//!
//! A block's marks are one word, a bit for each byte, the first byte lowest; they are kept until a place beyond the
//! block is asked for. Most strings of a log line end in the block that the last one ended in.

use wide::u8x16;

/// How many bytes are looked at at once.
const BLOCK_BYTES: usize = 64;

/// The marks of one block of a text.
#[derive(Clone, Debug)]
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
        Self { base: 0, bits: marks(text) }
    }

    /// The end of the string whose first byte (after its quote) is at `at`, if it has one.
    #[expect(clippy::inline_always, reason = "called, its result goes through memory")]
    #[inline(always)]
    pub(super) fn string_end(&mut self, text: &[u8], at: usize) -> Option<End> {
        let at = self.next(text, at)?;
        if text[at] == b'"' { Some(End { at, escaped: false }) } else { self.escaped_end(text, at) }
    }

    /// The same from a backslash on.
    #[inline(never)]
    fn escaped_end(&mut self, text: &[u8], mut at: usize) -> Option<End> {
        while text[at] != b'"' {
            at = self.next(text, at + 2)?;
        }
        Some(End { at, escaped: true })
    }

    /// The first quote or backslash at `at` or behind it.
    #[inline]
    fn next(&mut self, text: &[u8], at: usize) -> Option<usize> {
        // Before the block the difference wraps: also that is not in the block.
        let within = at.wrapping_sub(self.base);
        if within < BLOCK_BYTES {
            let bits = self.bits >> within;
            if bits != 0 {
                return Some(at + bits.trailing_zeros() as usize);
            }
            return self.search(text, self.base + BLOCK_BYTES);
        }
        self.search(text, at)
    }

    /// The same from a new block on.
    fn search(&mut self, text: &[u8], mut at: usize) -> Option<usize> {
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            (self.base, self.bits) = (at, marks(rest));
            if self.bits != 0 {
                return Some(at + self.bits.trailing_zeros() as usize);
            }
            at += BLOCK_BYTES;
        }
        None
    }
}

/// The marks of the first bytes of `text`.
#[inline]
fn marks(text: &[u8]) -> u64 {
    if let Some(block) = text.first_chunk() {
        return marks_of(block);
    }
    let mut block = [0; BLOCK_BYTES];
    block[..text.len()].copy_from_slice(text);
    marks_of(&block)
}

#[inline]
fn marks_of(block: &[u8; BLOCK_BYTES]) -> u64 {
    let (parts, _) = block.as_chunks::<16>();
    let mut bits = 0;
    for (place, part) in parts.iter().enumerate() {
        let bytes = u8x16::new(*part);
        let found = bytes.simd_eq(u8x16::splat(b'"')) | bytes.simd_eq(u8x16::splat(b'\\'));
        bits |= u64::from(found.to_bitmask()) << (16 * place);
    }
    bits
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
        fn marks_are_where_quotes_and_backslashes_are(text in prop::collection::vec(prop::sample::select(&b"\"\\a\xA2\xDC\x00#]!["[..]), BLOCK_BYTES)) {
            let block = text.first_chunk().unwrap();
            let expected = block.iter().enumerate().map(|(i, b)| u64::from(matches!(b, b'"' | b'\\')) << i).sum::<u64>();
            prop_assert_eq!(marks_of(block), expected);
        }

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
