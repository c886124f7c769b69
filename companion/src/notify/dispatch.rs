//! The router's core: alerts in, notifications out. No I/O, and it is given the time.
//!
//! [`Dispatcher::take`] sorts alerts into groups, [`Dispatcher::poll`] looks at the groups whose time has come, in the order of
//! Alertmanager: inhibition, time intervals, silences, then what was told last. A notification is settled by
//! [`Dispatcher::settle`]; one that was not delivered leaves the log as it was, so the next look tells it again.
//!
//! One thing is stricter than Alertmanager: what fired and was over before anybody could be reached is told all the same, first
//! as firing and then as over ([`Group::owed`]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proto::time::UnixNanos;

use super::alert::{Alert, AlertStatus, Fingerprint, listing_order};
use super::config::Config;
use super::decide::{self, LogKey, NotificationLog, Reason, Told, after, before, decide};
use super::group::{Group, GroupKey, UnderWay, shown_key};
use super::inhibit::Inhibitors;
use super::route::Route;
use super::silence::Silences;
use crate::labels::LabelSet;

/// The most alerts that are known at a time. Beyond, new ones are refused and counted; known ones go on.
pub const ALERTS_MAX: usize = 50_000;
/// A notification may take at least so long.
const DELIVERY_MIN: Duration = Duration::from_secs(10);

/// An alert, and when it was last heard of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// As it is known.
    pub alert: Alert,
    /// When it was last heard of.
    pub updated_at: UnixNanos,
    /// Whether its end is only that nothing was heard for a while.
    pub times_out: bool,
}

/// Something to tell somebody.
#[derive(Clone, Debug)]
pub struct Notification {
    /// Of which group.
    pub group: GroupKey,
    /// The group as Alertmanager's webhooks call it.
    pub group_key: String,
    /// The labels that tell the group.
    pub group_labels: LabelSet,
    /// Whom.
    pub receiver: String,
    /// In which way.
    pub integration: String,
    /// Of what, in the order of listing.
    pub alerts: Vec<(Alert, AlertStatus)>,
    /// Why.
    pub reason: Reason,
    /// Until when it is tried.
    pub deadline: UnixNanos,
    firing: BTreeSet<Fingerprint>,
    resolved: BTreeSet<Fingerprint>,
}

impl Notification {
    fn log_key(&self) -> LogKey {
        LogKey { group: self.group.0.clone(), receiver: self.receiver.clone(), integration: self.integration.clone() }
    }
}

/// What is known of an alert, for whoever asks.
#[derive(Clone, Debug)]
pub struct AlertView<'a> {
    /// The alert.
    pub known: &'a Known,
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// Who is told of it.
    pub receivers: Vec<String>,
    /// The alert that mutes it.
    pub inhibited_by: Vec<Fingerprint>,
    /// The silences that mute it.
    pub silenced_by: Vec<&'a str>,
    /// Whether one of its groups was looked at.
    pub is_processed: bool,
}

/// All state of the router.
#[derive(Clone, Debug)]
pub struct Dispatcher {
    config: Arc<Config>,
    pub(super) alerts: BTreeMap<Fingerprint, Known>,
    pub(super) groups: BTreeMap<GroupKey, Group>,
    pub(super) log: NotificationLog,
    /// What people have asked not to be told.
    pub silences: Silences,
    refused: u64,
}

impl Dispatcher {
    /// Knows nothing yet.
    pub fn new(config: Arc<Config>) -> Self {
        Self {
            config,
            alerts: BTreeMap::new(),
            groups: BTreeMap::new(),
            log: NotificationLog::default(),
            silences: Silences::default(),
            refused: 0,
        }
    }

    /// The same knowledge under another configuration: silences, what was told, alerts and their groups. Groups that both have go on
    /// as they were, with what is under way; none waits longer than the new configuration says.
    #[must_use]
    pub fn reconfigured(&self, config: &Arc<Config>, now: UnixNanos) -> Self {
        let mut next = Self::new(Arc::clone(config));
        (next.silences, next.log, next.refused) = (self.silences.clone(), self.log.clone(), self.refused);
        for known in self.alerts.values() {
            let was_member = |key: &GroupKey, member| self.groups.get(key).is_some_and(|group| group.members.contains(&member));
            next.put_back(known.clone(), was_member, now);
        }
        for (key, group) in &mut next.groups {
            let (Some(before), Some(route)) = (self.groups.get(key), config.routes.get(group.route)) else { continue };
            let wait = if before.has_flushed { route.group_interval } else { route.group_wait };
            group.next = before.next.min(after(now, wait));
            group.has_flushed = before.has_flushed;
            group.owed.clone_from(&before.owed);
            group.under_way.clone_from(&before.under_way);
        }
        next
    }

    /// An alert that was known before, into the groups that it belongs to now. What is over only goes where it was a member.
    pub(super) fn put_back(&mut self, known: Known, was_member: impl Fn(&GroupKey, Fingerprint) -> bool, now: UnixNanos) {
        let config = Arc::clone(&self.config);
        let fingerprint = known.alert.fingerprint();
        let is_over = known.alert.is_resolved(now);
        for id in config.routes.of(&known.alert.labels) {
            let Some(route) = config.routes.get(id) else { continue };
            let labels = route.group_by.of(&known.alert.labels);
            let key = GroupKey::of(route, &labels);
            if is_over && !was_member(&key, fingerprint) {
                continue;
            }
            let group = self.groups.entry(key).or_insert_with(|| Group::new(id, labels, route, now));
            group.insert(fingerprint, &known.alert, route, now);
        }
        self.alerts.insert(fingerprint, known);
    }

    /// What it runs on.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// How many alerts were refused because too many are known.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// How many groups have something that nobody could be told of, so far.
    pub fn owing(&self) -> usize {
        self.groups.values().filter(|group| group.owed.values().any(|owed| !owed.is_empty())).count()
    }

    /// News of alerts.
    pub fn take(&mut self, alerts: impl IntoIterator<Item = Alert>, now: UnixNanos) {
        for alert in alerts {
            self.take_one(alert, now);
        }
    }

    fn take_one(&mut self, mut alert: Alert, now: UnixNanos) {
        // An empty label is no label.
        if alert.labels.iter().any(|(_, value)| value.is_empty()) {
            let labels = alert.labels.clone();
            alert.labels = labels.without(|name| labels.get(name).is_some_and(str::is_empty));
        }
        let times_out = alert.ends_at.0 == 0;
        if alert.starts_at.0 == 0 {
            alert.starts_at = if times_out { now } else { alert.ends_at.min(now) };
        }
        if times_out {
            alert.ends_at = after(now, self.config.resolve_timeout);
        }
        let fingerprint = alert.fingerprint();
        let mut known = Known { alert, updated_at: now, times_out };
        match self.alerts.get(&fingerprint) {
            Some(old) => merge(&mut known, old, now),
            None if self.alerts.len() >= ALERTS_MAX => {
                self.refused = self.refused.saturating_add(1);
                return;
            }
            None => {}
        }
        let config = Arc::clone(&self.config);
        let mut wanted = self.alerts.contains_key(&fingerprint);
        for id in config.routes.of(&known.alert.labels) {
            let Some(route) = config.routes.get(id) else { continue };
            let labels = route.group_by.of(&known.alert.labels);
            let key = GroupKey::of(route, &labels);
            // What is over and was never told of makes no group.
            if known.alert.is_resolved(now) && !self.groups.contains_key(&key) && !self.is_told_firing(&key, fingerprint) {
                continue;
            }
            wanted = true;
            let group = self.groups.entry(key).or_insert_with(|| Group::new(id, labels, route, now));
            group.insert(fingerprint, &known.alert, route, now);
        }
        if wanted {
            self.alerts.insert(fingerprint, known);
        }
    }

    fn is_told_firing(&self, key: &GroupKey, fingerprint: Fingerprint) -> bool {
        let first = LogKey { group: key.0.clone(), receiver: String::new(), integration: String::new() };
        let of_group = self.log.0.range(first..).take_while(|(entry, _)| entry.group == key.0);
        of_group.into_iter().any(|(_, told)| told.firing.contains(&fingerprint))
    }

    /// When there is something to look at next.
    pub fn next_wake(&self) -> Option<UnixNanos> {
        self.groups.values().filter(|group| group.under_way.is_none()).map(|group| group.next).min()
    }

    /// Looks at the groups whose time has come; says what is to be told.
    pub fn poll(&mut self, now: UnixNanos) -> Vec<Notification> {
        let due: Vec<GroupKey> = self.groups.iter().filter(|(_, group)| group.is_due(now)).map(|(key, _)| key.clone()).collect();
        if due.is_empty() {
            return Vec::new();
        }
        let inhibitors = self.inhibitors(now);
        let mut told = Vec::new();
        for key in due {
            told.extend(self.look(&key, &inhibitors, now));
        }
        told
    }

    fn look(&mut self, key: &GroupKey, inhibitors: &Inhibitors, now: UnixNanos) -> Vec<Notification> {
        let config = Arc::clone(&self.config);
        let Some(group) = self.groups.get(key) else { return Vec::new() };
        let Some(route) = config.routes.get(group.route) else { return Vec::new() };
        let receiver = config.receivers.iter().find(|receiver| receiver.name == route.receiver);
        let members: Vec<(Fingerprint, Known)> =
            group.members.iter().filter_map(|member| Some((*member, self.alerts.get(member)?.clone()))).collect();
        let mut shown: Vec<(Fingerprint, Alert)> = if is_mute(&config, route, now) {
            Vec::new()
        } else {
            let is_told = |labels: &LabelSet| inhibitors.of(labels).is_none() && self.silences.of(labels, now).is_empty();
            let told = members.iter().filter(|(_, known)| is_told(&known.alert.labels));
            told.map(|(member, known)| (*member, known.alert.clone())).collect()
        };
        shown.sort_by(|(_, left), (_, right)| listing_order(&left.labels, &right.labels));

        let mut replaced = BTreeSet::new();
        let mut notifications = Vec::new();
        for integration in receiver.into_iter().flat_map(|receiver| &receiver.integrations).filter(|_| !shown.is_empty()) {
            let owed = group.owed.get(&integration.id);
            let mut alerts: Vec<(Fingerprint, Alert, AlertStatus)> = Vec::with_capacity(shown.len());
            for (member, alert) in &shown {
                let status = alert.status(now);
                match owed.and_then(|owed| owed.get(member)).filter(|_| status == AlertStatus::Resolved) {
                    Some(as_it_fired) => {
                        replaced.insert(*member);
                        alerts.push((*member, as_it_fired.clone(), AlertStatus::Firing));
                    }
                    None => alerts.push((*member, alert.clone(), status)),
                }
            }
            let with = |wanted: AlertStatus| {
                alerts.iter().filter(|(_, _, status)| *status == wanted).map(|(member, _, _)| *member).collect::<BTreeSet<_>>()
            };
            let (firing, resolved) = (with(AlertStatus::Firing), with(AlertStatus::Resolved));
            let log_key = LogKey { group: key.0.clone(), receiver: route.receiver.clone(), integration: integration.id.clone() };
            let last = self.log.get(&log_key, now);
            let Some(reason) = decide(last, &firing, &resolved, integration.send_resolved, route.repeat_interval, now) else {
                continue;
            };
            let told = alerts.into_iter().map(|(_, alert, status)| (end_of(alert, status), status));
            let told = told.filter(|(_, status)| integration.send_resolved || *status == AlertStatus::Firing).collect();
            notifications.push(Notification {
                group: key.clone(),
                group_key: shown_key(route, &group.labels),
                group_labels: group.labels.clone(),
                receiver: route.receiver.clone(),
                integration: integration.id.clone(),
                alerts: told,
                reason,
                deadline: after(now, route.group_interval.max(DELIVERY_MIN)),
                firing,
                resolved,
            });
        }

        let over = members.iter().filter(|(member, known)| known.alert.is_resolved(now) && !replaced.contains(member));
        let over = over.map(|(member, known)| (*member, known.updated_at)).collect();
        let next = after(now, route.group_interval);
        let waiting = notifications.len();
        if let Some(group) = self.groups.get_mut(key) {
            group.next = next;
            group.has_flushed = true;
            group.under_way = Some(UnderWay { waiting, failed: false, over });
        }
        // Somebody who is not told of what is over has nothing to be sent, but it is noted.
        let (empty, told): (Vec<_>, Vec<_>) = notifications.into_iter().partition(|notification| notification.alerts.is_empty());
        for notification in empty {
            self.settle(&notification, true, now);
        }
        self.finish(key, now);
        told
    }

    /// A notification was delivered, or given up for now.
    pub fn settle(&mut self, notification: &Notification, delivered: bool, now: UnixNanos) {
        let key = notification.log_key();
        let known = self.log.get(&key, now).map(|told| told.firing.clone()).unwrap_or_default();
        if delivered {
            let told = Told { at: now, firing: notification.firing.clone(), resolved: notification.resolved.clone() };
            self.log.note(key, told);
        }
        let Some(group) = self.groups.get_mut(&notification.group) else { return };
        if delivered {
            group.owed.remove(&notification.integration);
        } else {
            let owed = group.owed.entry(notification.integration.clone()).or_default();
            for (alert, status) in &notification.alerts {
                let fingerprint = alert.fingerprint();
                if *status == AlertStatus::Firing && !known.contains(&fingerprint) {
                    owed.entry(fingerprint).or_insert_with(|| alert.clone());
                }
            }
        }
        if let Some(under_way) = &mut group.under_way {
            under_way.waiting = under_way.waiting.saturating_sub(1);
            under_way.failed |= !delivered;
        }
        self.finish(&notification.group, now);
    }

    /// When all have answered, what is over leaves the group, unless it came again or somebody could not be told.
    fn finish(&mut self, key: &GroupKey, now: UnixNanos) {
        let Some(group) = self.groups.get_mut(key) else { return };
        let Some(done) = group.under_way.take_if(|under_way| under_way.waiting == 0) else { return };
        let mut left = Vec::new();
        if !done.failed {
            for (member, updated_at) in done.over {
                if self.alerts.get(&member).is_none_or(|known| known.updated_at == updated_at) {
                    group.members.remove(&member);
                    left.push(member);
                }
            }
        }
        group.members.retain(|member| self.alerts.contains_key(member));
        if group.is_empty() {
            self.groups.remove(key);
        }
        for member in left {
            let is_over = self.alerts.get(&member).is_some_and(|known| known.alert.is_resolved(now));
            if is_over && !self.groups.values().any(|group| group.members.contains(&member)) {
                self.alerts.remove(&member);
            }
        }
    }

    fn inhibitors(&self, now: UnixNanos) -> Inhibitors {
        let alerts = self.alerts.iter().map(|(fingerprint, known)| (*fingerprint, &known.alert));
        Inhibitors::at(&self.config.inhibit_rules, &alerts, now)
    }

    /// Forgets what is older than the retention. To be called now and then.
    pub fn prune(&mut self, now: UnixNanos) {
        self.silences.prune(now);
        self.log.prune(now);
        let long_ago = before(now, decide::RETENTION);
        for group in self.groups.values_mut() {
            // Nobody could be reached for five days.
            group.members.retain(|member| self.alerts.get(member).is_some_and(|known| known.alert.ends_at >= long_ago));
            let members = &group.members;
            group.owed.values_mut().for_each(|owed| owed.retain(|member, _| members.contains(member)));
        }
        self.groups.retain(|_, group| !group.is_empty());
        let used: BTreeSet<Fingerprint> = self.groups.values().flat_map(|group| group.members.iter().copied()).collect();
        self.alerts.retain(|fingerprint, known| !known.alert.is_resolved(now) || used.contains(fingerprint));
    }

    /// The alerts that are not over, for whoever asks.
    pub fn view(&self, now: UnixNanos) -> Vec<AlertView<'_>> {
        let inhibitors = self.inhibitors(now);
        let firing = self.alerts.iter().filter(|(_, known)| !known.alert.is_resolved(now));
        let of = |known: &Known| {
            let labels = &known.alert.labels;
            let routes: Vec<&Route> =
                self.config.routes.of(labels).into_iter().filter_map(|id| self.config.routes.get(id)).collect();
            let is_processed = routes.iter().any(|route| {
                let key = GroupKey::of(route, &route.group_by.of(labels));
                self.groups.get(&key).is_some_and(|group| group.has_flushed)
            });
            (routes.iter().map(|route| route.receiver.clone()).collect(), is_processed)
        };
        firing
            .map(|(fingerprint, known)| {
                let (receivers, is_processed) = of(known);
                let inhibited_by = inhibitors.of(&known.alert.labels).into_iter().collect();
                let silenced_by = self.silences.of(&known.alert.labels, now);
                AlertView { known, fingerprint: *fingerprint, receivers, inhibited_by, silenced_by, is_processed }
            })
            .collect()
    }
}

/// What fires has no end yet.
fn end_of(alert: Alert, status: AlertStatus) -> Alert {
    match status {
        AlertStatus::Firing => Alert { ends_at: UnixNanos(0), ..alert },
        AlertStatus::Resolved => alert,
    }
}

/// Whether a route is silent now because of its time intervals.
fn is_mute(config: &Config, route: &Route, now: UnixNanos) -> bool {
    let is_now =
        |names: &[String]| names.iter().filter_map(|name| config.intervals.get(name)).any(|interval| interval.contains(now));
    (!route.active.is_empty() && !is_now(&route.active)) || is_now(&route.mute)
}

/// News of a known alert whose time overlaps with what was known: the earlier beginning holds, and the later end, if it was said.
fn merge(new: &mut Known, old: &Known, now: UnixNanos) {
    let within = |time: UnixNanos| old.alert.starts_at < time && time < old.alert.ends_at;
    if !within(new.alert.ends_at) && !within(new.alert.starts_at) {
        return;
    }
    new.alert.starts_at = new.alert.starts_at.min(old.alert.starts_at);
    let is_later = old.alert.ends_at > new.alert.ends_at;
    let holds = if new.alert.is_resolved(now) { old.alert.is_resolved(now) } else { !old.times_out };
    if is_later && holds {
        new.alert.ends_at = old.alert.ends_at;
        new.times_out = old.times_out;
    }
}

#[cfg(test)]
mod tests;
