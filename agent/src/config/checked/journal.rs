//! The journal as configured: where its files are, and who takes which of its entries.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use regex::bytes::Regex;

use super::{DropRule, LongLines};
use crate::config::patterns::Globs;

/// The journal: its directories, and the selections in the order in which they are asked.
#[derive(Clone, Debug)]
pub struct JournalInput {
    /// Directories with a subdirectory for each machine, or with journal files themselves.
    pub directories: Vec<PathBuf>,
    /// The first that matches takes the entry.
    pub selections: Vec<JournalSelection>,
}

/// Entries that belong to one job.
#[derive(Clone, Debug)]
pub struct JournalSelection {
    /// Label `job`.
    pub job: String,
    /// Each of these fields must have one of the values.
    pub fields: BTreeMap<String, Vec<String>>,
    /// Globs of units; if not empty, only entries of these.
    pub units: Globs,
    /// Entries at least so severe; `None` for all.
    pub priority: Option<Priority>,
    /// The kernel's entries are taken however severe they are.
    pub kernel: bool,
    /// Matches the message.
    pub grep: Option<Regex>,
    /// What a message is understood as.
    pub format: MessageFormat,
    /// What an entry has to prove; `None` if anybody may have written it.
    pub proof: Option<Proof>,
    /// Globs of `SYSLOG_IDENTIFIER` values that become a label.
    pub identifiers: Globs,
    /// Fields that travel as structured metadata.
    pub metadata: Vec<String>,
    /// Further labels of these streams.
    pub labels: BTreeMap<String, String>,
    /// Messages that are not shipped, counted by rule.
    pub drop: Vec<DropRule>,
    /// How far back a first start reads.
    pub start: Start,
    /// What happens to a message that is longer than the destination takes.
    pub long_lines: LongLines,
}

/// That a message is from whom it says: what journald itself has noted of the sender, and no sender can choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Paths of the programs that it may be (`_EXE`); entries without that field are only asked for their user, root.
    pub executables: Vec<String>,
    /// The job of what only pretends.
    pub otherwise: String,
}

/// What a message is understood as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageFormat {
    /// Text.
    Raw,
    /// What OpenSSH's server says: user, address, port, method and result become metadata.
    Sshd,
    /// A line of the kernel's packet filter: addresses, ports, protocol and interfaces become metadata.
    Netfilter,
}

/// How severe an entry is (RFC 5424, journald's `PRIORITY`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Priority(u8);

impl Priority {
    /// The names, from 0 on: journald's, but for `error`, which is what label `level` has always been called by shippers.
    pub const NAMES: [&str; 8] = ["emerg", "alert", "crit", "error", "warning", "notice", "info", "debug"];
    /// What an entry has that does not say.
    pub const INFO: Self = Self(6);

    /// By its digit; `None` for anything else.
    pub fn of_digit(text: &[u8]) -> Option<Self> {
        match text {
            [digit @ b'0'..=b'7'] => Some(Self(digit - b'0')),
            _ => None,
        }
    }

    /// By its name, or by one of those that `journalctl -p` takes too.
    pub fn named(name: &str) -> Option<Self> {
        let name = match name {
            "err" => "error",
            "warn" => "warning",
            "panic" => "emerg",
            name => name,
        };
        Self::NAMES.iter().position(|known| *known == name).map(|place| Self(place as u8))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::NAMES.get(usize::from(self.0)).copied().unwrap_or("info")
    }
}

/// Where a first start begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With what is written from now on.
    Now,
    /// With the present boot.
    Boot,
    /// So far back.
    Age(Duration),
    /// With the oldest entry that there is.
    Everything,
}
