//! Samples of a destination that is away, on disk in order: collections cannot be made again later.
//!
//! Segments of records (`durable::segments`): sets of series, each before the
//! first samples of it, and samples. So every segment can be read by itself. Samples, not requests, since the version of the protocol
//! may be another one when they are sent. Bounded in bytes: when it is full, the oldest segment is given up, counted, for what alerts
//! need is the newest. A torn tail is cut; a damaged record costs the rest of its segment, counted. How far it was read stands in a
//! small file beside; if that is lost, some samples are sent again, which does not change what they are.

mod codec;

use std::collections::{HashMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use durable::frame;
use durable::segments::{Naming, Segment, Segments, peek_frame, read_frame};
use proto::remote_write::{Samples, SeriesSet};
use tracing::warn;

use codec::Record;

/// A segment is closed above this size, or above an eighth of the limit.
const SEGMENT_BYTES: u64 = 16 << 20;
/// A record that claims to be longer is damage.
const RECORD_MAX: usize = 256 << 20;
const NAMING: Naming = Naming { digits: 12, suffix: ".samples" };
/// How far it was read: segment, offset, checksum.
const POSITION_NAME: &str = "read";

/// Samples of a segment that were not read yet.
type Unread = u64;

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
    segments: Segments<Unread>,
    position: PathBuf,
    limit: u64,
    /// The sets that stand in the segment that is written; none if none is.
    written: Option<Vec<Arc<SeriesSet>>>,
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
            segments: Segments::new(directory, NAMING),
            position: directory.join(POSITION_NAME),
            limit,
            written: None,
            reading: None,
            read_at: 0,
            ahead: VecDeque::new(),
            given_up: 0,
            damaged: 0,
        };
        let position = spool.position();
        for number in spool.segments.left()? {
            spool.take_in(number, position)?;
        }
        Ok(spool)
    }

    /// Looks through a segment of an earlier run: what is left of it, and where it is torn.
    fn take_in(&mut self, number: u64, (read, read_at): (u64, u64)) -> io::Result<()> {
        let file = self.segments.open(number)?;
        let len = file.metadata()?.len();
        let from = if number == read { read_at.min(len) } else { 0 };
        let (mut at, mut samples) = (0, 0);
        loop {
            match peek_frame::<{ codec::HEAD }>(&file, at, len, RECORD_MAX) {
                Ok(Some((length, head))) => {
                    if at >= from {
                        samples += codec::samples_in(&head);
                    }
                    at += length;
                }
                Ok(None) => break,
                Err(error) => {
                    let path = self.segments.path(number);
                    warn!(path = %path.display(), from = at, bytes = len - at, %error, "spool: a torn or damaged tail was cut");
                    self.damaged += 1;
                    self.segments.cut(number, at)?;
                    break;
                }
            }
        }
        if number < read || samples == 0 {
            return self.segments.remove(number);
        }
        if self.segments.is_empty() {
            self.read_at = from;
        }
        self.segments.take_in(Segment { number, bytes: at, about: samples });
        Ok(())
    }

    /// Nothing waits.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Samples that wait.
    pub fn samples(&self) -> u64 {
        self.segments.iter().map(|segment| segment.about).sum()
    }

    /// Bytes on disk.
    pub fn bytes(&self) -> u64 {
        self.segments.bytes()
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
        let mut sets = match self.written.take() {
            Some(sets) if self.segments.last().is_some_and(|segment| segment.bytes < segment_bytes) => sets,
            _ => {
                // A number is never used twice while the position of the last one may stand there.
                let number = self.segments.last().map_or_else(|| self.position().0, |last| last.number) + 1;
                self.segments.begin(number, 0)?;
                Vec::new()
            }
        };
        let mut bytes = Vec::new();
        let known = sets.iter().position(|set| Arc::ptr_eq(set, samples.set()) || set == samples.set());
        let number = known.unwrap_or(sets.len()) as u32;
        if known.is_none() {
            frame::seal(&mut bytes, |out| codec::write_set(number, samples.set(), out));
            sets.push(Arc::clone(samples.set()));
        }
        frame::seal(&mut bytes, |out| codec::write_samples(number, samples, out));
        self.segments.append(&bytes)?;
        self.written = Some(sets);
        if let Some(unread) = self.segments.last_mut() {
            *unread += samples.len() as u64;
        }
        self.keep_within_limit()
    }

    fn keep_within_limit(&mut self) -> io::Result<()> {
        while self.bytes() > self.limit && self.segments.len() > 1 {
            self.given_up += self.segments.first().map_or(0, |oldest| oldest.about);
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
                    warn!(segment = self.segments.first().map(|segment| segment.number), %error, "spool: damaged; the rest of a segment is given up");
                    self.damaged += 1;
                    self.given_up += self.segments.first().map_or(0, |segment| segment.about);
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
        let Some(segment) = self.segments.first() else { return Ok(None) };
        if self.reading.is_none() {
            let file = self.segments.open(segment.number)?;
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
            if let Some(unread) = self.segments.first_mut() {
                *unread = unread.saturating_sub(samples.len() as u64);
            }
        }
        if self.segments.first().is_some_and(|segment| self.read_at >= segment.bytes) {
            return self.drop_segment();
        }
        self.save_position()
    }

    fn drop_segment(&mut self) -> io::Result<()> {
        self.read_at = 0;
        self.reading = None;
        self.ahead.clear();
        if self.segments.len() == 1 {
            self.written = None;
        }
        // First the position, or what is delivered would be read again if the program ended here.
        let position = self.position.clone();
        self.segments.drop_first(|segment| write_position(&position, segment.number + 1, 0))
    }

    fn save_position(&self) -> io::Result<()> {
        let Some(segment) = self.segments.first() else { return Ok(()) };
        write_position(&self.position, segment.number, self.read_at)
    }

    /// The segment that was read last, and up to where; nothing if nobody knows.
    fn position(&self) -> (u64, u64) {
        let Ok(bytes) = fs::read(&self.position) else { return (0, 0) };
        let Ok(bytes) = <[u8; 20]>::try_from(bytes) else { return (0, 0) };
        let (body, checksum) = bytes.split_at(16);
        if crc32fast::hash(body).to_le_bytes() != checksum {
            return (0, 0);
        }
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        (number(&body[..8]), number(&body[8..]))
    }
}

impl Reading {
    /// Reads one record; gives samples, keeps a set.
    fn next(&mut self, end: u64) -> io::Result<Option<Samples>> {
        let Some((length, body)) = read_frame(&self.file, self.at, end, RECORD_MAX)? else { return Ok(None) };
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "a record that makes no sense");
        let record = codec::read(&body, &self.sets).ok_or_else(damaged)?;
        self.at += length;
        match record {
            Record::Set { number, set } => {
                self.sets.insert(number, set);
                Ok(None)
            }
            Record::Samples(samples) => Ok(Some(samples)),
        }
    }
}

fn write_position(path: &Path, number: u64, at: u64) -> io::Result<()> {
    let mut bytes = [0; 20];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes[8..16].copy_from_slice(&at.to_le_bytes());
    let checksum = crc32fast::hash(&bytes[..16]);
    bytes[16..].copy_from_slice(&checksum.to_le_bytes());
    OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?.write_all_at(&bytes, 0)
}

#[cfg(test)]
mod tests;
