//! Sixty-four bytes of a text at once: which of them are what is looked for, as the bits of a word, the first byte lowest.

use wide::u8x16;

/// How many bytes are looked at at once.
pub(super) const BLOCK_BYTES: usize = 64;

/// A block of a text.
#[derive(Clone, Copy)]
pub(super) struct Block<'a> {
    bytes: &'a [u8; BLOCK_BYTES],
    /// How many bytes of it stand before the place that was asked for.
    before: u32,
}

/// Calls `with` with the block of `text` that begins at `base`, which is before its end. Behind the end no bit is set.
#[expect(clippy::inline_always, reason = "a few instructions around what the caller does")]
#[inline(always)]
pub(super) fn look<R>(text: &[u8], base: usize, with: impl FnOnce(Block<'_>) -> R) -> R {
    let rest = &text[base..];
    let padded;
    with(if let Some(bytes) = rest.first_chunk() {
        Block { bytes, before: 0 }
    } else if let Some(bytes) = text.last_chunk() {
        // What a text ends with is looked at with what stands before it, so that it need not be copied.
        Block { bytes, before: (BLOCK_BYTES - rest.len()) as u32 }
    } else {
        padded = pad(rest);
        Block { bytes: &padded, before: 0 }
    })
}

#[inline(never)]
fn pad(short: &[u8]) -> [u8; BLOCK_BYTES] {
    let mut padded = [0; BLOCK_BYTES];
    padded[..short.len()].copy_from_slice(short);
    padded
}

impl Block<'_> {
    /// The bits of those bytes for which `test` gives ones.
    #[inline]
    pub(super) fn bits(&self, test: impl Fn(u8x16) -> u8x16) -> u64 {
        let (parts, _) = self.bytes.as_chunks::<16>();
        let join = |bits, part: &[u8; 16]| bits << 16 | u64::from(test(u8x16::new(*part)).to_bitmask());
        parts.iter().rev().fold(0, join) >> self.before
    }

    /// Whether `wanted` is in the block or shortly before it.
    #[inline]
    pub(super) fn may_have(&self, wanted: u8) -> bool {
        let (parts, _) = self.bytes.as_chunks::<16>();
        let found = parts.iter().fold(u8x16::splat(0), |found, part| found | equal(u8x16::new(*part), wanted));
        found.to_bitmask() != 0
    }
}

/// Ones where a byte is `wanted`.
#[inline]
pub(super) fn equal(bytes: u8x16, wanted: u8) -> u8x16 {
    bytes.simd_eq(u8x16::splat(wanted))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bits_are_where_bytes_are(text in prop::collection::vec(prop::sample::select(&b"\"\\a\xA2\xDC\x00#]!["[..]), 1..200), base: prop::sample::Index, wanted in prop::sample::select(&b"\"\\\xDC"[..])) {
            let base = base.index(text.len());
            let expected = text[base..].iter().take(BLOCK_BYTES).enumerate().map(|(i, b)| u64::from(*b == wanted) << i).sum::<u64>();
            let (bits, may_have) = look(&text, base, |block| (block.bits(|bytes| equal(bytes, wanted)), block.may_have(wanted)));
            prop_assert_eq!(bits, expected);
            prop_assert!(may_have || bits == 0);
        }
    }
}
