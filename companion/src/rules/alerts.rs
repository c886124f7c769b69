//! The alerts of one rule: what an evaluation found goes in, what is to be told comes out. Pure: it is given all times.
//!
//! An evaluation is of the whole rule or of a part; what a part does not have says nothing of the others. What is to be told stands
//! in a list by time, so that neither an event nor a question whether there is news costs more when many alerts fire.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proto::time::UnixNanos;

use super::alert::{Alert, Duplicate, Episode, Found, Moment, Notification, Phase, RESOLVED_KEPT, end_or_keep, mark_late};
use crate::labels::LabelSet;

#[cfg(test)]
mod tests;

/// Most alerts of one rule, where its group has no `limit`.
pub const ALERTS_MAX: usize = 10_000;
/// Most episodes of one rule that are remembered.
const EPISODES_MAX: usize = 10_000;

/// The alerts of one rule.
#[derive(Clone, Debug, Default)]
pub struct Alerts {
    by_labels: BTreeMap<LabelSet, Kept>,
    /// How many of them are pending or firing.
    active: usize,
    /// When firing ones are to be told, and of which it is to be told that they are over.
    due: BTreeSet<(UnixNanos, LabelSet)>,
    due_over: BTreeSet<(UnixNanos, LabelSet)>,
    episodes: VecDeque<Episode>,
    /// Alerts that changed in what must survive a crash.
    changed: BTreeSet<LabelSet>,
    /// How many of the episodes are not yet journaled: the last ones.
    unsaved_episodes: usize,
}

/// An alert, and when to look whether something is to be told of it.
#[derive(Clone, Debug)]
struct Kept {
    alert: Alert,
    due: Option<UnixNanos>,
}

/// What an evaluation changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Alerts that began to fire.
    pub fired: usize,
    /// Alerts that did not begin because there were too many.
    pub refused: usize,
}

/// In time before everything.
const AT_ONCE: UnixNanos = UnixNanos(i64::MIN);

impl Alerts {
    /// Takes in what an evaluation gave: all that there is.
    pub fn observe(&mut self, moment: &Moment, found: Vec<Found>) -> Result<Observed, Duplicate> {
        let present = by_labels(found)?;
        let missing: Vec<LabelSet> = self.by_labels.keys().filter(|labels| !present.contains_key(labels)).cloned().collect();
        Ok(self.take_in(moment, present, &missing))
    }

    /// The same where the evaluation was of a part: what it gave, and what it gave the last time. No other part has the same labels.
    pub fn observe_part(&mut self, moment: &Moment, found: Vec<Found>, before: Vec<Found>) -> Result<Observed, Duplicate> {
        let present = by_labels(found)?;
        let before = before.into_iter().map(|before| before.labels);
        let missing: Vec<LabelSet> = before.filter(|labels| !present.contains_key(labels)).collect();
        Ok(self.take_in(moment, present, &missing))
    }

    fn take_in(&mut self, moment: &Moment, present: BTreeMap<LabelSet, Found>, missing: &[LabelSet]) -> Observed {
        for labels in missing {
            self.miss(labels, moment);
        }
        let mut observed = Observed::default();
        for found in present.into_values() {
            self.meet(found, moment, &mut observed);
        }
        let surplus = self.episodes.len().saturating_sub(EPISODES_MAX);
        self.episodes.drain(..surplus);
        self.unsaved_episodes = self.unsaved_episodes.min(self.episodes.len());
        observed
    }

    /// An evaluation did not have it.
    fn miss(&mut self, labels: &LabelSet, moment: &Moment) {
        let Some(alert) = self.get(labels) else { return };
        match alert.phase {
            Phase::Inactive => {
                if alert.resolved_at.is_none_or(|resolved| moment.at.0.saturating_sub(resolved.0) > RESOLVED_KEPT) {
                    self.remove(labels);
                }
            }
            _ if moment.is_catching_up => {}
            Phase::Pending => self.remove(labels),
            Phase::Firing => {
                let mut alert = alert.clone();
                if let Some(episode) = end_or_keep(&mut alert, moment) {
                    self.episodes.push_back(episode);
                    self.unsaved_episodes += 1;
                }
                self.put(alert);
            }
        }
    }

    /// An evaluation has it.
    fn meet(&mut self, found: Found, moment: &Moment, observed: &mut Observed) {
        let is_full = self.active >= moment.most;
        let known = self.by_labels.get_mut(&found.labels).map(|kept| &mut kept.alert);
        let mut alert = match known.filter(|alert| alert.phase != Phase::Inactive) {
            // The most frequent case by far: it goes on.
            Some(alert) if alert.phase == Phase::Firing && alert.missing_since.is_none() => {
                (alert.value, alert.annotations, alert.seen_at) = (found.value, found.annotations, moment.at);
                return;
            }
            Some(known) => Alert {
                value: found.value,
                annotations: found.annotations,
                seen_at: moment.at,
                missing_since: None,
                ..known.clone()
            },
            None if is_full => {
                observed.refused += 1;
                return;
            }
            None => Alert::new(found, moment.at),
        };
        if alert.phase == Phase::Pending && moment.at.0.saturating_sub(alert.active_at.0) >= moment.wait {
            alert.phase = Phase::Firing;
            alert.fired_at = Some(moment.at);
            mark_late(&mut alert, moment);
            observed.fired += 1;
        }
        self.put(alert);
    }

    /// Puts an alert in the place of the one with its labels.
    fn put(&mut self, alert: Alert) {
        let labels = alert.labels.clone();
        let before = self.by_labels.remove(&labels);
        self.unlist(&labels, before.as_ref());
        if alert.is_worth_saving(before.as_ref().map(|before| &before.alert)) {
            self.changed.insert(labels.clone());
        }
        let is_news = alert.last_sent.is_none_or(|sent| alert.resolved_at.is_some_and(|resolved| resolved > sent));
        let due = match (alert.phase, before) {
            (Phase::Pending, _) => None,
            _ if is_news => Some(AT_ONCE),
            (phase, Some(before)) if before.alert.phase == phase && before.alert.last_sent == alert.last_sent => before.due,
            _ => Some(AT_ONCE),
        };
        self.list(Kept { alert, due });
    }

    fn remove(&mut self, labels: &LabelSet) {
        let before = self.by_labels.remove(labels);
        self.unlist(labels, before.as_ref());
        self.changed.insert(labels.clone());
    }

    fn list(&mut self, kept: Kept) {
        self.active += usize::from(kept.alert.phase != Phase::Inactive);
        let labels = kept.alert.labels.clone();
        if let Some(due) = kept.due {
            self.due_list(kept.alert.phase).insert((due, labels.clone()));
        }
        self.by_labels.insert(labels, kept);
    }

    fn unlist(&mut self, labels: &LabelSet, kept: Option<&Kept>) {
        let Some(kept) = kept else { return };
        self.active -= usize::from(kept.alert.phase != Phase::Inactive);
        if let Some(due) = kept.due {
            self.due_list(kept.alert.phase).remove(&(due, labels.clone()));
        }
    }

    fn due_list(&mut self, phase: Phase) -> &mut BTreeSet<(UnixNanos, LabelSet)> {
        if phase == Phase::Inactive { &mut self.due_over } else { &mut self.due }
    }

    /// Takes in an alert that was found when a time that had been evaluated before was looked at again, because of a late event.
    /// `ended` says when it ended, if it did. True if it is news.
    pub fn adopt(&mut self, mut alert: Alert, ended: Option<UnixNanos>, moment: &Moment) -> bool {
        let Some(fired_at) = alert.fired_at else {
            self.adopt_pending(alert);
            return false;
        };
        let until = ended.unwrap_or(alert.seen_at);
        let own = self.episodes.iter().filter(|episode| episode.labels == alert.labels);
        let told: Vec<&Episode> = own.filter(|episode| episode.from <= until && fired_at <= episode.until).collect();
        let known = self.get(&alert.labels).filter(|known| known.phase == Phase::Firing);
        if known.is_none() && told.is_empty() {
            alert.phase = Phase::Firing;
            alert.resolved_at = None;
            alert.last_sent = None;
            mark_late(&mut alert, moment);
            self.changed.insert(alert.labels.clone());
            self.put(alert);
            return true;
        }
        // It lasted longer than was known: what is found in that time later is no news either. What goes on says so by itself.
        let goes_on = ended.is_none()
            && known.is_some_and(|known| known.missing_since.is_none() && known.fired_at.is_some_and(|fired| fired <= fired_at));
        let is_covered = goes_on
            || told.iter().any(|episode| episode.from <= fired_at && until <= episode.until)
            || known.is_some_and(|known| known.fired_at.is_some_and(|fired| fired <= fired_at) && until <= known.seen_at);
        if goes_on && let Some(kept) = self.by_labels.get_mut(&alert.labels) {
            kept.alert.seen_at = kept.alert.seen_at.max(alert.seen_at);
        }
        if !is_covered {
            self.episodes.push_back(Episode { labels: alert.labels.clone(), from: fired_at, until, noted: moment.now });
            self.unsaved_episodes += 1;
        }
        match self.get(&alert.labels).cloned() {
            // It fires without its condition, and that held again meanwhile: it is not about to end.
            Some(mut known) if known.phase == Phase::Firing && known.missing_since.is_some_and(|since| since <= until) => {
                known.seen_at = known.seen_at.max(alert.seen_at);
                if ended.is_none() {
                    known.missing_since = None;
                } else {
                    let hold = UnixNanos(moment.now.0.saturating_add(moment.hold));
                    known.held_until = Some(known.held_until.map_or(hold, |until| until.max(hold)));
                }
                self.changed.insert(alert.labels);
                self.put(known);
            }
            Some(known) if ended.is_none() => self.revive(&known, alert, moment),
            _ => {}
        }
        false
    }

    /// An alert of which people were told that it is over, and still holds: it goes on as the one that it was.
    fn revive(&mut self, known: &Alert, alert: Alert, moment: &Moment) {
        if known.phase != Phase::Inactive || alert.seen_at < moment.at {
            return;
        }
        // Those of whom it was said that it is over hear that it is not.
        let phase = Phase::Firing;
        self.changed.insert(alert.labels.clone());
        self.put(Alert {
            phase,
            fired_at: known.fired_at,
            active_at: known.active_at,
            last_sent: None,
            resolved_at: None,
            ..alert
        });
    }

    /// The condition has held for longer than was known.
    fn adopt_pending(&mut self, alert: Alert) {
        let alert = match self.get(&alert.labels) {
            Some(known) if known.phase == Phase::Firing => return,
            Some(known) if known.phase == Phase::Pending => {
                Alert { active_at: known.active_at.min(alert.active_at), ..known.clone() }
            }
            _ => alert,
        };
        self.changed.insert(alert.labels.clone());
        self.put(alert);
    }

    /// Other annotations for an alert that goes on.
    pub fn annotate(&mut self, labels: &LabelSet, annotations: &LabelSet) {
        if let Some(kept) = self.by_labels.get_mut(labels).filter(|kept| kept.alert.phase != Phase::Inactive) {
            kept.alert.annotations = annotations.clone();
        }
    }

    /// What to tell at this time; it is taken for told.
    pub fn notifications(
        &mut self,
        now: UnixNanos,
        interval: i64,
        resend_delay: i64,
        generator_url: &dyn Fn() -> String,
    ) -> Vec<Notification> {
        let mut due = Vec::new();
        for phase in [Phase::Firing, Phase::Inactive] {
            while let Some((_, labels)) = self.due_list(phase).first().filter(|(due, _)| *due <= now).cloned() {
                let Some(mut kept) = self.by_labels.remove(&labels) else { break };
                self.unlist(&labels, Some(&kept));
                let alert = &mut kept.alert;
                if alert.is_due(now, resend_delay) {
                    let is_resolved = alert.phase == Phase::Inactive;
                    let validity = interval.max(resend_delay).saturating_mul(4);
                    due.push(Notification {
                        labels: labels.clone(),
                        annotations: alert.told_annotations(),
                        starts_at: alert.fired_at.unwrap_or(alert.active_at),
                        ends_at: alert.resolved_at.unwrap_or(UnixNanos(now.0.saturating_add(validity))),
                        is_resolved,
                        generator_url: generator_url(),
                    });
                    alert.last_sent = Some(alert.resolved_at.map_or(now, |resolved| resolved.max(now)));
                    self.changed.insert(labels);
                }
                // Only when more than the delay has passed; of what is over long ago nothing more is said.
                let again = alert.last_sent.map(|sent| UnixNanos(sent.0.saturating_add(resend_delay).saturating_add(1)));
                kept.due = again.filter(|again| *again > now);
                self.list(kept);
            }
        }
        due
    }

    /// When something has to be told again.
    pub fn next_due(&self) -> Option<UnixNanos> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Pending and firing ones, and those that ended lately, by labels.
    pub fn iter(&self) -> impl Iterator<Item = &Alert> {
        self.by_labels.values().map(|kept| &kept.alert)
    }

    /// One of them.
    pub fn get(&self, labels: &LabelSet) -> Option<&Alert> {
        self.by_labels.get(labels).map(|kept| &kept.alert)
    }

    /// How many are pending or firing.
    pub fn active(&self) -> usize {
        self.active
    }

    /// Whether there is anything that time alone can change.
    pub fn is_empty(&self) -> bool {
        self.by_labels.is_empty()
    }

    /// The most that any of them is: nothing active, pending or firing.
    pub fn phase(&self) -> Phase {
        self.iter().map(|alert| alert.phase).max().unwrap_or(Phase::Inactive)
    }

    /// Drops all alerts, as a rule over its limit does.
    pub fn clear(&mut self) {
        self.changed.extend(std::mem::take(&mut self.by_labels).into_keys());
        (self.active, self.due, self.due_over) = (0, BTreeSet::new(), BTreeSet::new());
    }

    /// The clock was set back: what stands in the future would wait for a time that may never come.
    pub fn turn_back(&mut self, now: UnixNanos, hold: i64) {
        let at_most = |time: Option<UnixNanos>, most: UnixNanos| time.map(|time| time.min(most));
        let hold = UnixNanos(now.0.saturating_add(hold));
        let is_ahead = |alert: &Alert| {
            let times = [alert.last_sent, alert.resolved_at, alert.missing_since, alert.fired_at, Some(alert.active_at)];
            times.into_iter().flatten().any(|time| time > now) || alert.held_until.is_some_and(|until| until > hold)
        };
        let ahead: Vec<Alert> = self.iter().filter(|alert| is_ahead(alert)).cloned().collect();
        for episode in &mut self.episodes {
            episode.until = episode.until.min(now);
        }
        self.episodes.retain(|episode| episode.from <= now);
        self.unsaved_episodes = self.unsaved_episodes.min(self.episodes.len());
        for alert in ahead {
            self.put(Alert {
                active_at: alert.active_at.min(now),
                fired_at: at_most(alert.fired_at, now),
                resolved_at: at_most(alert.resolved_at, now),
                missing_since: at_most(alert.missing_since, now),
                last_sent: at_most(alert.last_sent, now),
                seen_at: alert.seen_at.min(now),
                held_until: at_most(alert.held_until, hold),
                ..alert
            });
        }
    }

    /// Forgets episodes that no late event is looked up in any more.
    pub fn forget(&mut self, before: UnixNanos) {
        self.episodes.retain(|episode| episode.until >= before || episode.noted >= before);
        self.unsaved_episodes = self.unsaved_episodes.min(self.episodes.len());
    }

    /// Whether [`Self::take_changes`] has something to give.
    pub fn has_changes(&self) -> bool {
        !self.changed.is_empty() || self.unsaved_episodes > 0
    }

    /// What changed since this was last asked: alerts (none: it is gone), and episodes.
    pub fn take_changes(&mut self) -> (Vec<(LabelSet, Option<Alert>)>, Vec<Episode>) {
        let changed = std::mem::take(&mut self.changed);
        let alerts = changed.into_iter().map(|labels| {
            let alert = self.get(&labels).cloned();
            (labels, alert)
        });
        let alerts = alerts.collect();
        let saved = self.episodes.len() - std::mem::take(&mut self.unsaved_episodes).min(self.episodes.len());
        (alerts, self.episodes.iter().skip(saved).cloned().collect())
    }

    /// The episodes that are remembered.
    pub fn episodes(&self) -> impl Iterator<Item = &Episode> {
        self.episodes.iter()
    }

    /// Puts back what was saved.
    pub fn restore(&mut self, labels: &LabelSet, alert: Option<Alert>) {
        match alert {
            Some(alert) => self.put(alert),
            None => self.remove(labels),
        }
        // It is saved already.
        self.changed.remove(labels);
    }

    /// Puts back an episode that was saved.
    pub fn restore_episode(&mut self, episode: Episode) {
        self.episodes.push_back(episode);
        if self.episodes.len() > EPISODES_MAX {
            self.episodes.pop_front();
        }
    }
}

/// What was found, by the labels of the alerts.
fn by_labels(found: Vec<Found>) -> Result<BTreeMap<LabelSet, Found>, Duplicate> {
    let mut present: BTreeMap<LabelSet, Found> = BTreeMap::new();
    for found in found {
        if let Some(found) = present.insert(found.labels.clone(), found) {
            return Err(Duplicate(found.labels));
        }
    }
    Ok(present)
}
