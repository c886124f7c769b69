//! Logs that go away under a lane: a scout and a lane as they run, over files in a directory, with the test as their destination.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use proto::labels::Labels;
use tokio::sync::mpsc;

use super::{Connections, Lane, Settings, lock};
use crate::batch::{Limits, Sealed};
use crate::checkpoint::Record;
use crate::config::patterns::name_globs;
use crate::host_root::HostRoot;
use crate::ledger::Fate;
use crate::metrics::TailCounters;
use crate::position_log::{PositionLog, Remembered};
use crate::tail::bounds::{Bounds, Patience};
use crate::tail::catalog::Catalog;
use crate::tail::chain::Chain;
use crate::tail::discovery::PathGlob;
use crate::tail::fixtures::{file_input, pod_input};
use crate::tail::inputs::Inputs;
use crate::tail::scout::{Bell, Scout};
use crate::wake::Wake;

const DESTINATION: &str = "main";
const PATIENCE: Patience =
    Patience { vanished: Duration::from_millis(20), missing: Duration::from_hours(24), look_every: Duration::ZERO };

/// Everything between the files and the destination, which is the test.
struct Stage {
    log: Arc<Mutex<PositionLog>>,
    number: u32,
    catalog: Arc<Catalog>,
    wake: Arc<Wake>,
    settled: Arc<AtomicU64>,
    inbox: mpsc::Receiver<Sealed>,
    counters: Arc<TailCounters>,
    bell: Bell,
    threads: Vec<JoinHandle<()>>,
}

impl Stage {
    fn set(state: &Path, inputs: Inputs, max_held: u64, entries: usize) -> Self {
        let mut log = PositionLog::open(state).unwrap();
        let number = log.destination(DESTINATION);
        let catalog = Arc::new(Catalog::new(HostRoot::default(), Box::new(|_| 1), log.saved_chains()));
        let log = Arc::new(Mutex::new(log));
        let (wake, settled) = (Arc::new(Wake::default()), Arc::new(AtomicU64::new(0)));
        let (outlet, inbox) = mpsc::channel(1);
        // Bodies are not used again.
        let (_, used_bodies) = std::sync::mpsc::sync_channel(1);
        let with = Connections {
            catalog: Arc::clone(&catalog),
            wake: Arc::clone(&wake),
            log: Arc::clone(&log),
            counters: Arc::default(),
            settled: Arc::clone(&settled),
            outlet,
            used_bodies,
        };
        let settings = Settings {
            destination: DESTINATION.to_owned(),
            jobs: name_globs(vec!["*".to_owned(), "*/*".to_owned()]).unwrap(),
            labels: Labels::new(),
            node: "node".to_owned(),
            limits: Limits { bytes: 1 << 20, entries, linger: Duration::from_millis(5) },
            line_max: 1 << 20,
            entry_age_max: None,
            order_window: None,
            once: false,
            show_unterminated: false,
            host: crate::lane::HostIds::default(),
        };
        let lane = Lane::new(settings, with);
        let counters = Arc::new(TailCounters::default());
        let memory = Box::new(Remembered::new(Arc::downgrade(&log), vec![number]));
        let bounds = Bounds::new(memory, PATIENCE, max_held, Arc::clone(&counters));
        let (scout, bell) = Scout::new(Arc::clone(&catalog), inputs, vec![Arc::clone(&wake)], Arc::default(), bounds, true);
        let threads = vec![std::thread::spawn(move || lane.run()), std::thread::spawn(move || scout.run(false))];
        Self { log, number, catalog, wake, settled, inbox, counters, bell, threads }
    }

    /// Takes what the lane has ready, and answers it. Says how many lines and bytes of the source that was.
    fn answer(&mut self) -> (u64, u64) {
        let (mut lines, mut bytes) = (0, 0);
        while let Ok(sealed) = self.inbox.try_recv() {
            let mut log = lock(&self.log);
            for (chain, number, identity) in &sealed.segments {
                log.define(Record::Segment { chain: *chain, number: *number, identity: identity.clone() });
            }
            let (destination, sequence) = (self.number, sealed.sequence);
            log.append(&[
                Record::Sending { destination, sequence, seen: super::seconds(), moves: sealed.moves },
                Record::Settled { destination, sequence, except: Vec::new(), ledger: Vec::new() },
            ]);
            drop(log);
            self.settled.store(sequence, Ordering::Release);
            lines += sealed.streams.iter().map(|share| share.lines).sum::<u64>();
            bytes += sealed.streams.iter().map(|share| share.bytes).sum::<u64>();
        }
        (lines, bytes)
    }

    /// Takes one batch and says where it leads, but not what became of it: the answer never comes. Gives its lines.
    fn announce(&mut self) -> u64 {
        let mut announced = None;
        self.until("a batch", |stage| {
            announced = stage.inbox.try_recv().ok().filter(|sealed| sealed.entries > 0);
            announced.is_some()
        });
        let sealed = announced.unwrap();
        let mut log = lock(&self.log);
        for (chain, number, identity) in &sealed.segments {
            log.define(Record::Segment { chain: *chain, number: *number, identity: identity.clone() });
        }
        let (destination, sequence) = (self.number, sealed.sequence);
        log.append(&[Record::Sending { destination, sequence, seen: super::seconds(), moves: sealed.moves }]);
        sealed.streams.iter().map(|share| share.lines).sum()
    }

    /// Answers until so many lines came. Gives how many bytes that were.
    fn deliver(&mut self, lines: u64) -> u64 {
        let (mut got, mut bytes) = (0, 0);
        self.until("the lines to arrive", |stage| {
            let (more, more_bytes) = stage.answer();
            got += more;
            bytes += more_bytes;
            got >= lines
        });
        assert_eq!(got, lines);
        bytes
    }

    fn until(&mut self, what: &str, mut holds: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + Duration::from_mins(1);
        while !holds(self) {
            assert!(Instant::now() < deadline, "waited in vain for {what}");
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }

    /// What was entered for a fate: bytes and events.
    fn gaps(&self, fate: Fate) -> (i64, i64) {
        let log = lock(&self.log);
        let rows = log.positions().ledger.rows().into_iter().filter(|row| row.2 == fate.name());
        rows.fold((0, 0), |(bytes, events), row| (bytes + row.4.bytes, events + row.4.lines))
    }

    /// Ends the threads; the log is compacted and left to be opened again.
    fn end(self) {
        self.wake.stop();
        self.bell.stop();
        drop(self.inbox);
        for thread in self.threads {
            thread.join().unwrap();
        }
        lock(&self.log).close();
    }
}

#[test]
fn a_file_that_only_the_batch_under_way_knows_is_not_taken_for_finished() {
    let (logs, saved) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = |name: &str| logs.path().join(name);
    let inputs = || {
        let input = crate::config::checked::FileInput { rotate_wait: Duration::from_mins(1), ..file_input("a") };
        let glob = PathGlob::new(&path("a.log").display().to_string()).unwrap();
        Inputs { files: vec![(Arc::new(input), vec![glob])], pods: None, journal: None }
    };
    fs::write(path("a.log"), "one\n").unwrap();
    let mut stage = Stage::set(saved.path(), inputs(), u64::MAX, 700);
    stage.deliver(1);
    fs::rename(path("a.log"), path("a.log.1")).unwrap();
    fs::write(path("a.log"), "two\n").unwrap();
    assert_eq!(stage.announce(), 1);
    stage.end();
    // Written and renamed while nobody looks.
    fs::write(path("a.log"), "two\nthree\n").unwrap();
    fs::rename(path("a.log.1"), path("a.log.2")).unwrap();
    fs::rename(path("a.log"), path("a.log.1")).unwrap();
    fs::write(path("a.log"), "four\n").unwrap();
    let mut stage = Stage::set(saved.path(), inputs(), u64::MAX, 700);
    stage.deliver(3);
    assert_eq!(stage.gaps(Fate::Unknown), (0, 0));
    stage.end();
}

#[test]
fn a_file_that_is_copied_and_truncated_before_a_byte_of_it_was_read_is_read_from_the_copy() {
    let (logs, saved) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = |name: &str| logs.path().join(name);
    let glob = PathGlob::new(&path("a.log").display().to_string()).unwrap();
    let inputs = Inputs { files: vec![(Arc::new(file_input("a")), vec![glob])], pods: None, journal: None };
    fs::write(path("a.log.1"), "one\n".repeat(10)).unwrap();
    fs::write(path("a.log"), "two\n").unwrap();
    // One line a batch: the lane stands still in the older file, and has not come to the newer.
    let mut stage = Stage::set(saved.path(), inputs, u64::MAX, 1);
    stage.until("the files to be found", |stage| stage.catalog.chains().first().is_some_and(|chain| chain.segments().len() == 2));
    fs::rename(path("a.log.1"), path("a.log.2")).unwrap();
    fs::copy(path("a.log"), path("a.log.1")).unwrap();
    fs::write(path("a.log"), "three\n").unwrap();
    stage.deliver(12);
    assert_eq!(stage.gaps(Fate::Unknown), (0, 1), "what came between copy and truncation, nobody knows");
    stage.end();
}

fn pods(root: &Path) -> Inputs {
    Inputs { files: Vec::new(), pods: Some(Arc::new(pod_input(root))), journal: None }
}

/// Something changes in the directory: the scout looks, sooner than it would by itself.
fn stir(root: &Path) {
    fs::create_dir(root.join("stirred")).unwrap();
    fs::remove_dir(root.join("stirred")).unwrap();
}

fn write_pod(root: &Path, pod: &str, uid: &str) {
    let container = root.join(format!("jobs_{pod}_{uid}/main"));
    fs::create_dir_all(&container).unwrap();
    fs::write(container.join("0.log"), "2026-11-23T00:00:01Z stdout F done\n").unwrap();
}

#[test]
fn two_thousand_pods_that_come_and_go_leave_nothing_behind() {
    const WAVES: usize = 20;
    const PODS: usize = 100;
    let (logs, saved) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut stage = Stage::set(saved.path(), pods(logs.path()), u64::MAX, 700);
    let mut seen: Vec<Weak<Chain>> = Vec::new();
    let mut most = 0;
    for wave in 0..WAVES {
        for pod in 0..PODS {
            write_pod(logs.path(), &format!("run-{wave}-{pod}"), "u");
        }
        stage.deliver(PODS as u64);
        for pod in 0..PODS {
            fs::remove_dir_all(logs.path().join(format!("jobs_run-{wave}-{pod}_u"))).unwrap();
        }
        seen.extend(stage.catalog.chains().iter().map(Arc::downgrade));
        most = most.max(stage.catalog.chains().len());
    }
    assert!(seen.len() >= WAVES * PODS, "every pod was a chain of its own");
    stage.until("all chains to be forgotten", |stage| {
        stage.answer();
        stir(logs.path());
        stage.catalog.chains().is_empty() && stage.counters.chains.value() == 0
    });
    assert!(most <= WAVES * PODS / 2, "{most} chains at once");
    // The lane lets go of them when it wakes the next time.
    write_pod(logs.path(), "last", "u");
    stage.deliver(1);
    stage.until("the lane to let go", |_| seen.iter().filter(|chain| chain.strong_count() > 0).count() == 0);
    assert_eq!(stage.gaps(Fate::Unknown), (0, 0), "they were read to their ends");
    assert!(fs::metadata(saved.path().join("positions")).unwrap().len() < 5 << 20, "as it is while it is appended to");
    stage.end();
    let size = fs::metadata(saved.path().join("positions")).unwrap().len();
    assert!(size < 1024, "{size} bytes for one pod");
}

#[test]
fn a_pod_that_comes_back_under_its_name_is_read_from_its_beginning() {
    let (logs, saved) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut stage = Stage::set(saved.path(), pods(logs.path()), u64::MAX, 700);
    write_pod(logs.path(), "web-0", "one");
    stage.deliver(1);
    fs::remove_dir_all(logs.path().join("jobs_web-0_one")).unwrap();
    stage.until("it to be forgotten", |stage| {
        stage.answer();
        stir(logs.path());
        stage.catalog.chains().is_empty()
    });
    write_pod(logs.path(), "web-0", "two");
    stage.deliver(1);
    assert_eq!((stage.gaps(Fate::Unknown), stage.gaps(Fate::Lost)), ((0, 0), (0, 0)));
    stage.end();
}

#[test]
fn a_pod_that_vanished_while_nobody_looked_is_a_gap_once() {
    let (logs, saved) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut stage = Stage::set(saved.path(), pods(logs.path()), u64::MAX, 700);
    write_pod(logs.path(), "run-1", "u");
    write_pod(logs.path(), "run-2", "u");
    stage.deliver(2);
    stage.end();
    fs::remove_dir_all(logs.path().join("jobs_run-1_u")).unwrap();
    for _ in 0..2 {
        let mut stage = Stage::set(saved.path(), pods(logs.path()), u64::MAX, 700);
        stage.until("the first look", |stage| stage.counters.missing.value() == 1);
        assert_eq!(stage.gaps(Fate::Unknown), (0, 1));
        stage.end();
    }
}

#[test]
fn a_deleted_file_is_given_up_to_the_byte_while_the_destination_takes_nothing() {
    let (logs, saved) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = logs.path().join("a.log");
    let content = "0123456789\n".repeat(1000);
    fs::write(&path, &content).unwrap();
    let globs = vec![PathGlob::new(&path.display().to_string()).unwrap()];
    let inputs = Inputs { files: vec![(Arc::new(file_input("a")), globs)], pods: None, journal: None };
    // Batches of ten entries: one is on its way, one is queued, one is ready; the rest is not read.
    let mut stage = Stage::set(saved.path(), inputs, content.len() as u64 - 1, 10);
    stage.until("the lane to wait", |stage| stage.inbox.len() == 1);
    fs::rename(&path, logs.path().join("a.log.1")).unwrap();
    fs::write(&path, "the next file\n").unwrap();
    // Only of a file that another has followed is it known that nothing more was written to it.
    stage.until("the next file to be seen", |stage| stage.catalog.chains()[0].segments().len() == 2);
    fs::remove_file(logs.path().join("a.log.1")).unwrap();
    stage.until("the file to be given up", |stage| stage.gaps(Fate::Lost).0 > 0);
    stage.until("nothing to be held", |stage| stage.catalog.held().is_empty());
    let lost = stage.gaps(Fate::Lost).0.unsigned_abs();

    let mut got = 0;
    stage.until("all that is left", |stage| {
        got += stage.answer().1;
        got + lost >= (content.len() + "the next file\n".len()) as u64
    });
    assert_eq!(got + lost, (content.len() + "the next file\n".len()) as u64, "what did not arrive is what was lost");
    assert!(lost > content.len() as u64 / 2, "{lost} bytes: most of it was not read");
    assert_eq!(stage.gaps(Fate::Unknown), (0, 0), "and nothing else is");
    stage.end();
}
