//! What becomes of samples, for each remote write destination.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use proto::metric::Desc;

use super::Counter;

/// What a remote write destination counts. Collected = stored + refused + given up + pending, in samples.
#[derive(Debug, Default)]
pub struct RemoteWriteCounters {
    /// Requests that were answered or broke.
    pub requests: Counter,
    /// Bytes of request bodies.
    pub sent_bytes: Counter,
    /// Requests that had to be made again.
    pub retries: Counter,
    /// Samples that the destination has.
    pub stored: Counter,
    /// When it took something last, seconds since the epoch.
    pub last_success: Counter,
    /// The newest time of a sample that it has, milliseconds since the epoch.
    pub highest_sent: Counter,
    /// 1 while it takes nothing.
    pub away: Counter,
    /// 1 while only a person can mend why.
    pub held: Counter,
    /// The version that it is spoken to in.
    pub version: Counter,
    /// Samples on disk.
    pub spool_samples: Counter,
    /// Bytes on disk.
    pub spool_bytes: Counter,
    /// Records on disk that were damaged.
    pub spool_damaged: Counter,
    answers: Mutex<BTreeMap<String, u64>>,
    refused: Mutex<BTreeMap<String, u64>>,
    given_up: Mutex<BTreeMap<&'static str, u64>>,
}

impl RemoteWriteCounters {
    /// An answer: its status, or `none`.
    pub fn answer(&self, kind: &str) {
        count(&self.answers, kind, 1);
    }

    /// Samples that the destination refuses for good, and why.
    pub fn refuse(&self, reason: &str, samples: u64) {
        count(&self.refused, reason, samples);
    }

    /// Samples that were never sent, and why.
    pub fn give_up(&self, reason: &'static str, samples: u64) {
        *self.given_up.lock().unwrap_or_else(PoisonError::into_inner).entry(reason).or_default() += samples;
    }

    /// The same, counted elsewhere.
    pub fn set_given_up(&self, reason: &'static str, samples: u64) {
        self.given_up.lock().unwrap_or_else(PoisonError::into_inner).insert(reason, samples);
    }

    /// Answers by status.
    pub fn answers(&self) -> BTreeMap<String, u64> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Refused samples by reason.
    pub fn refused(&self) -> BTreeMap<String, u64> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Samples that were given up, by reason.
    pub fn given_up(&self) -> BTreeMap<&'static str, u64> {
        self.given_up.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The counters and gauges, and what each is.
    pub fn rows(&self) -> [(&'static Desc, f64); 12] {
        [
            (
                const {
                    &Desc::counter(
                        "picket_agent_samples_requests_total",
                        "Remote write requests that were answered or broke.",
                        &["destination"],
                    )
                },
                self.requests.value() as f64,
            ),
            (
                const {
                    &Desc::counter(
                        "picket_agent_samples_sent_bytes_total",
                        "Bytes of remote write request bodies.",
                        &["destination"],
                    )
                },
                self.sent_bytes.value() as f64,
            ),
            (
                const {
                    &Desc::counter(
                        "picket_agent_samples_retries_total",
                        "Remote write requests that had to be made again.",
                        &["destination"],
                    )
                },
                self.retries.value() as f64,
            ),
            (
                const { &Desc::counter("picket_agent_samples_stored_total", "Samples that the destination has.", &["destination"]) },
                self.stored.value() as f64,
            ),
            (
                const {
                    &Desc::gauge(
                        "picket_agent_samples_last_success_timestamp_seconds",
                        "When the destination took samples last.",
                        &["destination"],
                    )
                },
                self.last_success.value() as f64,
            ),
            (
                const {
                    &Desc::gauge(
                        "picket_agent_samples_highest_sent_timestamp_seconds",
                        "The newest time of a sample that the destination has.",
                        &["destination"],
                    )
                },
                self.highest_sent.value() as f64 / 1000.0,
            ),
            (
                const { &Desc::gauge("picket_agent_samples_away", "1 while the destination takes no samples.", &["destination"]) },
                self.away.value() as f64,
            ),
            (
                const {
                    &Desc::gauge(
                        "picket_agent_samples_held",
                        "1 while the destination refuses samples for a reason that only a person can mend.",
                        &["destination"],
                    )
                },
                self.held.value() as f64,
            ),
            (
                const {
                    &Desc::gauge(
                        "picket_agent_samples_version",
                        "The version of remote write that the destination is spoken to in.",
                        &["destination"],
                    )
                },
                self.version.value() as f64,
            ),
            (
                const { &Desc::gauge("picket_agent_samples_spooled", "Samples in the spool on disk.", &["destination"]) },
                self.spool_samples.value() as f64,
            ),
            (
                const { &Desc::gauge("picket_agent_samples_spool_bytes", "Bytes in the spool of samples on disk.", &["destination"]) },
                self.spool_bytes.value() as f64,
            ),
            (
                const {
                    &Desc::counter(
                        "picket_agent_samples_spool_damaged_total",
                        "Records in the spool of samples that were damaged and left out.",
                        &["destination"],
                    )
                },
                self.spool_damaged.value() as f64,
            ),
        ]
    }
}

fn count(counts: &Mutex<BTreeMap<String, u64>>, name: &str, more: u64) {
    *counts.lock().unwrap_or_else(PoisonError::into_inner).entry(name.to_owned()).or_default() += more;
}
