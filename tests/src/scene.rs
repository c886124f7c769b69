//! The stage of one test: a directory of its own, the agent's configuration, how large it is played, and how it ends.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::account::{Book, Verdict};
use crate::agent::{self, Agent, Launch};
use crate::line::Shape;
use crate::log_file::LogFile;
use crate::loki::Loki;
use crate::metrics::Ledger;
use crate::seed::Random;
use crate::skip::skipped;
use crate::wait;

/// "At most one unacknowledged batch per destination, about 700."
pub const REPEATS_PER_KILL_MAX: u64 = 750;

/// How large a test is played.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Lines a second.
    pub rate: u64,
    /// How often the agent is killed.
    pub n_kills: u64,
    /// How long the server is away.
    pub outage: Duration,
    /// Between two rotations.
    pub rotate_every: Duration,
    /// How long an answer takes that takes long.
    pub slow_answer: Duration,
    /// How long the agent may take for what is left, back-off (60 s at most) included.
    pub deliver_max: Duration,
}

/// CI's size, or that of the promises.
pub fn scale() -> Scale {
    let seconds = Duration::from_secs;
    if std::env::var("PICKET_CHAOS").is_ok_and(|size| size == "large") {
        Scale {
            rate: 20_000,
            n_kills: 20,
            outage: seconds(60),
            rotate_every: seconds(2),
            slow_answer: seconds(60),
            deliver_max: seconds(300),
        }
    } else {
        Scale {
            rate: 5_000,
            n_kills: 4,
            outage: seconds(5),
            rotate_every: Duration::from_millis(500),
            slow_answer: seconds(4),
            deliver_max: seconds(90),
        }
    }
}

/// One destination: its name, its server, and further options as they stand in the configuration.
pub struct Destination<'a>(pub &'a str, pub &'a Loki, pub &'a str);

/// A stage. Everything on it goes with it.
#[derive(Debug)]
pub struct Scene {
    /// The test's name.
    pub name: &'static str,
    /// Its randomness.
    pub random: Random,
    /// What tells its lines from those of other runs.
    pub run: u32,
    env: Vec<(String, String)>,
    dir: TempDir,
}

impl Scene {
    /// The stage for a test; `None`, said aloud, when there is no agent to put on it.
    pub fn set(name: &'static str) -> Option<Self> {
        if agent::binary().is_none() {
            skipped(name, "no agent binary: build it or set PICKET_AGENT");
            return None;
        }
        let mut random = Random::of(name);
        let run = random.number() as u32;
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("state")).unwrap();
        Some(Self { name, random, run, env: Vec::new(), dir })
    }

    /// The same without inotify: the agent has to find out by looking.
    #[must_use]
    pub fn without_inotify(mut self) -> Self {
        self.env.push(("PICKET_NO_INOTIFY".to_owned(), "1".to_owned()));
        self
    }

    /// A file or directory of the stage.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The agent's state directory.
    pub fn state_dir(&self) -> PathBuf {
        self.path("state")
    }

    /// A log file below the stage's directory.
    pub fn log(&self, path: &str, shape: Shape, writer: u32) -> LogFile {
        LogFile::create(&self.path(path), shape, self.run, writer)
    }

    /// A book for one destination.
    pub fn book(&self, logs: &[(u32, Shape)]) -> Book {
        let mut book = Book::new(self.run);
        for (writer, shape) in logs {
            book.expect_shape(*writer, *shape);
        }
        book
    }

    /// Writes the configuration: file inputs as (job, path, format).
    pub fn configure(&self, files: &[(&str, &Path, &str)], destinations: &[Destination<'_>]) {
        self.configure_logs(&inputs(files), destinations);
    }

    /// The same with destinations that are not the Lokis themselves: (name, URL, further options).
    pub fn configure_urls(&self, files: &[(&str, &Path, &str)], destinations: &[(&str, &str, &str)]) {
        self.write_configuration(
            &inputs(files),
            destinations.iter().map(|(name, url, options)| (*name, (*url).to_owned(), *options)),
        );
    }

    /// A further variable of the agent's environment.
    #[must_use]
    pub fn with_env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Writes the configuration with these lines below `logs:`.
    pub fn configure_logs(&self, logs: &str, destinations: &[Destination<'_>]) {
        self.write_configuration(logs, destinations.iter().map(|Destination(name, loki, options)| (*name, loki.url(), *options)));
    }

    fn write_configuration<'a>(&self, logs: &str, destinations: impl Iterator<Item = (&'a str, String, &'a str)>) {
        let mut text = format!("node: test-node\nlogs:\n{logs}outputs:\n  loki:\n");
        for (name, url, options) in destinations {
            writeln!(text, "    - {{name: {name}, url: \"{url}\"{options}}}").unwrap();
        }
        text += "listen: 127.0.0.1:0\n";
        fs::write(self.path("agent.yaml"), text).unwrap();
    }

    /// How the agent is started here, with further arguments.
    pub fn launch(&self, args: &[&str]) -> Launch {
        let mut all: Vec<OsString> = vec!["--state-dir".into(), self.state_dir().into()];
        if self.path("agent.yaml").exists() {
            all.extend(["--config".into(), self.path("agent.yaml").into()]);
        }
        all.extend(args.iter().map(OsString::from));
        Launch { program: None, through: Vec::new(), args: all, env: self.env.clone(), logs: self.dir.path().to_owned() }
    }

    /// Starts the agent.
    pub fn start(&self) -> Agent {
        self.launch(&[]).start_listening()
    }

    /// The end of most stories: everything arrives, the agent's ledger balances, it stops in time, and the book is whole
    /// with at most so many repeats.
    pub fn finish(&self, agent: Agent, loki: &Loki, mut book: Book, logs: &[&LogFile], n_repeats_max: u64) {
        deliver(&mut book, loki, logs);
        let verdict = book.verdict(&written(logs));
        // The book first: a ledger that does not balance is the smaller news.
        self.say(&verdict);
        verdict.assert_whole(n_repeats_max);
        self.balance(&agent, Some(logs.iter().map(|log| log.n_bytes()).sum()));
        agent.terminate();
        book.read(loki);
        book.verdict(&written(logs)).assert_whole(n_repeats_max);
    }

    /// Waits until nothing is pending, and checks that the ledger balances: for each destination, read is so many bytes
    /// (where it is known) and equal to what became of them. Returns what was rejected, over all destinations.
    pub fn balance(&self, agent: &Agent, n_bytes: Option<u64>) -> Option<u64> {
        // Not all logs have to be delivered by now: one that is refused may still be read.
        let is_settled = |ledger: &Ledger| {
            let all_is_read = || ledger.read().iter().all(|(_, n_read)| n_bytes.is_none_or(|n_bytes| *n_read >= n_bytes));
            ledger.sum("pending", None) == 0 && all_is_read()
        };
        let mut last = None;
        let settled = wait::until(Duration::from_secs(20), || {
            last = agent.metrics()?.ledger();
            last.as_ref().is_none_or(is_settled).then(|| last.take())
        });
        let settled = settled.or_else(|| last.take().map(Some));
        let Some(ledger) = settled.expect("the agent answers") else {
            skipped(&format!("{} (ledger)", self.name), "the agent has no picket_agent_ledger_bytes");
            return None;
        };
        let imbalance = ledger.imbalance();
        assert!(imbalance.is_empty(), "the ledger does not balance: {imbalance}");
        assert_eq!(ledger.sum("pending", None), 0, "something is pending though everything was delivered");
        for (destination, n_read) in ledger.read() {
            assert!(n_bytes.is_none_or(|n_bytes| n_read == n_bytes), "{destination}: {n_read} bytes read, {n_bytes:?} written");
        }
        Some(ledger.sum("rejected", None))
    }

    /// One line about how it went.
    pub fn say(&self, verdict: &Verdict) {
        writeln!(std::io::stderr(), "{}: {verdict}", self.name).ok();
    }
}

/// File inputs as (job, path, format), as they stand below `logs:`.
fn inputs(files: &[(&str, &Path, &str)]) -> String {
    let mut logs = String::from("  files:\n");
    for (job, path, format) in files {
        writeln!(logs, "    - {{job: {job}, paths: [\"{}\"], format: {format}}}", path.display()).unwrap();
    }
    logs
}

/// What the logs' writers say they wrote.
pub fn written(logs: &[&LogFile]) -> Vec<(u32, u64)> {
    logs.iter().flat_map(|log| log.sequences()).collect()
}

/// Waits until everything written has been stored; what is missing by then, the verdict will name.
pub fn deliver(book: &mut Book, loki: &Loki, logs: &[&LogFile]) {
    let n_lines = written(logs).iter().map(|(_, n_lines)| n_lines).sum();
    wait::until(scale().deliver_max, || {
        book.read(loki);
        (book.n_distinct() >= n_lines).then_some(())
    });
}
