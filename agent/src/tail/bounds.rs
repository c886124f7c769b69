//! Keeps the tail bounded: deleted files are held only up to a limit, and logs that are gone are forgotten.
//!
//! In: the catalog after a look. Out: what lanes are asked to give up, and what the memory of earlier runs is told. It waits for
//! nothing, and it is given the time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::catalog::Catalog;
use super::chain::Chain;
use super::held::to_give_up;
use super::inputs::Inputs;
use super::origin::is_set;
use super::segment::SegmentNumber;
use crate::metrics::TailCounters;
use crate::wake::{GiveUp, Wake};

/// How long there is patience with logs of which nothing is left.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// A log that vanished in this run, read to its end: a pod of the same name that comes back meanwhile goes on in the same
    /// chain, and what is left of a rotation is still known.
    pub vanished: Duration,
    /// A log of an earlier run of which no file is found: a volume may be mounted late, or a disk be away for a while.
    pub missing: Duration,
    /// How often is looked for both.
    pub look_every: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { vanished: Duration::from_hours(1), missing: Duration::from_hours(24), look_every: Duration::from_mins(1) }
    }
}

/// A log of an earlier run of which no file is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The chain's key.
    pub key: String,
    /// Its account; `None` if it is no longer to be read, so that nobody misses it.
    pub source: Option<String>,
}

/// What outlives a run. It would grow with every pod that ever ran if it were not told which are gone.
pub trait Memory: Send {
    /// These logs, and no others, have no file now. What may be lost with them is counted once. Gives the keys of those that
    /// were missing for longer than the patience with them: they are forgotten.
    fn missing(&mut self, missing: &[Missing], patience: Duration) -> Vec<String>;

    /// Of this log, which is a set of files, these and no others are there.
    fn are_there(&mut self, key: &str, segments: &[SegmentNumber]);

    /// The log is gone. If some destination had not read it to its end after all, that is counted.
    fn forget(&mut self, gone: &Missing);
}

/// The bounds of one run.
pub struct Bounds {
    memory: Box<dyn Memory>,
    patience: Patience,
    max_held: u64,
    counters: Arc<TailCounters>,
    next_look: Option<Instant>,
}

impl Bounds {
    /// With at most `max_held` bytes of deleted files.
    pub fn new(memory: Box<dyn Memory>, patience: Patience, max_held: u64, counters: Arc<TailCounters>) -> Self {
        Self { memory, patience, max_held, counters, next_look: None }
    }

    /// Asks the lanes to give up the oldest deleted files if there are too many bytes of them.
    pub fn limit_held(&self, catalog: &Catalog, lanes: &[Arc<Wake>]) {
        let held = catalog.held();
        self.counters.held_bytes.set(held.iter().map(|held| held.bytes).sum());
        for held in to_give_up(&held, self.max_held) {
            let segments = catalog.get(held.chain).map(|chain| chain.segments()).unwrap_or_default();
            let Some(segment) = segments.into_iter().find(|segment| segment.number == held.number) else { continue };
            warn!(path = %segment.path().display(), bytes = held.bytes, limit = self.max_held, "deleted files that a destination has not read take more than max_held_bytes: the oldest is given up");
            segment.give_up();
            for lane in lanes {
                lane.give_up(GiveUp { chain: held.chain, segment: held.number });
            }
        }
    }

    /// Forgets what is gone, now and then. Gives the chains that the catalog has no longer.
    pub fn forget(&mut self, catalog: &Catalog, inputs: &Inputs, now: Instant) -> Vec<Arc<Chain>> {
        if self.next_look.is_some_and(|next| now < next) {
            return Vec::new();
        }
        self.next_look = Some(now + self.patience.look_every);
        let named = |key: &str| Missing { key: key.to_owned(), source: inputs.source_of(key) };
        let missing: Vec<Missing> = catalog.missing().iter().map(|key| named(key)).collect();
        for key in self.memory.missing(&missing, self.patience.missing) {
            info!(log = key, "no file of it was found for long: it is forgotten");
            catalog.forget_missing(&key);
        }
        for chain in catalog.chains().iter().filter(|chain| is_set(&chain.key)) {
            self.memory.are_there(&chain.key, &chain.numbers());
        }
        let vanished = catalog.forget_vanished(now, self.patience.vanished);
        for chain in &vanished {
            self.memory.forget(&named(&chain.key));
        }
        self.counters.chains.set(catalog.chains().len() as u64);
        self.counters.missing.set(catalog.missing().len() as u64);
        vanished
    }
}
