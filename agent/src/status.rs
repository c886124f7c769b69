//! The agent's own state for people and Prometheus: counters, ledger, spool, lag, memory, and whether it is ready.

use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use proto::exposition::{Exposition, Kind, write_families};
use proto::metric::{Families, UnixMillis};

use crate::lane::lock;
use crate::ledger::Fate;
use crate::listener::Status;
use crate::measure::{Measuring, Sampler};
use crate::metrics::{LaneCounters, RemoteWriteCounters, SinkCounters, TailCounters, Unreadable};
use crate::position_log::PositionLog;

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

    fn exposition(&self) -> Exposition {
        let mut out = Exposition::new("picket_agent_");
        self.lanes(&mut out);
        self.sinks(&mut out);
        self.ledger(&mut out);
        self.samples(&mut out);
        self.process(&mut out);
        out
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

    fn lanes(&self, out: &mut Exposition) {
        let rows = LaneCounters::default().rows();
        for (place, (name, help, _)) in rows.into_iter().enumerate() {
            for destination in &self.destinations {
                let value = destination.lane.rows()[place].2 as f64;
                out.sample(name, Kind::Counter, help, &[("destination", &destination.name)], value);
            }
        }
        for destination in &self.destinations {
            for (source, (bytes, _)) in destination.lane.lag() {
                let labels = [("destination", destination.name.as_str()), ("source", source.as_str())];
                out.sample("lag_bytes", Kind::Gauge, "Bytes in a source's files that were not read yet.", &labels, bytes as f64);
            }
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(0));
        for destination in &self.destinations {
            for (source, (bytes, changed)) in destination.lane.lag() {
                let seconds = if bytes == 0 { 0.0 } else { (now - changed).max(0) as f64 / 1e9 };
                let labels = [("destination", destination.name.as_str()), ("source", source.as_str())];
                out.sample(
                    "lag_seconds",
                    Kind::Gauge,
                    "How long ago the newest unread bytes of a source were written.",
                    &labels,
                    seconds,
                );
            }
        }
    }

    fn sinks(&self, out: &mut Exposition) {
        let rows = SinkCounters::default().rows();
        for (place, (name, kind, help, _)) in rows.into_iter().enumerate() {
            for destination in &self.destinations {
                out.sample(name, kind, help, &[("destination", &destination.name)], destination.sink.rows()[place].3);
            }
        }
        for destination in &self.destinations {
            for (answer, count) in destination.sink.answers() {
                let labels = [("destination", destination.name.as_str()), ("status", answer.as_str())];
                out.sample(
                    "answers_total",
                    Kind::Counter,
                    "Answers by status; `none` where there was none.",
                    &labels,
                    count as f64,
                );
            }
        }
    }

    fn ledger(&self, out: &mut Exposition) {
        let log = lock(&self.log);
        let ledger = &log.positions().ledger;
        let help = "What became of the bytes of a source: read = shipped + filtered + rejected + pending; the spool is pending.";
        let mut spooled = std::collections::BTreeMap::new();
        for (destination, source, state, reason, amount) in ledger.rows() {
            match state {
                "spooled" => *spooled.entry((destination, source)).or_insert(0) += amount.bytes,
                "lost" | "unknown" => {}
                "pending" => {
                    spooled.entry((destination, source)).or_insert(0);
                    *spooled.entry((destination, source)).or_default() += amount.bytes;
                }
                _ => {
                    let labels = [("destination", destination), ("source", source), ("state", state), ("reason", reason)];
                    out.sample("ledger_bytes", Kind::Gauge, help, &labels, amount.bytes as f64);
                }
            }
        }
        for ((destination, source), bytes) in spooled {
            let labels = [("destination", destination), ("source", source), ("state", "pending"), ("reason", "")];
            out.sample("ledger_bytes", Kind::Gauge, help, &labels, bytes as f64);
        }
        for (destination, source, state, reason, amount) in ledger.rows() {
            if !matches!(state, "pending" | "spooled" | "lost" | "unknown") {
                let labels = [("destination", destination), ("source", source), ("state", state), ("reason", reason)];
                out.sample("ledger_lines", Kind::Gauge, "The same in lines of the source.", &labels, amount.lines as f64);
            }
        }
        for (fate, name, help) in [
            (Fate::Lost, "gap_bytes_total", "Bytes that were never read, where their number is known."),
            (Fate::Unknown, "gap_events_total", "Times that bytes were never read and nobody knows how many."),
        ] {
            for (destination, source, _, reason, amount) in ledger.rows().into_iter().filter(|row| row.2 == fate.name()) {
                let value = if fate == Fate::Lost { amount.bytes } else { amount.lines };
                let labels = [("destination", destination), ("source", source), ("reason", reason)];
                out.sample(name, Kind::Counter, help, &labels, value as f64);
            }
        }
        for (destination, source, difference) in ledger.imbalance() {
            let labels = [("destination", destination), ("source", source)];
            out.sample(
                "ledger_imbalance_bytes",
                Kind::Gauge,
                "Bytes by which an account does not balance: a fault of the agent.",
                &labels,
                difference as f64,
            );
        }
        out.gauge("position_log_failures", "Appends that failed since the position log was last whole.", log.failures() as f64);
    }

    fn samples(&self, out: &mut Exposition) {
        let rows = RemoteWriteCounters::default().rows();
        for (place, (name, kind, help, _)) in rows.into_iter().enumerate() {
            for (destination, counters) in &self.written {
                out.sample(name, kind, help, &[("destination", destination)], counters.rows()[place].3);
            }
        }
        for (destination, counters) in &self.written {
            for (status, count) in counters.answers() {
                let labels = [("destination", destination.as_str()), ("status", status.as_str())];
                let help = "Answers to remote write requests by status; `none` where there was none.";
                out.sample("samples_answers_total", Kind::Counter, help, &labels, count as f64);
            }
        }
        for (destination, counters) in &self.written {
            for (reason, count) in counters.refused() {
                let labels = [("destination", destination.as_str()), ("reason", reason.as_str())];
                let help = "Samples that the destination refused for good.";
                out.sample("samples_refused_total", Kind::Counter, help, &labels, count as f64);
            }
        }
        for (destination, counters) in &self.written {
            for (reason, count) in counters.given_up() {
                let labels = [("destination", destination.as_str()), ("reason", reason)];
                let help = "Samples that were given up: for want of room, or at the end.";
                out.sample("samples_given_up_total", Kind::Counter, help, &labels, count as f64);
            }
        }
    }

    fn process(&self, out: &mut Exposition) {
        for (name, help, value) in self.tail.rows() {
            out.gauge(name, help, value as f64);
        }
        for (path, unreadable) in self.unreadable.rows() {
            out.sample(
                "unreadable",
                Kind::Gauge,
                "1 for a path that exists and cannot be read.",
                &[("path", &path)],
                f64::from(u8::from(unreadable)),
            );
        }
        if let Some(bytes) = resident() {
            out.gauge("resident_memory_bytes", "Resident memory.", bytes as f64);
        }
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        out.sample("build_info", Kind::Gauge, "1, with the version.", &version, 1.0);
    }
}

/// The agent as a target of its own.
pub struct OwnMetrics(pub Arc<Report>);

impl Sampler for OwnMetrics {
    fn sample(&mut self, _: UnixMillis, out: &mut Families) -> bool {
        out.append(&self.0.exposition().families());
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
        let mut families = self.report.exposition().families();
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
