//! One log as its files: the segments in the order in which they were written, and which of them some lane still needs.
//!
//! The scout brings a chain up to what stands in the directory; lanes read its segments and settle them. A name is only how a
//! file is found: a file is known by what `identity` says. A segment is let go when every lane has settled it, not before.

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::{debug, warn};

use super::held::Held;
use super::identity::{FileId, Fingerprint, Marker};
use super::origin::Origin;
use super::rotation::Encoding;
use super::segment::{self, Segment, SegmentNumber};
use crate::host_root::HostRoot;
use truncation::was_truncated;

mod set;
pub mod truncation;

/// How many finished segments a chain remembers, so that their renamed and compressed remains are not taken for new.
const PASSED_MAX: usize = 16;

/// How often segments of an earlier run are looked for before they count as gone.
const SEARCHES_MAX: u32 = 4;

/// A file that the scout sees, closed.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The host's path.
    pub path: PathBuf,
    /// Device and inode.
    pub id: FileId,
    /// How its bytes are to be read.
    pub encoding: Encoding,
    /// Bytes.
    pub len: u64,
    /// Last change, nanoseconds since the epoch.
    pub mtime_ns: i64,
}

/// What is known of a chain from earlier runs.
#[derive(Clone, Debug, Default)]
pub struct SavedChain {
    /// Segments that some destination has not settled.
    pub segments: Vec<SavedSegment>,
    /// Of a set of files: those that every destination has settled, and that were there in the last run.
    pub finished: Vec<FinishedSegment>,
    /// The number that the next new segment takes.
    pub next: SegmentNumber,
}

/// A file of a set that was read to its end by every lane.
#[derive(Clone, Copy, Debug)]
pub struct FinishedSegment {
    /// Its number.
    pub number: SegmentNumber,
    /// Device and inode when it was seen last.
    pub id: FileId,
    /// What it is known by.
    pub fingerprint: Fingerprint,
    /// Its last change when it was looked into last; `None` before that.
    pub mtime_ns: Option<i64>,
    /// Since when it is not there.
    pub unseen_since: Option<Instant>,
}

/// A segment of an earlier run.
#[derive(Clone, Copy, Debug)]
pub struct SavedSegment {
    /// Its number then, and again now.
    pub number: SegmentNumber,
    /// Device and inode then.
    pub id: FileId,
    /// Its first bytes.
    pub fingerprint: Fingerprint,
    /// The furthest position that any destination had settled.
    pub at: u64,
    /// The bytes before that.
    pub marker: Marker,
    /// When that was, nanoseconds since the epoch.
    pub seen_ns: i64,
}

/// One log.
#[derive(Debug)]
pub struct Chain {
    /// Place in the catalog.
    pub index: usize,
    /// See [`Origin::key`].
    pub key: String,
    /// What it is.
    pub origin: Origin,
    /// Whether it was there when the agent started: only then may old lines be left out.
    pub found_at_start: bool,
    first_new: SegmentNumber,
    generation: AtomicU64,
    /// Lanes that have a segment of it open, or moved in it and have no answer yet.
    standing: AtomicUsize,
    forgotten: AtomicBool,
    files: Mutex<Files>,
}

#[derive(Debug)]
struct Files {
    segments: Vec<Arc<Segment>>,
    /// How many lanes have yet to settle a segment, by its number.
    lanes_left: HashMap<SegmentNumber, usize>,
    lanes: usize,
    next: SegmentNumber,
    passed: Vec<(FileId, Fingerprint)>,
    /// Of a set of files: those that were read by every lane and are still there.
    finished: Vec<FinishedSegment>,
    /// Of a set of files: those that an earlier run left and that were not found yet.
    awaited: Vec<SavedSegment>,
    /// Segments of an earlier run that were found as copies: the file itself was truncated meanwhile.
    copied: Vec<SegmentNumber>,
    last_change_ns: i64,
    saved: Option<SavedChain>,
    /// How often the saved segments were looked for.
    searches: u32,
    never_updated: bool,
    /// Nothing of it stood in the directory at the last look.
    unseen: bool,
    /// Since when there is nothing of it anywhere.
    vacant_since: Option<Instant>,
}

impl Chain {
    pub(super) fn new(index: usize, origin: Origin, lanes: usize, saved: Option<SavedChain>, found_at_start: bool) -> Self {
        Self {
            index,
            key: origin.key(),
            origin,
            found_at_start,
            first_new: saved.as_ref().map_or(SegmentNumber(0), |saved| saved.next),
            generation: AtomicU64::new(0),
            standing: AtomicUsize::new(0),
            forgotten: AtomicBool::new(false),
            files: Mutex::new(Files {
                segments: Vec::new(),
                lanes_left: HashMap::new(),
                lanes,
                next: saved.as_ref().map_or(SegmentNumber(0), |saved| saved.next),
                passed: Vec::new(),
                finished: Vec::new(),
                awaited: Vec::new(),
                copied: Vec::new(),
                last_change_ns: 0,
                saved,
                searches: 0,
                never_updated: true,
                unseen: false,
                vacant_since: None,
            }),
        }
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        // A lane that panicked has not left the list in between: every change is made in one step at its end.
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether segments of an earlier run are still being looked for.
    pub fn is_searching(&self) -> bool {
        self.files().saved.is_some()
    }

    /// Changes whenever the list of segments does.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Segments with smaller numbers are known from earlier runs.
    pub fn first_new(&self) -> SegmentNumber {
        self.first_new
    }

    /// The segments, oldest first.
    pub fn segments(&self) -> Vec<Arc<Segment>> {
        self.files().segments.clone()
    }

    /// The numbers of all segments that are held or, in a set of files, still there.
    pub fn numbers(&self) -> Vec<SegmentNumber> {
        let files = self.files();
        files.segments.iter().map(|segment| segment.number).chain(files.finished.iter().map(|known| known.number)).collect()
    }

    /// The newest segment's identity, if the chain has one.
    pub fn live_id(&self) -> Option<FileId> {
        self.files().segments.last().map(|segment| segment.id)
    }

    /// A lane stands in it from now on: the chain is not forgotten before the lane has left.
    pub fn enter(&self) {
        self.standing.fetch_add(1, Ordering::AcqRel);
    }

    /// A lane has no segment of it, and no move whose answer is still to come.
    pub fn leave(&self) {
        self.standing.fetch_sub(1, Ordering::AcqRel);
    }

    /// Whether nothing was left of it for so long, neither in the directory nor with a lane, that it can be forgotten. Only
    /// the scout asks, which alone gives a chain new segments: what holds here still holds when it acts on it.
    pub(super) fn is_over(&self, now: Instant, after: Duration) -> bool {
        let mut files = self.files();
        let is_vacant = files.unseen && files.segments.is_empty() && files.saved.is_none();
        if !is_vacant || self.standing.load(Ordering::Acquire) > 0 {
            files.vacant_since = None;
            return false;
        }
        let since = *files.vacant_since.get_or_insert(now);
        now.duration_since(since) >= after
    }

    /// Whether the catalog has it no longer: lanes drop it.
    pub fn is_forgotten(&self) -> bool {
        self.forgotten.load(Ordering::Acquire)
    }

    pub(super) fn forget(&self) {
        self.forgotten.store(true, Ordering::Release);
    }

    /// Adds its deleted segments that some lane has not settled.
    pub(super) fn held(&self, held: &mut Vec<Held>) {
        for segment in self.files().segments.iter().filter(|segment| segment.is_deleted()) {
            if let Ok(stat) = segment.stat() {
                held.push(Held {
                    chain: self.index,
                    number: segment.number,
                    bytes: stat.len,
                    last_change_ns: stat.mtime_ns,
                    given_up: segment.is_given_up(),
                });
            }
        }
    }

    /// One lane needs this segment no longer.
    pub fn settle(&self, number: SegmentNumber) {
        let mut files = self.files();
        let Some(left) = files.lanes_left.get_mut(&number) else { return };
        *left = left.saturating_sub(1);
        if *left == 0 {
            files.give_up(number);
            self.generation.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Brings the list up to what stands in the directory now. `ordered` holds the log's files, oldest first, the live one
    /// last. Says whether there is something new.
    pub fn update(&self, root: &HostRoot, ordered: &[Candidate]) -> bool {
        let mut files = self.files();
        files.unseen = ordered.is_empty();
        let before = files.segments.len();
        let mut upto = None;
        if let Some(saved) = files.saved.take() {
            upto = files.find_saved(root, &saved, ordered);
            let found_all = files.segments.len() == saved.segments.len();
            if !found_all && files.searches < SEARCHES_MAX {
                // Between the listing and now a file may have been compressed or renamed: listed anew, it is found.
                files.searches += 1;
                files.segments.clear();
                files.lanes_left.clear();
                files.copied.clear();
                files.saved = Some(saved);
                return false;
            }
        }
        let first_time = std::mem::replace(&mut files.never_updated, false) && files.last_change_ns == 0;
        // By identity first, which is cheap; what stands behind the newest of these may still be the compressed remains of
        // something that was read.
        upto = upto.max(ordered.iter().rposition(|candidate| files.holds(candidate)));
        let rest = upto.map_or(0, |place| place + 1);
        if let Some(passed) = ordered[rest..].iter().rposition(|candidate| files.has_passed(root, candidate)) {
            upto = Some(rest + passed);
        }
        let begin = upto.map_or(0, |place| place + 1);
        for candidate in &ordered[begin.min(ordered.len())..] {
            // Nothing of what we know is there any more: what was last changed before our last look is old.
            if upto.is_none() && !first_time && candidate.mtime_ns < files.last_change_ns {
                continue;
            }
            files.add(root, candidate);
        }
        files.refresh(ordered);
        let changed = files.segments.len() != before;
        if changed {
            self.generation.fetch_add(1, Ordering::AcqRel);
        }
        changed
    }
}

impl Files {
    /// Finds the segments of an earlier run among the files that are there now. Gives the place of the newest one found.
    fn find_saved(&mut self, root: &HostRoot, saved: &SavedChain, ordered: &[Candidate]) -> Option<usize> {
        let mut newest = None;
        for segment in &saved.segments {
            self.last_change_ns = self.last_change_ns.max(segment.seen_ns);
            if let Some(place) = self.first_unread(segment, ordered, newest) {
                if let Some(file) = open(root, &ordered[place]) {
                    let Candidate { id, encoding, path, .. } = ordered[place].clone();
                    newest = newest.max(Some(place));
                    self.hold(Segment::new(segment.number, file, id, encoding, path));
                }
                continue;
            }
            let by_identity = ordered.iter().enumerate().filter(|(_, candidate)| candidate.id == segment.id);
            let by_content =
                ordered.iter().enumerate().filter(|(_, candidate)| candidate.id != segment.id && segment.fingerprint.len > 0);
            let found = by_identity.chain(by_content).find_map(|(place, candidate)| {
                let file = open(root, candidate)?;
                match segment::content_matches(&file, candidate.encoding, segment.fingerprint, segment.at, segment.marker) {
                    Ok(true) => Some((
                        place,
                        Segment::new(segment.number, file, candidate.id, candidate.encoding, candidate.path.clone()),
                    )),
                    Ok(false) => None,
                    Err(error) => {
                        debug!(path = %candidate.path.display(), %error, "cannot compare with a saved position");
                        None
                    }
                }
            });
            if let Some((place, found)) = found {
                if found.id != segment.id && was_truncated(root, segment, ordered) {
                    self.copied.push(found.number);
                }
                newest = newest.max(Some(place));
                self.hold(found);
            }
        }
        newest
    }

    fn hold(&mut self, segment: Segment) {
        segment.expect_readers(self.lanes);
        self.lanes_left.insert(segment.number, self.lanes);
        self.next = self.next.max(SegmentNumber(segment.number.0 + 1));
        self.segments.push(Arc::new(segment));
        self.segments.sort_by_key(|segment| segment.number);
    }

    fn add(&mut self, root: &HostRoot, candidate: &Candidate) {
        if candidate.encoding == Encoding::Unreadable {
            warn!(path = %candidate.path.display(), "a rotated file that was not read before is compressed in a way that cannot be read: it is left out");
            return;
        }
        let Some(file) = open(root, candidate) else { return };
        let number = self.next;
        self.hold(Segment::new(number, file, candidate.id, candidate.encoding, candidate.path.clone()));
    }

    fn holds(&self, candidate: &Candidate) -> bool {
        self.segments.iter().any(|segment| segment.id == candidate.id)
    }

    /// Whether a file that we do not hold is one that we hold or held, renamed or compressed.
    fn has_passed(&self, root: &HostRoot, candidate: &Candidate) -> bool {
        let same_inode = self.passed.iter().filter(|(id, _)| *id == candidate.id);
        let compressed = candidate.encoding != Encoding::Plain;
        if !compressed && same_inode.clone().next().is_none() {
            return false;
        }
        let Some(head) = open(root, candidate).and_then(|file| segment::head(&file, candidate.encoding).ok()) else {
            // What cannot be opened is not new either: there is nothing that could be read from it.
            return true;
        };
        let passed =
            same_inode.map(|(_, print)| *print).chain(self.passed.iter().filter(|_| compressed).map(|(_, print)| *print));
        let of_held = self
            .segments
            .iter()
            .filter(|_| compressed)
            .filter_map(|segment| segment.head().ok().map(|head| Fingerprint::of(&head)));
        passed.chain(of_held).any(|print| print.len > 0 && print.is_prefix_of(&head))
    }

    fn give_up(&mut self, number: SegmentNumber) {
        self.lanes_left.remove(&number);
        if let Some(place) = self.segments.iter().position(|segment| segment.number == number) {
            let segment = self.segments.remove(place);
            if segment.encoding == Encoding::Journal {
                let fingerprint = segment.head().map(|head| Fingerprint::of(&head)).unwrap_or_default();
                self.finished.push(FinishedSegment { number, id: segment.id, fingerprint, mtime_ns: None, unseen_since: None });
                return;
            }
            if let Ok(head) = segment.head() {
                self.passed.push((segment.id, Fingerprint::of(&head)));
                if self.passed.len() > PASSED_MAX {
                    self.passed.remove(0);
                }
            }
        }
    }

    /// Names, deletion, and whether a newer file has taken over.
    fn refresh(&mut self, ordered: &[Candidate]) {
        for candidate in ordered {
            if let Some(segment) = self.segments.iter().find(|segment| segment.id == candidate.id) {
                segment.renamed(&candidate.path);
            }
        }
        let mut newer_has_content = false;
        for segment in self.segments.iter().rev() {
            let stat = segment.stat();
            segment.see();
            if newer_has_content || segment.encoding != Encoding::Plain {
                segment.supersede();
            }
            if let Ok(stat) = stat {
                segment.set_deleted(stat.names == 0);
                newer_has_content |= stat.len > 0;
                self.last_change_ns = self.last_change_ns.max(stat.mtime_ns);
            }
        }
    }
}

/// Opens what the scout saw, if it is still the same file.
fn open(root: &HostRoot, candidate: &Candidate) -> Option<File> {
    let file = root.open(&candidate.path).ok()?;
    let metadata = file.metadata().ok()?;
    (metadata.is_file() && segment::file_id(&metadata) == candidate.id).then_some(file)
}
