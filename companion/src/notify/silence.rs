//! Silences: what people have asked not to be told for a while. Pure, it is given the time and the identities.

use std::collections::BTreeMap;
use std::time::Duration;

use proto::time::UnixNanos;
use thiserror::Error;

use super::decide::before;
use super::matcher::Matchers;
use crate::labels::LabelSet;

/// How long an expired silence is kept.
pub const RETENTION: Duration = Duration::from_hours(120);
/// The most silences that are kept; beyond, a new one is refused.
pub const SILENCES_MAX: usize = 10_000;

/// One silence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// A UUID.
    pub id: String,
    /// What it silences.
    pub matchers: Matchers,
    /// From.
    pub starts_at: UnixNanos,
    /// To.
    pub ends_at: UnixNanos,
    /// When it was last changed.
    pub updated_at: UnixNanos,
    /// By whom.
    pub created_by: String,
    /// Why.
    pub comment: String,
}

/// Where a silence stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SilenceState {
    /// Silences now.
    Active,
    /// Will.
    Pending,
    /// Did.
    Expired,
}

impl SilenceState {
    /// As the API has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Expired => "expired",
        }
    }
}

impl Silence {
    /// Where it stands.
    pub fn state(&self, now: UnixNanos) -> SilenceState {
        if now < self.starts_at {
            SilenceState::Pending
        } else if now > self.ends_at {
            SilenceState::Expired
        } else {
            SilenceState::Active
        }
    }

    fn check(&self, now: UnixNanos) -> Result<(), SilenceError> {
        let refused = |words: &str| Err(SilenceError::Invalid(words.to_owned()));
        if self.matchers.0.iter().all(|matcher| matcher.matches("")) {
            return refused("silence invalid: at least one matcher must not match the empty string");
        }
        if self.starts_at >= self.ends_at {
            return refused("Failed to create silence: start time must be before end time");
        }
        if self.ends_at < now {
            return refused("Failed to create silence: end time can't be in the past");
        }
        Ok(())
    }
}

/// Why a silence is not made or changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SilenceError {
    /// It makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// There is none of that id.
    #[error("silence not found")]
    NotFound,
    /// There are too many.
    #[error("there are {SILENCES_MAX} silences; expire some first")]
    Full,
}

/// All silences.
#[derive(Clone, Debug, Default)]
pub struct Silences(pub BTreeMap<String, Silence>);

impl Silences {
    /// The active silences that match, by their ids.
    pub fn of(&self, labels: &LabelSet, now: UnixNanos) -> Vec<&str> {
        let active = self.0.values().filter(|silence| silence.state(now) == SilenceState::Active);
        active.filter(|silence| silence.matchers.matches(labels)).map(|silence| silence.id.as_str()).collect()
    }

    /// One of them.
    pub fn get(&self, id: &str) -> Option<&Silence> {
        self.0.get(id)
    }

    /// Makes a silence, or changes the one with `id`; says the id that it has now. What cannot be changed in place (the matchers,
    /// or a beginning that is past) expires, and a new one takes its place with `new_id`.
    pub fn set(&mut self, mut silence: Silence, new_id: impl FnOnce() -> String, now: UnixNanos) -> Result<String, SilenceError> {
        silence.check(now)?;
        silence.updated_at = now;
        if !silence.id.is_empty() {
            let known = self.0.get_mut(&silence.id).ok_or(SilenceError::NotFound)?;
            if can_update(known, &silence, now) {
                let id = silence.id.clone();
                *known = silence;
                return Ok(id);
            }
            expire(known, now);
        }
        if self.0.len() >= SILENCES_MAX {
            return Err(SilenceError::Full);
        }
        silence.starts_at = silence.starts_at.max(now);
        silence.id = new_id();
        let id = silence.id.clone();
        self.0.insert(id.clone(), silence);
        Ok(id)
    }

    /// Ends one now. One that has ended is left as it is.
    pub fn expire(&mut self, id: &str, now: UnixNanos) -> Result<(), SilenceError> {
        self.0.get_mut(id).map(|silence| expire(silence, now)).ok_or(SilenceError::NotFound)
    }

    /// Forgets what has ended long ago.
    pub fn prune(&mut self, now: UnixNanos) {
        self.0.retain(|_, silence| silence.ends_at >= before(now, RETENTION));
    }

    /// Active ones first, those that end first before others; then those that begin; then those that ended last.
    pub fn listed(&self, now: UnixNanos) -> Vec<&Silence> {
        let mut listed: Vec<&Silence> = self.0.values().collect();
        listed.sort_by_key(|silence| {
            let state = silence.state(now);
            let place = match state {
                SilenceState::Active => silence.ends_at.0,
                SilenceState::Pending => silence.starts_at.0,
                SilenceState::Expired => silence.ends_at.0.saturating_neg(),
            };
            (state, place)
        });
        listed
    }
}

fn can_update(known: &Silence, new: &Silence, now: UnixNanos) -> bool {
    known.matchers == new.matchers
        && match known.state(now) {
            SilenceState::Active => new.starts_at.0 / 1_000_000_000 == known.starts_at.0 / 1_000_000_000 && new.ends_at >= now,
            SilenceState::Pending => new.starts_at >= now,
            SilenceState::Expired => false,
        }
}

fn expire(silence: &mut Silence, now: UnixNanos) {
    match silence.state(now) {
        SilenceState::Expired => return,
        SilenceState::Active => {}
        SilenceState::Pending => silence.starts_at = now,
    }
    // Its last nanosecond is past.
    silence.ends_at = UnixNanos(now.0.saturating_sub(1));
    silence.starts_at = silence.starts_at.min(silence.ends_at);
    silence.updated_at = now;
}

#[cfg(test)]
mod tests {
    use super::super::matcher;
    use super::*;

    fn silence(matchers: &str, starts_at: i64, ends_at: i64) -> Silence {
        Silence {
            id: String::new(),
            matchers: Matchers(matcher::parse(matchers).unwrap()),
            starts_at: UnixNanos(starts_at),
            ends_at: UnixNanos(ends_at),
            updated_at: UnixNanos(0),
            created_by: "me".to_owned(),
            comment: "c".to_owned(),
        }
    }

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn a_silence_passes_through_its_states() {
        let mut silences = Silences::default();
        let labels: LabelSet = [("a", "b")].into_iter().collect();
        let id = silences.set(silence("a=b", 10 * SECOND, 20 * SECOND), || "x".to_owned(), UnixNanos(SECOND)).unwrap();
        for (second, state, silenced) in [
            (9, SilenceState::Pending, false),
            (10, SilenceState::Active, true),
            (20, SilenceState::Active, true),
            (21, SilenceState::Expired, false),
        ] {
            let now = UnixNanos(second * SECOND);
            assert_eq!(silences.get(&id).unwrap().state(now), state);
            assert_eq!(!silences.of(&labels, now).is_empty(), silenced, "{second}");
        }
        silences.prune(UnixNanos(20 * SECOND + 120 * 3600 * SECOND));
        assert_eq!(silences.0.len(), 1);
        silences.prune(UnixNanos(21 * SECOND + 120 * 3600 * SECOND));
        assert_eq!(silences.0.len(), 0);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let now = UnixNanos(100 * SECOND);
        for (made, part) in [
            (silence("a=\"\"", 0, 200 * SECOND), "must not match the empty"),
            (silence("a=~.*", 0, 200 * SECOND), "must not match the empty"),
            (silence("a=b", 200 * SECOND, 200 * SECOND), "before end time"),
            (silence("a=b", 0, 50 * SECOND), "in the past"),
        ] {
            let error = Silences::default().set(made, String::new, now).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        }
        let unknown = Silence { id: "nope".to_owned(), ..silence("a=b", 0, 200 * SECOND) };
        assert_eq!(Silences::default().set(unknown, String::new, now), Err(SilenceError::NotFound));
    }

    #[test]
    fn a_change_is_made_in_place_where_that_is_honest() {
        let now = UnixNanos(100 * SECOND);
        let mut silences = Silences::default();
        let id = silences.set(silence("a=b", 0, 200 * SECOND), || "1".to_owned(), now).unwrap();
        assert_eq!(silences.get(&id).unwrap().starts_at, now, "nothing is silenced backwards");
        let longer = Silence { id: id.clone(), ..silence("a=b", now.0, 300 * SECOND) };
        assert_eq!(silences.set(longer, || "2".to_owned(), now).as_deref(), Ok("1"));
        let wider = Silence { id, ..silence("a=~b.*", now.0, 300 * SECOND) };
        assert_eq!(silences.set(wider, || "3".to_owned(), now).as_deref(), Ok("3"));
        let states: Vec<_> = silences.listed(now).iter().map(|silence| (silence.id.as_str(), silence.state(now))).collect();
        assert_eq!(states, [("3", SilenceState::Active), ("1", SilenceState::Expired)]);
        silences.expire("3", now).unwrap();
        assert_eq!(silences.get("3").unwrap().state(now), SilenceState::Expired);
        assert_eq!(silences.expire("9", now), Err(SilenceError::NotFound));
    }
}
