//! An alert as it comes from the rules, and its identity.
//!
//! An alert is its labels: what comes again with the same labels is news of the same one.

use std::cmp::Ordering;
use std::fmt;

use proto::time::UnixNanos;

use crate::labels::LabelSet;

/// What the rules say of one alert, at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alert {
    /// What it is known by; `alertname` among them.
    pub labels: LabelSet,
    /// What is said about it.
    pub annotations: LabelSet,
    /// Since when it fires.
    pub starts_at: UnixNanos,
    /// When it ended; in the future, until when it fires if nothing more is heard. 0 is not known.
    pub ends_at: UnixNanos,
    /// Where its rule can be seen.
    pub generator_url: String,
}

/// Firing or resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertStatus {
    /// It lasts.
    Firing,
    /// It is over.
    Resolved,
}

impl AlertStatus {
    /// As templates and payloads have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

impl Alert {
    /// Whether it is over.
    pub fn status(&self, now: UnixNanos) -> AlertStatus {
        if self.ends_at.0 != 0 && self.ends_at <= now { AlertStatus::Resolved } else { AlertStatus::Firing }
    }

    /// Whether it is over.
    pub fn is_resolved(&self, now: UnixNanos) -> bool {
        self.status(now) == AlertStatus::Resolved
    }

    /// Of its labels.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.labels)
    }

    /// The label `alertname`, or nothing.
    pub fn name(&self) -> &str {
        self.labels.get("alertname").unwrap_or_default()
    }
}

/// Alertmanager's fingerprint of a label set: FNV-1a, 64 bits, over each name and value, each followed by the byte 255.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub u64);

impl Fingerprint {
    /// Of labels.
    pub fn of(labels: &LabelSet) -> Self {
        const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
        const PRIME: u64 = 0x0000_0100_0000_01b3;
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(PRIME);
        let text = |hash: u64, text: &str| step(text.bytes().fold(hash, step), 0xff);
        Self(labels.iter().fold(OFFSET, |hash, (name, value)| text(text(hash, name), value)))
    }
}

/// 16 hexadecimal digits.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The order in which a notification lists its alerts: by `job` and `instance`, those without at the end, then fewer labels first,
/// then by labels.
pub fn listing_order(left: &LabelSet, right: &LabelSet) -> Ordering {
    let key = |labels: &LabelSet, name: &str| (labels.get(name).is_none(), labels.get(name).unwrap_or_default().to_owned());
    ["job", "instance"]
        .into_iter()
        .map(|name| key(left, name).cmp(&key(right, name)))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
        .then_with(|| left.len().cmp(&right.len()))
        .then_with(|| {
            // At the first name that only one has, the one without it comes first.
            for ((left_name, left_value), (right_name, right_value)) in left.iter().zip(right.iter()) {
                match left_name.cmp(right_name) {
                    Ordering::Equal if left_value == right_value => {}
                    Ordering::Equal => return left_value.cmp(right_value),
                    order => return order.reverse(),
                }
            }
            Ordering::Equal
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> LabelSet {
        pairs.iter().copied().collect()
    }

    /// The first is the FNV-1a of nothing; the second was recorded from Alertmanager 0.25 (`GET /api/v2/alerts`).
    #[test]
    fn fingerprints_are_those_of_alertmanager() {
        assert_eq!(Fingerprint::of(&LabelSet::new()).to_string(), "cbf29ce484222325");
        assert_eq!(RECORDED.map(|(pairs, _)| Fingerprint::of(&labels(pairs)).to_string()), RECORDED.map(|(_, hex)| hex));
    }

    const RECORDED: [(&[(&str, &str)], &str); 2] = [
        (&[("alertname", "K4"), ("severity", "critical"), ("user", "jürgen")], "c952e346dc8599e7"),
        (&[("alertname", "NodeDown")], "3ec635fd03b309b4"),
    ];

    #[test]
    fn alerts_are_listed_by_job_and_instance_first() {
        let mut sets = [
            labels(&[("a", "1"), ("job", "b")]),
            labels(&[("b", "1")]),
            labels(&[("a", "2")]),
            labels(&[("a", "1"), ("b", "1")]),
            labels(&[("a", "1")]),
        ];
        sets.sort_by(listing_order);
        let listed: Vec<String> = sets.iter().map(ToString::to_string).collect();
        assert_eq!(listed, [r#"{a="1", job="b"}"#, r#"{b="1"}"#, r#"{a="1"}"#, r#"{a="2"}"#, r#"{a="1", b="1"}"#]);
    }

    #[test]
    fn an_alert_without_an_end_fires() {
        let mut alert = Alert::default();
        assert_eq!(alert.status(UnixNanos(5)), AlertStatus::Firing);
        alert.ends_at = UnixNanos(5);
        assert_eq!((alert.status(UnixNanos(4)), alert.status(UnixNanos(5))), (AlertStatus::Firing, AlertStatus::Resolved));
    }
}
