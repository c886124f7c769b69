//! All logs: the chains by place and by key, and what earlier runs knew of logs that were not found yet.
//!
//! Only the scout makes chains; lanes ask for them by place. A place is never given twice, so what still speaks of a chain
//! that was forgotten (a mark, an order, a batch) finds nothing, and no other chain.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::chain::{Chain, SavedChain};
use super::held::Held;
use super::origin::Origin;
use crate::host_root::HostRoot;

/// Says how many lanes read a chain of that origin. A log that none reads gets no chain: nobody would ever let go of its files.
pub type Interest = Box<dyn Fn(&Origin) -> usize + Send + Sync>;

/// All chains.
pub struct Catalog {
    /// Where the files are.
    pub root: HostRoot,
    interest: Interest,
    inner: Mutex<Inner>,
    starting: AtomicBool,
}

#[derive(Debug, Default)]
struct Inner {
    chains: BTreeMap<usize, Arc<Chain>>,
    /// The place of the next chain.
    next: usize,
    by_key: HashMap<String, usize>,
    saved: HashMap<String, SavedChain>,
}

impl Catalog {
    /// A catalog for the lanes that `interest` counts, with what is known from earlier runs by chain key.
    pub fn new(root: HostRoot, interest: Interest, saved: HashMap<String, SavedChain>) -> Self {
        Self { root, interest, inner: Mutex::new(Inner { saved, ..Inner::default() }), starting: AtomicBool::new(true) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first look is over: chains found from now on are new.
    pub fn started(&self) {
        self.starting.store(false, Ordering::Release);
    }

    /// The chain of that origin, made if there is none yet; `None` if no lane reads it.
    pub fn chain(&self, origin: &Origin) -> Option<Arc<Chain>> {
        if let Some(known) = self.known(origin) {
            return Some(known);
        }
        let lanes = (self.interest)(origin);
        if lanes == 0 {
            return None;
        }
        let mut inner = self.inner();
        let key = origin.key();
        let index = inner.next;
        inner.next += 1;
        let saved = inner.saved.remove(&key);
        let chain = Arc::new(Chain::new(index, origin.clone(), lanes, saved, self.starting.load(Ordering::Acquire)));
        inner.by_key.insert(key, index);
        inner.chains.insert(index, Arc::clone(&chain));
        Some(chain)
    }

    /// The chain of that origin, if there is one.
    pub fn known(&self, origin: &Origin) -> Option<Arc<Chain>> {
        let inner = self.inner();
        inner.by_key.get(&origin.key()).and_then(|index| inner.chains.get(index)).cloned()
    }

    /// Whether an earlier run left a position for it that no file was found for yet.
    pub fn has_saved(&self, origin: &Origin) -> bool {
        self.inner().saved.contains_key(&origin.key())
    }

    /// By place.
    pub fn get(&self, index: usize) -> Option<Arc<Chain>> {
        self.inner().chains.get(&index).cloned()
    }

    /// All, in order of discovery.
    pub fn chains(&self) -> Vec<Arc<Chain>> {
        self.inner().chains.values().cloned().collect()
    }

    /// The deleted files that some lane still needs.
    pub fn held(&self) -> Vec<Held> {
        let mut held = Vec::new();
        self.chains().iter().for_each(|chain| chain.held(&mut held));
        held
    }

    /// Takes out the chains of which nothing has been left for so long, and gives them.
    pub fn forget_vanished(&self, now: Instant, after: Duration) -> Vec<Arc<Chain>> {
        let over: Vec<Arc<Chain>> = self.chains().into_iter().filter(|chain| chain.is_over(now, after)).collect();
        let mut inner = self.inner();
        for chain in &over {
            chain.forget();
            inner.chains.remove(&chain.index);
            inner.by_key.remove(&chain.key);
        }
        over
    }

    /// Keys of earlier runs for which nothing was found.
    pub fn missing(&self) -> Vec<String> {
        self.inner().saved.keys().cloned().collect()
    }

    /// Looks no longer for what an earlier run left under that key.
    pub fn forget_missing(&self, key: &str) {
        self.inner().saved.remove(key);
    }
}

/// The directory part of a path.
pub fn directory_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}
