//! The agent's own state for people and Prometheus: counters, ledger, spool, lag, memory, and whether it is ready.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use proto::exposition::write_families;
use proto::metric::{Desc, Families, UnixMillis};

use crate::lane::lock;
use crate::ledger::Fate;
use crate::listener::Status;
use crate::measure::{Measuring, Sampler};
use crate::metrics::{LaneCounters, RemoteWriteCounters, SinkCounters, TailCounters, Unreadable};
use crate::position_log::PositionLog;

static LAG_BYTES: Desc =
    Desc::gauge("picket_agent_lag_bytes", "Bytes in a source's files that were not read yet.", &["destination", "source"]);
static LAG_SECONDS: Desc = Desc::gauge(
    "picket_agent_lag_seconds",
    "How long ago the newest unread bytes of a source were written.",
    &["destination", "source"],
);
static ANSWERS: Desc =
    Desc::counter("picket_agent_answers_total", "Answers by status; `none` where there was none.", &["destination", "status"]);
static LEDGER_BYTES: Desc = Desc::gauge(
    "picket_agent_ledger_bytes",
    "What became of the bytes of a source: read = shipped + filtered + rejected + pending; the spool is pending.",
    &["destination", "source", "state", "reason"],
);
static LEDGER_LINES: Desc =
    Desc::gauge("picket_agent_ledger_lines", "The same in lines of the source.", &["destination", "source", "state", "reason"]);
static GAP_BYTES: Desc = Desc::counter(
    "picket_agent_gap_bytes_total",
    "Bytes that were never read, where their number is known.",
    &["destination", "source", "reason"],
);
static GAP_EVENTS: Desc = Desc::counter(
    "picket_agent_gap_events_total",
    "Times that bytes were never read and nobody knows how many.",
    &["destination", "source", "reason"],
);
static IMBALANCE: Desc = Desc::gauge(
    "picket_agent_ledger_imbalance_bytes",
    "Bytes by which an account does not balance: a fault of the agent.",
    &["destination", "source"],
);
static POSITION_LOG_FAILURES: Desc =
    Desc::gauge("picket_agent_position_log_failures", "Appends that failed since the position log was last whole.", &[]);
static SAMPLES_ANSWERS: Desc = Desc::counter(
    "picket_agent_samples_answers_total",
    "Answers to remote write requests by status; `none` where there was none.",
    &["destination", "status"],
);
static SAMPLES_REFUSED: Desc = Desc::counter(
    "picket_agent_samples_refused_total",
    "Samples that the destination refused for good.",
    &["destination", "reason"],
);
static SAMPLES_GIVEN_UP: Desc = Desc::counter(
    "picket_agent_samples_given_up_total",
    "Samples that were given up: for want of room, or at the end.",
    &["destination", "reason"],
);
static UNREADABLE: Desc = Desc::gauge("picket_agent_unreadable", "1 for a path that exists and cannot be read.", &["path"]);
static RESIDENT: Desc = Desc::gauge("picket_agent_resident_memory_bytes", "Resident memory.", &[]);
static BUILD_INFO: Desc = Desc::gauge("picket_agent_build_info", "1, with the version.", &["version"]);

const FAMILIES: &[&Desc] = &[
    &LAG_BYTES,
    &LAG_SECONDS,
    &ANSWERS,
    &LEDGER_BYTES,
    &LEDGER_LINES,
    &GAP_BYTES,
    &GAP_EVENTS,
    &IMBALANCE,
    &POSITION_LOG_FAILURES,
    &SAMPLES_ANSWERS,
    &SAMPLES_REFUSED,
    &SAMPLES_GIVEN_UP,
    &UNREADABLE,
    &RESIDENT,
    &BUILD_INFO,
];

/// One destination's counters.
pub struct Destination {
    /// Its name.
    pub name: String,
    /// Reading.
    pub lane: Arc<LaneCounters>,
    /// Sending.
    pub sink: Arc<SinkCounters>,
}

/// All of it.
pub struct Report {
    log: Arc<Mutex<PositionLog>>,
    destinations: Vec<Destination>,
    written: Vec<(String, Arc<RemoteWriteCounters>)>,
    unreadable: Arc<Unreadable>,
    tail: Arc<TailCounters>,
}

impl Report {
    /// Over what the program counts.
    pub fn new(
        log: Arc<Mutex<PositionLog>>,
        destinations: Vec<Destination>,
        written: Vec<(String, Arc<RemoteWriteCounters>)>,
        unreadable: Arc<Unreadable>,
        tail: Arc<TailCounters>,
    ) -> Self {
        Self { log, destinations, written, unreadable, tail }
    }

    fn give(&self, out: &mut Families) {
        self.lanes(out);
        self.sinks(out);
        self.ledger(out);
        self.samples(out);
        self.process(out);
    }

    /// Why it is not ready, or that it is.
    fn ready(&self) -> Result<(), String> {
        let logs = self.destinations.iter().filter(|of| of.sink.held.value() > 0).map(|of| of.name.as_str());
        let samples = self.written.iter().filter(|(_, counters)| counters.held.value() > 0).map(|(name, _)| name.as_str());
        let held: Vec<&str> = logs.chain(samples).collect();
        if !held.is_empty() {
            return Err(format!("refused until somebody mends it: {}", held.join(", ")));
        }
        let failures = lock(&self.log).failures();
        if failures > 0 { Err("positions cannot be written".to_owned()) } else { Ok(()) }
    }

    fn lanes(&self, out: &mut Families) {
        for (place, (desc, _)) in LaneCounters::default().rows().into_iter().enumerate() {
            for destination in &self.destinations {
                out.sample(desc, &[&destination.name], destination.lane.rows()[place].1 as f64);
            }
        }
        let all = || self.destinations.iter().flat_map(|of| of.lane.lag().into_iter().map(move |lag| (of.name.as_str(), lag)));
        for (destination, (source, (bytes, _))) in all() {
            out.sample(&LAG_BYTES, &[destination, &source], bytes as f64);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(0));
        for (destination, (source, (bytes, changed))) in all() {
            let seconds = if bytes == 0 { 0.0 } else { (now - changed).max(0) as f64 / 1e9 };
            out.sample(&LAG_SECONDS, &[destination, &source], seconds);
        }
    }

    fn sinks(&self, out: &mut Families) {
        for (place, (desc, _)) in SinkCounters::default().rows().into_iter().enumerate() {
            for destination in &self.destinations {
                out.sample(desc, &[&destination.name], destination.sink.rows()[place].1);
            }
        }
        for destination in &self.destinations {
            for (answer, count) in destination.sink.answers() {
                out.sample(&ANSWERS, &[&destination.name, &answer], count as f64);
            }
        }
    }

    fn ledger(&self, out: &mut Families) {
        let log = lock(&self.log);
        let ledger = &log.positions().ledger;
        let mut waiting: BTreeMap<(&str, &str), i64> = BTreeMap::new();
        for (destination, source, state, reason, amount) in ledger.rows() {
            match state {
                "spooled" | "pending" => *waiting.entry((destination, source)).or_default() += amount.bytes,
                "lost" | "unknown" => {}
                _ => out.sample(&LEDGER_BYTES, &[destination, source, state, reason], amount.bytes as f64),
            }
        }
        for ((destination, source), bytes) in waiting {
            out.sample(&LEDGER_BYTES, &[destination, source, "pending", ""], bytes as f64);
        }
        for (destination, source, state, reason, amount) in ledger.rows() {
            if !matches!(state, "pending" | "spooled" | "lost" | "unknown") {
                out.sample(&LEDGER_LINES, &[destination, source, state, reason], amount.lines as f64);
            }
        }
        for (fate, desc) in [(Fate::Lost, &GAP_BYTES), (Fate::Unknown, &GAP_EVENTS)] {
            for (destination, source, _, reason, amount) in ledger.rows().into_iter().filter(|row| row.2 == fate.name()) {
                let value = if fate == Fate::Lost { amount.bytes } else { amount.lines };
                out.sample(desc, &[destination, source, reason], value as f64);
            }
        }
        for (destination, source, difference) in ledger.imbalance() {
            out.sample(&IMBALANCE, &[destination, source], difference as f64);
        }
        out.sample(&POSITION_LOG_FAILURES, &[], log.failures() as f64);
    }

    fn samples(&self, out: &mut Families) {
        for (place, (desc, _)) in RemoteWriteCounters::default().rows().into_iter().enumerate() {
            for (destination, counters) in &self.written {
                out.sample(desc, &[destination], counters.rows()[place].1);
            }
        }
        for (destination, counters) in &self.written {
            for (status, count) in counters.answers() {
                out.sample(&SAMPLES_ANSWERS, &[destination, &status], count as f64);
            }
        }
        for (destination, counters) in &self.written {
            for (reason, count) in counters.refused() {
                out.sample(&SAMPLES_REFUSED, &[destination, &reason], count as f64);
            }
        }
        for (destination, counters) in &self.written {
            for (reason, count) in counters.given_up() {
                out.sample(&SAMPLES_GIVEN_UP, &[destination, reason], count as f64);
            }
        }
    }

    fn process(&self, out: &mut Families) {
        for (desc, value) in self.tail.rows() {
            out.sample(desc, &[], value as f64);
        }
        for (path, unreadable) in self.unreadable.rows() {
            out.sample(&UNREADABLE, &[&path], f64::from(u8::from(unreadable)));
        }
        if let Some(bytes) = resident() {
            out.sample(&RESIDENT, &[], bytes as f64);
        }
        out.sample(&BUILD_INFO, &[env!("CARGO_PKG_VERSION")], 1.0);
    }
}

/// Every family that the agent gives of itself.
pub fn families() -> impl Iterator<Item = &'static Desc> {
    let lanes = LaneCounters::default().rows().map(|(desc, _)| desc).into_iter();
    let sinks = SinkCounters::default().rows().map(|(desc, _)| desc);
    let samples = RemoteWriteCounters::default().rows().map(|(desc, _)| desc);
    let tail = TailCounters::default().rows().map(|(desc, _)| desc);
    lanes.chain(sinks).chain(samples).chain(tail).chain(FAMILIES.iter().copied())
}

/// The agent as a target of its own.
pub struct OwnMetrics(pub Arc<Report>);

impl Sampler for OwnMetrics {
    fn sample(&mut self, _: UnixMillis, out: &mut Families) -> bool {
        self.0.give(out);
        true
    }
}

/// What the listener shows: the agent's own state, and a sample of everything that it measures.
pub struct Page {
    /// The state.
    pub report: Arc<Report>,
    /// What is measured, if anything is.
    pub measuring: Option<Arc<Measuring>>,
}

impl Status for Page {
    fn metrics(&self) -> String {
        let mut families = Families::new();
        self.report.give(&mut families);
        if let Some(measuring) = &self.measuring {
            families.append(&measuring.look());
        }
        let mut text = String::new();
        write_families(&families, &mut text);
        text
    }

    fn ready(&self) -> Result<(), String> {
        self.report.ready()
    }
}

/// Resident memory of this process, bytes (proc(5), statm).
fn resident() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
