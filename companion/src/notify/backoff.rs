//! When to try again: exponential, with jitter, and never sooner than the other side asks. Pure.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_mins(1);
/// The longest wait that the other side may ask for.
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

    /// It failed: how long to wait.
    pub fn failed(&mut self, asked: Option<Duration>) -> Duration {
        let most = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        // xorshift64: spreads waits, keeps no secret.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let fraction = (self.random >> 11) as f64 / (1_u64 << 53) as f64;
        let jittered = most.mul_f64(0.3 + 0.7 * fraction);
        asked.map_or(jittered, |asked| asked.min(LONGEST_ASKED).max(jittered.min(FIRST)))
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
    fn waits_grow_to_a_minute_and_heed_the_other_side() {
        let mut backoff = Backoff::new(7);
        let waits: Vec<Duration> = (0..20).map(|_| backoff.failed(None)).collect();
        assert!(waits[0] <= FIRST && waits.iter().all(|wait| *wait <= LONGEST && *wait >= FIRST.mul_f64(0.3)));
        assert!(waits[10..].iter().any(|wait| *wait > Duration::from_secs(20)), "{waits:?}");
        backoff.worked();
        assert!(backoff.failed(None) <= FIRST);
        assert_eq!(backoff.failed(Some(Duration::from_secs(30))), Duration::from_secs(30));
        assert_eq!(backoff.failed(Some(Duration::MAX)), LONGEST_ASKED);
        assert!(backoff.failed(Some(Duration::ZERO)) > Duration::ZERO);
    }
}
