//! A set of files, each read to its own end: the journal's. There is no live file and no order among them; a file that was read
//! is known for as long as it is there.
//!
//! A journal file is known by the id in its header, whatever its name becomes when it is archived.

use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{Candidate, Chain, Files, FinishedSegment};
use crate::host_root::HostRoot;
use crate::tail::identity::Fingerprint;
use crate::tail::rotation::Encoding;
use crate::tail::segment::{self, Segment, file_id};

/// How long a file that was read is remembered though it is not there.
const PATIENCE: Duration = Duration::from_hours(1);

impl Chain {
    /// Brings the set up to the files that are there now. Says whether there is something new; `complain` is told what cannot be
    /// opened.
    pub fn update_set(
        &self,
        root: &HostRoot,
        candidates: &[Candidate],
        now: Instant,
        mut complain: impl FnMut(&Path, &io::Error),
    ) -> bool {
        let mut files = self.files();
        files.unseen = candidates.is_empty();
        if let Some(saved) = files.saved.take() {
            files.next = files.next.max(saved.next);
            files.finished.extend(saved.finished);
            files.awaited = saved.segments;
        }
        let before = std::mem::take(&mut files.finished);
        let held = files.segments.len();
        for candidate in candidates {
            if let Err(error) = files.see(root, candidate, &before) {
                complain(&candidate.path, &error);
            }
        }
        // A directory may be away for a moment, or not be listed whole: what was read of it is not read again when it is back.
        for known in before {
            if files.finished.iter().all(|found| found.number != known.number) {
                let since = known.unseen_since.unwrap_or(now);
                if now.duration_since(since) < PATIENCE {
                    files.finished.push(FinishedSegment { unseen_since: Some(since), ..known });
                }
            }
        }
        for segment in &files.segments {
            if let Ok(stat) = segment.stat() {
                segment.set_deleted(stat.names == 0);
            }
        }
        let changed = files.segments.len() != held;
        if changed {
            self.generation.fetch_add(1, Ordering::AcqRel);
        }
        changed
    }
}

impl Files {
    /// One file that is there: held already, finished, left by an earlier run, or new.
    fn see(&mut self, root: &HostRoot, candidate: &Candidate, before: &[FinishedSegment]) -> io::Result<()> {
        // An open file's inode is not given to another.
        if let Some(segment) = self.segments.iter().find(|segment| segment.id == candidate.id) {
            segment.renamed(&candidate.path);
            return Ok(());
        }
        let is_unchanged = |known: &&FinishedSegment| known.id == candidate.id && known.mtime_ns == Some(candidate.mtime_ns);
        if let Some(known) = before.iter().find(is_unchanged) {
            self.finished.push(FinishedSegment { unseen_since: None, ..*known });
            return Ok(());
        }
        let file = match root.open(&candidate.path) {
            Ok(file) => file,
            // Vacuumed since it was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() || file_id(&metadata) != candidate.id {
            return Ok(());
        }
        let fingerprint = Fingerprint::of(&segment::head(&file, Encoding::Journal)?);
        if fingerprint.len == 0 {
            // It is being made; or it will never be a journal, and who looks at metrics sees it.
            return if candidate.len == 0 { Ok(()) } else { Err(io::Error::other("too short for a journal file")) };
        }
        if let Some(known) = before.iter().find(|known| known.fingerprint == fingerprint) {
            let (id, mtime_ns) = (candidate.id, Some(candidate.mtime_ns));
            self.finished.push(FinishedSegment { id, mtime_ns, unseen_since: None, ..*known });
            return Ok(());
        }
        let is_copy = self.segments.iter().any(|held| held.head().is_ok_and(|head| Fingerprint::of(&head) == fingerprint));
        if is_copy {
            return Ok(());
        }
        let awaited = self.awaited.iter().position(|known| known.fingerprint == fingerprint);
        let number = awaited.map_or(self.next, |place| self.awaited.swap_remove(place).number);
        self.hold(Segment::new(number, file, candidate.id, Encoding::Journal, candidate.path.clone()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::*;
    use crate::config::checked::JournalInput;
    use crate::tail::chain::{SavedChain, SavedSegment};
    use crate::tail::identity::{FileId, Marker};
    use crate::tail::origin::Origin;
    use crate::tail::segment::{SegmentNumber, mtime_ns};

    struct Set {
        directory: tempfile::TempDir,
        chain: Chain,
        now: Instant,
    }

    impl Set {
        fn new(saved: Option<SavedChain>) -> Self {
            let input = Arc::new(JournalInput { directories: Vec::new(), selections: Vec::new() });
            let chain = Chain::new(0, Origin::Journal { input }, 1, saved, true);
            Self { directory: tempfile::tempdir().unwrap(), chain, now: Instant::now() }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.directory.path().join(name)
        }

        /// A file with an id and nothing else.
        fn write(&self, name: &str, id: u8) {
            fs::write(self.path(name), [id; 48]).unwrap();
        }

        fn look(&self) -> bool {
            let entries = fs::read_dir(self.directory.path()).unwrap().map(|entry| entry.unwrap());
            let mut found: Vec<Candidate> = entries
                .map(|entry| {
                    let metadata = entry.metadata().unwrap();
                    let (id, mtime_ns) = (file_id(&metadata), mtime_ns(&metadata));
                    Candidate { path: entry.path(), id, encoding: Encoding::Journal, len: metadata.size(), mtime_ns }
                })
                .collect();
            found.sort_by(|one, two| one.path.cmp(&two.path));
            self.chain.update_set(&HostRoot::default(), &found, self.now, |path, error| panic!("{}: {error}", path.display()))
        }

        fn held(&self) -> BTreeMap<u64, String> {
            let name = |segment: &Arc<Segment>| segment.path().file_name().unwrap().to_string_lossy().into_owned();
            self.chain.segments().iter().map(|segment| (segment.number.0, name(segment))).collect()
        }
    }

    #[test]
    fn a_file_keeps_its_number_whatever_its_name_and_is_not_read_twice() {
        let mut set = Set::new(None);
        set.write("system.journal", 1);
        assert!(set.look());
        fs::rename(set.path("system.journal"), set.path("system@1.journal")).unwrap();
        set.write("system.journal", 2);
        assert!(set.look() && !set.look());
        let expected = [(0, "system@1.journal".to_owned()), (1, "system.journal".to_owned())];
        assert_eq!(set.held(), BTreeMap::from(expected));
        set.chain.settle(SegmentNumber(0));
        assert!(!set.look() && !set.look(), "what was read is known for as long as it is there");
        assert_eq!((set.held().len(), set.chain.numbers().len()), (1, 2));
        fs::copy(set.path("system.journal"), set.path("copy.journal")).unwrap();
        assert!(!set.look(), "a copy has nothing that its original has not");
        // It is away for a moment, as on a disk that is mounted anew.
        fs::rename(set.path("system@1.journal"), set.path("elsewhere")).unwrap();
        fs::rename(set.path("elsewhere"), set.directory.path().with_extension("away")).unwrap();
        assert!(!set.look());
        fs::rename(set.directory.path().with_extension("away"), set.path("system@1.journal")).unwrap();
        assert!(!set.look() && set.held().len() == 1, "it is not read again");
        fs::remove_file(set.path("system@1.journal")).unwrap();
        set.look();
        set.now += PATIENCE;
        set.look();
        assert_eq!(set.chain.numbers(), [SegmentNumber(1)], "what is gone for good is forgotten");
    }

    #[test]
    fn after_a_restart_every_file_is_what_it_was() {
        let print = |id: u8| Fingerprint::of(&[id; 16]);
        let segment = SavedSegment {
            number: SegmentNumber(3),
            id: FileId::default(),
            fingerprint: print(3),
            at: 7,
            marker: Marker::default(),
            seen_ns: 0,
        };
        let finished = FinishedSegment {
            number: SegmentNumber(8),
            id: FileId::default(),
            fingerprint: print(8),
            mtime_ns: None,
            unseen_since: None,
        };
        let saved = SavedChain { segments: vec![segment], finished: vec![finished], next: SegmentNumber(9) };
        let set = Set::new(Some(saved));
        for (name, id) in [("a", 8), ("b", 3), ("c", 5)] {
            set.write(name, id);
        }
        assert!(set.look());
        assert_eq!(set.held(), BTreeMap::from([(3, "b".to_owned()), (9, "c".to_owned())]));
        assert_eq!(set.chain.numbers().len(), 3);
        assert!(!set.look());
    }
}
