//! What the router knows, as it is saved: silences, the notification log, groups and their alerts. Bytes in and out, no file.
//!
//! Without it the router starts anew: then something may be told twice, but nothing is left out.

use std::collections::{BTreeMap, BTreeSet};

use proto::time::UnixNanos;
use serde::{Deserialize, Serialize};

use super::alert::{Alert, Fingerprint};
use super::decide::{LogKey, Told};
use super::dispatch::{Dispatcher, Known};
use super::group::GroupKey;
use super::matcher::{MatchOp, Matcher, Matchers};
use super::silence::Silence;
use super::state_file::Damage;
use crate::labels::LabelSet;

/// The file's name in the state directory.
pub const NAME: &str = "notify.state";

/// All that an earlier run knew.
#[derive(Debug, Serialize, Deserialize)]
pub struct Saved {
    silences: Vec<SavedSilence>,
    alerts: Vec<SavedAlert>,
    groups: Vec<SavedGroup>,
    told: Vec<SavedTold>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedSilence {
    id: String,
    matchers: Vec<(String, bool, bool, String)>,
    starts_at: i64,
    ends_at: i64,
    updated_at: i64,
    created_by: String,
    comment: String,
}

/// An alert as it is saved.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SavedAlert {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    starts_at: i64,
    ends_at: i64,
    generator_url: String,
    updated_at: i64,
    times_out: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedGroup {
    key: String,
    members: Vec<u64>,
    next: i64,
    has_flushed: bool,
    owed: BTreeMap<String, Vec<SavedAlert>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedTold {
    group: String,
    receiver: String,
    integration: String,
    at: i64,
    firing: Vec<u64>,
    resolved: Vec<u64>,
}

fn plain(labels: &LabelSet) -> BTreeMap<String, String> {
    labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

impl SavedAlert {
    pub(super) fn of(alert: &Alert, updated_at: UnixNanos, times_out: bool) -> Self {
        Self {
            labels: plain(&alert.labels),
            annotations: plain(&alert.annotations),
            starts_at: alert.starts_at.0,
            ends_at: alert.ends_at.0,
            generator_url: alert.generator_url.clone(),
            updated_at: updated_at.0,
            times_out,
        }
    }

    pub(super) fn known(self) -> Known {
        let alert = Alert {
            labels: self.labels.into_iter().collect(),
            annotations: self.annotations.into_iter().collect(),
            starts_at: UnixNanos(self.starts_at),
            ends_at: UnixNanos(self.ends_at),
            generator_url: self.generator_url,
        };
        Known { alert, updated_at: UnixNanos(self.updated_at), times_out: self.times_out }
    }
}

/// All that the dispatcher knows.
pub fn encode(dispatcher: &Dispatcher) -> Vec<u8> {
    let numbers = |set: &BTreeSet<Fingerprint>| set.iter().map(|fingerprint| fingerprint.0).collect();
    let saved = Saved {
        silences: dispatcher
            .silences
            .0
            .values()
            .map(|silence| SavedSilence {
                id: silence.id.clone(),
                matchers: silence
                    .matchers
                    .0
                    .iter()
                    .map(|matcher| (matcher.name.clone(), matcher.op.is_regex(), matcher.op.is_equal(), matcher.value.clone()))
                    .collect(),
                starts_at: silence.starts_at.0,
                ends_at: silence.ends_at.0,
                updated_at: silence.updated_at.0,
                created_by: silence.created_by.clone(),
                comment: silence.comment.clone(),
            })
            .collect(),
        alerts: dispatcher.alerts.values().map(|known| SavedAlert::of(&known.alert, known.updated_at, known.times_out)).collect(),
        groups: dispatcher
            .groups
            .iter()
            .map(|(key, group)| SavedGroup {
                key: key.0.clone(),
                members: numbers(&group.members),
                // What is under way is not known to be delivered: it is looked at again.
                next: group.next.0,
                has_flushed: group.has_flushed,
                owed: group
                    .owed
                    .iter()
                    .map(|(integration, owed)| {
                        (integration.clone(), owed.values().map(|alert| SavedAlert::of(alert, UnixNanos(0), false)).collect())
                    })
                    .collect(),
            })
            .collect(),
        told: dispatcher
            .log
            .0
            .iter()
            .map(|(key, told)| SavedTold {
                group: key.group.clone(),
                receiver: key.receiver.clone(),
                integration: key.integration.clone(),
                at: told.at.0,
                firing: numbers(&told.firing),
                resolved: numbers(&told.resolved),
            })
            .collect(),
    };
    // Text, numbers and lists have no form that JSON cannot write.
    serde_json::to_vec(&saved).unwrap_or_default()
}

/// What [`encode`] wrote.
pub fn decode(body: &[u8]) -> Result<Saved, Damage> {
    serde_json::from_slice(body).map_err(|error| Damage::Content(error.to_string()))
}

impl Saved {
    /// What the configuration no longer has room for is routed anew; what nobody waits for is left out.
    pub fn give_to(self, dispatcher: &mut Dispatcher, now: UnixNanos) {
        for silence in self.silences {
            let matchers = silence.matchers.iter().filter_map(|(name, is_regex, is_equal, value)| {
                Matcher::new(name, MatchOp::of(*is_regex, *is_equal), value).ok()
            });
            let matchers = Matchers(matchers.collect());
            // With a condition lost it would silence more than was meant.
            if matchers.0.len() != silence.matchers.len() {
                continue;
            }
            dispatcher.silences.0.insert(
                silence.id.clone(),
                Silence {
                    id: silence.id,
                    matchers,
                    starts_at: UnixNanos(silence.starts_at),
                    ends_at: UnixNanos(silence.ends_at),
                    updated_at: UnixNanos(silence.updated_at),
                    created_by: silence.created_by,
                    comment: silence.comment,
                },
            );
        }
        let fingerprints = |numbers: Vec<u64>| numbers.into_iter().map(Fingerprint).collect();
        for told in self.told {
            let key = LogKey { group: told.group, receiver: told.receiver, integration: told.integration };
            let told = Told { at: UnixNanos(told.at), firing: fingerprints(told.firing), resolved: fingerprints(told.resolved) };
            dispatcher.log.note(key, told);
        }
        let mut saved: BTreeMap<String, SavedGroup> = self.groups.into_iter().map(|group| (group.key.clone(), group)).collect();
        for known in self.alerts.into_iter().map(SavedAlert::known) {
            let was_member =
                |key: &GroupKey, member: Fingerprint| saved.get(&key.0).is_some_and(|group| group.members.contains(&member.0));
            dispatcher.put_back(known, was_member, now);
        }
        for (key, group) in &mut dispatcher.groups {
            let Some(before) = saved.remove(&key.0) else { continue };
            group.next = UnixNanos(before.next);
            group.has_flushed = before.has_flushed;
            for (integration, owed) in before.owed {
                let owed = owed.into_iter().map(|saved| saved.known().alert).map(|alert| (alert.fingerprint(), alert));
                group.owed.insert(integration, owed.collect());
            }
        }
        dispatcher.prune(now);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn dispatcher() -> Dispatcher {
        let text = "route: {receiver: team, group_by: [alertname]}\nreceivers: [{name: team, webhook_configs: [{url: 'http://h.example.org'}]}]\n";
        let config = super::super::config::parse(&"am.yml".into(), text.as_bytes(), Path::new("/")).unwrap();
        Dispatcher::new(Arc::new(config))
    }

    fn alert(name: &str, ends_at: i64) -> Alert {
        Alert {
            labels: [("alertname", name)].into_iter().collect(),
            starts_at: UnixNanos(1_000 * SECOND),
            ends_at: UnixNanos(ends_at * SECOND),
            ..Alert::default()
        }
    }

    #[test]
    fn a_restart_changes_nothing() {
        let mut before = dispatcher();
        before.take([alert("A", 9_000), alert("B", 9_000)], UnixNanos(1_000 * SECOND));
        let silence = Silence {
            id: String::new(),
            matchers: Matchers(super::super::matcher::parse("alertname=~C.*,x!=y").unwrap()),
            starts_at: UnixNanos(1_000 * SECOND),
            ends_at: UnixNanos(9_000 * SECOND),
            updated_at: UnixNanos(0),
            created_by: "me".to_owned(),
            comment: "why".to_owned(),
        };
        before.silences.set(silence, || "id".to_owned(), UnixNanos(1_000 * SECOND)).unwrap();
        // A was told, B could not be.
        let told = before.poll(UnixNanos(1_030 * SECOND));
        assert_eq!(told.len(), 2);
        before.settle(&told[0], true, UnixNanos(1_031 * SECOND));
        before.settle(&told[1], false, UnixNanos(1_031 * SECOND));
        before.take([alert("B", 1_100)], UnixNanos(1_100 * SECOND));
        let mut after = dispatcher();
        decode(&encode(&before)).unwrap().give_to(&mut after, UnixNanos(1_200 * SECOND));
        assert_eq!(encode(&after), encode(&before));
        let mut told = |now: i64| -> Vec<String> {
            let notifications = after.poll(UnixNanos(now * SECOND));
            for notification in &notifications {
                after.settle(notification, true, UnixNanos(now * SECOND));
            }
            notifications
                .iter()
                .map(|told| format!("{:?} {} {:?}", told.reason, told.alerts[0].0.name(), told.alerts[0].1))
                .collect()
        };
        assert_eq!(told(1_329), [""; 0]);
        assert_eq!(told(1_330), ["First B Firing"], "what nobody could be told is told after the restart");
        assert_eq!(told(1_630), ["AllResolved B Resolved"]);
    }

    #[test]
    fn another_configuration_routes_anew() {
        let mut before = dispatcher();
        before.take([alert("A", 9_000)], UnixNanos(1_000 * SECOND));
        let text = "route: {receiver: team, routes: [{receiver: team, matchers: [alertname=A]}]}\nreceivers: [{name: team, webhook_configs: [{url: 'http://h.example.org'}]}]\n";
        let config = super::super::config::parse(&"am.yml".into(), text.as_bytes(), Path::new("/")).unwrap();
        let mut after = Dispatcher::new(Arc::new(config));
        decode(&encode(&before)).unwrap().give_to(&mut after, UnixNanos(1_010 * SECOND));
        let keys: Vec<&str> = after.groups.keys().map(|key| key.0.as_str()).collect();
        assert_eq!(keys, [r#"{}/{alertname="A"}/0:{}"#]);
    }

    #[test]
    fn content_that_makes_no_sense_is_said() {
        assert!(matches!(decode(b"{\"silences\":1}"), Err(Damage::Content(_))));
    }
}
