//! When to try again: exponential back-off with full jitter, and never sooner than the other side asks. Pure, but for the seed.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// The wait after the first failure, at most.
const FIRST: Duration = Duration::from_millis(500);
/// The longest wait.
const LONGEST: Duration = Duration::from_mins(1);
/// The longest wait that the other side may ask for: one that says "in a year" is mistaken.
const LONGEST_ASKED: Duration = Duration::from_mins(10);

/// How often something has failed since it last worked.
#[derive(Clone, Debug)]
pub struct Backoff {
    failures: u32,
    random: u64,
}

impl Backoff {
    /// Nothing has failed. `seed` makes several wait differently.
    pub fn new(seed: u64) -> Self {
        Self { failures: 0, random: seed | 1 }
    }

    /// It works.
    pub fn worked(&mut self) {
        self.failures = 0;
    }

    /// How often it has failed.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// It failed: how long to wait. The other side's own word is taken as the least.
    pub fn failed(&mut self, asked: Option<Duration>) -> Duration {
        let most = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let jittered = most.mul_f64(0.1 + 0.9 * self.fraction());
        asked.map_or(jittered, |asked| asked.min(LONGEST_ASKED).max(jittered.min(FIRST)))
    }

    /// It was refused for a reason that only a person can mend: the longest wait at once.
    pub fn refused(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        // Soon at first, since a configuration is often mended while somebody watches.
        let most = LONGEST.min(FIRST.saturating_mul(1 << self.failures.saturating_add(2).min(16)));
        most.mul_f64(0.75 + 0.25 * self.fraction())
    }

    /// From 0 to 1, xorshift64: spreads waits, keeps no secret.
    fn fraction(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// A number that is another one each time: seeds, and identities that are no secrets.
pub fn random() -> u64 {
    RandomState::new().hash_one(std::time::Instant::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_minute_and_begin_anew_after_success() {
        let mut backoff = Backoff::new(7);
        let waits: Vec<Duration> = (0..20).map(|_| backoff.failed(None)).collect();
        assert!(waits[0] <= FIRST);
        assert!(waits.iter().all(|wait| *wait <= LONGEST && *wait >= FIRST.mul_f64(0.1)));
        assert!(waits[10..].iter().any(|wait| *wait > Duration::from_secs(20)), "{waits:?}");
        backoff.worked();
        assert!(backoff.failed(None) <= FIRST);
    }

    #[test]
    fn the_other_side_is_heeded_within_reason() {
        let mut backoff = Backoff::new(7);
        assert_eq!(backoff.failed(Some(Duration::from_secs(30))), Duration::from_secs(30));
        assert_eq!(backoff.failed(Some(Duration::from_secs(1 << 40))), LONGEST_ASKED);
        assert!(backoff.failed(Some(Duration::ZERO)) > Duration::ZERO, "zero must not become a busy loop");
    }

    #[test]
    fn two_do_not_wait_alike() {
        let (mut one, mut two) = (Backoff::new(11), Backoff::new(1234));
        assert_ne!(one.failed(None), two.failed(None));
    }
}
