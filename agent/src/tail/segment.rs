//! One file of a log, open: its identity, its bytes, and what the scout has learned of its fate.
//!
//! A segment stays open until every lane has settled it, whatever happens to its name. Its number orders the segments of
//! one chain: a smaller number was written earlier.

use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::compressed::Decompressor;
use super::identity::{FINGERPRINT_BYTES, FileId, Fingerprint, MARKER_BYTES, Marker};
use super::release::Readers;
use super::rotation::Encoding;

/// Where a journal file's id stands and how long it is, bytes (systemd, `JOURNAL_FILE_FORMAT`: `file_id`).
pub const JOURNAL_ID: (u64, usize) = (24, 16);

/// Orders the segments of one chain; never used twice in a chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentNumber(pub u64);

/// One open file of a chain.
#[derive(Debug)]
pub struct Segment {
    /// Its place in the chain.
    pub number: SegmentNumber,
    /// Device and inode.
    pub id: FileId,
    /// How its bytes are to be read.
    pub encoding: Encoding,
    file: File,
    path: Mutex<PathBuf>,
    superseded: AtomicBool,
    deleted: AtomicBool,
    given_up: AtomicBool,
    readers: Mutex<Readers>,
    /// Its first bytes when it was seen last; only of a plain one.
    seen: Mutex<Fingerprint>,
}

impl Segment {
    /// Takes over an open file, known under the host's `path`.
    pub fn new(number: SegmentNumber, file: File, id: FileId, encoding: Encoding, path: PathBuf) -> Self {
        let segment = Self {
            number,
            id,
            encoding,
            file,
            path: Mutex::new(path),
            superseded: AtomicBool::new(false),
            deleted: AtomicBool::new(false),
            given_up: AtomicBool::new(false),
            readers: Mutex::default(),
            seen: Mutex::default(),
        };
        segment.see();
        segment
    }

    /// Remembers its first bytes, as long as they are still those that were seen before.
    pub fn see(&self) {
        let seen = self.seen();
        if self.encoding == Encoding::Plain
            && usize::from(seen.len) < FINGERPRINT_BYTES
            && let Ok(head) = self.head()
            && seen.is_prefix_of(&head)
        {
            *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Fingerprint::of(&head);
        }
    }

    /// Its first bytes when it was seen last: a file that begins otherwise by now was truncated, even if nobody has read it yet.
    pub fn seen(&self) -> Fingerprint {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The name under which it was seen last.
    pub fn path(&self) -> PathBuf {
        self.path.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// It has another name now.
    pub fn renamed(&self, path: &Path) {
        let mut known = self.path.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != path {
            path.clone_into(&mut known);
        }
    }

    /// Whether a newer file of the log exists and has content: this one may be closed when it no longer grows.
    pub fn is_superseded(&self) -> bool {
        self.superseded.load(Ordering::Acquire)
    }

    /// Says that a newer file exists and has content.
    pub fn supersede(&self) {
        self.superseded.store(true, Ordering::Release);
    }

    /// Whether no name leads to it any more.
    pub fn is_deleted(&self) -> bool {
        self.deleted.load(Ordering::Acquire)
    }

    /// Says whether a name leads to it.
    pub fn set_deleted(&self, deleted: bool) {
        self.deleted.store(deleted, Ordering::Release);
    }

    /// Whether lanes were asked to let go of it unread.
    pub fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Acquire)
    }

    /// Says that lanes are asked to let go of it unread.
    pub fn give_up(&self) {
        self.given_up.store(true, Ordering::Release);
    }

    /// Bytes on disk (compressed ones, where it is compressed) and the number of names.
    pub fn stat(&self) -> io::Result<Stat> {
        let metadata = self.file.metadata()?;
        Ok(Stat { len: metadata.len(), names: metadata.nlink(), mtime_ns: mtime_ns(&metadata) })
    }

    /// Reads plain bytes; 0 at the present end.
    pub fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        loop {
            match self.file.read_at(buffer, at) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    /// Begins to read a compressed segment.
    pub fn decompress(&self) -> io::Result<Decompressor> {
        Decompressor::new(&self.file, self.encoding)
    }

    /// The content's first bytes, [`FINGERPRINT_BYTES`] or all.
    pub fn head(&self) -> io::Result<Vec<u8>> {
        head(&self.file, self.encoding)
    }

    /// Whether its content begins as `fingerprint` says and has, just before `at`, what `marker` says.
    pub fn holds(&self, fingerprint: Fingerprint, at: u64, marker: Marker) -> io::Result<bool> {
        content_matches(&self.file, self.encoding, fingerprint, at, marker)
    }

    /// So many lanes are going to read it.
    pub fn expect_readers(&self, lanes: usize) {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).expect(lanes);
    }

    /// The lane of that number has read the bytes before `at`: tells the kernel what no lane will soon read again, in steps of
    /// `at_least` bytes, worth a system call.
    pub fn passed(&self, lane: u32, at: u64, at_least: u64) {
        if !matches!(self.encoding, Encoding::Plain | Encoding::Journal) {
            return;
        }
        let upto = self.readers.lock().unwrap_or_else(PoisonError::into_inner).passed(lane, at, at_least);
        if let Some(length) = upto.and_then(NonZeroU64::new) {
            // Advice only: a failure changes nothing but memory.
            let _ = rustix::fs::fadvise(&self.file, 0, Some(length), rustix::fs::Advice::DontNeed);
        }
    }
}

/// What `fstat` says of a segment.
#[derive(Clone, Copy, Debug)]
pub struct Stat {
    /// Bytes.
    pub len: u64,
    /// Hard links; 0 when deleted.
    pub names: u64,
    /// Last change of content, nanoseconds since the epoch.
    pub mtime_ns: i64,
}

/// Last change of content in nanoseconds since the epoch.
pub fn mtime_ns(metadata: &std::fs::Metadata) -> i64 {
    metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec())
}

/// Device and inode of an open file's metadata.
pub fn file_id(metadata: &std::fs::Metadata) -> FileId {
    FileId { dev: metadata.dev(), ino: metadata.ino() }
}

/// A file's first content bytes, [`FINGERPRINT_BYTES`] or all, decompressed.
///
/// Of a journal file: the id that it was made with, since all else in its header changes.
pub fn head(file: &File, encoding: Encoding) -> io::Result<Vec<u8>> {
    if encoding == Encoding::Journal {
        let mut id = vec![0; JOURNAL_ID.1];
        return match file.read_exact_at(&mut id, JOURNAL_ID.0) {
            Ok(()) => Ok(id),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Vec::new()),
            Err(error) => Err(error),
        };
    }
    let mut head = vec![0; FINGERPRINT_BYTES];
    let mut filled = 0;
    let mut decompressor = match encoding {
        Encoding::Plain => None,
        _ => Some(Decompressor::new(file, encoding)?),
    };
    while filled < head.len() {
        let read = match &mut decompressor {
            Some(decompressor) => decompressor.read(&mut head[filled..])?,
            None => file.read_at(&mut head[filled..], filled as u64)?,
        };
        if read == 0 {
            break;
        }
        filled += read;
    }
    head.truncate(filled);
    Ok(head)
}

/// Whether a file's content begins as `fingerprint` says and has, just before `at`, what `marker` says.
///
/// A compressed file is decompressed up to `at`, but only if its beginning fits.
pub fn content_matches(file: &File, encoding: Encoding, fingerprint: Fingerprint, at: u64, marker: Marker) -> io::Result<bool> {
    if !fingerprint.is_prefix_of(&head(file, encoding)?) {
        return Ok(false);
    }
    if encoding == Encoding::Journal {
        return Ok(true);
    }
    let mut before = vec![0; Marker::len_at(at)];
    let from = at - before.len() as u64;
    if encoding == Encoding::Plain {
        if file.metadata()?.len() < at {
            return Ok(false);
        }
        if let Err(error) = file.read_exact_at(&mut before, from) {
            return if error.kind() == io::ErrorKind::UnexpectedEof { Ok(false) } else { Err(error) };
        }
    } else {
        let mut decompressor = Decompressor::new(file, encoding)?;
        let mut scratch = vec![0; 64 * 1024];
        if !decompressor.skip_to(from, &mut scratch)? {
            return Ok(false);
        }
        let mut filled = 0;
        while filled < before.len() {
            match decompressor.read(&mut before[filled..])? {
                0 => return Ok(false),
                read => filled += read,
            }
        }
    }
    Ok(at == 0 || Marker::of(&before) == marker)
}

const _: () = assert!(MARKER_BYTES <= FINGERPRINT_BYTES);
