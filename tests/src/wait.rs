//! Waiting: for a condition with a deadline, and for a moment that a stop may cut short. Nothing else in the tests sleeps.

use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

/// How long `until` rests between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// Looks until `look` yields something; `None` when nothing came within the time.
pub fn until<T>(within: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        #[expect(clippy::disallowed_methods, reason = "the one place that waits for time: between two looks")]
        std::thread::sleep(BETWEEN_LOOKS);
    }
}

/// Looks until `holds` is true and panics, saying what was waited for, when it was not within the time.
pub fn for_condition(what: &str, within: Duration, mut holds: impl FnMut() -> bool) {
    assert!(until(within, || holds().then_some(())).is_some(), "waited {within:?} in vain for: {what}");
}

/// Lets time itself pass, where a span is what the test is about (an outage of so many seconds).
pub fn span(length: Duration) {
    let begin = Instant::now();
    until(length, || (begin.elapsed() >= length).then_some(()));
}

/// A flag that threads wait on: set once, and everyone who waits goes on at once.
#[derive(Debug, Default)]
pub struct Stop {
    is_set: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    /// Ends all waits, now and later.
    pub fn set(&self) {
        *self.is_set.lock().unwrap() = true;
        self.changed.notify_all();
    }

    /// Waits for the moment; true when stopped before it.
    pub fn before(&self, moment: Instant) -> bool {
        let mut is_set = self.is_set.lock().unwrap();
        while !*is_set {
            let left = moment.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            is_set = self.changed.wait_timeout(is_set, left).unwrap().0;
        }
        true
    }

    /// Waits until stopped.
    pub fn wait(&self) {
        let mut is_set = self.is_set.lock().unwrap();
        while !*is_set {
            is_set = self.changed.wait(is_set).unwrap();
        }
    }
}
