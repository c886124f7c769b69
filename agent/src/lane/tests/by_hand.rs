//! One file read by hand: the reading of a lane without its thread, with a clock and a position log that the test holds.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::loki::decode::decode_protobuf;
use record::metadata::Metadata;

use crate::batch::{Batch, Limits, Sealed, Steps};
use crate::checkpoint::Move;
use crate::config;
use crate::config::patterns::name_globs;
use crate::host_root::HostRoot;
use crate::lane::Settings;
use crate::lane::chain::ChainLane;
use crate::lane::deliver::Gate;
use crate::lane::reading::{Reading, Step, Surroundings};
use crate::lane::standing::Replay;
use crate::metrics::LaneCounters;
use crate::shape::Workspace;
use crate::tail::catalog::Catalog;
use crate::tail::chain::{Candidate, Chain};
use crate::tail::origin::Origin;
use crate::tail::rotation::Encoding;
use crate::tail::segment::{file_id, mtime_ns};

/// A file and its reader.
pub(super) struct ByHand {
    _directory: tempfile::TempDir,
    path: PathBuf,
    root: HostRoot,
    chain: Arc<Chain>,
    settings: Settings,
    lane: ChainLane,
    batch: Batch,
    reading: Reading,
    /// The monotonic clock.
    pub(super) now: Instant,
    /// The wall clock, nanoseconds since the epoch.
    pub(super) wall: i64,
    sequence: u64,
    settled: Option<Move>,
}

/// A batch, and where it leads.
pub(super) struct Read {
    /// As it is sent.
    pub(super) sealed: Sealed,
    /// What it does to the file.
    pub(super) step: Move,
}

impl Read {
    /// Time (nanoseconds since the epoch) and text of each entry.
    pub(super) fn entries(&self) -> Vec<(i64, String)> {
        if self.sealed.entries == 0 {
            return Vec::new();
        }
        let push = decode_protobuf(&self.sealed.body, 1 << 24).unwrap();
        push.streams.into_iter().flat_map(|stream| stream.entries).map(|entry| (entry.time.0, entry.line)).collect()
    }

    /// The texts alone.
    pub(super) fn lines(&self) -> Vec<String> {
        self.entries().into_iter().map(|(_, line)| line).collect()
    }
}

impl ByHand {
    /// An empty file, read with these keys of its input (flow style) for a destination with that window.
    pub(super) fn new(keys: &str, order_window: Option<Duration>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.log");
        fs::write(&path, "").unwrap();
        let file = directory.path().join("agent.yaml");
        let text = format!("node: n\nlogs: {{files: [{{job: a, paths: [\"{}\"]{keys}}}]}}\n", path.display());
        fs::write(&file, text).unwrap();
        let cli = crate::cli::Cli::try_from_arguments(["agent".as_ref(), "--config".as_ref(), file.as_os_str()]).unwrap();
        let loaded = config::load(&cli.settings, &config::Environment::of_host()).unwrap_or_else(|problems| panic!("{problems}"));
        let root = HostRoot::default();
        let catalog = Catalog::new(root.clone(), Box::new(|_| 1), std::collections::HashMap::new());
        let input = Arc::new(loaded.config.logs.files[0].clone());
        let chain = catalog.chain(&Origin::File { input, path: path.clone(), path_is_label: false }).unwrap();
        let settings = Settings {
            destination: "d".to_owned(),
            jobs: name_globs(vec!["*".to_owned()]).unwrap(),
            labels: proto::labels::Labels::new(),
            node: "n".to_owned(),
            limits: Limits { bytes: 1 << 20, entries: 700, linger: Duration::ZERO },
            line_max: 1 << 16,
            entry_age_max: None,
            order_window,
            once: false,
            show_unterminated: false,
            host: crate::lane::HostIds::default(),
            apps: None,
        };
        let lane = ChainLane::new(&chain, 0, 0, &settings).unwrap().unwrap();
        Self {
            _directory: directory,
            path,
            root,
            chain,
            lane,
            batch: Batch::new(settings.limits),
            settings,
            reading: Reading::default(),
            now: Instant::now(),
            wall: 1_795_000_000_000_000_000,
            sequence: 0,
            settled: None,
        }
    }

    pub(super) fn append(&self, text: &str) {
        OpenOptions::new().append(true).open(&self.path).unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Both clocks go on; the wall clock by another amount, maybe.
    pub(super) fn pass(&mut self, monotonic: Duration, wall_ns: i64) {
        self.now += monotonic;
        self.wall += wall_ns;
    }

    /// Reads what is there and seals it.
    pub(super) fn read(&mut self) -> Read {
        self.follow();
        while self.advance() != Step::Dry {}
        self.seal()
    }

    /// The batch has its answer.
    pub(super) fn settle(&mut self, read: &Read) {
        self.settled = Some(read.step.clone());
    }

    /// kill -9 while `announced` is under way: what a new agent sends first.
    pub(super) fn killed_and_repeated(&mut self, announced: &Read) -> Read {
        self.lane = ChainLane::new(&self.chain, 0, 0, &self.settings).unwrap().unwrap();
        self.reading = Reading::default();
        self.batch = Batch::new(self.settings.limits);
        self.follow();
        let mut before = Vec::new();
        if let Some(settled) = &self.settled {
            self.lane.resume(&settled.cursors, &settled.newest);
            before.extend(settled.cursors.iter().map(|cursor| cursor.segment));
        }
        let Move { stamps, cursors, .. } = announced.step.clone();
        self.lane.replay = Some(Replay { stamps, ends: cursors, before });
        while self.advance() != Step::Dry {}
        self.lane.replay = None;
        self.sequence = announced.sealed.sequence - 1;
        self.seal()
    }

    fn follow(&mut self) {
        let metadata = fs::metadata(&self.path).unwrap();
        let candidate = Candidate {
            path: self.path.clone(),
            id: file_id(&metadata),
            encoding: Encoding::Plain,
            len: metadata.len(),
            mtime_ns: mtime_ns(&metadata),
        };
        self.chain.update(&self.root, &[candidate]);
        self.lane.follow();
    }

    fn advance(&mut self) -> Step {
        let mut around = Surroundings {
            gate: Gate {
                batch: &mut self.batch,
                marked: &mut Metadata::default(),
                counters: &LaneCounters::default(),
                now: self.now,
                oldest: i64::MIN,
                latest: i64::MAX,
                order_window: self.settings.order_window.map_or(i64::MAX, crate::lane::nanos),
            },
            work: &mut Workspace::default(),
            wall: self.wall,
            once: false,
            show_unterminated: false,
        };
        self.reading.advance(&mut self.lane, &mut around).unwrap()
    }

    fn seal(&mut self) -> Read {
        self.sequence += 1;
        let step = self.lane.take_move(self.sequence, &mut Vec::new());
        let sealed = self.batch.seal(self.sequence, self.now, Vec::new(), Steps::default());
        Read { sealed, step }
    }
}
