//! A real systemd-journald on a `Node`: its settings by the test, its files in the node's tree, and everything that happens to one.
//!
//! `writer` sends to it, `entry` is what journalctl reads back, which is what an agent is held against. It never touches the
//! machine's own journal. Commands return when they are done: they go by journald's own answering socket, not by a signal.

mod entry;
mod writer;

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use crate::node::{MACHINE_ID, Node};
use crate::program::{Program, Running};
use crate::skip::skipped;
use crate::wait;

pub use entry::Entry;
pub use writer::{Kernel, Native, Output, Syslog, syslog_as};

/// From the start to the first answer, and so for a command. The machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);
const DAEMON: &str = "/usr/lib/systemd/systemd-journald";

/// What a test says of journald before it starts.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Further lines of `[Journal]` (`man 5 journald.conf`); they go before those that every test has.
    pub lines: String,
    /// Further variables, such as `SYSTEMD_JOURNAL_COMPACT=0`.
    pub env: Vec<(String, String)>,
    /// It writes to `/run` until `flush`, as a machine does that starts; otherwise to `/var` from the first entry on.
    pub is_volatile_at_first: bool,
}

impl Settings {
    /// Persistent at once, with these lines.
    pub fn of(lines: &str) -> Self {
        Self { lines: lines.to_owned(), env: Vec::new(), is_volatile_at_first: false }
    }

    /// In `/run` until the flush.
    #[must_use]
    pub fn volatile_at_first(self) -> Self {
        Self { is_volatile_at_first: true, ..self }
    }

    /// With a further variable.
    #[must_use]
    pub fn with_env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// Which files are given up when there are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// So many archived ones stay.
    Files(usize),
    /// Archived ones of so many bytes stay.
    Bytes(u64),
}

/// The daemon and its node. Dropped, it is killed, and what it said is shown if the test is failing.
#[derive(Debug)]
pub struct Journald {
    node: Node,
    settings: Settings,
    daemon: Option<Running>,
}

impl Journald {
    /// A new node in this directory, with journald running; `None`, said aloud, where that cannot be.
    pub fn start(test: &str, tree: PathBuf, settings: Settings) -> Option<Self> {
        if !PathBuf::from(DAEMON).is_file() || Program::find("journalctl").is_none() {
            skipped(test, "no systemd-journald or journalctl (Debian package systemd)");
            return None;
        }
        let node = Node::set_up(test, tree)?;
        let mut journald = Self { node, settings, daemon: None };
        journald.run();
        Some(journald)
    }

    /// Starts it after `stop` or `kill`.
    pub fn run(&mut self) {
        assert!(self.daemon.is_none(), "it runs");
        let directory = self.node.path("run/systemd/journald.conf.d");
        fs::create_dir_all(&directory).expect("a directory can be made");
        let lines = &self.settings.lines;
        // `Audit=` leaves the kernel's audit as it is: that is not the node's alone.
        let text = format!(
            "[Journal]\nStorage=persistent\nRateLimitIntervalSec=0\nForwardToSyslog=no\nForwardToConsole=no\n\
             ForwardToWall=no\nSeal=no\nReadKMsg=yes\nAudit=\n{lines}\n"
        );
        fs::write(directory.join("test.conf"), text).expect("a file can be written");
        if !self.settings.is_volatile_at_first {
            fs::write(self.node.path("run/systemd/journal/flushed"), "").expect("a file can be written");
        }
        let mut env = self.settings.env.clone();
        env.push(("SYSTEMD_LOG_TARGET".to_owned(), "console".to_owned()));
        let mut daemon = self.node.serve([DAEMON], &env, &self.node.path("journald.log"));
        let answers = wait::until(PATIENCE, || {
            let ended = daemon.ended();
            assert!(ended.is_none(), "journald ended at its start, {ended:?}: {}", self.log());
            (self.node.outcome(["journalctl", "--sync"], &[]).0 == Some(0)).then_some(())
        });
        assert!(answers.is_some(), "journald does not answer: {}", self.log());
        self.daemon = Some(daemon);
    }

    /// With other settings from the next start on.
    pub fn set(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// SIGTERM: it closes its files and ends.
    pub fn stop(&mut self) {
        self.daemon.take().expect("it runs").terminate();
    }

    /// kill -9: files are as they are, and the next start sets them aside, unless nothing was written since the last `sync`.
    pub fn kill(&mut self) {
        drop(self.daemon.take().expect("it runs"));
    }

    /// Begins new files; the present ones are archived.
    pub fn rotate(&self) {
        self.node.run(["journalctl", "--rotate"]);
    }

    /// Moves what is in `/run` to `/var`.
    pub fn flush(&self) {
        self.node.run(["journalctl", "--flush"]);
    }

    /// Everything that was sent to it is in its files.
    pub fn sync(&self) {
        self.node.run(["journalctl", "--sync"]);
    }

    /// Deletes archived files of `/var`.
    pub fn vacuum(&self, keep: Keep) {
        let option = match keep {
            Keep::Files(n_files) => format!("--vacuum-files={n_files}"),
            Keep::Bytes(n_bytes) => format!("--vacuum-size={n_bytes}"),
        };
        self.node.run(["journalctl", "--directory=/var/log/journal", &option]);
    }

    /// What journalctl reads of all its files, in journalctl's order.
    pub fn entries(&self) -> Vec<Entry> {
        let tree = self.node.tree().to_str().expect("a path of a test is text");
        entry::read(&["--root", tree])
    }

    /// What journalctl reads of each file of `/var` alone, up to where it gives up: the measure where files are damaged.
    pub fn readable(&self) -> Vec<Entry> {
        let file = |path: &PathBuf| entry::read_what_can_be(path.to_str().expect("a path of a test is text"));
        self.files().iter().flat_map(file).collect()
    }

    /// The files of `/var`, by name.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> =
            fs::read_dir(self.directory()).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        files.sort();
        files
    }

    /// Where the files of `/var` are.
    pub fn directory(&self) -> PathBuf {
        self.node.path("var/log/journal").join(MACHINE_ID)
    }

    /// Writes entries of the test's own making, trusted fields too, into `NAME.journal` of `/var` by systemd-journal-remote: what a
    /// machine cannot be brought to log on demand. False, said aloud, where that program is not installed.
    pub fn import(&self, test: &str, name: &str, entries: &[Entry]) -> bool {
        if !PathBuf::from("/usr/lib/systemd/systemd-journal-remote").is_file() {
            skipped(test, "no systemd-journal-remote (Debian package of that name)");
            return false;
        }
        let stream = self.node.path("import");
        let bytes: Vec<u8> = entries.iter().flat_map(|entry| entry.export(MACHINE_ID)).collect();
        fs::write(&stream, bytes).expect("a file can be written");
        fs::create_dir_all(self.directory()).expect("a directory can be made");
        let output = format!("--output={}", self.directory().join(name).with_extension("journal").display());
        let remote = Program::find("/usr/lib/systemd/systemd-journal-remote").expect("it was there a moment ago");
        let _said = remote.run([OsStr::new("--split-mode=none"), OsStr::new(&output), stream.as_os_str()]);
        true
    }

    /// Its node.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Sends by the native protocol.
    pub fn native(&self) -> Native {
        Native::to(self.node.path("run/systemd/journal/socket"))
    }

    /// Sends as syslog(3) does.
    pub fn syslog(&self) -> Syslog {
        Syslog::to(self.node.path("run/systemd/journal/dev-log"))
    }

    /// Sends as the output of a service, under this identifier.
    pub fn output(&self, identifier: &str, priority: u8) -> Output {
        Output::to(&self.node.path("run/systemd/journal/stdout"), identifier, priority)
    }

    /// Is the kernel's ring buffer.
    pub fn kernel(&self) -> Kernel {
        Kernel::of(&self.node.path("kmsg"))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.node.path("journald.log")).unwrap_or_default()
    }
}

impl Drop for Journald {
    fn drop(&mut self) {
        self.daemon = None;
        if std::thread::panicking() {
            writeln!(std::io::stderr(), "--- journald said:\n{}---", self.log()).ok();
        }
    }
}

#[cfg(test)]
mod tests;
