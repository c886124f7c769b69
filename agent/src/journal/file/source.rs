//! Where the bytes of a journal file come from, and the windows through which they are read: one that goes ahead with the entries,
//! one aside for what stands elsewhere. A window never shows what is not in the file any more for longer than until it is forgotten.

use std::fs::File;
use std::io;
use std::sync::Arc;

use super::damage::Flaw;
use super::header::Header;

/// Bytes that are read at any place, as `pread` does: fewer than asked for only at the end, or if the system so pleases.
pub trait ReadAt {
    /// Reads from `at` on; 0 bytes at the end.
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize>;
}

impl ReadAt for File {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, buffer, at)
    }
}

impl ReadAt for [u8] {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let rest = usize::try_from(at).ok().and_then(|at| self.get(at..)).unwrap_or_default();
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]); // both are at least so long
        Ok(len)
    }
}

impl ReadAt for Vec<u8> {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        ReadAt::read_at(self.as_slice(), buffer, at)
    }
}

impl<T: ReadAt + ?Sized> ReadAt for &T {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        T::read_at(self, buffer, at)
    }
}

impl<T: ReadAt + ?Sized> ReadAt for Arc<T> {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        T::read_at(self, buffer, at)
    }
}

/// Fills `buffer` from `at` on, as far as there are bytes.
pub(super) fn read_full<S: ReadAt + ?Sized>(source: &S, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match source.read_at(rest, at.saturating_add(filled as u64)) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Bytes of a file that were read at once.
#[derive(Default)]
pub(super) struct Window {
    at: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// What it has from `at` on, if that is at least `len` bytes.
    pub(super) fn get(&self, at: u64, len: usize) -> Option<&[u8]> {
        let from = usize::try_from(at.checked_sub(self.at)?).ok()?;
        self.bytes.get(from..).filter(|rest| rest.len() >= len)
    }

    /// Moves to `at` and reads `len` bytes, or as many as there are.
    pub(super) fn fill<S: ReadAt + ?Sized>(&mut self, source: &S, at: u64, len: usize) -> io::Result<()> {
        self.at = at;
        self.bytes.clear();
        // By and by: what claims to be long may end soon.
        while self.bytes.len() < len {
            let from = self.bytes.len();
            let part = (len - from).min(from.max(AHEAD_MOST));
            self.bytes.resize(from + part, 0);
            let read = read_full(source, &mut self.bytes[from..], at.saturating_add(from as u64)); // it was just made longer
            self.bytes.truncate(from + *read.as_ref().unwrap_or(&0));
            if read? < part {
                break;
            }
        }
        Ok(())
    }

    /// Bytes of memory.
    pub(super) fn held(&self) -> usize {
        self.bytes.capacity()
    }

    /// What it has is not to be relied on any more.
    pub(super) fn forget(&mut self) {
        self.bytes.clear();
    }

    /// Gives its memory back.
    pub(super) fn release(&mut self) {
        self.bytes = Vec::new();
    }
}

/// The first window of a walk; each further one is twice as long, until [`AHEAD_MOST`].
const AHEAD_FIRST: usize = 16 << 10;
const AHEAD_MOST: usize = 128 << 10;
/// What stands before an entry that is gone to: its own data, as it was written just before it.
const BEFORE: u64 = 8 << 10;
/// What is read aside at once; more only for a longer object.
const ASIDE: usize = 4 << 10;
/// An aside window longer than this is given back after use.
const ASIDE_KEPT: usize = 64 << 10;

/// A file's bytes, within what its header says is used.
pub(super) struct Bytes<S> {
    source: S,
    begin: u64,
    end: u64,
    /// Beyond this there is nothing but one object and what is preallocated.
    tail: u64,
    ahead: Window,
    /// Where the walk has come to.
    walked: u64,
    aside: Window,
}

impl<S: ReadAt> Bytes<S> {
    pub(super) fn new(source: S) -> Self {
        Self { source, begin: 0, end: 0, tail: 0, ahead: Window::default(), walked: 0, aside: Window::default() }
    }

    pub(super) fn source(&self) -> &S {
        &self.source
    }

    /// The header says where objects begin and end.
    pub(super) fn set_end(&mut self, header: &Header) {
        self.begin = header.objects;
        self.end = header.end;
        self.tail = header.tail_object;
    }

    /// How many bytes an object at `at` can have.
    pub(super) fn room(&self, at: u64) -> Result<u64, Flaw> {
        if !at.is_multiple_of(8) || at < self.begin {
            return Err(Flaw::Offset);
        }
        self.end.checked_sub(at).filter(|&room| room > 0).ok_or(Flaw::Offset)
    }

    /// At least `len` bytes from `at` on, where the walk over the entries has come to. At most [`AHEAD_MOST`] may be asked for.
    pub(super) fn ahead(&mut self, at: u64, len: usize) -> Result<&[u8], Flaw> {
        if self.ahead.get(at, len).is_none() {
            let most = (self.ahead.bytes.len() * 2).clamp(AHEAD_FIRST, AHEAD_MOST);
            // What stands between the last entry and this one is this one's data.
            let from =
                if self.walked <= at && at - self.walked < most as u64 / 2 { self.walked } else { at.saturating_sub(BEFORE) };
            let needed = at.saturating_add(len as u64);
            let from = from.max(needed.saturating_sub(most as u64)).max(self.begin);
            let wanted = self.end.min(self.tail.saturating_add(ASIDE as u64)).max(needed).saturating_sub(from);
            self.ahead.fill(&self.source, from, most.min(wanted as usize))?;
        }
        self.ahead.get(at, len).ok_or(Flaw::Short)
    }

    /// The walk over the entries has come to `at`.
    pub(super) fn walked(&mut self, at: u64) {
        self.walked = at;
    }

    /// At least `len` bytes from `at` on, wherever that is.
    pub(super) fn anywhere(&mut self, at: u64, len: usize) -> Result<&[u8], Flaw> {
        // Twice, because the borrow checker does not see that what is returned early is not borrowed later.
        if self.ahead.get(at, len).is_some() {
            return self.ahead.get(at, len).ok_or(Flaw::Short);
        }
        if self.aside.get(at, len).is_none() {
            let len = len.max(ASIDE.min(self.end.saturating_sub(at) as usize));
            self.aside.fill(&self.source, at, len)?;
        }
        self.aside.get(at, len).ok_or(Flaw::Short)
    }

    /// Long objects were read; their bytes are not held on to.
    pub(super) fn trim(&mut self) {
        if self.aside.bytes.capacity() > ASIDE_KEPT {
            self.aside.release();
        }
    }

    pub(super) fn held(&self) -> usize {
        self.ahead.held() + self.aside.held()
    }

    pub(super) fn forget(&mut self) {
        self.ahead.forget();
        self.aside.forget();
    }

    pub(super) fn release(&mut self) {
        self.ahead.release();
        self.aside.release();
    }
}
