//! The node's collectors, asked one after the other at every interval: their samples as the node's target, and how each has fared.
//!
//! They run in a thread of their own. One that hangs (a broken driver, a dead disk) is left alone with that thread, and another thread
//! goes on with the others: the round is on time, the stuck collector counts as failed, and takes part again when it has come back.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use proto::metric::{Desc, Families, UnixMillis};
use tracing::{debug, info, warn};

use super::host::Host;
use super::kept::read_once;
use super::registry::COLLECTORS;
use super::settings::Settings;
use super::{Collector, Failed, Round, text};
use crate::measure::Sampler;

static DURATION: Desc = Desc::gauge("node_scrape_collector_duration_seconds", "How long the collector took.", &["collector"]);
static SUCCESS: Desc = Desc::gauge("node_scrape_collector_success", "1 if the collector gave what it could.", &["collector"]);

/// What every round gives besides the collectors' own.
pub const FAMILIES: &[&Desc] = &[&DURATION, &SUCCESS];

/// A collector is stuck if it takes longer.
const STUCK_AFTER: Duration = Duration::from_secs(5);
/// Stack of the thread that collects.
const STACK_BYTES: usize = 256 * 1024;

/// A collector on its way to the collecting thread and back.
struct Job {
    place: usize,
    collector: Box<dyn Collector>,
    now: UnixMillis,
    out: Families,
    buffer: Vec<u8>,
    took: Duration,
    result: Result<(), Failed>,
}

/// One of the collectors.
struct Member {
    name: &'static str,
    /// Away while it is being asked, or stuck.
    collector: Option<Box<dyn Collector>>,
    /// What was said of it last, to say it once.
    said: Option<String>,
}

/// The collecting thread.
struct Worker {
    jobs: SyncSender<Job>,
    done: Receiver<Job>,
}

/// All collectors of the node.
pub struct Rounds {
    members: Vec<Member>,
    worker: Option<Worker>,
    /// Threads that a collector is stuck in.
    stuck: Vec<Worker>,
    booted: UnixMillis,
    buffers: Option<(Families, Vec<u8>)>,
    stuck_after: Duration,
}

impl Rounds {
    /// The collectors of these names.
    pub fn new(names: &[&str], host: &Host, settings: &Settings) -> Self {
        let entries = COLLECTORS.iter().filter(|entry| names.contains(&entry.name));
        let members = entries.map(|entry| (entry.name, (entry.make)(host, settings))).collect();
        Self::of(members, booted(host), STUCK_AFTER)
    }

    fn of(members: Vec<(&'static str, Box<dyn Collector>)>, booted: UnixMillis, stuck_after: Duration) -> Self {
        let members = members.into_iter().map(|(name, collector)| Member { name, collector: Some(collector), said: None });
        Self { members: members.collect(), worker: None, stuck: Vec::new(), booted, buffers: None, stuck_after }
    }

    /// One round: the samples of all collectors, and how each has fared.
    pub fn collect(&mut self, now: UnixMillis, out: &mut Families) {
        self.take_back();
        for place in 0..self.members.len() {
            let name = self.members[place].name;
            let begun = Instant::now();
            let (success, took) = if let Some(job) = self.ask(place, now) {
                out.append(&job.out);
                let success = self.note(place, &job.result);
                self.members[place].collector = Some(job.collector);
                self.buffers = Some((job.out, job.buffer));
                (success, job.took)
            } else {
                self.say(place, Some("it does not come back; the others go on without it".to_owned()), false);
                (false, begun.elapsed())
            };
            out.sample(&DURATION, &[name], took.as_secs_f64());
            out.sample(&SUCCESS, &[name], f64::from(u8::from(success)));
        }
    }

    /// Why each collector that gave nothing did not, at the last round.
    pub fn failures(&self) -> BTreeMap<&'static str, &str> {
        self.members.iter().filter_map(|member| Some((member.name, member.said.as_deref()?))).collect()
    }

    /// Has one collector asked; nothing if it is stuck.
    fn ask(&mut self, place: usize, now: UnixMillis) -> Option<Job> {
        let collector = self.members[place].collector.take()?;
        let (mut out, buffer) = self.buffers.take().unwrap_or_default();
        out.clear();
        out.counters_since(self.booted);
        let job = Job { place, collector, now, out, buffer, took: Duration::ZERO, result: Ok(()) };
        let worker = match self.worker.take() {
            Some(worker) => worker,
            None => match Worker::start() {
                Ok(worker) => worker,
                Err(error) => {
                    warn!(%error, "no thread to collect in; trying again with the next round");
                    self.members[place].collector = Some(job.collector);
                    return None;
                }
            },
        };
        if let Err(refused) = worker.jobs.send(job) {
            // The thread has ended by a fault; the next one begins anew.
            self.members[place].collector = Some(refused.0.collector);
            return None;
        }
        match worker.done.recv_timeout(self.stuck_after) {
            Ok(job) => {
                self.worker = Some(worker);
                Some(job)
            }
            Err(RecvTimeoutError::Timeout) => {
                self.stuck.push(worker);
                None
            }
            Err(RecvTimeoutError::Disconnected) => None,
        }
    }

    /// Collectors that have come back take part again.
    fn take_back(&mut self) {
        let members = &mut self.members;
        self.stuck.retain(|worker| {
            let Ok(job) = worker.done.try_recv() else { return true };
            info!(collector = members[job.place].name, "it has come back");
            members[job.place].collector = Some(job.collector);
            false
        });
    }

    /// Whether a collector has done what it could; what is new of it is said.
    fn note(&mut self, place: usize, result: &Result<(), Failed>) -> bool {
        let (said, is_absent) = match result {
            Ok(()) => (None, false),
            Err(failed) => (Some(failed.to_string()), matches!(failed, Failed::NoData(_))),
        };
        self.say(place, said, is_absent);
        result.is_ok()
    }

    fn say(&mut self, place: usize, said: Option<String>, is_absent: bool) {
        let member = &mut self.members[place];
        if member.said == said {
            return;
        }
        match &said {
            None => info!(collector = member.name, "it works again"),
            Some(reason) if is_absent => debug!(collector = member.name, reason, "nothing to collect"),
            Some(reason) => warn!(collector = member.name, reason, "it fails"),
        }
        member.said = said;
    }
}

impl Sampler for Rounds {
    /// The node is always there; which of its parts are not is said collector by collector.
    fn sample(&mut self, now: UnixMillis, out: &mut Families) -> bool {
        self.collect(now, out);
        true
    }

    fn missing(&self) -> Vec<String> {
        self.failures().iter().map(|(name, why)| format!("{name}: {why}")).collect()
    }
}

impl Worker {
    fn start() -> std::io::Result<Self> {
        let (jobs, inbox) = sync_channel::<Job>(1);
        let (outbox, done) = sync_channel(1);
        let run = move || {
            while let Ok(mut job) = inbox.recv() {
                let begun = Instant::now();
                let mut round = Round { out: &mut job.out, buffer: &mut job.buffer, now: job.now };
                job.result = job.collector.collect(&mut round);
                job.took = begun.elapsed();
                if outbox.send(job).is_err() {
                    break;
                }
            }
        };
        std::thread::Builder::new().name("collect".to_owned()).stack_size(STACK_BYTES).spawn(run)?;
        Ok(Self { jobs, done })
    }
}

/// When the machine booted (`btime` of /proc/stat, in seconds); 0 if that cannot be read.
pub(super) fn booted(host: &Host) -> UnixMillis {
    let mut buffer = Vec::new();
    let stat = read_once(&host.proc("stat"), &mut buffer).unwrap_or_default();
    let seconds = text::lines(stat).find_map(|line| text::integer(text::trim(line.strip_prefix(b"btime ")?)));
    UnixMillis(seconds.and_then(|seconds| i64::try_from(seconds.checked_mul(1000)?).ok()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use proto::exposition::write_families;

    use super::*;

    static VALUE: Desc = Desc::counter("value_total", "A value.", &["of"]);

    /// Gives a value, fails, or waits until it is let go.
    struct Scripted {
        name: &'static str,
        gate: Option<Mutex<Receiver<()>>>,
        fails: bool,
    }

    impl Collector for Scripted {
        fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
            if let Some(gate) = &self.gate {
                let _ = gate.lock().unwrap().recv();
            }
            round.out.sample(&VALUE, &[self.name], 1.0);
            if self.fails { Err(Failed::NoData("nowhere".to_owned())) } else { Ok(()) }
        }
    }

    fn round(rounds: &mut Rounds) -> Vec<String> {
        let (mut out, mut text) = (Families::new(), String::new());
        rounds.collect(UnixMillis(1), &mut out);
        write_families(&out, &mut text);
        text.lines().filter(|line| !line.starts_with('#') && !line.contains("duration")).map(str::to_owned).collect()
    }

    #[test]
    fn one_that_fails_or_hangs_takes_no_other_along() {
        let (open, gate) = sync_channel(1);
        let scripted = |name, gate, fails| (name, Box::new(Scripted { name, gate, fails }) as Box<dyn Collector>);
        let members =
            vec![scripted("stuck", Some(Mutex::new(gate)), false), scripted("fails", None, true), scripted("works", None, false)];
        let mut rounds = Rounds::of(members, UnixMillis(5), Duration::from_millis(50));
        let expected = [
            "node_scrape_collector_success{collector=\"stuck\"} 0",
            "node_scrape_collector_success{collector=\"fails\"} 0",
            "node_scrape_collector_success{collector=\"works\"} 1",
            "value_total{of=\"fails\"} 1",
            "value_total{of=\"works\"} 1",
        ];
        assert_eq!(round(&mut rounds), expected);
        let begun = Instant::now();
        assert_eq!(round(&mut rounds), expected, "the second time nobody waits for it");
        assert!(begun.elapsed() < Duration::from_millis(50));
        assert_eq!(rounds.failures().keys().copied().collect::<Vec<_>>(), ["fails", "stuck"]);
        open.send(()).unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        while rounds.members[0].collector.is_none() && Instant::now() < until {
            rounds.take_back();
        }
        // The gate stays open from now on.
        drop(open);
        assert!(round(&mut rounds).contains(&"node_scrape_collector_success{collector=\"stuck\"} 1".to_owned()));
        assert_eq!(rounds.failures().keys().copied().collect::<Vec<_>>(), ["fails"]);
    }

    #[test]
    fn the_boot_is_when_the_kernel_says() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("stat"), "cpu 1 2\nbtime 1700000000\n").unwrap();
        let host = Host::new(directory.path(), directory.path(), directory.path(), crate::host_root::HostRoot::default());
        assert_eq!(booted(&host), UnixMillis(1_700_000_000_000));
    }
}
