//! Encoded batches of a destination that is away, on disk in order: what memory and the files alone would not keep.
//!
//! Segments of records (`durable::segments`). A record is synced before a position may rest on it. Bounded in bytes; when it is full,
//! `has_room` says so and the lane waits. A torn tail is cut; a damaged record in the middle costs the rest of its segment, counted.

use std::io;
use std::path::Path;

use durable::frame;
use durable::segments::{Naming, Segment, Segments, read_frame};
use tracing::warn;

use crate::checkpoint::{Move, read_spooled, write_spooled};

/// A segment is closed above this size.
const SEGMENT_BYTES: u64 = 16 << 20;
/// A record that claims to be longer is damage.
const RECORD_MAX: usize = 256 << 20;
const NAMING: Naming = Naming { digits: 20, suffix: ".spool" };

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

/// The spool of one destination.
#[derive(Debug)]
pub struct Spool {
    segments: Segments<()>,
    limit: u64,
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
        let segments = Segments::new(directory, NAMING);
        let mut spool = Self { segments, limit, read_at: 0, head: None, next: delivered + 1, records: 0, damaged: 0 };
        let mut waiting = Vec::new();
        for number in spool.segments.left()? {
            spool.take_in(number, delivered, &mut waiting)?;
        }
        Ok((spool, waiting))
    }

    /// Reads a segment at the start: cuts a torn tail, forgets what is delivered.
    fn take_in(&mut self, number: u64, delivered: u64, waiting: &mut Vec<Spooled>) -> io::Result<()> {
        let file = self.segments.open(number)?;
        let len = file.metadata()?.len();
        let mut at = 0;
        let mut undelivered = false;
        loop {
            let (record, next) = match read_frame(&file, at, len, RECORD_MAX).and_then(|frame| record(frame, at)) {
                Ok(Some(found)) => found,
                Ok(None) => break,
                Err(error) => {
                    let path = self.segments.path(number);
                    warn!(path = %path.display(), from = at, bytes = len - at, %error, "spool: a torn or damaged tail was cut");
                    self.damaged += 1;
                    self.segments.cut(number, at)?;
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
            self.segments.take_in(Segment { number, bytes: at, about: () });
            return Ok(());
        }
        self.read_at = 0;
        self.segments.remove(number)
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
        self.segments.bytes()
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
        if self.segments.last().is_none_or(|segment| segment.bytes >= SEGMENT_BYTES) {
            let number = self.segments.last().map_or(self.next, |last| last.number + 1);
            self.segments.begin(number, ())?;
        }
        self.segments.append(&bytes)?;
        self.next += 1;
        self.records += 1;
        Ok(())
    }

    /// The first batch that waits.
    pub fn head(&mut self) -> io::Result<Option<&Spooled>> {
        while self.head.is_none() && self.records > 0 {
            let Some(segment) = self.segments.first() else { break };
            let (number, len) = (segment.number, segment.bytes);
            let file = self.segments.open(number)?;
            match read_frame(&file, self.read_at, len, RECORD_MAX).and_then(|frame| record(frame, self.read_at)) {
                Ok(Some(found)) => self.head = Some(found),
                Ok(None) => self.drop_segment()?,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    warn!(segment = number, from = self.read_at, %error, "spool: damaged; the rest of the segment is left out");
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
        let is_read = self.segments.first().is_some_and(|segment| self.read_at >= segment.bytes);
        if is_read && (self.segments.len() > 1 || self.records == 0) {
            self.drop_segment()?;
        }
        Ok(())
    }

    fn drop_segment(&mut self) -> io::Result<()> {
        self.read_at = 0;
        self.segments.drop_first(|_| Ok(()))
    }
}

/// What a frame at `at` holds, and where the next one begins.
fn record(frame: Option<(u64, Vec<u8>)>, at: u64) -> io::Result<Option<(Spooled, u64)>> {
    let Some((length, body)) = frame else { return Ok(None) };
    let record =
        read_spooled(&body).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a record that cannot be understood"))?;
    Ok(Some((record, at + length)))
}

#[cfg(test)]
mod tests {
    use std::fs;

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
        let path = spool.segments.path(1);
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
        let path = spool.segments.path(1);
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
        assert_eq!(mode(&spool.segments.path(1)), 0o600);
    }
}
