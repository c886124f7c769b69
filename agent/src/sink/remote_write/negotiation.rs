//! In which version of remote write a destination is spoken to. Pure, it is given the time.
//!
//! With `auto` it begins with 2.0. What does not know it says 415, or says nothing of what it has written; then 1.0 it is, until the
//! destination may have become another one: after a day, or after it was away, an hour later at the earliest.

use std::time::{Duration, Instant};

use proto::remote_write::Version;

use crate::config::checked::Wanted;

/// After an outage, 2.0 is tried again at the earliest so long after it did not work.
const AGAIN_AFTER_OUTAGE: Duration = Duration::from_hours(1);
/// Without one.
const AGAIN: Duration = Duration::from_hours(24);

/// The version that is spoken now.
#[derive(Debug)]
pub(super) struct Negotiation {
    wanted: Wanted,
    version: Version,
    /// The destination has stored something that was sent in this version.
    confirmed: bool,
    /// When 2.0 did not work.
    fell_back: Option<Instant>,
    /// The first request was refused in 2.0, and tried in 1.0 for that reason.
    tried_first: bool,
}

impl Negotiation {
    pub(super) fn new(wanted: Wanted) -> Self {
        let version = match wanted {
            Wanted::Auto => Version::V2,
            Wanted::Only(version) => version,
        };
        Self { wanted, version, confirmed: false, fell_back: None, tried_first: false }
    }

    pub(super) fn version(&self) -> Version {
        self.version
    }

    /// The destination does not know the version: whether it is to be tried in the other one.
    pub(super) fn other(&mut self, now: Instant) -> bool {
        if self.wanted != Wanted::Auto || self.version == Version::V1 {
            return false;
        }
        self.version = Version::V1;
        self.confirmed = false;
        self.fell_back = Some(now);
        true
    }

    /// A request was refused as a whole: whether that may be because the destination is so old that it does not know 2.0.
    pub(super) fn first_refusal(&mut self) -> bool {
        if self.wanted != Wanted::Auto || self.version == Version::V1 || self.confirmed || self.tried_first {
            return false;
        }
        self.tried_first = true;
        self.version = Version::V1;
        self.fell_back = Some(Instant::now());
        true
    }

    /// Something was stored.
    pub(super) fn worked(&mut self) {
        self.confirmed = true;
        self.retry(Instant::now(), AGAIN);
    }

    /// The destination is back after it was away.
    pub(super) fn back(&mut self, now: Instant) {
        self.retry(now, AGAIN_AFTER_OUTAGE);
    }

    fn retry(&mut self, now: Instant, after: Duration) {
        if self.fell_back.is_some_and(|at| now.duration_since(at) >= after) {
            *self = Self::new(self.wanted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_version_is_spoken_where_the_newer_is_not_known_and_not_for_ever() {
        let now = Instant::now();
        let mut auto = Negotiation::new(Wanted::Auto);
        assert_eq!(auto.version(), Version::V2);
        assert!(auto.other(now));
        assert_eq!(auto.version(), Version::V1);
        assert!(!auto.other(now), "it knows neither");
        auto.worked();
        auto.back(now + Duration::from_mins(59));
        assert_eq!(auto.version(), Version::V1);
        auto.back(now + Duration::from_hours(1));
        assert_eq!(auto.version(), Version::V2);
    }

    #[test]
    fn only_the_very_first_refusal_is_taken_for_a_question_of_the_version() {
        let mut auto = Negotiation::new(Wanted::Auto);
        assert!(auto.first_refusal());
        assert!(!auto.first_refusal());
        let mut confirmed = Negotiation::new(Wanted::Auto);
        confirmed.worked();
        assert!(!confirmed.first_refusal());
        assert_eq!(confirmed.version(), Version::V2);
    }

    #[test]
    fn a_version_that_was_asked_for_is_kept() {
        for version in [Version::V1, Version::V2] {
            let mut only = Negotiation::new(Wanted::Only(version));
            assert!(!only.other(Instant::now()) && !only.first_refusal());
            assert_eq!(only.version(), version);
        }
    }
}
