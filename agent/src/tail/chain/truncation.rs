//! A file that lost bytes: whether a copy of them stands beside it (logrotate's copytruncate), while the agent runs and after.
//!
//! A truncated file has its inode still and other content. Its copies are found by content and by the order of their names.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::UNIX_EPOCH;

use tracing::info;

use super::{Candidate, Chain, Files, SavedSegment, open};
use crate::host_root::HostRoot;
use crate::tail::identity::{Fingerprint, Marker};
use crate::tail::rotation::Encoding;
use crate::tail::segment::{self, Segment, SegmentNumber};

/// How often a log's files are listed until the copy is among them.
const LISTINGS_MAX: u32 = 4;

/// A file of which bytes that were read are gone.
#[derive(Clone, Copy, Debug)]
pub struct Truncated {
    /// The segment.
    pub number: SegmentNumber,
    /// How far it was read.
    pub at: u64,
    /// Its first bytes, as they were.
    pub fingerprint: Fingerprint,
    /// The bytes before `at`, as they were.
    pub marker: Marker,
}

impl Chain {
    /// The file of `number` has lost bytes before `at`. If a copy of what it held is found among the log's older files
    /// (logrotate's copytruncate), the copy takes the number; otherwise the number is gone. Copies that are newer still (of a
    /// file that was truncated again) follow, and the file itself begins anew after them. `rotated` lists the older files, oldest
    /// first; it is asked again when it has none that fits, since a listing may miss a file that is being compressed.
    pub fn truncated(&self, root: &HostRoot, lost: &Truncated, rotated: impl Fn(&Path) -> Vec<Candidate>) {
        let mut files = self.files();
        let number = lost.number;
        let Some(place) = files.segments.iter().position(|segment| segment.number == number) else { return };
        let old = Arc::clone(&files.segments[place]);
        // Another lane may have been here already; then the file under this number is the copy.
        if lost.fingerprint.len > 0 && old.holds(lost.fingerprint, lost.at, lost.marker).unwrap_or(false) {
            return;
        }
        let (mut ordered, mut begins, mut copy) = (Vec::new(), None, None);
        for _ in 0..LISTINGS_MAX {
            begins = None;
            ordered = rotated(&old.path());
            ordered.retain(|candidate| candidate.id != old.id);
            for (place, candidate) in ordered.iter().enumerate() {
                // Opened once: the next moment it may have another name, or be compressed and gone.
                let Some(file) = open(root, candidate) else { continue };
                match fits(&file, candidate, lost) {
                    Fit::Whole if copy.is_none() => copy = Some((place, file)),
                    Fit::Beginning => begins = Some(place),
                    Fit::Whole | Fit::Nothing => {}
                }
            }
            if copy.is_some() {
                break;
            }
        }
        begins = copy.as_ref().map(|(place, _)| *place).or(begins);
        if let Some((place_of_copy, file)) = copy {
            let candidate = &ordered[place_of_copy];
            info!(path = %old.path().display(), copy = %candidate.path.display(), "file was truncated, its copy was found and is read to its end");
            let segment = Segment::new(number, file, candidate.id, candidate.encoding, candidate.path.clone());
            segment.supersede();
            segment.expect_readers(files.lanes);
            files.segments[place] = Arc::new(segment);
        } else {
            files.segments.remove(place);
            files.lanes_left.remove(&number);
        }
        let is_newest = !files.segments.iter().any(|segment| segment.number > number);
        if is_newest {
            for candidate in begins.map_or(&[][..], |place| &ordered[place + 1..]) {
                if !files.holds(candidate) && !files.has_passed(root, candidate) {
                    files.add(root, candidate);
                }
            }
            if let Ok(file) = root.open(&old.path()) {
                let anew = Segment::new(files.next, file, old.id, old.encoding, old.path());
                files.hold(anew);
            }
            let newest = files.segments.len().saturating_sub(1);
            files.segments[..newest].iter().for_each(|segment| segment.supersede());
        }
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether the segment of an earlier run was found as a copy of a file that was truncated since.
    pub fn was_copied(&self, number: SegmentNumber) -> bool {
        self.files().copied.contains(&number)
    }
}

/// How much of what was read of a truncated file another file has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    /// Everything: its copy.
    Whole,
    /// The beginning and not all: a copy made before the last of it was written.
    Beginning,
    /// It is another file.
    Nothing,
}

fn fits(file: &File, candidate: &Candidate, lost: &Truncated) -> Fit {
    let Truncated { fingerprint, at, marker, .. } = *lost;
    let begins = || segment::head(file, candidate.encoding).is_ok_and(|head| fingerprint.is_prefix_of(&head));
    if fingerprint.len == 0 || !begins() {
        return Fit::Nothing;
    }
    match segment::content_matches(file, candidate.encoding, fingerprint, at, marker) {
        Ok(true) => Fit::Whole,
        Ok(false) | Err(_) => Fit::Beginning,
    }
}

/// Whether the file of an earlier run, whose content was found in another, is still there: not one that was made since and
/// got its inode, which file systems give out again at once.
pub(super) fn was_truncated(root: &HostRoot, segment: &SavedSegment, ordered: &[Candidate]) -> bool {
    let same = ordered.iter().find(|candidate| candidate.id == segment.id).and_then(|candidate| open(root, candidate));
    let made = same.and_then(|file| file.metadata().ok()?.created().ok()?.duration_since(UNIX_EPOCH).ok());
    // What was seen is known to the second.
    let seen = u128::try_from(segment.seen_ns).unwrap_or(0) + 1_000_000_000;
    made.is_some_and(|made| made.as_nanos() <= seen)
}

impl Files {
    /// A segment of which nothing had been read may have been copied and truncated since: then its inode has what came later,
    /// and the first copy, which nothing but its place and age can tell, has its number. `newest` is the place of the newest
    /// segment that was found. `None` where no copy stands before the file of that identity.
    pub(super) fn first_unread(&self, segment: &SavedSegment, ordered: &[Candidate], newest: Option<usize>) -> Option<usize> {
        if segment.at > 0 {
            return None;
        }
        let own = ordered.iter().position(|candidate| candidate.id == segment.id)?;
        let is_newer = |candidate: &Candidate| newest.is_some() || candidate.mtime_ns >= segment.seen_ns;
        let is_copy = |candidate: &Candidate| candidate.encoding != Encoding::Unreadable && !self.holds(candidate);
        (newest.map_or(0, |place| place + 1)..own).find(|place| is_newer(&ordered[*place]) && is_copy(&ordered[*place]))
    }
}
