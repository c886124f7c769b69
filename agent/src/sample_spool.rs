//! Samples of a destination that is away, on disk in order: collections cannot be made again later.
//!
//! A directory of segments; a segment is records, each a frame (`durable::frame`), without a header: sets of series, each before the
//! first samples of it, and samples. So every segment can be read by itself. Samples, not requests, since the version of the protocol
//! may be another one when they are sent. Bounded in bytes: when it is full, the oldest segment is given up, counted, for what alerts
//! need is the newest. A torn tail is cut; a damaged record costs the rest of its segment, counted. How far it was read stands in a
//! small file beside; if that is lost, some samples are sent again, which does not change what they are.

mod codec;

use std::collections::{HashMap, VecDeque};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use durable::frame;
use proto::remote_write::{Samples, SeriesSet};
use tracing::warn;

use codec::Record;

/// A segment is closed above this size, or above an eighth of the limit.
const SEGMENT_BYTES: u64 = 16 << 20;
/// A record that claims to be longer is damage.
const RECORD_MAX: usize = 256 << 20;
/// Length and checksum of a frame.
const FRAME_HEAD: u64 = 8;
/// How far it was read: segment, offset, checksum.
const POSITION_NAME: &str = "read";

#[derive(Debug)]
struct Segment {
    number: u64,
    bytes: u64,
    /// That were not read yet.
    samples: u64,
}

/// The segment that is written, and the sets that stand in it.
#[derive(Debug)]
struct Writing {
    file: File,
    sets: Vec<Arc<SeriesSet>>,
}

/// The segment that is read, and the sets that were met in it.
#[derive(Debug)]
struct Reading {
    file: File,
    at: u64,
    sets: HashMap<u32, Arc<SeriesSet>>,
}

/// The spool of one destination.
#[derive(Debug)]
pub struct SampleSpool {
    directory: PathBuf,
    limit: u64,
    segments: VecDeque<Segment>,
    writing: Option<Writing>,
    reading: Option<Reading>,
    /// Where the first record that was not delivered begins in the first segment.
    read_at: u64,
    /// Read, and not delivered yet; with where the next record begins.
    ahead: VecDeque<(Arc<Samples>, u64)>,
    given_up: u64,
    damaged: u64,
}

impl SampleSpool {
    /// Opens the spool in `directory`, which is made when the first samples come.
    pub fn open(directory: &Path, limit: u64) -> io::Result<Self> {
        let mut spool = Self {
            directory: directory.to_owned(),
            limit,
            segments: VecDeque::new(),
            writing: None,
            reading: None,
            read_at: 0,
            ahead: VecDeque::new(),
            given_up: 0,
            damaged: 0,
        };
        let mut numbers: Vec<u64> = Vec::new();
        match fs::read_dir(directory) {
            Ok(entries) => numbers.extend(entries.flatten().filter_map(|entry| {
                let name = entry.file_name();
                name.to_str()?.strip_suffix(".samples")?.parse::<u64>().ok()
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        numbers.sort_unstable();
        let position = spool.position();
        for number in numbers {
            spool.take_in(number, position)?;
        }
        Ok(spool)
    }

    /// Looks through a segment of an earlier run: what is left of it, and where it is torn.
    fn take_in(&mut self, number: u64, (read, read_at): (u64, u64)) -> io::Result<()> {
        let path = self.path(number);
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        let len = file.metadata()?.len();
        let from = if number == read { read_at.min(len) } else { 0 };
        let (mut at, mut samples) = (0, 0);
        while at < len {
            let mut head = [0; FRAME_HEAD as usize + codec::HEAD];
            let Ok(()) = file.read_exact_at(&mut head, at) else { break };
            let body = u64::from(u32::from_le_bytes([head[0], head[1], head[2], head[3]]));
            if body < codec::HEAD as u64 || body as usize > RECORD_MAX || at + FRAME_HEAD + body > len {
                break;
            }
            if at >= from {
                samples += codec::samples_in(&head[FRAME_HEAD as usize..]);
            }
            at += FRAME_HEAD + body;
        }
        if at < len {
            warn!(path = %path.display(), from = at, bytes = len - at, "spool: a torn or damaged tail was cut");
            self.damaged += 1;
            file.set_len(at)?;
        }
        if number < read || samples == 0 {
            return fs::remove_file(&path);
        }
        if self.segments.is_empty() {
            self.read_at = from;
        }
        self.segments.push_back(Segment { number, bytes: at, samples });
        Ok(())
    }

    /// Nothing waits.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Samples that wait.
    pub fn samples(&self) -> u64 {
        self.segments.iter().map(|segment| segment.samples).sum()
    }

    /// Bytes on disk.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Samples that were given up since the start, for want of room or damaged.
    pub fn given_up(&self) -> u64 {
        self.given_up
    }

    /// Damage that was found since the start.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Writes samples behind the others, for certain. An error leaves the spool as it was.
    pub fn append(&mut self, samples: &Samples) -> io::Result<()> {
        let segment_bytes = SEGMENT_BYTES.min(self.limit / 8);
        if self.writing.is_none() || self.segments.back().is_none_or(|segment| segment.bytes >= segment_bytes) {
            self.begin_segment()?;
        }
        let (Some(writing), Some(segment)) = (&mut self.writing, self.segments.back_mut()) else {
            return Err(io::Error::other("no segment to write to"));
        };
        let mut bytes = Vec::new();
        let known = writing.sets.iter().position(|set| Arc::ptr_eq(set, samples.set()) || set == samples.set());
        let number = known.unwrap_or(writing.sets.len()) as u32;
        if known.is_none() {
            frame::seal(&mut bytes, |out| codec::write_set(number, samples.set(), out));
        }
        frame::seal(&mut bytes, |out| codec::write_samples(number, samples, out));
        let written = writing.file.write_all_at(&bytes, segment.bytes).and_then(|()| writing.file.sync_data());
        if let Err(error) = written {
            // Whatever half of it stands there must not be taken for a record.
            let _ = writing.file.set_len(segment.bytes);
            self.writing = None;
            let (number, is_new) = (segment.number, segment.samples == 0);
            if is_new {
                self.segments.pop_back();
                let _ = fs::remove_file(self.path(number));
            }
            return Err(error);
        }
        if known.is_none() {
            writing.sets.push(Arc::clone(samples.set()));
        }
        segment.bytes += bytes.len() as u64;
        segment.samples += samples.len() as u64;
        self.keep_within_limit()
    }

    fn begin_segment(&mut self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        // A number is never used twice while the position of the last one may stand there.
        let number = self.segments.back().map_or(self.position().0, |last| last.number) + 1;
        let file = OpenOptions::new().create(true).truncate(true).read(true).write(true).mode(0o600).open(self.path(number))?;
        File::open(&self.directory)?.sync_all()?;
        self.segments.push_back(Segment { number, bytes: 0, samples: 0 });
        self.writing = Some(Writing { file, sets: Vec::new() });
        Ok(())
    }

    fn keep_within_limit(&mut self) -> io::Result<()> {
        while self.bytes() > self.limit && self.segments.len() > 1 {
            if let Some(oldest) = self.segments.front() {
                self.given_up += oldest.samples;
            }
            self.drop_segment()?;
        }
        Ok(())
    }

    /// The oldest samples, up to so many, at least one collection. They stay until they are delivered.
    pub fn oldest(&mut self, most: usize) -> io::Result<Vec<Arc<Samples>>> {
        let mut count: usize = self.ahead.iter().map(|(samples, _)| samples.len()).sum();
        while count < most {
            match self.read_next() {
                Ok(Some(samples)) => count += samples,
                Ok(None) => break,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    if !self.ahead.is_empty() {
                        // What was read before it is good: the damage is met again when that is delivered.
                        break;
                    }
                    warn!(directory = %self.directory.display(), %error, "spool: damaged; the rest of a segment is given up");
                    self.damaged += 1;
                    self.given_up += self.segments.front().map_or(0, |segment| segment.samples);
                    self.drop_segment()?;
                }
                Err(error) => return Err(error),
            }
        }
        let mut oldest = Vec::new();
        let mut count = 0;
        for (samples, _) in &self.ahead {
            if count > 0 && count + samples.len() > most {
                break;
            }
            count += samples.len();
            oldest.push(Arc::clone(samples));
        }
        Ok(oldest)
    }

    /// Reads one more collection of the first segment; none at its end.
    fn read_next(&mut self) -> io::Result<Option<usize>> {
        let Some(segment) = self.segments.front() else { return Ok(None) };
        if self.reading.is_none() {
            let file = File::open(self.path(segment.number))?;
            let mut reading = Reading { file, at: 0, sets: HashMap::new() };
            // Sets that stand before what was delivered.
            while reading.at < self.read_at {
                reading.next(segment.bytes)?;
            }
            self.reading = Some(reading);
        }
        let Some(reading) = &mut self.reading else { return Ok(None) };
        while reading.at < segment.bytes {
            if let Some(samples) = reading.next(segment.bytes)? {
                let len = samples.len();
                self.ahead.push_back((Arc::new(samples), reading.at));
                return Ok(Some(len));
            }
        }
        Ok(None)
    }

    /// The oldest `count` collections are delivered.
    pub fn delivered(&mut self, count: usize) -> io::Result<()> {
        for _ in 0..count {
            let Some((samples, next)) = self.ahead.pop_front() else { break };
            self.read_at = next;
            if let Some(segment) = self.segments.front_mut() {
                segment.samples = segment.samples.saturating_sub(samples.len() as u64);
            }
        }
        if self.segments.front().is_some_and(|segment| self.read_at >= segment.bytes) {
            return self.drop_segment();
        }
        self.save_position()
    }

    fn drop_segment(&mut self) -> io::Result<()> {
        self.read_at = 0;
        self.reading = None;
        self.ahead.clear();
        let Some(segment) = self.segments.pop_front() else { return Ok(()) };
        if self.segments.is_empty() {
            self.writing = None;
        }
        // First the position, or what is delivered would be read again if the program ended here.
        self.write_position(segment.number + 1, 0)?;
        fs::remove_file(self.path(segment.number))
    }

    fn save_position(&self) -> io::Result<()> {
        let Some(segment) = self.segments.front() else { return Ok(()) };
        self.write_position(segment.number, self.read_at)
    }

    fn write_position(&self, number: u64, at: u64) -> io::Result<()> {
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        bytes[8..16].copy_from_slice(&at.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[..16]);
        bytes[16..].copy_from_slice(&checksum.to_le_bytes());
        let path = self.directory.join(POSITION_NAME);
        OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?.write_all_at(&bytes, 0)
    }

    /// The segment that was read last, and up to where; nothing if nobody knows.
    fn position(&self) -> (u64, u64) {
        let Ok(bytes) = fs::read(self.directory.join(POSITION_NAME)) else { return (0, 0) };
        let Ok(bytes) = <[u8; 20]>::try_from(bytes) else { return (0, 0) };
        let (body, checksum) = bytes.split_at(16);
        if crc32fast::hash(body).to_le_bytes() != checksum {
            return (0, 0);
        }
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        (number(&body[..8]), number(&body[8..]))
    }

    fn path(&self, number: u64) -> PathBuf {
        self.directory.join(format!("{number:012}.samples"))
    }
}

impl Reading {
    /// Reads one record; gives samples, keeps a set.
    fn next(&mut self, end: u64) -> io::Result<Option<Samples>> {
        let damaged = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let mut head = [0; FRAME_HEAD as usize];
        self.file.read_exact_at(&mut head, self.at).map_err(|error| not_there(error, "a record is torn"))?;
        let (length, checksum) = head.split_at(4);
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        let length = number(length);
        if length as usize > RECORD_MAX || self.at + FRAME_HEAD + u64::from(length) > end {
            return Err(damaged("a record has an impossible length"));
        }
        let mut body = vec![0; length as usize];
        self.file.read_exact_at(&mut body, self.at + FRAME_HEAD).map_err(|error| not_there(error, "a record is torn"))?;
        if crc32fast::hash(&body) != number(checksum) {
            return Err(damaged("a record's checksum is wrong"));
        }
        self.at += FRAME_HEAD + u64::from(length);
        match codec::read(&body, &self.sets) {
            Some(Record::Set { number, set }) => {
                self.sets.insert(number, set);
                Ok(None)
            }
            Some(Record::Samples(samples)) => Ok(Some(samples)),
            None => Err(damaged("a record makes no sense")),
        }
    }
}

/// A file that ends too early is damaged; other errors are the disk's.
fn not_there(error: io::Error, what: &str) -> io::Error {
    if error.kind() == io::ErrorKind::UnexpectedEof { io::Error::new(io::ErrorKind::InvalidData, what.to_owned()) } else { error }
}

#[cfg(test)]
mod tests;
