//! A running agent: started by its command line, killed or stopped, and looked at from outside (`/metrics`, `/proc`, its log).

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::metrics::Metrics;
use crate::wait;

/// From the start to the line that names the bound port.
const START_MAX: Duration = Duration::from_secs(15);
/// The design's promise for SIGTERM.
pub const STOP_MAX: Duration = Duration::from_secs(5);
/// So much of the agent's log is shown when a test fails.
const SHOWN_BYTES_MAX: usize = 16 << 10;

/// The binary under test: `PICKET_AGENT`, or the `agent` that stands where this test was built; `None` when it is not there.
pub fn binary() -> Option<PathBuf> {
    built("PICKET_AGENT", "agent")
}

/// A program of this workspace: the one that the variable names, or what was built beside this test.
pub fn built(variable: &str, name: &str) -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(variable) {
        return Some(PathBuf::from(path)).filter(|path| path.is_file());
    }
    // A bench stands in target/<profile>, a test in target/<profile>/deps.
    let beside = std::env::current_exe().ok()?;
    beside.ancestors().skip(1).take(2).map(|directory| directory.join(name)).find(|path| path.is_file())
}

/// How an agent is started, or the companion, which says where it listens in the same words.
#[derive(Clone, Debug)]
pub struct Launch {
    /// Another program than the agent.
    pub program: Option<PathBuf>,
    /// A program with its arguments that becomes the agent (`unshare`); empty for none.
    pub through: Vec<OsString>,
    /// Arguments.
    pub args: Vec<OsString>,
    /// Variables beyond the test's own environment.
    pub env: Vec<(String, String)>,
    /// Where standard output and standard error are collected, start after start: `stdout` and `stderr` in this directory.
    pub logs: PathBuf,
}

/// A process of the agent. Dropped, it is killed, and its log is shown if the test is failing.
#[derive(Debug)]
pub struct Agent {
    child: Child,
    stderr: PathBuf,
    /// Where this start's part of the log begins.
    stderr_begin: u64,
    address: Option<String>,
}

impl Launch {
    /// Starts the process, without waiting for anything.
    #[expect(clippy::disallowed_methods, reason = "the one place that starts processes: the program under test")]
    pub fn start(&self) -> Agent {
        let binary = self.program.clone().or_else(binary).expect("the caller has looked for the binary");
        let (stdout, stderr) = (self.logs.join("stdout"), self.logs.join("stderr"));
        let mut log = append(&stderr);
        let stderr_begin = log.seek(SeekFrom::End(0)).expect("the agent's log can be measured");
        let words: Vec<&OsStr> = self.through.iter().map(OsString::as_os_str).chain([binary.as_os_str()]).collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).args(&self.args).env("NO_COLOR", "1").envs(self.env.iter().cloned());
        command.stdin(Stdio::null()).stdout(append(&stdout)).stderr(log);
        let child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", binary.display()));
        Agent { child, stderr, stderr_begin, address: None }
    }

    /// Starts the process and waits for it to listen.
    pub fn start_listening(&self) -> Agent {
        let mut agent = self.start();
        agent.address = wait::until(START_MAX, || {
            if let Some(status) = agent.child.try_wait().expect("a child can be asked") {
                panic!("the agent ended at its start: {status}");
            }
            agent.listening_address()
        });
        assert!(agent.address.is_some(), "the agent did not say `listening address=…` within {START_MAX:?}");
        agent
    }

    /// Runs to the end: exit status, standard output and standard error.
    pub fn run(&self, within: Duration) -> (ExitStatus, String, String) {
        let mut agent = self.start();
        let status = agent.wait(within);
        let text = |name: &str| fs::read_to_string(self.logs.join(name)).expect("output is UTF-8");
        (status, text("stdout"), text("stderr"))
    }
}

impl Agent {
    /// kill -9, and the end of it.
    pub fn kill(mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a killed child ends");
    }

    /// SIGTERM; the agent must end within the time it promises, with exit code 0.
    pub fn terminate(mut self) {
        self.signal(Signal::TERM);
        let status = self.wait(STOP_MAX);
        assert_eq!(status.code(), Some(0), "after SIGTERM (signal {:?})", status.signal());
    }

    /// SIGHUP.
    pub fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    /// Waits for the end.
    pub fn wait(&mut self, within: Duration) -> ExitStatus {
        let child = &mut self.child;
        let ended = wait::until(within, || child.try_wait().expect("a child can be asked"));
        ended.unwrap_or_else(|| panic!("the agent has not ended within {within:?}"))
    }

    /// What `/metrics` says now; `None` when there is no answer.
    pub fn metrics(&self) -> Option<Metrics> {
        Metrics::scrape(self.address.as_deref()?).ok()
    }

    /// Where it listens, if it was started so.
    pub fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }

    /// Resident memory in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a running process has memory");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("VmRSS is a number") * 1024
    }

    /// CPU time used so far, user and system.
    pub fn cpu_time(&self) -> Duration {
        let stat = self.proc("stat");
        // The name in parentheses may hold anything; after it, user and system time are the 12th and 13th field.
        let (_, rest) = stat.rsplit_once(") ").expect("stat has a name in parentheses");
        let ticks: u64 = rest.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().expect("ticks are numbers")).sum();
        Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
    }

    /// The files that it has open: name, and size in bytes. The name of a deleted one ends in ` (deleted)`.
    pub fn open_files(&self) -> Vec<(String, u64)> {
        let entries =
            fs::read_dir(Path::new("/proc").join(self.child.id().to_string()).join("fd")).expect("the agent is running");
        let open = |entry: fs::DirEntry| {
            let name = fs::read_link(entry.path()).ok()?.to_string_lossy().into_owned();
            // Through the descriptor, whether the file has a name or not.
            let size = fs::metadata(entry.path()).ok().filter(fs::Metadata::is_file)?.len();
            Some((name, size))
        };
        entries.flatten().filter_map(open).collect()
    }

    /// What it logged since this start.
    pub fn log(&self) -> String {
        let all = fs::read(&self.stderr).unwrap_or_default();
        String::from_utf8_lossy(all.get(self.stderr_begin as usize..).unwrap_or_default()).into_owned()
    }

    fn listening_address(&self) -> Option<String> {
        let log = self.log();
        // A whole line only: the address might be half written.
        let whole = &log[..=log.rfind('\n')?];
        let line = whole.lines().find(|line| line.contains("listening") && line.contains("address="))?;
        let (_, rest) = line.split_once("address=")?;
        Some(rest.split_whitespace().next()?.trim_matches('"').to_owned())
    }

    fn proc(&self, name: &str) -> String {
        fs::read_to_string(Path::new("/proc").join(self.child.id().to_string()).join(name)).expect("the agent is running")
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).expect("a child has a process number");
        kill_process(pid, signal).expect("the agent is running");
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            let log = self.log();
            let begin = log.floor_char_boundary(log.len().saturating_sub(SHOWN_BYTES_MAX));
            writeln!(std::io::stderr(), "--- the agent's log:\n{}---", &log[begin..]).ok();
        }
    }
}

fn append(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
