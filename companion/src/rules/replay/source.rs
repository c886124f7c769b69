//! One log of a replay: a file, gzip or not, line by line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use proto::time::UnixNanos;

use crate::entry::Entry;
use crate::labels::LabelSet;
use crate::rules::log_format::{Format, LineReader};

/// A longer line is left out and counted. The agent cuts them far below this.
const LINE_BYTES_MAX: u64 = 16 << 20;
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A log that is read line by line.
pub struct Source {
    stream: LabelSet,
    input: Box<dyn BufRead>,
    reader: LineReader,
    /// The line that is next.
    text: String,
    metadata: Vec<(String, String)>,
    /// The time of the last line that had one.
    last: Option<UnixNanos>,
    buffer: Vec<u8>,
    without_time: u64,
    too_long: u64,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("stream", &self.stream).field("last", &self.last).finish_non_exhaustive()
    }
}

impl Source {
    /// A file, unpacked if it is gzip, whatever its name.
    pub fn open(path: &Path, stream: LabelSet, format: Format) -> io::Result<Self> {
        let mut file = BufReader::with_capacity(256 * 1024, File::open(path)?);
        let is_gzip = file.fill_buf()?.starts_with(&GZIP);
        let input: Box<dyn BufRead> =
            if is_gzip { Box::new(BufReader::with_capacity(256 * 1024, MultiGzDecoder::new(file))) } else { Box::new(file) };
        Ok(Self::new(input, stream, format))
    }

    /// Whatever can be read.
    pub fn new(input: Box<dyn BufRead>, stream: LabelSet, format: Format) -> Self {
        Self {
            stream,
            input,
            reader: LineReader::new(format),
            text: String::new(),
            metadata: Vec::new(),
            last: None,
            buffer: Vec::new(),
            without_time: 0,
            too_long: 0,
        }
    }

    /// Reads the next line; gives its time, or nothing at the end.
    pub(super) fn advance(&mut self) -> io::Result<Option<UnixNanos>> {
        loop {
            self.buffer.clear();
            let read = self.input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut self.buffer)?;
            if read == 0 {
                return Ok(None);
            }
            if self.buffer.last() == Some(&b'\n') {
                self.buffer.pop();
            } else if read as u64 == LINE_BYTES_MAX {
                self.too_long += 1;
                self.skip_line()?;
                continue;
            }
            if self.buffer.last() == Some(&b'\r') {
                self.buffer.pop();
            }
            if self.buffer.is_empty() {
                continue;
            }
            let line = self.reader.read(&self.buffer);
            self.text.clear();
            self.text.push_str(&line.text);
            self.metadata = line.metadata;
            self.without_time += u64::from(line.time.is_none());
            let time = line.time.or(self.last).unwrap_or_default();
            self.last = Some(time);
            return Ok(Some(time));
        }
    }

    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let available = self.input.fill_buf()?;
            if available.is_empty() {
                return Ok(());
            }
            let (used, is_end) = match memchr::memchr(b'\n', available) {
                Some(at) => (at + 1, true),
                None => (available.len(), false),
            };
            self.input.consume(used);
            if is_end {
                return Ok(());
            }
        }
    }

    /// Hands over the line that was read last.
    pub(super) fn entry(&self, time: UnixNanos, each: impl FnOnce(&LabelSet, Entry<'_>)) {
        each(&self.stream, Entry { time, line: &self.text, metadata: &self.metadata });
    }

    /// Lines that did not say when they happened.
    pub fn without_time(&self) -> u64 {
        self.without_time
    }

    /// Lines that were too long.
    pub fn too_long(&self) -> u64 {
        self.too_long
    }
}
