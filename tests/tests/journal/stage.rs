//! The stage of a story: journald, a Loki, the agent that reads the one for the other, and what must have arrived.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;

use tests::agent::Agent;
use tests::journald::{Entry, Journald, Settings};
use tests::loki::{Delivery, Loki};
use tests::wait;

use crate::scene::{Destination, Scene, scale};

/// Everything, from the beginning.
pub(crate) const ALL: &str = "[{job: all, max_age: all}]";

/// A stage with everything on it.
pub(crate) struct Stage {
    pub(crate) scene: Scene,
    pub(crate) journald: Journald,
    pub(crate) loki: Loki,
}

/// Message → microsecond → which times an entry may have, counted from its microsecond. Copied from memory to the disk, an entry has two.
type Known = HashMap<String, BTreeMap<i64, Vec<i64>>>;

/// So many nanoseconds may a line of a service's burst be later than its number says: journald gives the whole burst one microsecond.
const BURST_NANOS: i64 = 1_000_000;

/// What must arrive, collected before it is deleted.
#[derive(Debug, Default)]
pub(crate) struct Written(Known);

impl Stage {
    /// journald with these settings, and an agent that is configured with these selections; `None`, said aloud, where that cannot be.
    pub(crate) fn set(name: &'static str, settings: Settings, selections: &str) -> Option<Self> {
        let scene = Scene::set(name)?;
        let journald = Journald::start(name, scene.path("node"), settings)?;
        let loki = Loki::start();
        let stage = Self { scene, journald, loki };
        stage.configure(selections);
        Some(stage)
    }

    /// The same journal for a new Loki and an agent that knows nothing: a first start over all that is there.
    pub(crate) fn again(self) -> (Self, Agent) {
        fs::remove_dir_all(self.scene.state_dir()).unwrap();
        fs::create_dir(self.scene.state_dir()).unwrap();
        let stage = Self { loki: Loki::start(), ..self };
        stage.configure(ALL);
        let agent = stage.start();
        (stage, agent)
    }

    fn configure(&self, selections: &str) {
        self.scene.configure_logs(&format!("  journal: {selections}\n"), &[Destination("main", &self.loki, "")]);
    }

    /// The agent's further arguments here.
    pub(crate) fn args(&self) -> [String; 2] {
        ["--path-rootfs".to_owned(), self.journald.node().tree().to_string_lossy().into_owned()]
    }

    /// Starts the agent.
    pub(crate) fn start(&self) -> Agent {
        let args = self.args();
        self.scene.launch(&[&args[0], &args[1]]).start_listening()
    }

    /// What is written by now, and in journald's files.
    pub(crate) fn written(&self) -> Written {
        let mut written = Written::default();
        self.collect(&mut written);
        written
    }

    /// Adds what is in journald's files by now.
    pub(crate) fn collect(&self, written: &mut Written) {
        self.journald.sync();
        written.add(&self.journald.entries());
    }

    /// Waits until all of it has arrived.
    pub(crate) fn wait_for(&self, written: &Written) {
        let mut n_seen = 0;
        let whole = wait::until(scale().deliver_max, || {
            let n_stored = self.loki.n_stored();
            if n_stored < written.len() || n_stored == n_seen {
                return None;
            }
            n_seen = n_stored;
            written.compare(&self.arrived()).lost.is_empty().then_some(())
        });
        assert!(whole.is_some(), "of {}, {}", written.len(), written.compare(&self.arrived()));
    }

    /// Waits until all of it has arrived, and checks it: nothing else did, and at most so many were repeated.
    pub(crate) fn assert_arrives(&self, written: &Written, n_repeats_max: u64) {
        self.wait_for(written);
        let outcome = written.compare(&self.arrived());
        assert!(outcome.is_whole(n_repeats_max), "{outcome}");
    }

    /// What has arrived, in order: labels, line, metadata.
    pub(crate) fn arrived(&self) -> Vec<Arc<Delivery>> {
        self.loki.stored_since(0)
    }

    /// The sum of the agent's gaps for this reason.
    pub(crate) fn gaps(agent: &Agent, reason: &str) -> u64 {
        let metrics = agent.metrics().unwrap();
        let gaps = metrics.of("picket_agent_gap_events_total").filter(|sample| sample.labels["reason"] == reason);
        // Counted in whole events.
        gaps.map(|sample| format!("{:.0}", sample.value).parse::<u64>().unwrap()).sum()
    }

    /// The end of most stories: the ledger balances, and the agent stops in time.
    pub(crate) fn finish(&self, agent: Agent) {
        self.scene.balance(&agent, None);
        agent.terminate();
    }
}

impl Written {
    /// Further entries.
    pub(crate) fn add(&mut self, entries: &[Entry]) {
        for entry in entries {
            self.note(entry.message(), entry.realtime, entry.time() - entry.realtime * 1000);
        }
    }

    fn note(&mut self, message: String, micros: i64, number: i64) {
        let numbers = self.0.entry(message).or_default().entry(micros).or_default();
        if !numbers.contains(&number) {
            numbers.push(number);
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.values().map(BTreeMap::len).sum()
    }

    /// With those of the other.
    pub(crate) fn join(&mut self, other: Self) {
        for (message, times) in other.0 {
            for (micros, numbers) in times {
                for number in numbers {
                    self.note(message.clone(), micros, number);
                }
            }
        }
    }

    /// Without those of the other.
    pub(crate) fn without(mut self, other: &Self) -> Self {
        for (message, times) in &mut self.0 {
            times.retain(|micros, _| other.0.get(message).is_none_or(|others| !others.contains_key(micros)));
        }
        self
    }

    /// The microsecond of the entry that this is.
    fn micros_of(&self, delivery: &Delivery) -> Option<i64> {
        let known = self.0.get(&delivery.line)?;
        // Lines of a service come in bursts.
        let is_allowed =
            |later: i64| later == 0 || (delivery.stream.contains("transport=\"stdout\"") && (0..BURST_NANOS).contains(&later));
        let micros = delivery.time.div_euclid(1000);
        let near = known.range(micros - BURST_NANOS / 1000..=micros).rev();
        near.filter(|(micros, numbers)| numbers.iter().any(|number| is_allowed(delivery.time - **micros * 1000 - number)))
            .map(|(micros, _)| *micros)
            .next()
    }

    /// By message alone, each of which was said once: how many are not there, and how many are there more than once.
    pub(crate) fn compare_loosely(&self, stored: &[Arc<Delivery>]) -> (usize, usize) {
        let mut times: HashMap<&str, usize> = self.0.keys().map(|message| (message.as_str(), 0)).collect();
        for delivery in stored {
            *times.entry(&delivery.line).or_default() += 1;
        }
        (times.values().filter(|times| **times == 0).count(), times.values().filter(|times| **times > 1).count())
    }

    /// Held against what was stored.
    pub(crate) fn compare(&self, stored: &[Arc<Delivery>]) -> Outcome {
        let mut outcome = Outcome::default();
        let mut first: HashMap<(i64, &str), &Arc<Delivery>> = HashMap::new();
        let mut newest: HashMap<&str, i64> = HashMap::new();
        for delivery in stored {
            let Some(micros) = self.micros_of(delivery) else {
                let written = self.0.get(&delivery.line);
                outcome.wrong.push(format!("at {}, but written at {written:?}: {}", delivery.time, delivery.line));
                continue;
            };
            let Some(before) = first.insert((micros, &delivery.line), delivery) else {
                let newest = newest.entry(&delivery.stream).or_insert(i64::MIN);
                if delivery.time < *newest {
                    outcome.n_back += 1;
                }
                *newest = delivery.time;
                continue;
            };
            outcome.n_repeats += 1;
            let (_, last) = outcome.repeated.get_or_insert_with(|| (delivery.line.clone(), String::new()));
            last.clone_from(&delivery.line);
            let same = |one: &Delivery, other: &Delivery| {
                (&one.stream, one.time, &one.metadata) == (&other.stream, other.time, &other.metadata)
            };
            if !same(before, delivery) {
                outcome.wrong.push(format!("{before:?} and again {delivery:?}"));
            }
        }
        for (message, times) in &self.0 {
            let lost = times.keys().filter(|micros| !first.contains_key(&(**micros, message.as_str())));
            outcome.lost.extend(lost.map(|micros| (*micros, message.clone())));
        }
        outcome.lost.sort();
        outcome
    }
}

/// How it went.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Written and not stored: microsecond and message.
    pub(crate) lost: Vec<(i64, String)>,
    /// Stored again: how often, and the first and the last of them.
    pub(crate) n_repeats: u64,
    pub(crate) repeated: Option<(String, String)>,
    /// Stored for the first time after a later one of its stream.
    pub(crate) n_back: u64,
    /// What must not be, in words.
    pub(crate) wrong: Vec<String>,
}

impl Outcome {
    pub(crate) fn is_whole(&self, n_repeats_max: u64) -> bool {
        self.lost.is_empty() && self.wrong.is_empty() && self.n_back == 0 && self.n_repeats <= n_repeats_max
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { lost, n_repeats, repeated, n_back, wrong } = self;
        let mut text =
            format!("{} lost, {n_repeats} repeats {repeated:?}, {n_back} back in time, {} wrong", lost.len(), wrong.len());
        for (micros, message) in lost.iter().take(5).chain(lost.last()) {
            write!(text, "\n  lost: {micros} {}", message.chars().take(200).collect::<String>())?;
        }
        for wrong in wrong.iter().take(10) {
            write!(text, "\n  wrong: {}", wrong.chars().take(400).collect::<String>())?;
        }
        f.write_str(&text)
    }
}
