//! Several lines that are one record: the fragments of a container's long line, and lines that follow a first line.
//!
//! Bounded: what is beyond the limit is left out and counted. A record that is not complete is forgotten between turns and
//! read again, so that nothing but a position has to be kept.

use super::standing::Mark;

/// A record that is being put together.
#[derive(Debug, Default)]
pub struct Join {
    open: bool,
    /// Index of the open segment in which it begins, and where.
    pub begin: (usize, Mark),
    /// Its time, nanoseconds since the epoch, as in the text and as given.
    pub time: Option<i64>,
    /// What it has so far.
    pub text: Vec<u8>,
    /// Bytes of the source.
    pub bytes: u64,
    /// Lines of the source.
    pub lines: u64,
    /// Bytes that found no room.
    pub left_out: u64,
    /// A later line of the record is a fragment that is not the last.
    pub mid_fragment: bool,
}

/// Where a line stands and what time it has.
#[derive(Clone, Copy, Debug)]
pub struct At {
    /// Index of the open segment, and the place.
    pub begin: (usize, Mark),
    /// Its time as given.
    pub time: Option<i64>,
}

impl Join {
    /// Whether something waits in it.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Begins a record, or goes on with it.
    pub fn add(&mut self, at: At, text: &[u8], separator: bool, bytes: u64, lines: u64, max: usize) {
        if !self.open {
            self.open = true;
            self.begin = at.begin;
            self.time = at.time;
        }
        let room = max.saturating_sub(self.text.len());
        if separator && self.bytes > 0 && room > 0 {
            self.text.push(b'\n');
        }
        let room = max.saturating_sub(self.text.len());
        let fits = &text[..text.len().min(room)];
        self.text.extend_from_slice(fits);
        self.left_out += (text.len() - fits.len()) as u64;
        self.bytes += bytes;
        self.lines += lines;
    }

    /// Forgets everything but the buffer.
    pub fn clear(&mut self) {
        self.open = false;
        self.text.clear();
        self.time = None;
        self.bytes = 0;
        self.lines = 0;
        self.left_out = 0;
        self.mid_fragment = false;
    }
}
