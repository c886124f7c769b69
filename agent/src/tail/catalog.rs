//! All logs: the chains by place and by key, and what earlier runs knew of logs that were not found yet.
//!
//! Only the scout makes chains; lanes ask for them by place. A place is never given twice, so what still speaks of a chain
//! that was forgotten (a mark, an order, a batch) finds nothing, and no other chain.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::chain::{Chain, SavedChain};
use super::origin::Origin;
use crate::host_root::HostRoot;

/// Says how many lanes read a chain of that origin.
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
    chains: Vec<Arc<Chain>>,
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

    /// The chain of that origin, made if there is none yet.
    pub fn chain(&self, origin: &Origin) -> Arc<Chain> {
        let mut inner = self.inner();
        let key = origin.key();
        if let Some(index) = inner.by_key.get(&key) {
            return Arc::clone(&inner.chains[*index]);
        }
        let index = inner.chains.len();
        let saved = inner.saved.remove(&key);
        let chain =
            Arc::new(Chain::new(index, origin.clone(), (self.interest)(origin), saved, self.starting.load(Ordering::Acquire)));
        inner.by_key.insert(key, index);
        inner.chains.push(Arc::clone(&chain));
        chain
    }

    /// Whether an earlier run left a position for it that no file was found for yet.
    pub fn has_saved(&self, origin: &Origin) -> bool {
        self.inner().saved.contains_key(&origin.key())
    }

    /// By place.
    pub fn get(&self, index: usize) -> Option<Arc<Chain>> {
        self.inner().chains.get(index).cloned()
    }

    /// All, in order of discovery.
    pub fn chains(&self) -> Vec<Arc<Chain>> {
        self.inner().chains.clone()
    }

    /// Keys of earlier runs for which nothing was found, with what was known.
    pub fn missing(&self) -> Vec<(String, SavedChain)> {
        self.inner().saved.iter().map(|(key, saved)| (key.clone(), saved.clone())).collect()
    }
}

/// The directory part of a path.
pub fn directory_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}
