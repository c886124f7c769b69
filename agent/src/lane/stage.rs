//! A lane under test: a scout and a lane as they run, over files in a directory, with the test as their destination.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use proto::labels::Labels;
use proto::loki::decode::{PushEntry, decode_protobuf};
use tokio::sync::mpsc;

use super::{Connections, HostIds, Lane, Settings, lock};
use crate::batch::{Limits, Sealed, Withheld};
use crate::checkpoint::Record;
use crate::config::patterns::name_globs;
use crate::host_root::HostRoot;
use crate::journal::file::Id128;
use crate::ledger::Fate;
use crate::metrics::TailCounters;
use crate::position_log::{PositionLog, Remembered};
use crate::tail::bounds::{Bounds, Patience};
use crate::tail::catalog::Catalog;
use crate::tail::inputs::Inputs;
use crate::tail::scout::{Bell, Scout};
use crate::wake::Wake;

const DESTINATION: &str = "main";
const PATIENCE: Patience =
    Patience { vanished: Duration::from_millis(20), missing: Duration::from_hours(24), look_every: Duration::ZERO };

/// Everything between the files and the destination, which is the test.
pub(super) struct Stage {
    pub(super) log: Arc<Mutex<PositionLog>>,
    pub(super) number: u32,
    pub(super) catalog: Arc<Catalog>,
    pub(super) wake: Arc<Wake>,
    pub(super) settled: Arc<AtomicU64>,
    pub(super) inbox: mpsc::Receiver<Sealed>,
    pub(super) counters: Arc<TailCounters>,
    pub(super) bell: Bell,
    threads: Vec<JoinHandle<()>>,
    /// What came, in order: labels and entry.
    pub(super) received: Vec<(String, PushEntry)>,
    /// What was read and did not come, and what is missing.
    pub(super) withheld: Vec<Withheld>,
}

impl Stage {
    /// `entries`: a batch's.
    pub(super) fn set(state: &Path, inputs: Inputs, max_held: u64, entries: usize) -> Self {
        Self::set_on(HostRoot::default(), state, inputs, max_held, entries)
    }

    /// On a host whose file tree stands elsewhere.
    pub(super) fn set_on(root: HostRoot, state: &Path, inputs: Inputs, max_held: u64, entries: usize) -> Self {
        let mut log = PositionLog::open(state).unwrap();
        let number = log.destination(DESTINATION);
        let catalog = Arc::new(Catalog::new(root, Box::new(|_| 1), log.saved_chains(&[])));
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
            host: HostIds { machine: Some(Id128([0xab; 16])), boot: Some(Id128([1; 16])) },
            apps: None,
        };
        let lane = Lane::new(settings, with);
        let counters = Arc::new(TailCounters::default());
        let memory = Box::new(Remembered::new(Arc::downgrade(&log), vec![number]));
        let bounds = Bounds::new(memory, PATIENCE, max_held, Arc::clone(&counters));
        let (scout, bell) = Scout::new(Arc::clone(&catalog), inputs, vec![Arc::clone(&wake)], Arc::default(), bounds, true);
        let threads = vec![std::thread::spawn(move || lane.run()), std::thread::spawn(move || scout.run(false))];
        Self { log, number, catalog, wake, settled, inbox, counters, bell, threads, received: Vec::new(), withheld: Vec::new() }
    }

    /// Takes what the lane has ready, and answers it. Says how many lines and bytes of the source that was.
    pub(super) fn answer(&mut self) -> (u64, u64) {
        let (mut lines, mut bytes) = (0, 0);
        while let Ok(sealed) = self.inbox.try_recv() {
            self.receive(&sealed);
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

    fn receive(&mut self, sealed: &Sealed) {
        let push = if sealed.body.is_empty() { None } else { decode_protobuf(&sealed.body, 16 << 20).ok() };
        for stream in push.unwrap_or_default().streams {
            self.received.extend(stream.entries.into_iter().map(|entry| (stream.labels.clone(), entry)));
        }
        self.withheld.extend(sealed.withheld.iter().cloned());
    }

    /// Takes one batch and says where it leads, but not what became of it: the answer never comes. Gives its lines.
    pub(super) fn announce(&mut self) -> u64 {
        let mut announced = None;
        self.until("a batch", |stage| {
            announced = stage.inbox.try_recv().ok().filter(|sealed| sealed.entries > 0);
            announced.is_some()
        });
        let sealed = announced.unwrap();
        self.receive(&sealed);
        let mut log = lock(&self.log);
        for (chain, number, identity) in &sealed.segments {
            log.define(Record::Segment { chain: *chain, number: *number, identity: identity.clone() });
        }
        let (destination, sequence) = (self.number, sealed.sequence);
        log.append(&[Record::Sending { destination, sequence, seen: super::seconds(), moves: sealed.moves }]);
        sealed.streams.iter().map(|share| share.lines).sum()
    }

    /// Answers until so many lines came. Gives how many bytes that were.
    pub(super) fn deliver(&mut self, lines: u64) -> u64 {
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

    pub(super) fn until(&mut self, what: &str, mut holds: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + Duration::from_mins(1);
        while !holds(self) {
            assert!(Instant::now() < deadline, "waited in vain for {what}");
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }

    /// What was entered for a fate: bytes and events.
    pub(super) fn gaps(&self, fate: Fate) -> (i64, i64) {
        let log = lock(&self.log);
        let rows = log.positions().ledger.rows().into_iter().filter(|row| row.2 == fate.name());
        rows.fold((0, 0), |(bytes, events), row| (bytes + row.4.bytes, events + row.4.lines))
    }

    /// Ends the threads; the log is compacted and left to be opened again.
    pub(super) fn end(self) {
        self.wake.stop();
        self.bell.stop();
        drop(self.inbox);
        for thread in self.threads {
            thread.join().unwrap();
        }
        lock(&self.log).close();
    }
}
