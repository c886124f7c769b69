//! Which families a destination was told the help of: once, and again every ten minutes, for it may have forgotten. Types travel with
//! every series of 2.0; help with every series would cost more than 1.0 does.

use std::collections::HashSet;
use std::time::{Duration, Instant};

/// After that time everything is told again.
const AGAIN: Duration = Duration::from_mins(10);

/// The families, by name.
#[derive(Debug, Default)]
pub(super) struct Told {
    known: HashSet<String>,
    /// In the request that is under way.
    telling: Vec<String>,
    since: Option<Instant>,
}

impl Told {
    /// A request begins.
    pub(super) fn begin(&mut self, now: Instant) {
        self.telling.clear();
        if self.since.is_none_or(|since| now.duration_since(since) >= AGAIN) {
            self.known.clear();
            self.since = Some(now);
        }
    }

    /// Whether this request tells that family's help.
    pub(super) fn tell(&mut self, family: &str) -> bool {
        let new = !self.known.contains(family);
        if new {
            self.telling.push(family.to_owned());
        }
        new
    }

    /// The request was taken.
    pub(super) fn was_heard(&mut self) {
        self.known.extend(self.telling.drain(..));
    }

    /// The destination may be another one now.
    pub(super) fn forget(&mut self) {
        self.since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_told_until_it_was_heard_and_again_after_a_while() {
        let (now, mut told) = (Instant::now(), Told::default());
        let request = |told: &mut Told, at: Duration| {
            told.begin(now + at);
            told.tell("up")
        };
        assert!(request(&mut told, Duration::ZERO));
        assert!(request(&mut told, Duration::ZERO), "nobody heard it");
        told.was_heard();
        assert!(!request(&mut told, Duration::from_secs(1)));
        assert!(request(&mut told, AGAIN));
        told.was_heard();
        told.forget();
        assert!(request(&mut told, AGAIN));
    }
}
