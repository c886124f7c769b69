//! Groups of alerts and their timers: what a group knows, and when it is looked at next. Pure.
//!
//! A group is first looked at `group_wait` after its first alert came, or at once if that alert began longer ago than that;
//! afterwards every `group_interval`. While a notification of it is under way it is not looked at.

use std::collections::{BTreeMap, BTreeSet};

use proto::time::UnixNanos;

use super::alert::{Alert, Fingerprint};
use super::decide::{after, before};
use super::route::{Route, RouteId};
use crate::labels::LabelSet;

/// What a group is known by, across restarts: its route's path and its labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupKey(pub String);

impl GroupKey {
    /// Of a route and labels.
    pub fn of(route: &Route, labels: &LabelSet) -> Self {
        Self(format!("{}:{}", route.path, shown(labels)))
    }
}

/// The key as Alertmanager's webhooks have it.
pub fn shown_key(route: &Route, labels: &LabelSet) -> String {
    format!("{}:{}", route.key, shown(labels))
}

/// `{a="b", c="d"}`, as Go prints label sets.
fn shown(labels: &LabelSet) -> String {
    labels.to_string()
}

/// One group.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its route.
    pub route: RouteId,
    /// The labels that its alerts have alike.
    pub labels: LabelSet,
    /// Its alerts.
    pub members: BTreeSet<Fingerprint>,
    /// When it is looked at next.
    pub next: UnixNanos,
    /// Whether it was looked at before.
    pub has_flushed: bool,
    /// Notifications that could not be delivered, by integration: alerts that fired and that nobody was told of. What is over by
    /// now is told as firing once, so that nothing that happened while nobody could be reached stays unsaid.
    pub owed: BTreeMap<String, BTreeMap<Fingerprint, Alert>>,
    /// What is under way: how many integrations have not answered, and what becomes of the alerts then.
    pub under_way: Option<UnderWay>,
}

/// A look whose notifications are not settled.
#[derive(Clone, Debug, Default)]
pub struct UnderWay {
    /// Integrations that have not answered.
    pub waiting: usize,
    /// Whether one has failed.
    pub failed: bool,
    /// Alerts that were over, and when each was last heard of: they leave the group when all was delivered.
    pub over: Vec<(Fingerprint, UnixNanos)>,
}

impl Group {
    /// A group that begins with an alert.
    pub fn new(route: RouteId, labels: LabelSet, settings: &Route, now: UnixNanos) -> Self {
        Self {
            route,
            labels,
            members: BTreeSet::new(),
            next: after(now, settings.group_wait),
            has_flushed: false,
            owed: BTreeMap::new(),
            under_way: None,
        }
    }

    /// An alert comes in.
    pub fn insert(&mut self, fingerprint: Fingerprint, alert: &Alert, settings: &Route, now: UnixNanos) {
        self.members.insert(fingerprint);
        if !self.has_flushed && alert.starts_at < before(now, settings.group_wait) {
            self.next = self.next.min(now);
        }
    }

    /// Whether it can be looked at.
    pub fn is_due(&self, now: UnixNanos) -> bool {
        self.under_way.is_none() && self.next <= now
    }

    /// Whether nobody would miss it.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && self.under_way.is_none() && self.owed.values().all(BTreeMap::is_empty)
    }
}
