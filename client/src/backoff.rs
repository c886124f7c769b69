//! When to try again: exponential back-off with jitter, and never sooner than the other side asks. Pure, but for the seed.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// How waits grow: each is at most twice the one before, and some part of that by chance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// The wait after the first failure, at most.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
    /// The least part of a wait that chance leaves of it.
    pub least: f64,
}

impl Pace {
    /// Half a second to a minute, with nearly full jitter: many that were cut off at once do not come back at once.
    pub const PATIENT: Self = Self { first: Duration::from_millis(500), longest: Duration::from_mins(1), least: 0.1 };
    /// Prometheus' own for samples, 30 ms to 5 s: what alerts wait for is there soon after an outage. No wait is shorter than the one
    /// before.
    pub const BRISK: Self = Self { first: Duration::from_millis(30), longest: Duration::from_secs(5), least: 0.5 };
}

/// The longest wait that the other side may ask for: one that says "in a year" is mistaken.
const LONGEST_ASKED: Duration = Duration::from_mins(10);

/// How often something has failed since it last worked.
#[derive(Clone, Debug)]
pub struct Backoff {
    pace: Pace,
    failures: u32,
    random: u64,
}

impl Backoff {
    /// Nothing has failed. `seed` makes several wait differently.
    pub fn new(pace: Pace, seed: u64) -> Self {
        Self { pace, failures: 0, random: seed | 1 }
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
        let Pace { first, longest, least } = self.pace;
        let most = first.saturating_mul(1 << self.failures.min(16)).min(longest);
        self.failures = self.failures.saturating_add(1);
        let jittered = most.mul_f64(least + (1.0 - least) * self.fraction());
        asked.map_or(jittered, |asked| asked.min(LONGEST_ASKED).max(jittered.min(first)))
    }

    /// It was refused for a reason that only a person can mend, who is no quicker for being asked often: patience, whatever the pace.
    pub fn refused(&mut self) -> Duration {
        let Pace { first, longest, .. } = Pace::PATIENT;
        self.failures = self.failures.saturating_add(1);
        // Soon at first, since a configuration is often mended while somebody watches.
        let most = longest.min(first.saturating_mul(1 << self.failures.saturating_add(2).min(16)));
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
        let Pace { first, longest, .. } = Pace::PATIENT;
        let mut backoff = Backoff::new(Pace::PATIENT, 7);
        let waits: Vec<Duration> = (0..20).map(|_| backoff.failed(None)).collect();
        assert!(waits[0] <= first);
        assert!(waits.iter().all(|wait| *wait <= longest && *wait >= first.mul_f64(0.1)));
        assert!(waits[10..].iter().any(|wait| *wait > Duration::from_secs(20)), "{waits:?}");
        backoff.worked();
        assert!(backoff.failed(None) <= first);
    }

    #[test]
    fn the_other_side_is_heeded_within_reason() {
        let mut backoff = Backoff::new(Pace::PATIENT, 7);
        assert_eq!(backoff.failed(Some(Duration::from_secs(30))), Duration::from_secs(30));
        assert_eq!(backoff.failed(Some(Duration::from_secs(1 << 40))), LONGEST_ASKED);
        assert!(backoff.failed(Some(Duration::ZERO)) > Duration::ZERO, "zero must not become a busy loop");
    }

    #[test]
    fn at_a_brisk_pace_no_wait_is_shorter_than_the_one_before_until_the_longest() {
        let mut backoff = Backoff::new(Pace::BRISK, 99);
        let waits: Vec<Duration> = (0..12).map(|_| backoff.failed(None)).collect();
        assert!(waits[0] <= Pace::BRISK.first && waits[..8].windows(2).all(|pair| pair[0] <= pair[1]), "{waits:?}");
        assert!(waits[8..].iter().all(|wait| *wait >= Pace::BRISK.longest / 2 && *wait <= Pace::BRISK.longest), "{waits:?}");
        assert!(backoff.refused() > Pace::BRISK.longest, "whom a person has to mend is asked rarely");
    }

    #[test]
    fn two_do_not_wait_alike() {
        let (mut one, mut two) = (Backoff::new(Pace::PATIENT, 11), Backoff::new(Pace::PATIENT, 1234));
        assert_ne!(one.failed(None), two.failed(None));
    }
}
