//! How many bytes all requests together may hold: what came so far of each, decoded, until the engine has taken it.
//!
//! A client that sends slowly holds only what it has sent, so it cannot keep others out.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The bytes that are there for all.
#[derive(Clone, Debug)]
pub struct Budget {
    limit: usize,
    held: Arc<AtomicUsize>,
}

/// Bytes of one request; they are free again when it is dropped.
#[derive(Debug)]
pub struct Held {
    bytes: usize,
    of: Budget,
}

impl Budget {
    /// So many bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, held: Arc::default() }
    }

    /// A request begins, with nothing.
    pub fn open(&self) -> Held {
        Held { bytes: 0, of: self.clone() }
    }

    /// How many bytes are held.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }
}

impl Held {
    /// Takes further bytes; false if there are not as many.
    pub fn grow(&mut self, bytes: usize) -> bool {
        let before = self.of.held.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        before.saturating_add(bytes) <= self.of.limit
    }

    /// Gives back all but so many.
    pub fn shrink_to(&mut self, bytes: usize) {
        let back = self.bytes.saturating_sub(bytes);
        self.of.held.fetch_sub(back, Ordering::Relaxed);
        self.bytes -= back;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_free_again() {
        let budget = Budget::new(100);
        let (mut one, mut other) = (budget.open(), budget.open());
        assert!(one.grow(60) && other.grow(40));
        assert!(!other.grow(1), "all is taken");
        one.shrink_to(10);
        assert!(other.grow(1));
        drop((one, other));
        assert_eq!(budget.held(), 0);
    }
}
