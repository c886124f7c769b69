//! The stage: an agent that measures a node of the test's own, five times a second.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use tempfile::TempDir;
use tests::agent::{self, Agent, Launch};
use tests::exposed::Exposed;
use tests::skip::skipped;

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
/// Between two samples, in milliseconds.
pub(crate) const INTERVAL: i64 = 200;

pub(crate) struct Stage {
    directory: TempDir,
}

impl Stage {
    /// Nothing if there is no agent; that is said.
    pub(crate) fn new(test: &str) -> Option<Self> {
        if agent::binary().is_none() {
            skipped(test, "no agent was built");
            return None;
        }
        let stage = Self { directory: tempfile::tempdir().unwrap() };
        fs::create_dir_all(stage.path("proc")).unwrap();
        stage.write("proc/loadavg", "0.25 0.5 0.75 1/100 4242\n");
        stage.write("proc/stat", "cpu  1 2 3 4 5 6 7 8 9 10\nbtime 1700000000\n");
        stage.write("proc/meminfo", "MemTotal: 1000 kB\nMemFree: 10 kB\nHugePages_Total: 0\n");
        Some(stage)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Starts the agent with one destination; `more` are further settings of it.
    pub(crate) fn start(&self, url: &str, more: &str) -> Agent {
        self.launch(&[(url, more)], "", &[]).start_listening()
    }

    /// The same, with these variables in its environment.
    pub(crate) fn start_with(&self, url: &str, env: Vec<(String, String)>) -> Agent {
        Launch { env, ..self.launch(&[(url, "")], "", &[]) }.start_listening()
    }

    /// The same; `metrics` are further settings of what is measured.
    pub(crate) fn start_measuring(&self, url: &str, metrics: &str) -> Agent {
        self.launch(&[(url, "")], metrics, &[]).start_listening()
    }

    /// Starts it with these destinations, each with its further settings, that get what these targets expose, by their jobs, twice
    /// a second: an answer may take as long, and the machine may be busy.
    pub(crate) fn start_scraping(&self, destinations: &[(&str, &str)], targets: &[(&str, &Exposed)]) -> Agent {
        let mut jobs = Vec::new();
        let mut scrape = String::new();
        for (job, target) in targets {
            jobs.push(*job);
            write!(scrape, "{{job: {job}, url: \"{}\", interval: 500ms}}, ", target.url()).unwrap();
        }
        let of_jobs = |more: &str| format!("jobs: [{}], {more}", jobs.join(", "));
        let all: Vec<(&str, String)> = destinations.iter().map(|(url, more)| (*url, of_jobs(more))).collect();
        let all: Vec<(&str, &str)> = all.iter().map(|(url, more)| (*url, more.as_str())).collect();
        self.launch(&all, &format!("scrape: [{scrape}]"), &[]).start_listening()
    }

    /// The same on this machine's own trees, with one file of logs too.
    pub(crate) fn start_on_this_machine(&self, url: &str) -> Agent {
        self.write("some.log", "a line\n");
        let log = format!("some={}", self.path("some.log").display());
        let trees = ["--path-procfs=/proc", "--path-sysfs=/sys", "--path-udev=/run/udev", "--path-rootfs=/"];
        let destination = ["--loki", "http://127.0.0.1:1", "--file", &log];
        let mut launch = self.launch(&[(url, "")], "", &destination);
        launch.args.retain(|argument| !argument.to_string_lossy().starts_with("--path-"));
        let unwanted: Vec<OsString> = ["proc", "sys", "udev", "root"].map(|name| self.path(name).into_os_string()).into();
        launch.args.retain(|argument| !unwanted.contains(argument));
        launch.args.extend(trees.map(OsString::from));
        launch.start_listening()
    }

    /// Runs it with `--once`: exit status, standard output and standard error.
    pub(crate) fn run_once(&self, url: &str) -> (ExitStatus, String, String) {
        self.launch(&[(url, "")], "", &["--once"]).run(PATIENCE)
    }

    fn launch(&self, destinations: &[(&str, &str)], metrics: &str, arguments: &[&str]) -> Launch {
        let mut config = format!(
            "node: node-1\nlisten: 127.0.0.1:0\nmetrics: {{interval: {INTERVAL}ms, {metrics}}}\noutputs:\n  remote_write:\n"
        );
        for (url, more) in destinations {
            writeln!(config, "  - {{url: \"{url}\", linger: 0s, {more}}}").unwrap();
        }
        self.write("agent.yaml", &config);
        // What is not in these trees is not on this node.
        let mut args: Vec<OsString> = Vec::new();
        for (argument, name) in [
            ("--config", "agent.yaml"),
            ("--state-dir", "state"),
            ("--path-procfs", "proc"),
            ("--path-sysfs", "sys"),
            ("--path-udev", "udev"),
            ("--path-rootfs", "root"),
        ] {
            args.extend([OsString::from(argument), self.path(name).into_os_string()]);
        }
        args.extend(arguments.iter().map(OsString::from));
        Launch { program: None, through: Vec::new(), args, env: Vec::new(), logs: self.directory.path().to_owned() }
    }
}

/// Whether times are whole multiples of the interval without a gap.
pub(crate) fn gaps(times: &[i64]) -> Vec<(i64, i64)> {
    let odd = times.iter().filter(|time| **time % INTERVAL != 0).map(|time| (*time, *time));
    let gaps = times.windows(2).filter(|pair| pair[1] - pair[0] != INTERVAL).map(|pair| (pair[0], pair[1]));
    odd.chain(gaps).collect()
}
