//! Encoded batches of a destination that is away, on disk in order: what memory and the files alone would not keep.
//!
//! A directory of segments; a segment is records, each a frame (`durable::frame`), without a header. A record is synced before a position may rest on it. Bounded in bytes; when it is full, `append` says so and the lane waits. A torn
//! tail is cut; a damaged record in the middle costs the rest of its segment, counted.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use durable::frame;
use tracing::warn;

use crate::checkpoint::{Move, read_spooled, write_spooled};

/// A segment is closed above this size.
const SEGMENT_BYTES: u64 = 16 << 20;
/// A record that claims to be longer is damage.
const RECORD_MAX: usize = 256 << 20;

/// One stream's share of a spooled batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Its labels, as text.
    pub labels: String,
    /// The account that its bytes belong to.
    pub source: String,
    /// Entries.
    pub entries: u64,
    /// Lines of the source.
    pub lines: u64,
    /// Bytes of the source.
    pub bytes: u64,
}

/// A batch as it stands in the spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spooled {
    /// Counts the spool's records.
    pub number: u64,
    /// Counts the destination's batches.
    pub sequence: u64,
    /// Where the batch leads: after a crash between writing here and there, the positions follow from it.
    pub moves: Vec<Move>,
    /// What is in it.
    pub shares: Vec<Share>,
    /// The request's body.
    pub body: Vec<u8>,
}

#[derive(Debug)]
struct Segment {
    number: u64,
    bytes: u64,
}

/// The spool of one destination.
#[derive(Debug)]
pub struct Spool {
    directory: PathBuf,
    limit: u64,
    segments: VecDeque<Segment>,
    writing: Option<File>,
    /// Where the first undelivered record begins in the first segment.
    read_at: u64,
    head: Option<(Spooled, u64)>,
    next: u64,
    records: u64,
    damaged: u64,
}

impl Spool {
    /// Opens the spool in `directory`, which is made when the first batch comes. Records up to number `delivered` are gone.
    /// Gives those that are not, without their bodies.
    pub fn open(directory: &Path, limit: u64, delivered: u64) -> io::Result<(Self, Vec<Spooled>)> {
        let mut spool = Self {
            directory: directory.to_owned(),
            limit,
            segments: VecDeque::new(),
            writing: None,
            read_at: 0,
            head: None,
            next: delivered + 1,
            records: 0,
            damaged: 0,
        };
        let mut numbers: Vec<u64> = Vec::new();
        match fs::read_dir(directory) {
            Ok(entries) => numbers.extend(entries.flatten().filter_map(|entry| {
                let name = entry.file_name();
                name.to_str()?.strip_suffix(".spool")?.parse::<u64>().ok()
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        numbers.sort_unstable();
        let mut waiting = Vec::new();
        for number in numbers {
            spool.take_in(number, delivered, &mut waiting)?;
        }
        Ok((spool, waiting))
    }

    /// Reads a segment at the start: cuts a torn tail, forgets what is delivered.
    fn take_in(&mut self, number: u64, delivered: u64, waiting: &mut Vec<Spooled>) -> io::Result<()> {
        let path = self.path(number);
        let mut file = OpenOptions::new().read(true).write(true).open(&path)?;
        let mut at = 0;
        let mut undelivered = false;
        loop {
            let (record, next) = match read_record(&mut file, at) {
                Ok(Some(found)) => found,
                Ok(None) => break,
                Err(error) => {
                    let len = file.metadata()?.len();
                    warn!(path = %path.display(), from = at, bytes = len - at, %error, "spool: a torn or damaged tail was cut");
                    self.damaged += 1;
                    file.set_len(at)?;
                    break;
                }
            };
            if record.number <= delivered && !undelivered {
                if self.segments.is_empty() {
                    self.read_at = next;
                }
            } else {
                undelivered = true;
                self.records += 1;
                self.next = self.next.max(record.number + 1);
                waiting.push(Spooled { body: Vec::new(), ..record });
            }
            at = next;
        }
        if undelivered {
            self.segments.push_back(Segment { number, bytes: at });
        } else {
            self.read_at = 0;
            fs::remove_file(&path)?;
        }
        Ok(())
    }

    /// Nothing waits.
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// Batches that wait.
    pub fn len(&self) -> u64 {
        self.records
    }

    /// Bytes on disk.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Damage that was found since the start.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Whether a batch of so many bytes finds room.
    pub fn has_room(&self, body: usize) -> bool {
        self.bytes() + body as u64 + 4096 <= self.limit
    }

    /// Writes a batch behind the others, for certain. Its number is given here. An error leaves the spool as it was.
    pub fn append(&mut self, mut batch: Spooled) -> io::Result<()> {
        batch.number = self.next;
        let mut bytes = Vec::new();
        frame::seal(&mut bytes, |out| write_spooled(&batch, out));
        let full = self.segments.back().is_none_or(|segment| segment.bytes >= SEGMENT_BYTES);
        if full || self.writing.is_none() {
            self.begin_segment(full)?;
        }
        let (Some(file), Some(segment)) = (&mut self.writing, self.segments.back_mut()) else {
            return Err(io::Error::other("no segment to write to"));
        };
        let at = segment.bytes;
        let written = file.seek(SeekFrom::Start(at)).and_then(|_| file.write_all(&bytes)).and_then(|()| file.sync_data());
        if let Err(error) = written {
            // Whatever half of it stands there must not be taken for a record.
            let _ = file.set_len(at);
            self.writing = None;
            return Err(error);
        }
        segment.bytes += bytes.len() as u64;
        self.next += 1;
        self.records += 1;
        Ok(())
    }

    fn begin_segment(&mut self, new: bool) -> io::Result<()> {
        if new {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
            let number = self.segments.back().map_or(self.next, |last| last.number + 1);
            let file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(self.path(number))?;
            File::open(&self.directory)?.sync_all()?;
            self.segments.push_back(Segment { number, bytes: 0 });
            self.writing = Some(file);
        } else if let Some(last) = self.segments.back() {
            self.writing = Some(OpenOptions::new().write(true).open(self.path(last.number))?);
        }
        Ok(())
    }

    /// The first batch that waits.
    pub fn head(&mut self) -> io::Result<Option<&Spooled>> {
        while self.head.is_none() && self.records > 0 {
            let Some(segment) = self.segments.front() else { break };
            let mut file = File::open(self.path(segment.number))?;
            match read_record(&mut file, self.read_at) {
                Ok(Some((record, next))) => self.head = Some((record, next)),
                Ok(None) => self.drop_segment()?,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    warn!(segment = segment.number, from = self.read_at, %error, "spool: damaged; the rest of the segment is left out");
                    self.damaged += 1;
                    self.drop_segment()?;
                }
                Err(error) => return Err(error),
            }
            if self.segments.is_empty() {
                self.records = 0;
            }
        }
        Ok(self.head.as_ref().map(|(record, _)| record))
    }

    /// The first batch is delivered.
    pub fn pop(&mut self) -> io::Result<()> {
        let Some((_, next)) = self.head.take() else { return Ok(()) };
        self.read_at = next;
        self.records = self.records.saturating_sub(1);
        if self
            .segments
            .front()
            .is_some_and(|segment| self.read_at >= segment.bytes && (self.segments.len() > 1 || self.records == 0))
        {
            self.drop_segment()?;
        }
        Ok(())
    }

    fn drop_segment(&mut self) -> io::Result<()> {
        self.read_at = 0;
        if let Some(segment) = self.segments.pop_front() {
            if self.segments.is_empty() {
                self.writing = None;
            }
            fs::remove_file(self.path(segment.number))?;
        }
        Ok(())
    }

    fn path(&self, number: u64) -> PathBuf {
        self.directory.join(format!("{number:020}.spool"))
    }
}

/// The record at a place, and where the next begins; `None` at the end. `InvalidData` is damage.
fn read_record(file: &mut File, at: u64) -> io::Result<Option<(Spooled, u64)>> {
    let damage = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let left = file.metadata()?.len().saturating_sub(at);
    if left == 0 {
        return Ok(None);
    }
    if left < 8 {
        return Err(damage("half a record"));
    }
    file.seek(SeekFrom::Start(at))?;
    let mut head = [0; 8];
    file.read_exact(&mut head)?;
    let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let checksum = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
    if length == 0 || length > RECORD_MAX || length as u64 > left - 8 {
        return Err(damage("a record longer than the file"));
    }
    let mut body = vec![0; length];
    file.read_exact(&mut body)?;
    if crc32fast::hash(&body) != checksum {
        return Err(damage("a wrong checksum"));
    }
    let record = read_spooled(&body).ok_or_else(|| damage("a record that cannot be understood"))?;
    Ok(Some((record, at + 8 + length as u64)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(sequence: u64, size: usize) -> Spooled {
        let share = Share { labels: "{job=\"a\"}".into(), source: "a".into(), entries: 1, lines: 1, bytes: size as u64 };
        Spooled { number: 0, sequence, moves: Vec::new(), shares: vec![share], body: vec![sequence as u8; size] }
    }

    fn drain(spool: &mut Spool) -> Vec<u64> {
        let mut sequences = Vec::new();
        while let Some(head) = spool.head().unwrap() {
            sequences.push(head.sequence);
            spool.pop().unwrap();
        }
        sequences
    }

    #[test]
    fn batches_come_out_in_order_and_leave_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let (mut spool, _) = Spool::open(directory.path(), 1 << 30, 0).unwrap();
        for sequence in 1..=5 {
            spool.append(batch(sequence, 10 << 20)).unwrap();
        }
        assert_eq!(spool.len(), 5);
        assert_eq!(drain(&mut spool), [1, 2, 3, 4, 5]);
        assert!(spool.is_empty() && spool.bytes() == 0);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        spool.append(batch(6, 10)).unwrap();
        assert_eq!(drain(&mut spool), [6]);
    }

    #[test]
    fn what_was_delivered_before_a_restart_is_not_delivered_again() {
        let directory = tempfile::tempdir().unwrap();
        let (mut spool, _) = Spool::open(directory.path(), 1 << 30, 0).unwrap();
        for sequence in 1..=4 {
            spool.append(batch(sequence, 100)).unwrap();
        }
        drop(spool);
        let (mut spool, waiting) = Spool::open(directory.path(), 1 << 30, 2).unwrap();
        assert_eq!(waiting.iter().map(|batch| batch.sequence).collect::<Vec<_>>(), [3, 4]);
        assert_eq!(drain(&mut spool), [3, 4]);
    }

    #[test]
    fn a_torn_tail_is_cut_and_the_rest_kept() {
        let directory = tempfile::tempdir().unwrap();
        let (mut spool, _) = Spool::open(directory.path(), 1 << 30, 0).unwrap();
        spool.append(batch(1, 100)).unwrap();
        spool.append(batch(2, 100)).unwrap();
        let path = spool.path(spool.segments[0].number);
        drop(spool);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
        let (mut spool, waiting) = Spool::open(directory.path(), 1 << 30, 0).unwrap();
        assert_eq!((waiting.len(), spool.damaged()), (1, 1));
        spool.append(batch(3, 100)).unwrap();
        assert_eq!(drain(&mut spool), [1, 3]);
    }

    #[test]
    fn a_flipped_bit_never_becomes_a_batch() {
        let directory = tempfile::tempdir().unwrap();
        let (mut spool, _) = Spool::open(directory.path(), 1 << 30, 0).unwrap();
        spool.append(batch(1, 100)).unwrap();
        let path = spool.path(spool.segments[0].number);
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert!(spool.head().unwrap().is_none());
        assert_eq!(spool.damaged(), 1);
        assert!(spool.is_empty());
    }

    #[test]
    fn it_is_bounded_and_private() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let inside = directory.path().join("spool");
        let (mut spool, _) = Spool::open(&inside, 1 << 20, 0).unwrap();
        assert!(spool.has_room(1000) && !spool.has_room(1 << 20));
        spool.append(batch(1, 1000)).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&inside), 0o700);
        assert_eq!(mode(&spool.path(spool.segments[0].number)), 0o600);
    }
}
