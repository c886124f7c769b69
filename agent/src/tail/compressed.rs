//! Rotated files that were compressed, read as the bytes they had before.
//!
//! A compressed file is read from its start in one go: there is no way to begin in its middle. Memory is the decoder's
//! window (32 KiB for gzip, at most 8 MiB for Zstandard; a frame that asks for more is an error, not a surprise).

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;

use flate2::read::MultiGzDecoder;

use super::rotation::Encoding;

/// A decoder over an open file that remembers how far it is.
pub struct Decompressor {
    inner: Inner,
    at: u64,
}

enum Inner {
    Gzip(Box<MultiGzDecoder<BufReader<FromStart>>>),
    Zstd(Box<ruzstd::decoding::StreamingDecoder<BufReader<FromStart>, ruzstd::decoding::FrameDecoder>>),
}

/// Reads a file from its start without moving the descriptor's own position, which other readers share.
struct FromStart {
    file: File,
    at: u64,
}

impl Read for FromStart {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Decompressor {
    /// Begins at the start of `file`. Errors when it is not of that encoding or cannot be read.
    pub fn new(file: &File, encoding: Encoding) -> io::Result<Self> {
        let reader = BufReader::with_capacity(32 * 1024, FromStart { file: file.try_clone()?, at: 0 });
        let inner = match encoding {
            Encoding::Gzip => Inner::Gzip(Box::new(MultiGzDecoder::new(reader))),
            Encoding::Zstd => Inner::Zstd(Box::new(
                ruzstd::decoding::StreamingDecoder::new(reader)
                    .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?,
            )),
            Encoding::Plain | Encoding::Unreadable | Encoding::Journal => {
                return Err(io::Error::new(io::ErrorKind::Unsupported, "not a compression that can be read"));
            }
        };
        Ok(Self { inner, at: 0 })
    }

    /// How many decompressed bytes were given out or skipped.
    pub fn position(&self) -> u64 {
        self.at
    }

    /// The next decompressed bytes; 0 at the end.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.inner {
            Inner::Gzip(gzip) => gzip.read(buffer)?,
            Inner::Zstd(zstd) => zstd.read(buffer)?,
        };
        self.at += read as u64;
        Ok(read)
    }

    /// Goes forward to `position`; false if the content ends before it.
    pub fn skip_to(&mut self, position: u64, scratch: &mut [u8]) -> io::Result<bool> {
        while self.at < position {
            let want = usize::try_from(position - self.at).unwrap_or(usize::MAX).min(scratch.len());
            if self.read(&mut scratch[..want])? == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
