//! Payloads of data objects as they were before they were compressed, as far as they are needed. Output and memory are bounded by what
//! is asked for, whatever the compressed bytes claim.

use std::io::Read;

use lzma_rust2::Lzma2Reader;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use super::damage::Flaw;
use super::object::u64_at;
use super::wanted::LONGEST_NAME;
use super::{lz4, xz::Xz};

/// What a zstd frame may look back; the journal's own need 2 MiB.
const ZSTD_WINDOW: u64 = 8 << 20;
/// A decoder that had to hold more is not kept.
const ZSTD_KEPT: u64 = 128 << 10;
/// A dictionary of LZMA2 has at least this size.
const XZ_DICTIONARY: u64 = 4 << 10;
/// The longest block of zstd, or chunk of LZMA2, compressed or not, with what is around it.
const BLOCK: usize = 140 << 10;

/// How a payload is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    /// Not at all.
    None,
    /// As an xz container.
    Xz,
    /// As one LZ4 block behind the size of what it holds.
    Lz4,
    /// As a zstd frame.
    Zstd,
}

impl Compression {
    /// What the flags of an object say.
    pub(super) fn of(flags: u8) -> Result<Self, Flaw> {
        match flags {
            0 => Ok(Self::None),
            1 => Ok(Self::Xz),
            2 => Ok(Self::Lz4),
            4 => Ok(Self::Zstd),
            _ => Err(Flaw::Compression),
        }
    }

    /// How many bytes to ask for to see the name. A zstd block is decoded as a whole, so that asking for less saves nothing.
    pub(super) fn first_look(self) -> usize {
        if self == Self::Zstd { 128 << 10 } else { LONGEST_NAME + 1 }
    }

    /// How many compressed bytes are enough for `len` decompressed ones: no compression makes them much longer.
    pub(super) fn enough(len: usize) -> usize {
        len + len / 64 + BLOCK
    }
}

/// Decompresses.
#[derive(Default)]
pub(super) struct Decoder {
    zstd: Option<Box<FrameDecoder>>,
}

impl Decoder {
    /// Appends what `input` holds to `out`, at most `limit` bytes. The result is the length of all that it holds, if it is known.
    pub(super) fn decode(
        &mut self,
        compression: Compression,
        input: &[u8],
        out: &mut Vec<u8>,
        limit: usize,
    ) -> Result<Option<u64>, Flaw> {
        let begin = out.len();
        let claimed = match compression {
            Compression::None => {
                out.extend_from_slice(input.get(..limit).unwrap_or(input));
                Some(input.len() as u64)
            }
            Compression::Lz4 => {
                let size = u64_at(input, 0).ok_or(Flaw::Compression)?;
                lz4::decode(&input[8..], out, limit).ok_or(Flaw::Compression)?; // 8 bytes were just read
                Some(size)
            }
            Compression::Xz => {
                let xz = Xz::open(input).ok_or(Flaw::Compression)?;
                // Nothing can look back further than to the beginning.
                let dictionary = xz.dictionary.min(limit as u64).max(XZ_DICTIONARY);
                let reader = Lzma2Reader::new(xz.body, u32::try_from(dictionary).unwrap_or(u32::MAX), None);
                read(reader, out, limit, xz.size)?
            }
            Compression::Zstd => self.zstd(input, out, limit)?,
        };
        let got = (out.len() - begin) as u64;
        match claimed {
            // All that there is, or all that was asked for; nothing else can be right.
            Some(size) if got != size.min(limit as u64) => Err(Flaw::Compression),
            claimed => Ok(claimed),
        }
    }

    /// Gives its memory back.
    pub(super) fn release(&mut self) {
        self.zstd = None;
    }

    fn zstd(&mut self, input: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<Option<u64>, Flaw> {
        let decoder = self.zstd.get_or_insert_with(|| {
            let mut decoder = FrameDecoder::new();
            decoder.set_max_window_size(ZSTD_WINDOW);
            Box::new(decoder)
        });
        let reader = StreamingDecoder::new_with_decoder(input, &mut **decoder).map_err(|_| Flaw::Compression)?;
        // It has no word for "not said", so that 0 may be either.
        let size = Some(reader.decoder.content_size()).filter(|&size| size > 0);
        let got = read(reader, out, limit, size);
        if size.is_none_or(|size| size > ZSTD_KEPT) {
            self.zstd = None;
        }
        got
    }
}

/// Reads at most `limit` bytes. The result is the size of all, if it was known before or the end was seen.
fn read(mut reader: impl Read, out: &mut Vec<u8>, limit: usize, size: Option<u64>) -> Result<Option<u64>, Flaw> {
    let got = reader.by_ref().take(limit as u64).read_to_end(out).map_err(|_| Flaw::Compression)?;
    if size.is_some() || got < limit {
        return Ok(size.or(Some(got as u64)));
    }
    let over = reader.read(&mut [0]).is_ok_and(|more| more == 0);
    Ok(over.then_some(got as u64))
}
