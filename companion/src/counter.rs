//! Numbers that many raise and the page and `/metrics` read.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

/// A number.
#[derive(Debug, Default)]
pub struct Counter(AtomicI64);

impl Counter {
    /// Raises it.
    pub fn add(&self, more: usize) {
        self.0.fetch_add(more as i64, Ordering::Relaxed);
    }

    /// Sets it.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Its value.
    pub fn value(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Numbers by one word each, of which there are few: a status, a reason.
#[derive(Debug, Default)]
pub struct Family(Mutex<BTreeMap<String, u64>>);

impl Family {
    /// Raises the number of a word.
    pub fn add(&self, word: &str, more: usize) {
        let mut numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match numbers.get_mut(word) {
            Some(number) => *number += more as u64,
            None => {
                numbers.insert(word.to_owned(), more as u64);
            }
        }
    }

    /// All of them.
    pub fn rows(&self) -> BTreeMap<String, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
