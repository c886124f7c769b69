//! What one Alertmanager has not been told yet. Pure, it is given the time.
//!
//! The newest state of an alert replaces an older one. A state that fired and was never delivered is not forgotten when the alert is
//! over: it is delivered as firing, with an end some minutes ahead, so that Alertmanager tells people and resolves it by itself.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use proto::time::UnixNanos;

use crate::notify::alert::{Alert, Fingerprint};
use crate::notify::decide::after;
use crate::notify::state::SavedAlert;
use crate::notify::state_file::Damage;

/// The most alerts of one request.
pub const BATCH_MAX: usize = 256;
/// The most alerts that wait. Beyond, the one that waits longest is given up and counted.
pub const PENDING_MAX: usize = 20_000;
/// How long an alert fires that was over before it could be delivered.
pub const HELD: Duration = Duration::from_mins(5);

#[derive(Clone, Debug)]
struct Pending {
    newest: Alert,
    /// As it last fired, if no state in which it fires was ever delivered since.
    fired: Option<Alert>,
}

/// The queue.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    pending: BTreeMap<Fingerprint, Pending>,
    order: VecDeque<Fingerprint>,
    /// Until when alerts fire that were over before they could be delivered: nobody ends them sooner.
    held: BTreeMap<Fingerprint, UnixNanos>,
    given_up: u64,
}

/// What goes out in one request.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    entries: Vec<(Fingerprint, Pending)>,
    /// What is said, in the same order.
    pub alerts: Vec<Alert>,
}

impl Queue {
    /// News of alerts.
    pub fn push(&mut self, alerts: impl IntoIterator<Item = Alert>, now: UnixNanos) {
        self.held.retain(|_, until| *until > now);
        for alert in alerts {
            let fingerprint = alert.fingerprint();
            let is_over = alert.is_resolved(now);
            if is_over && self.held.contains_key(&fingerprint) {
                continue;
            }
            let fired = (!is_over).then(|| alert.clone());
            self.insert(fingerprint, Pending { newest: alert, fired });
        }
    }

    /// A newer state; what an older one knew of firing stays.
    fn insert(&mut self, fingerprint: Fingerprint, new: Pending) {
        if let Some(pending) = self.pending.get_mut(&fingerprint) {
            let fired = new.fired.or_else(|| pending.fired.take());
            *pending = Pending { newest: new.newest, fired };
            return;
        }
        if self.pending.len() >= PENDING_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.pending.remove(&oldest);
            self.given_up = self.given_up.saturating_add(1);
        }
        self.order.push_back(fingerprint);
        self.pending.insert(fingerprint, new);
    }

    /// The alerts that have waited longest, at most so many. They are out of the queue until [`Queue::put_back`].
    pub fn next_batch(&mut self, most: usize, now: UnixNanos) -> Option<Batch> {
        let mut batch = Batch::default();
        while batch.alerts.len() < most.min(BATCH_MAX) {
            let Some(fingerprint) = self.order.pop_front() else { break };
            let Some(pending) = self.pending.remove(&fingerprint) else { continue };
            let said = match &pending.fired {
                Some(fired) if pending.newest.is_resolved(now) => Alert { ends_at: after(now, HELD), ..fired.clone() },
                _ => pending.newest.clone(),
            };
            batch.alerts.push(said);
            batch.entries.push((fingerprint, pending));
        }
        (!batch.alerts.is_empty()).then_some(batch)
    }

    /// A batch was taken.
    pub fn delivered(&mut self, batch: &Batch, now: UnixNanos) {
        for ((fingerprint, pending), said) in batch.entries.iter().zip(&batch.alerts) {
            if pending.fired.is_some() && pending.newest.is_resolved(now) && !said.is_resolved(now) {
                self.held.insert(*fingerprint, said.ends_at);
            }
            // Meanwhile it may have ended: that is news, and its firing is told.
            if let Some(waiting) = self.pending.get_mut(fingerprint)
                && waiting.newest.is_resolved(now)
            {
                waiting.fired = None;
            }
        }
    }

    /// A batch was not taken: it waits again, before all others, except where newer states wait already.
    pub fn put_back(&mut self, batch: Batch) {
        for (fingerprint, pending) in batch.entries.into_iter().rev() {
            if let Some(newer) = self.pending.get_mut(&fingerprint) {
                newer.fired = newer.fired.take().or(pending.fired);
            } else {
                self.order.push_front(fingerprint);
                self.pending.insert(fingerprint, pending);
            }
        }
        while self.pending.len() > PENDING_MAX {
            let Some(oldest) = self.order.pop_front() else { break };
            if self.pending.remove(&oldest).is_some() {
                self.given_up = self.given_up.saturating_add(1);
            }
        }
    }

    /// What waits, to be saved.
    pub fn encode(&self) -> Vec<u8> {
        let waiting = self.order.iter().filter_map(|fingerprint| self.pending.get(fingerprint));
        let saved = |alert: &Alert| SavedAlert::of(alert, UnixNanos(0), false);
        let saved: Vec<(SavedAlert, Option<SavedAlert>)> =
            waiting.map(|pending| (saved(&pending.newest), pending.fired.as_ref().map(saved))).collect();
        // Text, numbers and lists have no form that JSON cannot write.
        serde_json::to_vec(&saved).unwrap_or_default()
    }

    /// A queue as it was saved.
    pub fn decode(body: &[u8]) -> Result<Self, Damage> {
        let saved: Vec<(SavedAlert, Option<SavedAlert>)> =
            serde_json::from_slice(body).map_err(|error| Damage::Content(error.to_string()))?;
        let mut queue = Self::default();
        for (newest, fired) in saved {
            let newest = newest.known().alert;
            queue.insert(newest.fingerprint(), Pending { newest, fired: fired.map(|fired| fired.known().alert) });
        }
        Ok(queue)
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// How many were given up because too many waited.
    pub fn given_up(&self) -> u64 {
        self.given_up
    }
}

impl Batch {
    /// How many alerts.
    pub fn len(&self) -> usize {
        self.alerts.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.alerts.is_empty()
    }

    /// In two, to find out which alert is refused; nothing of one alone.
    pub fn halves(mut self) -> Result<(Self, Self), Self> {
        if self.alerts.len() < 2 {
            return Err(self);
        }
        let middle = self.alerts.len() / 2;
        let second = Self { entries: self.entries.split_off(middle), alerts: self.alerts.split_off(middle) };
        Ok((self, second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn alert(n: usize, ends_at: i64) -> Alert {
        Alert { labels: [("n", n.to_string())].into_iter().collect(), ends_at: UnixNanos(ends_at * SECOND), ..Alert::default() }
    }

    fn said(batch: &Batch) -> Vec<(String, i64)> {
        batch.alerts.iter().map(|alert| (alert.labels.get("n").unwrap().to_owned(), alert.ends_at.0 / SECOND)).collect()
    }

    #[test]
    fn the_newest_state_of_an_alert_replaces_an_older_one() {
        let now = UnixNanos(0);
        let mut queue = Queue::default();
        queue.push([alert(1, 100), alert(2, 100), alert(1, 200)], now);
        let batch = queue.next_batch(BATCH_MAX, now).unwrap();
        assert_eq!(said(&batch), [("1".to_owned(), 200), ("2".to_owned(), 100)]);
        queue.push([alert(2, 300)], now);
        queue.put_back(batch);
        let batch = queue.next_batch(BATCH_MAX, now).unwrap();
        assert_eq!(said(&batch), [("1".to_owned(), 200), ("2".to_owned(), 300)]);
        queue.delivered(&batch, now);
        assert!(queue.is_empty() && queue.next_batch(BATCH_MAX, now).is_none());
    }

    #[test]
    fn an_alert_that_was_over_before_it_could_be_delivered_fires_all_the_same() {
        let mut queue = Queue::default();
        queue.push([alert(1, 100)], UnixNanos(0));
        let batch = queue.next_batch(BATCH_MAX, UnixNanos(SECOND)).unwrap();
        queue.put_back(batch);
        queue.push([alert(1, 50)], UnixNanos(60 * SECOND));
        let later = UnixNanos(1_000 * SECOND);
        let batch = queue.next_batch(BATCH_MAX, later).unwrap();
        assert_eq!(said(&batch), [("1".to_owned(), 1_300)], "until five minutes from now");
        queue.delivered(&batch, later);
        queue.push([alert(1, 50)], UnixNanos(1_060 * SECOND));
        assert!(queue.is_empty(), "its end, which is said again, does not end it sooner");
        queue.push([alert(1, 50)], UnixNanos(1_301 * SECOND));
        assert_eq!(queue.len(), 1);
        // What waits is the same after a restart.
        let mut queue = Queue::default();
        queue.push([alert(1, 100), alert(3, 9_000)], UnixNanos(0));
        queue.push([alert(1, 50)], UnixNanos(60 * SECOND));
        let mut queue = Queue::decode(&queue.encode()).unwrap();
        assert_eq!(said(&queue.next_batch(BATCH_MAX, later).unwrap()), [("1".to_owned(), 1_300), ("3".to_owned(), 9_000)]);
        assert!(matches!(Queue::decode(b"{}"), Err(Damage::Content(_))));
        // A state that only ran out while nobody could be reached counts as well.
        let mut queue = Queue::default();
        queue.push([alert(2, 100)], UnixNanos(0));
        assert_eq!(said(&queue.next_batch(BATCH_MAX, later).unwrap()), [("2".to_owned(), 1_300)]);
    }

    #[test]
    fn an_end_after_a_delivered_beginning_is_an_end() {
        let mut queue = Queue::default();
        queue.push([alert(1, 500)], UnixNanos(0));
        let batch = queue.next_batch(BATCH_MAX, UnixNanos(0)).unwrap();
        // It ends while the request is under way.
        queue.push([alert(1, 10)], UnixNanos(10 * SECOND));
        queue.delivered(&batch, UnixNanos(11 * SECOND));
        assert_eq!(said(&queue.next_batch(BATCH_MAX, UnixNanos(12 * SECOND)).unwrap()), [("1".to_owned(), 10)]);
    }

    #[test]
    fn batches_and_the_queue_are_bounded() {
        let now = UnixNanos(0);
        let mut queue = Queue::default();
        queue.push((0..PENDING_MAX + 3).map(|n| alert(n, 100)), now);
        assert_eq!((queue.len(), queue.given_up()), (PENDING_MAX, 3));
        let batch = queue.next_batch(1_000, now).unwrap();
        assert_eq!((batch.len(), said(&batch)[0].0.as_str()), (BATCH_MAX, "3"));
        let (first, second) = batch.halves().unwrap();
        assert_eq!((first.len(), second.len()), (128, 128));
        queue.put_back(second);
        queue.put_back(first);
        assert_eq!((queue.len(), said(&queue.next_batch(1, now).unwrap())[0].0.as_str()), (PENDING_MAX, "3"));
        assert!(queue.next_batch(1, now).unwrap().halves().is_err());
    }
}
