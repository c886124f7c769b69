//! Tells early that a file was written or a directory changed: one inotify instance, watches on directories only.
//!
//! Events are hints. Whatever is missed here (a queue that overflowed, a limit that was reached, a file system that is
//! silent) the scout finds at its next look; directories that cannot be watched are named, so that it looks more often.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use notify::event::ModifyKind;
use notify::{Config, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tracing::{debug, warn};

use super::identity::FileId;
use super::segment::file_id;
use crate::wake::Wake;

/// Between two readings of inotify's queue: meanwhile the kernel folds the events of one busy file into one, and this thread
/// costs nothing.
const PAUSE: Duration = Duration::from_millis(15);
/// Events that come closer together than this were read at once.
const AT_ONCE: Duration = Duration::from_micros(500);

/// Which chain a path belongs to; filled by the scout, read for every event.
#[derive(Debug, Default)]
pub struct Targets {
    by_path: RwLock<HashMap<PathBuf, usize>>,
}

impl Targets {
    /// All paths at once.
    pub fn replace(&self, by_path: HashMap<PathBuf, usize>) {
        *self.by_path.write().unwrap_or_else(PoisonError::into_inner) = by_path;
    }

    fn chain(&self, path: &Path) -> Option<usize> {
        self.by_path.read().unwrap_or_else(PoisonError::into_inner).get(path).copied()
    }
}

/// The watched directories.
pub struct Watch {
    watcher: Option<RecommendedWatcher>,
    /// With the identity that the directory had: one that was made anew under the same name has lost its watch.
    watched: HashMap<PathBuf, FileId>,
    refused: HashSet<PathBuf>,
}

impl Watch {
    /// Begins to watch. Writes to known files wake the lanes; everything else asks for a look, through `look`.
    pub fn new(targets: Arc<Targets>, lanes: Vec<Arc<Wake>>, look: SyncSender<()>, enabled: bool) -> Self {
        let mut last = Instant::now();
        let handler = move |event: notify::Result<Event>| {
            match event {
                Ok(event) => match event.kind {
                    EventKind::Access(_) => return,
                    EventKind::Modify(ModifyKind::Data(_)) => {
                        for path in &event.paths {
                            if let Some(chain) = targets.chain(path) {
                                for lane in &lanes {
                                    lane.mark(chain);
                                }
                            }
                        }
                    }
                    // A look that is already asked for covers this event too.
                    _ => drop(look.try_send(())),
                },
                Err(error) => {
                    debug!(%error, "inotify");
                    let _ = look.try_send(());
                }
            }
            if last.elapsed() > AT_ONCE {
                pause();
            }
            last = Instant::now();
        };
        let watcher = enabled
            .then(|| RecommendedWatcher::new(handler, Config::default()))
            .and_then(|watcher| watcher.map_err(|error| warn!(%error, "no inotify: files are looked at once a second")).ok());
        Self { watcher, watched: HashMap::new(), refused: HashSet::new() }
    }

    /// Watches exactly these directories from now on (paths as this process sees them, without links).
    pub fn set(&mut self, directories: &HashSet<PathBuf>) {
        let Some(watcher) = &mut self.watcher else {
            directories.clone_into(&mut self.refused);
            return;
        };
        self.watched.retain(|directory, id| {
            let keep = directories.contains(directory) && identity(directory) == Some(*id);
            if !keep {
                let _ = watcher.unwatch(directory);
            }
            keep
        });
        self.refused.retain(|directory| directories.contains(directory));
        for directory in directories {
            if self.watched.contains_key(directory) {
                continue;
            }
            let Some(id) = identity(directory) else { continue };
            if is_silent(directory) {
                self.refused.insert(directory.clone());
                continue;
            }
            match watcher.watch(directory, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.refused.remove(directory);
                    self.watched.insert(directory.clone(), id);
                }
                Err(error) => {
                    if self.refused.insert(directory.clone()) {
                        warn!(directory = %directory.display(), %error, "cannot watch: it is looked at once a second");
                    }
                }
            }
        }
    }

    /// How many directories have to be looked at often.
    pub fn unwatched(&self) -> usize {
        self.refused.len()
    }
}

fn identity(directory: &Path) -> Option<FileId> {
    std::fs::metadata(directory).ok().map(|metadata| file_id(&metadata))
}

/// The handler runs in the watcher's own thread, so this holds up nothing but the reading of events.
#[expect(clippy::disallowed_methods, reason = "the pause is the point: it lets the kernel fold events")]
fn pause() {
    std::thread::sleep(PAUSE);
}

/// Whether changes made elsewhere to this file system reach no inotify here (statfs(2), magic numbers).
fn is_silent(directory: &Path) -> bool {
    const SILENT: [i64; 8] = [
        0x6969,      // NFS
        0xff53_4d42, // CIFS
        0xfe53_4d42, // SMB2
        0x517b,      // SMB
        0x6573_5546, // FUSE
        0x0102_1997, // 9p
        0x00c3_6400, // Ceph
        0x4750_4653, // GPFS
    ];
    rustix::fs::statfs(directory).is_ok_and(|stat| SILENT.contains(&stat.f_type))
}
