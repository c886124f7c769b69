//! Collectors: one a file, each reads one part of the node and gives families of samples under the names that dashboards know.
//!
//! In: files of the host's /proc and /sys, kept open and read anew each time (`host.rs`, `kept.rs`), now and then a system call.
//! Out: samples. A collector knows neither where they go nor when it is asked. It never blocks on a file system or a server: what may
//! hang is asked in a thread of its own, and the collector gives what is known. What is damaged or gone costs the object that it
//! concerns (a device, a line), not the others; what is missing altogether is `Failed::NoData`.

pub mod containers;
pub mod fields;
pub mod gpu;
pub mod host;
pub mod kept;
pub mod listing;
pub mod netlink;
pub mod registry;
pub mod rounds;
pub mod seldom;
pub mod settings;
pub mod text;
pub mod ups;

mod arp;
mod asked;
mod bonding;
mod btrfs;
mod conntrack;
mod cpu;
mod cpufreq;
mod diskstats;
mod dmi;
mod edac;
mod entropy;
mod filefd;
mod filesystem;
mod hwmon;
mod interrupts;
mod kernel_hung;
mod loadavg;
mod mdadm;
mod meminfo;
pub mod mountinfo;
mod mountstats;
mod netclass;
mod netdev;
mod netstat;
mod nfs;
mod nfsd;
mod nvme;
mod os;
mod powersupplyclass;
mod pressure;
mod processes;
mod rapl;
mod schedstat;
mod selinux;
mod sockstat;
mod softnet;
mod stat;
mod sysfs;
mod systemd;
mod tcpstat;
mod textfile;
mod thermal_zone;
mod time;
mod timex;
mod udp_queues;
mod uname;
mod vmstat;
mod watchdog;
mod xfs;
mod zfs;

#[cfg(test)]
mod testing;

use std::io;
use std::path::{Path, PathBuf};

use proto::metric::{Families, UnixMillis};

/// One part of the node.
pub trait Collector: Send {
    /// Reads it once and gives its samples to the round.
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed>;
}

/// What a collector is given each time.
pub struct Round<'r> {
    /// Where its samples go. Counters that are told there begin at the boot of the machine unless the collector says otherwise.
    pub out: &'r mut Families,
    /// A buffer for what is read, shared by all collectors; nothing in it lasts.
    pub buffer: &'r mut Vec<u8>,
    /// The time that all samples of the round bear.
    pub now: UnixMillis,
}

/// Why a collector gave nothing, or not all. What it had given by then stands.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The node has no such part: the usual case on a machine without that hardware. Said only in a dry run.
    #[error("not on this node: {0}")]
    NoData(String),
    /// It is there and cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is there and is not what it should be.
    #[error("{}: {what}", path.display())]
    Malformed {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

impl Failed {
    /// Of a path that could not be read.
    pub fn of(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::NoData(path.display().to_string()),
            _ => Self::Unreadable { path: path.to_owned(), source },
        }
    }

    /// Of a path whose content is not as it should be.
    pub fn malformed(path: &Path, what: impl Into<String>) -> Self {
        Self::Malformed { path: path.to_owned(), what: what.into() }
    }
}
