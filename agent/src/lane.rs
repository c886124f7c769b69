//! One destination's reading: a thread that goes from chain to chain, fills batches, and hands them to the sink.
//!
//! A lane has its own place in every file, so that a destination that is away holds up only itself: its lane waits for the
//! sink to take the next batch, and reads on from the files when it does. Within a chain the order is strict.

mod beginning;
pub mod chain;
pub mod deliver;
mod giving_up;
#[cfg(test)]
mod gone_tests;
pub mod join;
pub mod journal;
pub mod reading;
#[cfg(test)]
mod stage;
pub mod standing;
pub mod stream_sets;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use proto::labels::Labels;
use record::metadata::Metadata;
use tokio::sync::mpsc::Sender;
use tracing::warn;

use crate::batch::{Batch, Limits, Sealed, Steps};
use crate::checkpoint::Record;
use crate::config::patterns::Globs;
use crate::journal::file::Id128;
use crate::kubelet::apps::Apps;
use crate::ledger::Fate;
use crate::metrics::LaneCounters;
use crate::position_log::PositionLog;
use crate::shape::Workspace;
use crate::tail::catalog::Catalog;
use crate::tail::chain::truncation::Truncated;
use crate::tail::rotation::Encoding;
use crate::tail::scout::siblings;
use crate::wake::{Order, Wake, Woken};
use chain::ChainLane;
use deliver::Gate;
use reading::{Reading, Step, Surroundings};

/// After some work: writers go on writing, and the kernel folds their events meanwhile.
const REST: Duration = Duration::from_millis(25);
/// From so long a wait for the sink on, a file is not taken for what it was before.
const WAITED: Duration = Duration::from_millis(50);
/// A gap: what was written between the copying and the truncation of a file.
const COPIED: &str = "between copy and truncation";
/// How often the lag is measured, and memory given back.
const TIDY_EVERY: Duration = Duration::from_secs(5);

/// What a lane needs to know of its destination.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The destination's name.
    pub destination: String,
    /// Jobs that it wants.
    pub jobs: Globs,
    /// Labels on every stream.
    pub labels: Labels,
    /// Value of the label `node`.
    pub node: String,
    /// When a batch is full.
    pub limits: Limits,
    /// Bytes of the longest line that it takes.
    pub line_max: usize,
    /// The oldest entry that it takes.
    pub entry_age_max: Option<Duration>,
    /// How far behind the newest entry of its stream it takes an entry.
    pub order_window: Option<Duration>,
    /// Read to the present end of every source, then finish.
    pub once: bool,
    /// Show a last line without newline.
    pub show_unterminated: bool,
    /// What tells this host's journal from others'.
    pub host: HostIds,
    /// What pods are called, if lines are to say so.
    pub apps: Option<Arc<Apps>>,
}

/// What this host calls itself where names do not matter.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostIds {
    /// machine-id(5); `None` if it cannot be read.
    pub machine: Option<Id128>,
    /// The present boot.
    pub boot: Option<Id128>,
}

impl Settings {
    /// Whether the destination wants a job.
    pub fn wants(&self, job: &str) -> bool {
        self.jobs.is_match(job)
    }
}

/// A lane, before and while it runs.
pub struct Lane {
    settings: Settings,
    /// In the position log.
    number: u32,
    catalog: Arc<Catalog>,
    wake: Arc<Wake>,
    log: Arc<Mutex<PositionLog>>,
    counters: Arc<LaneCounters>,
    settled: Arc<AtomicU64>,
    outlet: Sender<Sealed>,
    used_bodies: std::sync::mpsc::Receiver<Vec<u8>>,
    /// By place in the catalog. Places are not given twice.
    chains: BTreeMap<usize, Box<ChainLane>>,
    ready: VecDeque<usize>,
    batch: Batch,
    work: Workspace,
    marked: Metadata,
    reading: Reading,
    touched: Vec<usize>,
    touched_since: Option<Instant>,
    sequence: u64,
    /// When the destination last moved before this run, nanoseconds since the epoch; `None` on its first start.
    resumed: Option<i64>,
    started_at: i64,
    closed: bool,
}

/// What a lane is connected to.
pub struct Connections {
    /// All chains.
    pub catalog: Arc<Catalog>,
    /// Its bell.
    pub wake: Arc<Wake>,
    /// Positions and accounts.
    pub log: Arc<Mutex<PositionLog>>,
    /// What it counts.
    pub counters: Arc<LaneCounters>,
    /// The last batch that the sink settled.
    pub settled: Arc<AtomicU64>,
    /// Batches, to the sink.
    pub outlet: Sender<Sealed>,
    /// Bodies that the sink no longer needs.
    pub used_bodies: std::sync::mpsc::Receiver<Vec<u8>>,
}

impl Lane {
    /// Prepares a lane for the destination that `settings` name.
    pub fn new(settings: Settings, with: Connections) -> Self {
        let mut log = lock(&with.log);
        let number = log.destination(&settings.destination);
        let standing = log.standing(number).cloned().unwrap_or_default();
        drop(log);
        let resumed = (standing.seen > 0).then(|| i64::try_from(standing.seen).unwrap_or(0).saturating_mul(1_000_000_000));
        Self {
            number,
            catalog: with.catalog,
            wake: with.wake,
            log: with.log,
            counters: with.counters,
            settled: with.settled,
            outlet: with.outlet,
            used_bodies: with.used_bodies,
            chains: BTreeMap::new(),
            ready: VecDeque::new(),
            batch: Batch::new(settings.limits),
            work: Workspace::default(),
            marked: Metadata::default(),
            reading: Reading::default(),
            touched: Vec::new(),
            touched_since: None,
            sequence: standing.sequence,
            resumed,
            started_at: wall(),
            closed: false,
            settings,
        }
    }

    /// Runs until it is told to stop, or, with `once`, until everything was read.
    pub fn run(mut self) {
        let mut woken = Woken::default();
        while !woken.started && !woken.stop {
            self.wake.wait(None, &mut woken);
            self.ready.extend(woken.dirty.iter().copied());
        }
        if woken.stop {
            return;
        }
        for chain in self.catalog.chains() {
            self.meet(chain.index);
        }
        self.repeat_announced();
        let mut tidy = Instant::now() + TIDY_EVERY;
        while !self.closed {
            let worked = self.work_off();
            if self.settings.once {
                self.seal();
                return;
            }
            if woken.stop {
                self.seal();
                return;
            }
            if worked {
                self.wake.rest(REST);
            }
            let now = Instant::now();
            if now >= tidy {
                self.tidy();
                tidy = now + TIDY_EVERY;
            }
            if self.due().is_some_and(|due| due <= now) {
                self.seal();
            }
            let wait = [self.due(), self.next_look(), (!self.ready.is_empty()).then_some(now), self.has_unread().then_some(tidy)];
            self.wake.wait(wait.into_iter().flatten().min(), &mut woken);
            self.obey(&woken);
            for index in woken.dirty.iter().copied() {
                if !self.ready.contains(&index) {
                    self.ready.push_back(index);
                }
            }
            self.look_again();
        }
    }

    fn due(&self) -> Option<Instant> {
        let moved = self.touched_since.map(|since| since + TIDY_EVERY);
        self.batch.due().or(moved)
    }

    /// When some chain has to be looked at though nothing was written to it.
    fn next_look(&self) -> Option<Instant> {
        self.chains.values().filter_map(|chain| chain.next_look()).min()
    }

    fn look_again(&mut self) {
        let now = Instant::now();
        self.chains.retain(|_, chain| !chain.chain.is_forgotten());
        for chain in self.chains.values_mut() {
            chain.finish(self.settled.load(Ordering::Acquire));
            if chain.next_look().is_some_and(|look| look <= now) && !self.ready.contains(&chain.index) {
                self.ready.push_back(chain.index);
            }
        }
    }

    fn has_unread(&self) -> bool {
        !self.touched.is_empty() || self.chains.values().any(|chain| !chain.finishing.is_empty() || chain.is_leaving())
    }

    /// Reads what is ready, one turn a chain, until nothing is. Says whether anything was read.
    fn work_off(&mut self) -> bool {
        let mut worked = false;
        while let Some(index) = self.ready.pop_front() {
            self.meet(index);
            let before = self.counters.entries.value();
            if self.turn(index) {
                self.ready.push_back(index);
            }
            worked |= self.counters.entries.value() != before;
            if self.batch.due().is_some_and(|due| due <= Instant::now()) {
                self.seal();
            }
            if self.closed || (self.wake.is_stopped() && !self.settings.once) {
                return worked;
            }
        }
        worked
    }

    /// One chain's turn. True if it has more.
    fn turn(&mut self, index: usize) -> bool {
        let Some(mut chain) = self.chains.remove(&index) else { return false };
        self.follow(&mut chain, "gone");
        let mut more = false;
        loop {
            let now = Instant::now();
            let wall = wall();
            let oldest = self.settings.entry_age_max.map_or(i64::MIN, |age| wall.saturating_sub(nanos(age)));
            let latest = wall.saturating_add(nanos(proto::loki::limits::AHEAD));
            let mut around = Surroundings {
                gate: Gate {
                    batch: &mut self.batch,
                    marked: &mut self.marked,
                    counters: &self.counters,
                    now,
                    oldest,
                    latest,
                    order_window: self.settings.order_window.map_or(i64::MAX, nanos),
                },
                work: &mut self.work,
                wall,
                once: self.settings.once,
                show_unterminated: self.settings.show_unterminated,
            };
            let step = self.reading.advance(&mut chain, &mut around);
            if chain.touched && !self.touched.contains(&index) {
                self.touched.push(index);
                self.touched_since.get_or_insert(now);
            }
            match step {
                Ok(Step::Full) => {
                    let begun = Instant::now();
                    self.seal_with(Some(&mut chain));
                    if self.closed {
                        break;
                    }
                    // While the destination was away the file may have been truncated, and have grown beyond this place.
                    if begun.elapsed() >= WAITED {
                        self.reading.has_waited();
                    }
                }
                Ok(Step::More) => {
                    more = true;
                    break;
                }
                Ok(Step::Dry) => break,
                Ok(Step::Truncated(place)) => self.truncated(&mut chain, place),
                Err(error) => {
                    self.reading.abandon();
                    self.unreadable(&mut chain, &error);
                    break;
                }
            }
        }
        self.chains.insert(index, chain);
        more
    }

    /// A file lost bytes that were read. Its copy, if there is one, takes its place; the file itself begins anew.
    fn truncated(&mut self, chain: &mut ChainLane, place: usize) {
        self.counters.truncations.add(1);
        let Some(open) = chain.open.get_mut(place) else { return };
        let (cursor, path) = (open.cursor(chain.parts), open.segment.path());
        let fingerprint = if cursor.at == 0 { open.segment.seen() } else { open.fingerprint };
        let truncated = Truncated { number: open.segment.number, at: cursor.at, fingerprint, marker: cursor.marker };
        let rotated = |path: &Path| siblings(&self.catalog, path, None, None);
        chain.chain.truncated(&self.catalog.root, &truncated, rotated);
        warn!(path = %path.display(), read_up_to = cursor.at, "file was truncated: what was not read of it and stands in no copy is lost");
        self.follow(chain, "truncated");
        chain.touched = true;
    }

    /// Brings a chain up to the list of its files, and notes what was lost meanwhile; `why` names the reason for whole files.
    fn follow(&mut self, chain: &mut ChainLane, why: &str) {
        let followed = chain.follow();
        for open in &followed.gone {
            warn!(path = %open.segment.path().display(), why, "file is gone");
            self.lost(chain, why);
        }
        (0..followed.cut_short).for_each(|_| self.lost(chain, COPIED));
    }

    fn unreadable(&mut self, chain: &mut ChainLane, error: &std::io::Error) {
        self.counters.read_errors.add(1);
        let Some(open) = chain.open.iter_mut().find(|open| !open.done) else { return };
        let path = open.segment.path();
        if open.segment.encoding == Encoding::Plain {
            warn!(path = %path.display(), %error, "cannot read; trying again");
            return;
        }
        warn!(path = %path.display(), %error, "cannot be decompressed to its end: the rest of it is lost");
        open.done = true;
        chain.touched = true;
        self.lost(chain, "cannot be decompressed");
        if !self.ready.contains(&chain.index) {
            self.ready.push_back(chain.index);
        }
    }

    /// Notes a gap of unknown size.
    fn lost(&mut self, chain: &ChainLane, why: &str) {
        self.note_gap(&chain.streams[0].source, Fate::Unknown, why, 1);
    }

    /// Notes a gap: bytes where their number is known, else events.
    fn note_gap(&mut self, source: &str, fate: Fate, why: &str, count: u64) {
        let destination = &self.settings.destination;
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let (bytes, events) = if fate == Fate::Lost { (count, 0) } else { (0, count) };
        if fate == Fate::Lost {
            warn!(source, destination, why, bytes, "a gap: these bytes were never read");
        } else {
            warn!(source, destination, why, "a gap: bytes that nobody can count were never read");
        }
        let mut log = lock(&self.log);
        let delta = log.delta(source, fate, why, bytes, events);
        let record = Record::Moved { destination: self.number, seen: seconds(), moves: Vec::new(), ledger: vec![delta] };
        log.append(&[record]);
    }

    fn seal(&mut self) {
        self.seal_with(None);
    }

    /// Hands the open batch to the sink and waits until it is taken. `current` is the chain that is being read.
    fn seal_with(&mut self, mut current: Option<&mut ChainLane>) {
        if self.batch.is_empty() && self.touched.is_empty() {
            return;
        }
        self.sequence += 1;
        let mut steps = Steps::default();
        let mut read: Vec<(Arc<str>, u64, u64)> = Vec::new();
        for index in std::mem::take(&mut self.touched) {
            let chain = match &mut current {
                Some(chain) if chain.index == index => Some(&mut **chain),
                _ => self.chains.get_mut(&index).map(|chain| &mut **chain),
            };
            let Some(chain) = chain else { continue };
            steps.chains.push((index, chain.number));
            let step = chain.take_move(self.sequence, &mut steps.segments);
            steps.moves.push(step);
            for stream in &chain.streams {
                let (bytes, lines) = stream.take_read();
                if lines > 0 || bytes > 0 {
                    read.push((Arc::clone(&stream.source), bytes, lines));
                }
            }
        }
        self.touched_since = None;
        let body = self.used_bodies.try_recv().unwrap_or_default();
        let sealed = self.batch.seal(self.sequence, Instant::now(), body, steps);
        let mut log = lock(&self.log);
        let destination = &self.settings.destination;
        for (source, bytes, lines) in read {
            log.ledger_mut().read(destination, &source, bytes as i64, lines as i64);
        }
        for share in &sealed.streams {
            log.ledger_mut().pending(destination, &share.source, share.bytes as i64, share.lines as i64);
        }
        for withheld in &sealed.withheld {
            log.ledger_mut().pending(destination, &withheld.source, withheld.bytes as i64, withheld.lines as i64);
        }
        drop(log);
        self.hand_over(sealed, current);
    }

    /// Waits for room, and lets go meanwhile of files that the disk cannot spare.
    fn hand_over(&mut self, sealed: Sealed, mut current: Option<&mut ChainLane>) {
        let outlet = self.outlet.clone();
        let mut room = std::pin::pin!(outlet.reserve());
        let waker = Waker::from(Arc::clone(&self.wake));
        loop {
            let asked = self.wake.take_give_up();
            self.give_up(&asked, current.as_deref_mut());
            match room.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(Ok(permit)) => return permit.send(sealed),
                // The sink has gone only when everything ends; what is not sent is read again at the next start.
                Poll::Ready(Err(_)) => {
                    self.closed = true;
                    return;
                }
                Poll::Pending => self.wake.wait_for_room(),
            }
        }
    }

    /// What the sink asks for.
    fn obey(&mut self, woken: &Woken) {
        self.give_up(&woken.give_up, None);
        let mut refused = Vec::new();
        for order in &woken.orders {
            let (index, part, parked) = match order {
                Order::Park { chain, part } => (*chain, *part, true),
                Order::Resume { chain, part } => (*chain, *part, false),
            };
            let standing = lock(&self.log).standing(self.number).cloned().unwrap_or_default();
            let Some(chain) = self.chains.get_mut(&index) else { continue };
            self.reading.abandon();
            if parked {
                if chain.given_up {
                    // What was under way of a file that was given up cannot be read again.
                    refused.push(Arc::clone(&chain.streams[0].source));
                }
                let settled = standing.cursors.get(&chain.number).map_or(&[][..], Vec::as_slice);
                let newest = standing.newest.get(&chain.number).map_or(&[][..], Vec::as_slice);
                chain.go_back(settled, newest, Some(part));
            }
            chain.parked.set(part, parked);
            self.ready.push_back(index);
        }
        for source in refused {
            self.note_gap(&source, Fate::Unknown, giving_up::REASON, 1);
        }
    }

    /// Measures the lag, and gives memory back when nothing is being read.
    fn tidy(&mut self) {
        let mut lag: BTreeMap<String, (u64, i64)> = BTreeMap::new();
        for chain in self.chains.values() {
            let (unread, newest) = chain.unread();
            let entry = lag.entry(chain.streams[0].source.to_string()).or_default();
            entry.0 += unread;
            entry.1 = entry.1.max(newest);
        }
        self.counters.set_lag(lag);
        if self.batch.is_empty() {
            self.batch.shrink();
            self.reading.shrink();
        }
    }
}

/// The log, whatever happened to another thread: it is changed in whole records.
pub fn lock(log: &Mutex<PositionLog>) -> MutexGuard<'_, PositionLog> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wall() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, nanos)
}

/// Seconds since the epoch, now.
pub fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}
