//! Looks for log files: at the start, when a directory says that it changed, and every few seconds in any case.
//!
//! In: the configured inputs. Out: the catalog's chains brought up to date, and lanes woken where a file has grown. It
//! reads no log; it has a thread of its own, since a dead network mount may hold it for ever, and nothing else then.

mod journal;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use tracing::warn;

use super::bounds::Bounds;
use super::catalog::{Catalog, directory_of};
use super::chain::{Candidate, Chain};
use super::discovery::{Container, PathGlob, pod_directory, restart_of};
use super::identity::FileId;
use super::inputs::Inputs;
use super::origin::Origin;
use super::rotation::{self, Encoding};
use super::segment::{self, file_id, mtime_ns};
use super::watch::{Targets, Watch};
use crate::config::checked::{FileInput, PodInput};
use crate::metrics::Unreadable;
use crate::wake::Wake;

/// Without any event.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Where some directory cannot be watched.
const LOOK_OFTEN: Duration = Duration::from_secs(1);
/// Events of one rotation come together.
const SETTLE: Duration = Duration::from_millis(20);
/// However busy a directory is.
const LOOK_AT_MOST_EVERY: Duration = Duration::from_millis(100);
/// One warning about a file that cannot be read.
const WARN_EVERY: Duration = Duration::from_hours(1);

/// The thread that looks.
pub struct Scout {
    catalog: Arc<Catalog>,
    inputs: Inputs,
    lanes: Vec<Arc<Wake>>,
    watch: Watch,
    targets: Arc<Targets>,
    look: Receiver<()>,
    unreadable: Arc<Unreadable>,
    warned: HashMap<PathBuf, Instant>,
    /// What a chain's files add up to, by its place, to tell that one has grown.
    sizes: HashMap<usize, u64>,
    first_times: HashMap<FileId, i64>,
    bounds: Bounds,
    stop: Arc<std::sync::atomic::AtomicBool>,
}

/// The time of a file's first line, the container's restart count, whether it is the live file, and its name.
type PodOrder = (i64, u64, bool, String);

/// What one look gathers for the next events.
#[derive(Default)]
struct Round {
    directories: HashSet<PathBuf>,
    targets: HashMap<PathBuf, usize>,
    first_times: HashMap<FileId, i64>,
}

/// Wakes the scout from elsewhere.
#[derive(Clone)]
pub struct Bell {
    look: std::sync::mpsc::SyncSender<()>,
    stop: Arc<std::sync::atomic::AtomicBool>,
}

impl Bell {
    /// Something may have changed.
    pub fn look(&self) {
        let _ = self.look.try_send(());
    }

    /// Ends the thread.
    pub fn stop(&self) {
        self.stop.store(true, std::sync::atomic::Ordering::Release);
        let _ = self.look.try_send(());
    }
}

impl Scout {
    /// Prepares to look; `inotify` false looks at everything once a second instead.
    pub fn new(
        catalog: Arc<Catalog>,
        inputs: Inputs,
        lanes: Vec<Arc<Wake>>,
        unreadable: Arc<Unreadable>,
        bounds: Bounds,
        inotify: bool,
    ) -> (Self, Bell) {
        let (sender, look) = sync_channel(1);
        let targets = Arc::new(Targets::default());
        let watch = Watch::new(Arc::clone(&targets), lanes.clone(), sender.clone(), inotify);
        let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let scout = Self {
            catalog,
            inputs,
            lanes,
            watch,
            targets,
            look,
            unreadable,
            warned: HashMap::new(),
            sizes: HashMap::new(),
            first_times: HashMap::new(),
            bounds,
            stop: Arc::clone(&stop),
        };
        (scout, Bell { look: sender, stop })
    }

    /// Looks once, tells the lanes that the start is over, and goes on until told to stop.
    pub fn run(mut self, once: bool) {
        self.look_around();
        while self.is_incomplete() && !self.is_stopped() {
            let _ = self.look.recv_timeout(SETTLE);
            self.look_around();
        }
        self.catalog.started();
        // Before a lane moves anything: what it announces next covers what an earlier run had announced of a log that is gone.
        self.forget();
        self.lanes.iter().for_each(|lane| lane.started());
        if once {
            return;
        }
        // What happened between the first listing and its watch is seen now.
        self.look_around();
        self.bounds.limit_held(&self.catalog, &self.lanes);
        let mut again = false;
        loop {
            if !again {
                let wait = if self.watch.unwatched() > 0 { LOOK_OFTEN } else { LOOK_EVERY };
                match self.look.recv_timeout(wait) {
                    // What belongs to one rotation comes together.
                    Ok(()) => drop(self.look.recv_timeout(SETTLE)),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
            if self.is_stopped() {
                return;
            }
            let begun = Instant::now();
            self.look_around();
            self.bounds.limit_held(&self.catalog, &self.lanes);
            self.forget();
            again = false;
            while let Some(rest) = LOOK_AT_MOST_EVERY.checked_sub(begun.elapsed()) {
                match self.look.recv_timeout(rest) {
                    Ok(()) if self.is_stopped() => return,
                    Ok(()) => again = true,
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        }
    }

    /// Whether the first look has not found everything yet.
    fn is_incomplete(&self) -> bool {
        let waits = self.inputs.apps.as_ref().is_some_and(|apps| apps.is_waiting());
        waits || self.catalog.chains().iter().any(|chain| chain.is_searching())
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(std::sync::atomic::Ordering::Acquire)
    }

    fn forget(&mut self) {
        for chain in self.bounds.forget(&self.catalog, &self.inputs, Instant::now()) {
            self.sizes.remove(&chain.index);
        }
    }

    /// One look at everything.
    fn look_around(&mut self) {
        let mut round = Round::default();
        for (input, globs) in self.inputs.files.clone() {
            self.look_at_files(&input, &globs, &mut round);
        }
        if let Some(input) = self.inputs.pods.clone() {
            self.look_at_pods(&input, &mut round);
        }
        if let Some(input) = self.inputs.journal.clone() {
            self.look_at_journal(&input, &mut round);
        }
        self.first_times = std::mem::take(&mut round.first_times);
        self.targets.replace(round.targets);
        self.watch.set(&round.directories);
    }

    fn look_at_files(&mut self, input: &Arc<FileInput>, globs: &[PathGlob], round: &mut Round) {
        let catalog = Arc::clone(&self.catalog);
        let mut seen = HashSet::new();
        let path_is_label = globs.iter().any(PathGlob::is_pattern);
        for glob in globs {
            self.watch_directory(glob.watch_directory(), round);
            let paths = glob.expand(&catalog.root);
            for path in live_paths(&paths, glob.is_pattern()) {
                if input.exclude.is_match(&path) || !seen.insert(path.clone()) {
                    continue;
                }
                self.watch_directory(directory_of(&path), round);
                let origin = Origin::File { input: Arc::clone(input), path: path.clone(), path_is_label };
                self.look_at_file(&origin, &path, round);
            }
        }
        // Files that no pattern finds any more are still read to their end.
        for chain in catalog.chains() {
            if let Origin::File { input: of, path, .. } = &chain.origin
                && Arc::ptr_eq(of, input)
                && !seen.contains(path)
            {
                self.bring_up(&chain, &[], round);
            }
        }
    }

    fn look_at_file(&mut self, origin: &Origin, path: &Path, round: &mut Round) {
        let catalog = Arc::clone(&self.catalog);
        let live = match self.see(path) {
            Ok(live) => live,
            Err(error) => {
                self.complain(path, &error);
                None
            }
        };
        let resolved = live.as_ref().map_or_else(|| path.to_owned(), |(_, real)| real.clone());
        if live.is_some() {
            self.watch_directory(directory_of(&resolved), round);
        }
        let ordered = siblings(&catalog, &resolved, live.as_ref().map(|(candidate, _)| candidate.clone()), None);
        let is_there = ordered.iter().any(|candidate| candidate.len > 0) || live.is_some() || catalog.has_saved(origin);
        // A log whose files are all gone is still read to its end.
        let chain = if is_there { catalog.chain(origin) } else { catalog.known(origin) };
        let Some(chain) = chain else { return };
        if live.is_some() {
            round.targets.insert(catalog.root.locate(&resolved), chain.index);
        }
        self.bring_up(&chain, &ordered, round);
    }

    fn look_at_pods(&mut self, input: &Arc<PodInput>, round: &mut Round) {
        let catalog = Arc::clone(&self.catalog);
        self.watch_directory(&input.root, round);
        let mut containers: HashMap<Container, Vec<PathBuf>> = HashMap::new();
        let pods = match catalog.root.read_dir(&input.root) {
            Ok(pods) => pods,
            Err(error) => {
                self.complain(&input.root.clone(), &error);
                return;
            }
        };
        let mut uids = HashSet::new();
        for pod_entry in pods.flatten() {
            let name = pod_entry.file_name();
            let Some((namespace, pod, uid)) = name.to_str().and_then(pod_directory) else { continue };
            let path = format!("{namespace}/{pod}");
            if input.exclude.is_match(&path) || (!input.include.is_empty() && !input.include.is_match(&path)) {
                continue;
            }
            let directory = input.root.join(&name);
            self.watch_directory(&directory, round);
            if let Some(apps) = &self.inputs.apps {
                uids.insert(uid.to_owned());
                // What its lines carry is asked first; meanwhile they stand in their files.
                if !apps.is_decided(uid) {
                    continue;
                }
            }
            let Ok(entries) = catalog.root.read_dir(&directory) else { continue };
            for entry in entries.flatten() {
                let Ok(container) = entry.file_name().into_string() else { continue };
                let path = directory.join(entry.file_name());
                if catalog.root.resolve(&path).is_ok_and(|real| real.is_dir()) {
                    let key = Container { namespace: namespace.to_owned(), pod: pod.to_owned(), container };
                    containers.entry(key).or_default().push(path);
                }
            }
        }
        if let Some(apps) = &self.inputs.apps {
            apps.keep(&uids);
        }
        let mut seen = HashSet::new();
        for (container, directories) in containers {
            let origin = Origin::Pod { input: Arc::clone(input), container };
            let mut found = Vec::new();
            for directory in &directories {
                self.watch_directory(directory, round);
                self.see_container(directory, &mut found, round);
            }
            if found.is_empty() && !catalog.has_saved(&origin) {
                continue;
            }
            found.sort_by_key(|(order, _)| order.clone());
            let ordered: Vec<Candidate> = found.into_iter().map(|(_, candidate)| candidate).collect();
            let Some(chain) = catalog.chain(&origin) else { continue };
            for candidate in &ordered {
                if candidate.encoding == Encoding::Plain {
                    round.targets.insert(catalog.root.locate(&candidate.path), chain.index);
                }
            }
            seen.insert(chain.index);
            self.bring_up(&chain, &ordered, round);
        }
        for chain in catalog.chains() {
            if matches!(chain.origin, Origin::Pod { .. }) && !seen.contains(&chain.index) {
                self.bring_up(&chain, &[], round);
            }
        }
    }

    /// A container's files, each with what orders it: the time of its first line, then restart count, live file last.
    fn see_container(&mut self, directory: &Path, found: &mut Vec<(PodOrder, Candidate)>, round: &mut Round) {
        let catalog = Arc::clone(&self.catalog);
        let Ok(entries) = catalog.root.read_dir(directory) else { return };
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let (encoding, plain) = Encoding::of_name(&name);
            let Some(restart) = restart_of(plain) else { continue };
            if rotation::is_temporary(&name) || encoding == Encoding::Unreadable {
                continue;
            }
            let path = directory.join(&name);
            let (mut candidate, real) = match self.see(&path) {
                Ok(Some(seen)) => seen,
                Ok(None) => continue,
                Err(error) => {
                    self.complain(&path, &error);
                    continue;
                }
            };
            candidate.encoding = encoding;
            if real != path {
                // Docker: the file is a link to the runtime's own directory, where it is written and rotated.
                self.watch_directory(directory_of(&real), round);
                candidate.path.clone_from(&real);
                if encoding == Encoding::Plain {
                    for older in siblings(&catalog, &real, None, Some(candidate.id)) {
                        let time = self.first_time(&older, round);
                        found.push(((time, restart, false, older.path.display().to_string()), older));
                    }
                }
            }
            let time = self.first_time(&candidate, round);
            found.push(((time, restart, plain == format!("{restart}.log"), name), candidate));
        }
    }

    /// The time of a pod file's first line, nanoseconds since the epoch; the far future while it has none.
    fn first_time(&mut self, candidate: &Candidate, round: &mut Round) -> i64 {
        let known = self.first_times.get(&candidate.id).copied();
        let time = known.or_else(|| {
            let file = self.catalog.root.open(&candidate.path).ok()?;
            let head = segment::head(&file, candidate.encoding).ok()?;
            let line = head.split(|byte| *byte == b'\n').next()?;
            let cri = line.split(|byte| *byte == b' ').next().and_then(record::time::parse_rfc3339);
            let time = cri.or_else(|| record::docker::parse(line, &mut Vec::new()).map(|docker| docker.time))?;
            Some(time.0)
        });
        if let Some(time) = time {
            round.first_times.insert(candidate.id, time);
        }
        time.unwrap_or(i64::MAX)
    }

    /// Updates a chain and wakes the lanes if there is anything new in it.
    fn bring_up(&mut self, chain: &Arc<Chain>, ordered: &[Candidate], round: &mut Round) {
        let changed = chain.update(&self.catalog.root, ordered);
        let segments = chain.segments();
        let mut size = 0_u64;
        for segment in &segments {
            if let Ok(stat) = segment.stat() {
                // Any change counts, shrinking too.
                size = size.wrapping_mul(31).wrapping_add(stat.len).wrapping_add(u64::from(stat.names == 0));
            }
            if segment.encoding == Encoding::Plain {
                round.targets.insert(self.catalog.root.locate(&segment.path()), chain.index);
            }
        }
        let grown = self.sizes.insert(chain.index, size).unwrap_or(0) != size;
        if changed || grown {
            self.lanes.iter().for_each(|lane| lane.mark(chain.index));
        }
    }

    /// Looks at one path: the file and its name without links. `None` if there is no regular file.
    fn see(&self, path: &Path) -> io::Result<Option<(Candidate, PathBuf)>> {
        let file = match self.catalog.root.open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            // ENXIO: a FIFO or socket without the other side. ELOOP and ENOTDIR: not a file that can be read now.
            Err(error) if matches!(error.raw_os_error(), Some(6 | 20 | 40)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Ok(None);
        }
        let link = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
        let real = fs::read_link(link).map_or_else(|_| path.to_owned(), |real| self.catalog.root.name(&real));
        // A file that was deleted or is seen through another mount keeps the name it was asked for.
        let real = if self.catalog.root.locate(&real).exists() { real } else { path.to_owned() };
        self.unreadable.clear(path);
        let candidate = Candidate {
            path: real.clone(),
            id: file_id(&metadata),
            encoding: Encoding::Plain,
            len: metadata.len(),
            mtime_ns: mtime_ns(&metadata),
        };
        Ok(Some((candidate, real)))
    }

    fn watch_directory(&self, directory: &Path, round: &mut Round) {
        // A directory that does not exist yet: its nearest ancestor tells when it comes.
        let resolve = |ancestor: &Path| self.catalog.root.resolve(ancestor).ok().filter(|real| real.is_dir());
        if let Some(existing) = directory.ancestors().find_map(resolve) {
            round.directories.insert(existing);
        }
    }

    fn complain(&mut self, path: &Path, error: &io::Error) {
        if error.kind() == io::ErrorKind::NotFound {
            return;
        }
        self.unreadable.set(path);
        let due = self.warned.get(path).is_none_or(|at| at.elapsed() >= WARN_EVERY);
        if due {
            self.warned.insert(path.to_owned(), Instant::now());
            warn!(path = %path.display(), %error, "cannot read; trying again every few seconds, saying so once an hour");
        }
    }
}

/// The log's rotated files beside `live_path`, oldest first, and the live one last.
pub fn siblings(catalog: &Catalog, live_path: &Path, live: Option<Candidate>, leave_out: Option<FileId>) -> Vec<Candidate> {
    let directory = directory_of(live_path);
    let Some(live_name) = live_path.file_name().and_then(|name| name.to_str()) else { return live.into_iter().collect() };
    let mut found = Vec::new();
    for entry in catalog.root.read_dir(directory).into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let Some((age, encoding)) = rotation::rotated(live_name, &name) else { continue };
        let Ok(metadata) = entry.metadata() else { continue };
        let id = file_id(&metadata);
        if !metadata.is_file() || Some(id) == leave_out || live.as_ref().is_some_and(|live| live.id == id) {
            continue;
        }
        found.push((
            age,
            Candidate { path: directory.join(&name), id, encoding, len: metadata.len(), mtime_ns: mtime_ns(&metadata) },
        ));
    }
    // A compressed file beside its original is being made, or just was: the original has all of it.
    let originals: HashSet<PathBuf> =
        found.iter().filter(|(_, found)| found.encoding == Encoding::Plain).map(|(_, found)| found.path.clone()).collect();
    let has_original = |found: &Candidate| {
        let name = found.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        found.encoding != Encoding::Plain && originals.contains(&found.path.with_file_name(Encoding::of_name(name).1))
    };
    found.retain(|(_, found)| !has_original(found));
    found.sort_by(|one, two| {
        one.0.older_first(&two.0).then(one.1.mtime_ns.cmp(&two.1.mtime_ns)).then_with(|| one.1.path.cmp(&two.1.path))
    });
    found.into_iter().map(|(_, candidate)| candidate).chain(live).collect()
}

/// Leaves out what is a rotated, compressed or unfinished part of another match.
fn live_paths(paths: &[PathBuf], is_pattern: bool) -> Vec<PathBuf> {
    if !is_pattern {
        return paths.to_vec();
    }
    let names: HashSet<(&Path, &str)> =
        paths.iter().filter_map(|path| Some((directory_of(path), path.file_name()?.to_str()?))).collect();
    let is_live = |path: &&PathBuf| {
        let (Some(name), directory) = (path.file_name().and_then(|name| name.to_str()), directory_of(path)) else { return false };
        if rotation::is_temporary(name) || Encoding::of_name(name).0 != Encoding::Plain {
            return false;
        }
        !names.iter().any(|(other_directory, other)| *other_directory == directory && rotation::rotated(other, name).is_some())
    };
    paths.iter().filter(is_live).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_yields_live_files_and_not_their_remains() {
        let paths: Vec<PathBuf> =
            ["/l/a.log", "/l/a.log.1", "/l/a.log.2.gz", "/l/b.log", "/l/b.log.tmp", "/l/c.log.1", "/m/a.log.1"]
                .map(PathBuf::from)
                .to_vec();
        let live = live_paths(&paths, true);
        assert_eq!(live, ["/l/a.log", "/l/b.log", "/l/c.log.1", "/m/a.log.1"].map(PathBuf::from));
    }

    #[test]
    fn a_file_that_is_being_compressed_is_one_file() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["a.log", "a.log.1", "a.log.1.gz", "a.log.2.gz"] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        let catalog = Catalog::new(crate::host_root::HostRoot::default(), Box::new(|_| 1), HashMap::new());
        let found = siblings(&catalog, &directory.path().join("a.log"), None, None);
        let names: Vec<_> = found.iter().map(|candidate| candidate.path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["a.log.2.gz", "a.log.1"]);
    }
}
