//! A rule's state as records, and back.

use proto::time::UnixNanos;

use super::{Agenda, RuleState};
use crate::rules::engine::Restore;
use crate::rules::journal::Record;
use crate::rules::timeline::Ticks;

impl RuleState {
    /// Takes back what was saved.
    pub(in crate::rules::engine) fn restore(&mut self, record: Record) {
        match record {
            Record::Rule { seen_from, .. } => self.seen_from = seen_from,
            Record::Evaluated { at, waiting, .. } => {
                self.last = (at.0 != i64::MIN).then_some(at);
                self.agenda = Agenda::restore(waiting);
            }
            Record::Point { leaf, labels, point, mark, .. } => {
                if let Some(leaf) = self.leaves.get_mut(leaf as usize) {
                    leaf.points.insert(&self.partition.key(&labels), &labels, point, mark, None);
                }
            }
            Record::Alert { labels, alert, .. } => self.alerts.restore(&labels, alert.map(|alert| *alert)),
            Record::Episode { episode, .. } => self.alerts.restore_episode(episode),
        }
    }

    /// All that was saved is back: goes on from now.
    pub(in crate::rules::engine) fn resume(&mut self, now: UnixNanos, ticks: Ticks, restore: Restore) {
        // Its first evaluation says whether there is anything.
        self.is_quiet = false;
        self.is_dirty = true;
        let Some(last) = self.last else { return };
        // What happened meanwhile comes late: its alerts must not be taken for ended by the ticks that were missed. A rule without
        // alerts goes on where it was, and so does one that speaks of what is absent, once the sources have caught up.
        if restore == Restore::Restart && self.is_monotone && !self.alerts.is_empty() && last < now {
            let newest = ticks.up_to(now).max(last);
            self.counts.skipped_ticks += (newest.0.saturating_sub(last.0) / ticks.interval()).unsigned_abs();
            self.last = Some(newest);
        }
    }

    pub(in crate::rules::engine) fn snapshot(&self, records: &mut Vec<Record>) {
        let rule = self.id;
        records.push(Record::Rule { rule, seen_from: self.seen_from });
        for (number, leaf) in self.leaves.iter().enumerate() {
            let points = leaf.points.iter();
            records.extend(points.map(|(labels, point, mark)| Record::Point {
                rule,
                leaf: number as u32,
                labels: labels.clone(),
                point,
                mark,
            }));
        }
        let alerts = self.alerts.iter();
        records.extend(alerts.map(|alert| Record::Alert {
            rule,
            labels: alert.labels.clone(),
            alert: Some(Box::new(alert.clone())),
        }));
        records.extend(self.alerts.episodes().map(|episode| Record::Episode { rule, episode: episode.clone() }));
        records.extend(self.evaluated());
    }

    pub(in crate::rules::engine) fn journal(&mut self, records: &mut Vec<Record>) {
        if !std::mem::take(&mut self.is_dirty) && !self.alerts.has_changes() {
            return;
        }
        let rule = self.id;
        let (alerts, episodes) = self.alerts.take_changes();
        records.extend(alerts.into_iter().map(|(labels, alert)| Record::Alert { rule, labels, alert: alert.map(Box::new) }));
        records.extend(episodes.into_iter().map(|episode| Record::Episode { rule, episode }));
        records.extend(self.evaluated());
    }

    fn evaluated(&self) -> Option<Record> {
        let waiting: Vec<UnixNanos> = self.agenda.times().collect();
        match self.last {
            Some(at) => Some(Record::Evaluated { rule: self.id, at, waiting }),
            None if waiting.is_empty() => None,
            None => Some(Record::Evaluated { rule: self.id, at: UnixNanos(i64::MIN), waiting }),
        }
    }
}
