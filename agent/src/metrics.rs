//! What the agent counts of itself: numbers that one thread writes and the listener reads. Those of samples are in `samples`.

mod samples;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use proto::metric::Desc;

use crate::shape::Marks;
pub use samples::RemoteWriteCounters;

/// A number that one thread raises and others read: no locked instruction on the hot path.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Raises it. Only ever called by the one thread that owns it.
    #[inline]
    pub fn add(&self, more: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
    }

    /// Sets it.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Its value.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Its value, and back to 0. Only by the owner.
    pub fn take(&self) -> u64 {
        let value = self.value();
        self.set(0);
        value
    }
}

/// What a lane counts.
#[derive(Debug, Default)]
pub struct LaneCounters {
    /// Bytes read from files, some of them more than once.
    pub read_bytes: Counter,
    /// Entries put into batches.
    pub entries: Counter,
    /// Records that were not of their format.
    pub malformed: Counter,
    /// Records with bytes that were not UTF-8.
    pub invalid_utf8: Counter,
    /// Events whose bodies were redacted.
    pub redacted: Counter,
    /// Events that were reduced.
    pub reduced: Counter,
    /// Entries that were cut.
    pub cut: Counter,
    /// Records that were split.
    pub split: Counter,
    /// Lines that memory did not hold.
    pub overlong: Counter,
    /// NUL bytes that were stepped over.
    pub nul_bytes: Counter,
    /// Files found truncated.
    pub truncations: Counter,
    /// Reads that failed.
    pub read_errors: Counter,
    newest: AtomicI64,
    lag: Mutex<BTreeMap<String, (u64, i64)>>,
}

impl LaneCounters {
    /// What happened to a record on its way.
    #[inline]
    pub fn mark(&self, marks: Marks) {
        if marks == Marks::default() {
            return;
        }
        self.malformed.add(u64::from(marks.malformed));
        self.invalid_utf8.add(u64::from(marks.invalid_utf8));
        self.redacted.add(u64::from(marks.redacted));
        self.reduced.add(u64::from(marks.reduced));
        self.cut.add(u64::from(marks.cut));
        self.split.add(u64::from(marks.split));
    }

    /// An entry of that time, nanoseconds since the epoch, was put into a batch.
    #[inline]
    pub fn newest(&self, time: i64) {
        if time > self.newest.load(Ordering::Relaxed) {
            self.newest.store(time, Ordering::Relaxed);
        }
    }

    /// Per source: bytes that stand unread in its files, and the time of the file's last change where there are any.
    pub fn set_lag(&self, lag: BTreeMap<String, (u64, i64)>) {
        *self.lag.lock().unwrap_or_else(PoisonError::into_inner) = lag;
    }

    /// As it was set last.
    pub fn lag(&self) -> BTreeMap<String, (u64, i64)> {
        self.lag.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The counters, and what each is.
    pub fn rows(&self) -> [(&'static Desc, u64); 12] {
        [
            (
                const {
                    &Desc::counter(
                        "picket_agent_read_bytes_total",
                        "Bytes read from files; re-reading counts again.",
                        &["destination"],
                    )
                },
                self.read_bytes.value(),
            ),
            (
                const { &Desc::counter("picket_agent_entries_total", "Entries put into batches.", &["destination"]) },
                self.entries.value(),
            ),
            (
                const {
                    &Desc::counter(
                        "picket_agent_malformed_records_total",
                        "Records that were not of their format; shipped as they are.",
                        &["destination"],
                    )
                },
                self.malformed.value(),
            ),
            (
                const {
                    &Desc::counter(
                        "picket_agent_invalid_utf8_records_total",
                        "Records in which bytes that are not UTF-8 were replaced.",
                        &["destination"],
                    )
                },
                self.invalid_utf8.value(),
            ),
            (
                const {
                    &Desc::counter(
                        "picket_agent_redacted_events_total",
                        "Audit events whose bodies were redacted.",
                        &["destination"],
                    )
                },
                self.redacted.value(),
            ),
            (
                const {
                    &Desc::counter(
                        "picket_agent_reduced_events_total",
                        "Audit events that were reduced to the destination's line limit.",
                        &["destination"],
                    )
                },
                self.reduced.value(),
            ),
            (
                const { &Desc::counter("picket_agent_cut_entries_total", "Entries whose end was cut off.", &["destination"]) },
                self.cut.value(),
            ),
            (
                const { &Desc::counter("picket_agent_split_records_total", "Records that became several entries.", &["destination"]) },
                self.split.value(),
            ),
            (
                const { &Desc::counter("picket_agent_overlong_lines_total", "Lines longer than max_line.", &["destination"]) },
                self.overlong.value(),
            ),
            (
                const {
                    &Desc::counter(
                        "picket_agent_nul_bytes_total",
                        "NUL bytes at the beginning of lines, stepped over.",
                        &["destination"],
                    )
                },
                self.nul_bytes.value(),
            ),
            (
                const { &Desc::counter("picket_agent_truncations_total", "Files found truncated.", &["destination"]) },
                self.truncations.value(),
            ),
            (
                const { &Desc::counter("picket_agent_read_errors_total", "Reads that failed.", &["destination"]) },
                self.read_errors.value(),
            ),
        ]
    }
}

/// What the scout counts.
#[derive(Debug, Default)]
pub struct TailCounters {
    /// Bytes of deleted files that some lane has not settled.
    pub held_bytes: Counter,
    /// Logs that are known, with files or without.
    pub chains: Counter,
    /// Logs of earlier runs of which no file was found.
    pub missing: Counter,
}

impl TailCounters {
    /// The gauges, and what each is.
    pub fn rows(&self) -> [(&'static Desc, u64); 3] {
        [
            (
                const {
                    &Desc::gauge(
                        "picket_agent_held_bytes",
                        "Bytes of deleted files that are held open until every destination has them.",
                        &[],
                    )
                },
                self.held_bytes.value(),
            ),
            (
                const {
                    &Desc::gauge("picket_agent_logs", "Logs that are known: files with their rotated parts, and containers.", &[])
                },
                self.chains.value(),
            ),
            (
                const { &Desc::gauge("picket_agent_missing_logs", "Logs of earlier runs of which no file was found.", &[]) },
                self.missing.value(),
            ),
        ]
    }
}

/// What a sink counts.
#[derive(Debug, Default)]
pub struct SinkCounters {
    /// Requests that were answered or broke.
    pub requests: Counter,
    /// Bodies sent, bytes.
    pub sent_bytes: Counter,
    /// Requests that have to be made again.
    pub retries: Counter,
    /// Batches that were acknowledged.
    pub batches: Counter,
    /// Seconds from the first read of the last acknowledged batch to its acknowledgement, in milliseconds.
    pub last_delay_ms: Counter,
    /// Unix seconds of the last acknowledgement.
    pub last_success: Counter,
    /// 1 while the destination takes nothing.
    pub away: Counter,
    /// 1 while only a person can mend it.
    pub held: Counter,
    /// Streams that are parked.
    pub parked: Counter,
    /// Bytes in the spool.
    pub spool_bytes: Counter,
    /// Times that the spool was full.
    pub spool_full: Counter,
    /// Damaged spool records.
    pub spool_damaged: Counter,
    answers: Mutex<BTreeMap<String, u64>>,
}

impl SinkCounters {
    /// An answer of that kind came.
    pub fn answer(&self, kind: &str) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        *answers.entry(kind.to_owned()).or_default() += 1;
    }

    /// Answers by kind.
    pub fn answers(&self) -> BTreeMap<String, u64> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The counters and gauges, and what each is.
    pub fn rows(&self) -> [(&'static Desc, f64); 12] {
        [
            (
                const { &Desc::counter("picket_agent_requests_total", "Requests that were answered or broke.", &["destination"]) },
                self.requests.value() as f64,
            ),
            (
                const { &Desc::counter("picket_agent_sent_bytes_total", "Bytes of request bodies.", &["destination"]) },
                self.sent_bytes.value() as f64,
            ),
            (
                const { &Desc::counter("picket_agent_retries_total", "Requests that had to be made again.", &["destination"]) },
                self.retries.value() as f64,
            ),
            (
                const { &Desc::counter("picket_agent_batches_total", "Batches that were acknowledged.", &["destination"]) },
                self.batches.value() as f64,
            ),
            (
                const {
                    &Desc::gauge(
                        "picket_agent_batch_delay_seconds",
                        "From the first read of the last acknowledged batch to its acknowledgement.",
                        &["destination"],
                    )
                },
                self.last_delay_ms.value() as f64 / 1000.0,
            ),
            (
                const {
                    &Desc::gauge(
                        "picket_agent_last_success_timestamp_seconds",
                        "When a batch was acknowledged last.",
                        &["destination"],
                    )
                },
                self.last_success.value() as f64,
            ),
            (
                const { &Desc::gauge("picket_agent_away", "1 while the destination takes nothing.", &["destination"]) },
                self.away.value() as f64,
            ),
            (
                const {
                    &Desc::gauge(
                        "picket_agent_held",
                        "1 while the destination refuses for a reason that only a person can mend.",
                        &["destination"],
                    )
                },
                self.held.value() as f64,
            ),
            (
                const {
                    &Desc::gauge("picket_agent_parked_streams", "Streams that the destination refuses for now.", &["destination"])
                },
                self.parked.value() as f64,
            ),
            (
                const { &Desc::gauge("picket_agent_spool_bytes", "Bytes in the spool on disk.", &["destination"]) },
                self.spool_bytes.value() as f64,
            ),
            (
                const {
                    &Desc::counter(
                        "picket_agent_spool_full_total",
                        "Times that a batch found no room in the spool.",
                        &["destination"],
                    )
                },
                self.spool_full.value() as f64,
            ),
            (
                const {
                    &Desc::counter(
                        "picket_agent_spool_damaged_total",
                        "Spool records that were damaged and left out.",
                        &["destination"],
                    )
                },
                self.spool_damaged.value() as f64,
            ),
        ]
    }
}

/// Paths that exist and cannot be read.
#[derive(Debug, Default)]
pub struct Unreadable(Mutex<BTreeMap<PathBuf, bool>>);

impl Unreadable {
    /// It cannot be read.
    pub fn set(&self, path: &Path) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), true);
    }

    /// It can.
    pub fn clear(&self, path: &Path) {
        if let Some(unreadable) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(path) {
            *unreadable = false;
        }
    }

    /// Those that ever could not be read, and whether that is so now.
    pub fn rows(&self) -> Vec<(String, bool)> {
        let paths = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        paths.iter().map(|(path, unreadable)| (path.display().to_string(), *unreadable)).collect()
    }
}
