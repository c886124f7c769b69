//! Records on disk in order, in files that follow one another by number: what a spool is made of.
//!
//! In: sealed frames (`frame::seal`), behind the others. Out: their bodies, by segment and place, and whole segments that are done with.
//! A segment is frames without a header. Two rules: what is appended is on disk when that returns, or not there at all; and a damaged
//! frame is said to be one, never read.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::frame::HEAD;

/// A file of records, and what its owner knows of it.
#[derive(Debug)]
pub struct Segment<T> {
    /// Its number, which is its name.
    pub number: u64,
    /// How long it is.
    pub bytes: u64,
    /// What its owner keeps beside it.
    pub about: T,
}

/// How the files of a directory are called: digits, and what stands behind them.
#[derive(Clone, Copy, Debug)]
pub struct Naming {
    /// How many digits a number has at least.
    pub digits: usize,
    /// What a name ends with: `.spool`.
    pub suffix: &'static str,
}

/// Segments, the oldest first.
#[derive(Debug)]
pub struct Segments<T> {
    directory: PathBuf,
    naming: Naming,
    list: VecDeque<Segment<T>>,
    /// The newest, if it was written to.
    writing: Option<File>,
}

impl<T> Segments<T> {
    /// None yet; the directory is made with the first.
    pub fn new(directory: &Path, naming: Naming) -> Self {
        Self { directory: directory.to_owned(), naming, list: VecDeque::new(), writing: None }
    }

    /// The numbers of the files that an earlier run has left, in order.
    pub fn left(&self) -> io::Result<Vec<u64>> {
        let mut numbers: Vec<u64> = match fs::read_dir(&self.directory) {
            Ok(entries) => {
                let number = |name: &str| name.strip_suffix(self.naming.suffix)?.parse().ok();
                entries.flatten().filter_map(|entry| number(entry.file_name().to_str()?)).collect()
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Opens one to be read.
    pub fn open(&self, number: u64) -> io::Result<File> {
        File::open(self.path(number))
    }

    /// Takes in one that an earlier run has left, behind the others.
    pub fn take_in(&mut self, segment: Segment<T>) {
        self.list.push_back(segment);
    }

    /// Takes away what stands behind `bytes` in one that was not taken in: torn or damaged.
    pub fn cut(&self, number: u64, bytes: u64) -> io::Result<()> {
        OpenOptions::new().write(true).open(self.path(number))?.set_len(bytes)
    }

    /// Removes the file of one that was not taken in.
    pub fn remove(&self, number: u64) -> io::Result<()> {
        fs::remove_file(self.path(number))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// All, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Segment<T>> {
        self.list.iter()
    }

    /// Their length together.
    pub fn bytes(&self) -> u64 {
        self.list.iter().map(|segment| segment.bytes).sum()
    }

    /// The oldest.
    pub fn first(&self) -> Option<&Segment<T>> {
        self.list.front()
    }

    /// What is known of the oldest.
    pub fn first_mut(&mut self) -> Option<&mut T> {
        self.list.front_mut().map(|segment| &mut segment.about)
    }

    /// The newest.
    pub fn last(&self) -> Option<&Segment<T>> {
        self.list.back()
    }

    /// What is known of the newest.
    pub fn last_mut(&mut self) -> Option<&mut T> {
        self.list.back_mut().map(|segment| &mut segment.about)
    }

    /// Begins a new one, to which is written from now on.
    pub fn begin(&mut self, number: u64, about: T) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        let file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(self.path(number))?;
        File::open(&self.directory)?.sync_all()?;
        self.list.push_back(Segment { number, bytes: 0, about });
        self.writing = Some(file);
        Ok(())
    }

    /// Writes frames behind the newest one's, for certain. An error leaves it as it was.
    pub fn append(&mut self, frames: &[u8]) -> io::Result<()> {
        let none = || io::Error::other("no segment to write to");
        let number = self.last().ok_or_else(none)?.number;
        if self.writing.is_none() {
            self.writing = Some(OpenOptions::new().write(true).open(self.path(number))?);
        }
        let (Some(file), Some(segment)) = (&self.writing, self.list.back_mut()) else { return Err(none()) };
        let written = file.write_all_at(frames, segment.bytes).and_then(|()| file.sync_data());
        if let Err(error) = written {
            // Whatever half of it stands there must not be taken for a record.
            let _ = file.set_len(segment.bytes);
            self.writing = None;
            if segment.bytes == 0 {
                self.list.pop_back();
                let _ = fs::remove_file(self.path(number));
            }
            return Err(error);
        }
        segment.bytes += frames.len() as u64;
        Ok(())
    }

    /// The oldest is done with. `before` is called while its file is still there.
    pub fn drop_first(&mut self, before: impl FnOnce(&Segment<T>) -> io::Result<()>) -> io::Result<()> {
        let Some(segment) = self.list.pop_front() else { return Ok(()) };
        if self.list.is_empty() {
            self.writing = None;
        }
        before(&segment)?;
        fs::remove_file(self.path(segment.number))
    }

    /// Where one is.
    pub fn path(&self, number: u64) -> PathBuf {
        self.directory.join(format!("{number:0width$}{}", self.naming.suffix, width = self.naming.digits))
    }
}

/// Length and body of the frame at `at` in a file that is read up to `end`; none at its end. `InvalidData` is damage: everything behind it
/// is out of order. A frame that claims more than `body_max` bytes is damaged.
pub fn read_frame(file: &File, at: u64, end: u64, body_max: usize) -> io::Result<Option<(u64, Vec<u8>)>> {
    if at >= end {
        return Ok(None);
    }
    let (length, checksum) = read_head(file, at, end, body_max)?;
    let mut body = vec![0; length as usize];
    read_at(file, &mut body, at + HEAD as u64)?;
    if crc32fast::hash(&body) != checksum {
        return Err(damaged("a wrong checksum"));
    }
    Ok(Some((HEAD as u64 + u64::from(length), body)))
}

/// Length of the frame at `at`, and the first bytes of its body, without a look at the rest; none at the end. Damage as in [`read_frame`].
pub fn peek_frame<const N: usize>(file: &File, at: u64, end: u64, body_max: usize) -> io::Result<Option<(u64, [u8; N])>> {
    if at >= end {
        return Ok(None);
    }
    let (length, _) = read_head(file, at, end, body_max)?;
    if (length as usize) < N {
        return Err(damaged("a record that is too short"));
    }
    let mut first = [0; N];
    read_at(file, &mut first, at + HEAD as u64)?;
    Ok(Some((HEAD as u64 + u64::from(length), first)))
}

fn read_head(file: &File, at: u64, end: u64, body_max: usize) -> io::Result<(u32, u32)> {
    let mut head = [0; HEAD];
    read_at(file, &mut head, at)?;
    let [a, b, c, d, checksum @ ..] = head;
    let length = u32::from_le_bytes([a, b, c, d]);
    if length == 0 || length as usize > body_max || at + HEAD as u64 + u64::from(length) > end {
        return Err(damaged("a record with an impossible length"));
    }
    Ok((length, u32::from_le_bytes(checksum)))
}

/// A file that ends too early is damaged; other errors are the disk's.
fn read_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<()> {
    file.read_exact_at(bytes, at).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => damaged("half a record"),
        _ => error,
    })
}

fn damaged(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::frame::seal;

    const NAMING: Naming = Naming { digits: 4, suffix: ".test" };
    const BODY_MAX: usize = 64;

    fn frame(body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        seal(&mut out, |out| out.extend_from_slice(body));
        out
    }

    fn bodies(segments: &Segments<()>, number: u64, end: u64) -> (Vec<Vec<u8>>, Option<String>) {
        let file = segments.open(number).unwrap();
        let (mut at, mut bodies) = (0, Vec::new());
        loop {
            match read_frame(&file, at, end, BODY_MAX) {
                Ok(Some((length, body))) => {
                    bodies.push(body);
                    at += length;
                }
                Ok(None) => return (bodies, None),
                Err(error) => return (bodies, Some(error.to_string())),
            }
        }
    }

    #[test]
    fn segments_follow_one_another_and_leave_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let inside = directory.path().join("spool");
        let mut segments = Segments::<()>::new(&inside, NAMING);
        assert!(segments.left().unwrap().is_empty() && segments.append(b"x").is_err());
        for number in [3, 4] {
            segments.begin(number, ()).unwrap();
            segments.append(&frame(b"one")).unwrap();
            segments.append(&frame(b"two")).unwrap();
        }
        assert_eq!((segments.len(), segments.bytes(), segments.left().unwrap()), (2, 44, vec![3, 4]));
        assert_eq!(bodies(&segments, 3, 22), (vec![b"one".to_vec(), b"two".to_vec()], None));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&inside), mode(&segments.path(3))), (0o700, 0o600));
        // Another run goes on behind what it finds.
        let mut next = Segments::<()>::new(&inside, NAMING);
        next.take_in(Segment { number: 4, bytes: 22, about: () });
        next.append(&frame(b"three")).unwrap();
        assert_eq!(bodies(&next, 4, 35).0.len(), 3);
        next.drop_first(|_| Ok(())).unwrap();
        next.remove(3).unwrap();
        assert!(next.is_empty() && fs::read_dir(&inside).unwrap().next().is_none());
    }

    #[test]
    fn damage_is_never_read() {
        let directory = tempfile::tempdir().unwrap();
        let mut segments = Segments::<()>::new(directory.path(), NAMING);
        segments.begin(1, ()).unwrap();
        segments.append(&frame(b"one")).unwrap();
        segments.append(&frame(b"two")).unwrap();
        let whole = fs::read(segments.path(1)).unwrap();
        let file = || segments.open(1).unwrap();
        assert_eq!(peek_frame::<2>(&file(), 11, 22, BODY_MAX).unwrap(), Some((11, *b"tw")));
        assert!(peek_frame::<4>(&file(), 11, 22, BODY_MAX).is_err());
        for place in 11..22 {
            let mut damaged = whole.clone();
            damaged[place] ^= 1;
            fs::write(segments.path(1), &damaged).unwrap();
            let (read, why) = bodies(&segments, 1, 22);
            assert!(read == [b"one"] && why.is_some(), "flipped at {place}");
            fs::write(segments.path(1), &whole[..place]).unwrap();
            let (read, why) = bodies(&segments, 1, place as u64);
            assert!(read == [b"one"] && (why.is_some() || place == 11), "torn at {place}");
        }
        segments.cut(1, 11).unwrap();
        assert_eq!(fs::read(segments.path(1)).unwrap().len(), 11);
    }
}
