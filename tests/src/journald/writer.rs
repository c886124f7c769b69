//! Those who write to journald, each by its protocol: `sd_journal_send`, syslog(3), a service's standard output, and the kernel.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::entry::append_field;
use crate::node::Node;
use crate::program::Program;
use crate::wait;

/// How long a writer waits for a journald that is being restarted, or is busy.
const PATIENCE: Duration = Duration::from_secs(30);
/// As libsystemd has it: a datagram can be so long at least.
const SEND_BYTES: usize = 8 << 20;

/// Datagrams of fields (`systemd.io/JOURNAL_NATIVE_PROTOCOL`).
#[derive(Debug)]
pub struct Native(Datagrams);

impl Native {
    pub(super) fn to(path: PathBuf) -> Self {
        Self(Datagrams::to(path))
    }

    /// Sends one entry.
    pub fn send(&self, fields: &[(&str, &[u8])]) {
        let mut datagram = Vec::new();
        for (name, value) in fields {
            append_field(&mut datagram, name, value);
        }
        self.0.send(&datagram);
    }

    /// Sends a message of this identifier and priority.
    pub fn say(&self, identifier: &str, priority: u8, message: &str) {
        let priority = priority.to_string();
        let fields = [("SYSLOG_IDENTIFIER", identifier), ("PRIORITY", &priority), ("MESSAGE", message)];
        self.send(&fields.map(|(name, value)| (name, value.as_bytes())));
    }
}

/// Datagrams of lines (RFC 3164, as glibc writes them).
#[derive(Debug)]
pub struct Syslog(Datagrams);

impl Syslog {
    pub(super) fn to(path: PathBuf) -> Self {
        Self(Datagrams::to(path))
    }

    /// Sends a message of facility `daemon`.
    pub fn say(&self, identifier: &str, priority: u8, message: &str) {
        let priority = 3 << 3 | priority;
        self.0.send(format!("<{priority}>Jan  2 03:04:05 {identifier}[{}]: {message}", std::process::id()).as_bytes());
    }
}

/// Sends a message to syslog as another user, by util-linux' logger.
pub fn syslog_as(node: &Node, uid: u32, identifier: &str, message: &str) {
    let (socket, uid) = (node.path("run/systemd/journal/dev-log"), uid.to_string());
    let socket = socket.to_str().expect("a path of a test is text");
    let setpriv = Program::find("setpriv").expect("a node has been set up by it");
    setpriv.run(["--reuid", &uid, "--clear-groups", "logger", "--socket", socket, "--tag", identifier, "--", message]);
}

/// Lines of a service's standard output.
#[derive(Debug)]
pub struct Output(UnixStream);

impl Output {
    pub(super) fn to(path: &Path, identifier: &str, priority: u8) -> Self {
        let mut stream = UnixStream::connect(path).expect("journald runs");
        // Identifier, unit, priority, prefix of the priority, and three ways to forward, each in a line.
        stream.write_all(format!("{identifier}\n\n{priority}\n0\n0\n0\n0\n").as_bytes()).expect("journald reads");
        Self(stream)
    }

    /// Says one line.
    pub fn say(&mut self, line: &str) {
        self.0.write_all(format!("{line}\n").as_bytes()).expect("journald reads");
    }
}

/// The kernel, by the pipe that stands in for `/dev/kmsg`.
#[derive(Debug)]
pub struct Kernel {
    pipe: File,
    n_records: u64,
}

impl Kernel {
    pub(super) fn of(path: &Path) -> Self {
        // For reading too, or it would wait for a reader.
        let pipe = OpenOptions::new().read(true).write(true).open(path).expect("the node has the pipe");
        Self { pipe, n_records: 0 }
    }

    /// Says one line. The device gives a record a read, and a pipe does not: each is waited for.
    pub fn say(&mut self, priority: u8, line: &str) {
        let (number, micros) = (self.n_records, 1_000_000 + self.n_records);
        self.n_records += 1;
        self.pipe.write_all(format!("{priority},{number},{micros},-;{line}\n").as_bytes()).expect("a pipe takes a line");
        wait::for_condition("journald to read what the kernel said", PATIENCE, || {
            rustix::io::ioctl_fionread(&self.pipe).expect("a pipe says how much is in it") == 0
        });
    }
}

#[derive(Debug)]
struct Datagrams {
    path: PathBuf,
    socket: UnixDatagram,
}

impl Datagrams {
    fn to(path: PathBuf) -> Self {
        let socket = UnixDatagram::unbound().expect("a socket can be had");
        rustix::net::sockopt::set_socket_send_buffer_size_force(&socket, SEND_BYTES).ok();
        Self { path, socket }
    }

    /// Waits while journald is busy or away. What it had not read when it died is gone, as in life.
    fn send(&self, datagram: &[u8]) {
        let is_away = |error: &io::Error| matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound);
        let sent = wait::until(PATIENCE, || match self.socket.send_to(datagram, &self.path) {
            Ok(_) => Some(()),
            Err(error) if is_away(&error) => None,
            Err(error) => panic!("journald takes no datagram of {} bytes: {error}", datagram.len()),
        });
        assert!(sent.is_some(), "journald is away");
    }
}
