//! One alert's life, as Prometheus has it: pending, firing, and inactive for a while. Pure: it is given all times.
//!
//! Two times go in. `at` is the instant that was evaluated, the event's own time; `now` is when that was done. They differ after an
//! outage, and then an alert is marked late and held for a while: whoever it is told to would otherwise hear only that it is over.
//! For the same reason an alert that nobody was told of does not resolve.

use std::fmt;

use proto::time::UnixNanos;
use serde::Serialize;
use thiserror::Error;

use crate::labels::LabelSet;

/// How long an alert that is over is remembered, and sent again.
pub const RESOLVED_KEPT: i64 = 15 * 60 * 1_000_000_000;

/// Where an alert is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// It is over.
    Inactive,
    /// The condition holds, but not yet for as long as the rule wants.
    Pending,
    /// People are told.
    Firing,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inactive => "inactive",
            Self::Pending => "pending",
            Self::Firing => "firing",
        })
    }
}

/// One alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Those of the sample, of the rule, and `alertname`.
    pub labels: LabelSet,
    /// Those of the rule, expanded.
    pub annotations: LabelSet,
    /// The sample's value when it was seen last.
    pub value: f64,
    /// Where it is in its life.
    pub phase: Phase,
    /// Since when the condition holds.
    pub active_at: UnixNanos,
    /// Since when it fires.
    pub fired_at: Option<UnixNanos>,
    /// When it ended.
    pub resolved_at: Option<UnixNanos>,
    /// The first evaluation without it, while it is kept.
    pub missing_since: Option<UnixNanos>,
    /// When it was last handed to the notifiers.
    pub last_sent: Option<UnixNanos>,
    /// The last evaluation that had it.
    pub seen_at: UnixNanos,
    /// It fires at least until then.
    pub held_until: Option<UnixNanos>,
    /// How much later than it happened it was found, nanoseconds; nothing when in time.
    pub late: Option<i64>,
}

impl Alert {
    pub(super) fn new(found: Found, at: UnixNanos) -> Self {
        Self {
            labels: found.labels,
            annotations: found.annotations,
            value: found.value,
            phase: Phase::Pending,
            active_at: at,
            fired_at: None,
            resolved_at: None,
            missing_since: None,
            last_sent: None,
            seen_at: at,
            held_until: None,
            late: None,
        }
    }

    /// The annotations as they are told: with `late` where it was.
    pub fn told_annotations(&self) -> LabelSet {
        match self.late {
            Some(late) => self.annotations.with([("late", super::template::humanize::humanize_duration(late as f64 / 1e9))]),
            None => self.annotations.clone(),
        }
    }

    /// Whether the notifiers should hear of it.
    pub(super) fn is_due(&self, now: UnixNanos, resend_delay: i64) -> bool {
        let is_forgotten = self.resolved_at.is_some_and(|resolved| now.0.saturating_sub(resolved.0) > RESOLVED_KEPT);
        match (self.phase, self.last_sent) {
            (Phase::Pending, _) => false,
            _ if is_forgotten => false,
            (_, None) => true,
            (_, Some(sent)) => {
                self.resolved_at.is_some_and(|resolved| resolved > sent) || sent.0.saturating_add(resend_delay) < now.0
            }
        }
    }

    /// Whether something differs that must survive a crash. What the next evaluation finds again need not.
    pub(super) fn is_worth_saving(&self, before: Option<&Self>) -> bool {
        let Some(before) = before else { return true };
        let lasting = |alert: &Self| {
            (
                alert.phase,
                alert.active_at,
                alert.fired_at,
                alert.resolved_at,
                alert.missing_since,
                alert.last_sent,
                alert.held_until,
                alert.late,
            )
        };
        lasting(self) != lasting(before)
    }
}

/// A sample that became an alert's labels and texts.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The labels of the sample.
    pub series: LabelSet,
    /// With those of the rule and `alertname`.
    pub labels: LabelSet,
    /// Expanded.
    pub annotations: LabelSet,
    /// The sample's.
    pub value: f64,
}

/// When an evaluation is of, when it is done, and what the rule wants.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The instant that is evaluated.
    pub at: UnixNanos,
    /// When that is done.
    pub now: UnixNanos,
    /// `for`, nanoseconds.
    pub wait: i64,
    /// `keep_firing_for`, nanoseconds.
    pub keep_firing: i64,
    /// An alert found so much later than it happened is marked late, nanoseconds.
    pub late_after: i64,
    /// A late alert fires so long from `now`, nanoseconds.
    pub hold: i64,
    /// Entries are still missing: what is not there need not be over.
    pub is_catching_up: bool,
    /// With so many alerts that are pending or firing no further one begins.
    pub most: usize,
}

/// Two samples became the same alert.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("two samples become the same alert {0}: the rule's labels replace those that tell them apart")]
pub struct Duplicate(pub LabelSet);

/// An alert as it goes to the notifiers.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// With `alertname`.
    pub labels: LabelSet,
    /// With `late` where it was.
    pub annotations: LabelSet,
    /// Since when it fires.
    pub starts_at: UnixNanos,
    /// When it ended; of a firing one, when it is to be taken for ended if nothing more is heard.
    pub ends_at: UnixNanos,
    /// Whether it is over.
    pub is_resolved: bool,
    /// Where its rule can be seen.
    pub generator_url: String,
}

/// A time in which an alert fired, kept so that a late event does not tell of it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Episode {
    /// Which alert.
    pub labels: LabelSet,
    /// Since when it fired.
    pub from: UnixNanos,
    /// When it ended.
    pub until: UnixNanos,
    /// When that was noted.
    pub noted: UnixNanos,
}

/// A firing alert that an evaluation did not have.
pub(super) fn end_or_keep(alert: &mut Alert, moment: &Moment) -> Option<Episode> {
    let since = *alert.missing_since.get_or_insert(moment.at);
    if alert.held_until.is_some_and(|until| moment.at < until) {
        return None;
    }
    if moment.at.0.saturating_sub(since.0) < moment.keep_firing {
        return None;
    }
    if alert.last_sent.is_none() {
        alert.held_until = Some(UnixNanos(moment.now.0.saturating_add(moment.hold)));
        return None;
    }
    // While it was held, the condition no longer held: what happened then is another alert.
    let until = if alert.held_until.is_some() { since } else { moment.at };
    alert.phase = Phase::Inactive;
    alert.resolved_at = Some(moment.at);
    alert.missing_since = None;
    let from = alert.fired_at.unwrap_or(alert.active_at);
    Some(Episode { labels: alert.labels.clone(), from, until, noted: moment.now })
}

/// An alert that begins to fire: whether that is late.
pub(super) fn mark_late(alert: &mut Alert, moment: &Moment) {
    let lag = moment.now.0.saturating_sub(alert.fired_at.unwrap_or(moment.at).0);
    if lag > moment.late_after {
        alert.late = Some(lag);
        alert.held_until = Some(UnixNanos(moment.now.0.saturating_add(moment.hold)));
    }
}
