//! What makes a file the one we know: device and inode, and a hash of bytes that we have already read.
//!
//! A name proves nothing (rotation), an inode alone proves little (it is used again), content alone proves little (two
//! files may begin alike). Together with the bytes just before a position they decide. Pure.

use twox_hash::XxHash3_64;

/// How many of a file's first bytes a fingerprint covers at most.
pub const FINGERPRINT_BYTES: usize = 1024;
/// How many bytes before a position a marker covers at most.
pub const MARKER_BYTES: usize = 256;

/// Device and inode of an open file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId {
    /// `st_dev`
    pub dev: u64,
    /// `st_ino`
    pub ino: u64,
}

/// A hash of the first `len` bytes of a file; the file may have grown since, so it is compared as a prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    /// How many bytes were hashed, at most [`FINGERPRINT_BYTES`]. 0 says nothing and matches every file.
    pub len: u16,
    /// XXH3 of these bytes.
    pub hash: u64,
}

impl Fingerprint {
    /// The fingerprint of `head`, a file's first bytes.
    pub fn of(head: &[u8]) -> Self {
        let head = head.get(..FINGERPRINT_BYTES).unwrap_or(head);
        Self { len: head.len() as u16, hash: XxHash3_64::oneshot(head) }
    }

    /// Whether a file that begins with `head` begins with what was hashed. `head` needs [`FINGERPRINT_BYTES`] or all of the file.
    pub fn is_prefix_of(self, head: &[u8]) -> bool {
        head.get(..usize::from(self.len)).is_some_and(|prefix| XxHash3_64::oneshot(prefix) == self.hash || self.len == 0)
    }
}

/// A hash of the bytes just before a position: [`MARKER_BYTES`], or all where there are fewer. It finds a file that was
/// truncated and has since grown beyond the position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Marker(pub u64);

impl Marker {
    /// How many bytes before `position` the marker covers.
    pub fn len_at(position: u64) -> usize {
        usize::try_from(position).map_or(MARKER_BYTES, |position| position.min(MARKER_BYTES))
    }

    /// The marker of a position before which `before` stands. Only its last [`MARKER_BYTES`] count.
    pub fn of(before: &[u8]) -> Self {
        Self(XxHash3_64::oneshot(&before[before.len().saturating_sub(MARKER_BYTES)..]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_still_matches_when_the_file_has_grown() {
        let small = Fingerprint::of(b"first line\n");
        assert!(small.is_prefix_of(b"first line\nsecond line\n"));
        assert!(!small.is_prefix_of(b"first lime\nsecond line\n"));
        assert!(!small.is_prefix_of(b"first"), "a file shorter than what was hashed is another file");
    }

    #[test]
    fn an_empty_fingerprint_matches_every_file() {
        assert!(Fingerprint::of(b"").is_prefix_of(b"anything"));
        assert!(Fingerprint::default().is_prefix_of(b"anything"));
    }

    #[test]
    fn a_marker_covers_only_the_last_bytes() {
        let mut long = vec![b'x'; 1000];
        let marker = Marker::of(&long);
        long[0] = b'y';
        assert_eq!(marker, Marker::of(&long));
        long[999] = b'y';
        assert_ne!(marker, Marker::of(&long));
        assert_eq!(Marker::len_at(100), 100);
        assert_eq!(Marker::len_at(1 << 40), MARKER_BYTES);
    }
}
