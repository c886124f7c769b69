//! Raw (block) snappy, as Loki and remote write want it around a request: bytes in, one compressed body out.
//!
//! The format compresses blocks of at most 64 KiB on their own, so a request never stands in memory a second time: small
//! pieces are gathered into blocks, large ones are compressed where they lie.

use thiserror::Error;

/// What the format compresses at once: no match reaches further back.
const BLOCK_BYTES: usize = 1 << 16;

/// From this length on a piece is compressed where it lies, though the block before it is not full: a copy costs more than the
/// few matches that are missed at the seam.
const LARGE_BYTES: usize = 1 << 14;

/// Why a body could not be decompressed.
#[derive(Debug, Error)]
pub enum SnappyError {
    /// It would be larger than the caller allows.
    #[error("body of {uncompressed} bytes uncompressed is above the limit of {limit}")]
    TooLarge {
        /// What the body says it holds, in bytes.
        uncompressed: usize,
        /// What the caller allows, in bytes.
        limit: usize,
    },
    /// It is not raw snappy, or was damaged.
    #[error("body is not raw snappy: {0}")]
    Corrupt(#[from] snap::Error),
}

/// Compresses body after body with the same buffers: about 170 KiB, allocated at the first use.
pub struct Compressor {
    encoder: snap::raw::Encoder,
    block: Vec<u8>,
    compressed: Vec<u8>,
}

impl Default for Compressor {
    fn default() -> Self {
        Self { encoder: snap::raw::Encoder::new(), block: Vec::new(), compressed: Vec::new() }
    }
}

impl Compressor {
    /// A compressor whose buffers are still to come.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a body of exactly `uncompressed` bytes in `body`, which is cleared.
    pub fn begin<'a>(&'a mut self, uncompressed: usize, body: &'a mut Vec<u8>) -> Body<'a> {
        body.clear();
        self.block.clear();
        self.block.reserve(BLOCK_BYTES);
        self.compressed.resize(snap::raw::max_compress_len(BLOCK_BYTES), 0);
        put_varint(body, uncompressed as u64);
        Body { compressor: self, body }
    }

    /// Bytes of memory held.
    pub fn capacity(&self) -> usize {
        self.block.capacity() + self.compressed.capacity()
    }

    /// Gives the buffers back.
    pub fn release(&mut self) {
        *self = Self::default();
    }
}

/// A body under way. What is written must add up to the length that was announced.
pub struct Body<'a> {
    compressor: &'a mut Compressor,
    body: &'a mut Vec<u8>,
}

impl Body<'_> {
    /// Appends bytes.
    pub fn write(&mut self, mut bytes: &[u8]) {
        if bytes.len() >= LARGE_BYTES {
            self.compress_block();
        }
        while bytes.len() >= LARGE_BYTES {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK_BYTES));
            self.compress(now);
            bytes = later;
        }
        while !bytes.is_empty() {
            let room = BLOCK_BYTES - self.compressor.block.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.compressor.block.extend_from_slice(now);
            bytes = later;
            if self.compressor.block.len() == BLOCK_BYTES {
                self.compress_block();
            }
        }
    }

    /// Compresses what is left.
    pub fn finish(mut self) {
        self.compress_block();
    }

    /// Compresses what was gathered, if anything was.
    fn compress_block(&mut self) {
        if !self.compressor.block.is_empty() {
            let block = std::mem::take(&mut self.compressor.block);
            self.compress(&block);
            self.compressor.block = block;
            self.compressor.block.clear();
        }
    }

    fn compress(&mut self, block: &[u8]) {
        let Compressor { encoder, compressed, .. } = &mut *self.compressor;
        #[expect(
            clippy::expect_used,
            reason = "fails only above 4 GiB or into too small an output; both lengths are at most constants here"
        )]
        let len = encoder.compress(block, compressed).expect("a block fits");
        // Every call writes the length of its input first; in a body it stands once, before the first block.
        let header = varint_len(block.len() as u64);
        self.body.extend_from_slice(&compressed[header..len]);
    }
}

/// Decompresses a whole body of at most `max` bytes uncompressed.
pub fn decompress(body: &[u8], max: usize) -> Result<Vec<u8>, SnappyError> {
    let uncompressed = snap::raw::decompress_len(body)?;
    if uncompressed > max {
        return Err(SnappyError::TooLarge { uncompressed, limit: max });
    }
    Ok(snap::raw::Decoder::new().decompress_vec(body)?)
}

/// Appends a varint as protobuf has it; snappy's length is one, too.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Bytes of a varint.
pub(crate) const fn varint_len(value: u64) -> usize {
    // Seven bits a byte, and one byte for zero.
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn compress(compressor: &mut Compressor, pieces: &[&[u8]]) -> Vec<u8> {
        let mut body = b"left over from before".to_vec();
        let mut writing = compressor.begin(pieces.iter().map(|p| p.len()).sum(), &mut body);
        for piece in pieces {
            writing.write(piece);
        }
        writing.finish();
        body
    }

    #[test]
    fn bodies_around_a_block_are_what_was_written() {
        let text: Vec<u8> = (0..BLOCK_BYTES as u32).flat_map(|i| (i.wrapping_mul(i) / 7).to_le_bytes()).collect();
        let mut compressor = Compressor::new();
        for len in
            [0, 1, 16, 17, LARGE_BYTES - 1, LARGE_BYTES, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES + 9]
        {
            let body = compress(&mut compressor, &[b"before", &text[..len], b"after"]);
            assert_eq!(decompress(&body, len + 11).unwrap(), [b"before", &text[..len], b"after"].concat(), "{len} bytes");
            // A large piece alone is what compressing it at once gives; the sizes are those of the format.
            let alone = compress(&mut compressor, &[&text[..len]]);
            assert_eq!(alone.len(), snap::raw::Encoder::new().compress_vec(&text[..len]).unwrap().len(), "{len} bytes");
        }
    }

    proptest! {
        #[test]
        fn pieces_are_put_together(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..70_000), 0..5)) {
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let whole = pieces.concat();
            let body = compress(&mut Compressor::new(), &pieces);
            prop_assert_eq!(decompress(&body, whole.len()).unwrap(), whole);
        }

        #[test]
        fn small_pieces_are_compressed_as_one(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9_000), 0..20)) {
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let body = compress(&mut Compressor::new(), &pieces);
            prop_assert_eq!(&body, &snap::raw::Encoder::new().compress_vec(&pieces.concat()).unwrap());
        }

        #[test]
        fn a_varint_is_as_long_as_it_says(value: u64) {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            prop_assert_eq!(out.len(), varint_len(value));
        }
    }

    #[test]
    fn a_body_above_the_limit_is_not_decompressed() {
        let body = compress(&mut Compressor::new(), &[&[0; 1000]]);
        assert!(matches!(decompress(&body, 999), Err(SnappyError::TooLarge { uncompressed: 1000, limit: 999 })));
        assert!(matches!(decompress(b"\xff", 999), Err(SnappyError::Corrupt(_))));
    }
}
