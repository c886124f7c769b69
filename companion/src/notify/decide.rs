//! When somebody is told: from what was told last and what there is now. Pure.
//!
//! The notification log has an entry for each group and way of telling: what was firing and what was over when it was last told,
//! and when. Entries are kept for 120 hours, so what fires for longer is told again every five days at the latest.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proto::time::UnixNanos;

use super::alert::Fingerprint;

/// How long an entry is remembered.
pub const RETENTION: Duration = Duration::from_hours(120);

/// What was told last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// When.
    pub at: UnixNanos,
    /// What fired.
    pub firing: BTreeSet<Fingerprint>,
    /// What was over.
    pub resolved: BTreeSet<Fingerprint>,
}

/// Why somebody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Nothing of the group was told before.
    First,
    /// Something fires that was not firing when it was last told.
    NewFiring,
    /// Nothing fires any more.
    AllResolved,
    /// Something is over, and something else still fires.
    SomeResolved,
    /// The same again.
    Repeat,
}

/// Whether to tell, and why.
pub fn decide(
    last: Option<&Told>,
    firing: &BTreeSet<Fingerprint>,
    resolved: &BTreeSet<Fingerprint>,
    send_resolved: bool,
    repeat: Duration,
    now: UnixNanos,
) -> Option<Reason> {
    let Some(last) = last else {
        return (!firing.is_empty()).then_some(Reason::First);
    };
    if !firing.is_subset(&last.firing) {
        return Some(Reason::NewFiring);
    }
    if firing.is_empty() {
        // Whatever `send_resolved` says: the log must forget that something fires.
        return (!last.firing.is_empty()).then_some(Reason::AllResolved);
    }
    if send_resolved && !resolved.is_subset(&last.resolved) {
        return Some(Reason::SomeResolved);
    }
    (last.at < before(now, repeat)).then_some(Reason::Repeat)
}

/// A time before another.
pub fn before(time: UnixNanos, span: Duration) -> UnixNanos {
    UnixNanos(time.0.saturating_sub(nanos(span)))
}

/// A time after another.
pub fn after(time: UnixNanos, span: Duration) -> UnixNanos {
    UnixNanos(time.0.saturating_add(nanos(span)))
}

fn nanos(span: Duration) -> i64 {
    i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)
}

/// Which group, told in which way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogKey {
    /// The group's identity.
    pub group: String,
    /// The receiver's name.
    pub receiver: String,
    /// Which of its integrations.
    pub integration: String,
}

/// What was told last, to whom.
#[derive(Clone, Debug, Default)]
pub struct NotificationLog(pub BTreeMap<LogKey, Told>);

impl NotificationLog {
    /// What was told last, unless that is too long ago.
    pub fn get(&self, key: &LogKey, now: UnixNanos) -> Option<&Told> {
        self.0.get(key).filter(|told| told.at >= before(now, RETENTION))
    }

    /// Notes what was told.
    pub fn note(&mut self, key: LogKey, told: Told) {
        self.0.insert(key, told);
    }

    /// Forgets what is too old.
    pub fn prune(&mut self, now: UnixNanos) {
        self.0.retain(|_, told| told.at >= before(now, RETENTION));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000_000;

    fn set(items: &[u64]) -> BTreeSet<Fingerprint> {
        items.iter().copied().map(Fingerprint).collect()
    }

    #[test]
    fn each_case_is_decided_as_the_notification_log_says() {
        let told =
            |firing: &[u64], resolved: &[u64]| Some(Told { at: UnixNanos(0), firing: set(firing), resolved: set(resolved) });
        // last · firing, resolved · send_resolved · minutes later · told
        for (last, firing, resolved, send_resolved, minutes, reason) in [
            (None, &[1][..], &[][..], true, 5, Some(Reason::First)),
            (None, &[], &[1], true, 5, None), // fired and resolved within group_wait
            (told(&[1], &[]), &[1], &[], true, 5, None),
            (told(&[1], &[]), &[1, 2], &[], true, 5, Some(Reason::NewFiring)),
            (told(&[1, 2], &[]), &[1], &[2], true, 5, Some(Reason::SomeResolved)),
            (told(&[1, 2], &[]), &[1], &[2], false, 5, None),
            (told(&[1], &[2]), &[1], &[2], true, 5, None),
            (told(&[1], &[]), &[], &[1], true, 5, Some(Reason::AllResolved)),
            (told(&[1], &[]), &[], &[1], false, 5, Some(Reason::AllResolved)),
            (told(&[], &[1]), &[], &[1, 2], true, 500, None), // nobody knew of the second
            (told(&[], &[1]), &[1], &[], true, 5, Some(Reason::NewFiring)), // again
            (told(&[1], &[]), &[1], &[], true, 60, None),
            (told(&[1], &[]), &[1], &[], true, 61, Some(Reason::Repeat)),
        ] {
            let now = UnixNanos(minutes * MINUTE);
            let decided = decide(last.as_ref(), &set(firing), &set(resolved), send_resolved, Duration::from_hours(1), now);
            assert_eq!(decided, reason, "{last:?} {firing:?} {resolved:?} {send_resolved} {minutes}");
        }
    }

    #[test]
    fn entries_are_forgotten_after_five_days() {
        let key = LogKey { group: "g".to_owned(), receiver: "r".to_owned(), integration: "slack[0]".to_owned() };
        let mut log = NotificationLog::default();
        log.note(key.clone(), Told::default());
        assert!(log.get(&key, UnixNanos(120 * 60 * MINUTE)).is_some());
        assert!(log.get(&key, UnixNanos(120 * 60 * MINUTE + 1)).is_none());
        log.prune(UnixNanos(121 * 60 * MINUTE));
        assert!(log.0.is_empty());
    }
}
