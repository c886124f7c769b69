//! What a pod sends and receives: the network devices of its namespace, by any of its processes (/proc/<pid>/net/dev, `proc_pid_net(5)`).

use std::fs;
use std::path::PathBuf;

use proto::metric::{Desc, Families};

use super::families::{
    RX_BYTES, RX_DROPPED, RX_ERRORS, RX_PACKETS, TX_BYTES, TX_DROPPED, TX_ERRORS, TX_PACKETS, Whose, with_one,
};
use crate::collector::host::Host;
use crate::collector::kept::read_once;
use crate::collector::text::{integer, lines, name, trim, words};

/// Families by the column of the file.
const COLUMNS: [(usize, &Desc); 8] = [
    (0, &RX_BYTES),
    (1, &RX_PACKETS),
    (2, &RX_ERRORS),
    (3, &RX_DROPPED),
    (8, &TX_BYTES),
    (9, &TX_PACKETS),
    (10, &TX_ERRORS),
    (11, &TX_DROPPED),
];
/// Devices that cAdvisor leaves out: those whose names begin so.
const LEFT_OUT: [&str; 4] = ["lo", "veth", "docker", "nerdctl"];

/// Networks of pods, told apart from that of the host.
pub(super) struct Networks {
    host: Host,
    /// What the host's namespace is called: `net:[4026531840]`.
    of_host: Option<PathBuf>,
}

impl Networks {
    pub(super) fn new(host: &Host) -> Self {
        Self { host: host.clone(), of_host: fs::read_link(host.proc("1/ns/net")).ok() }
    }

    /// The devices that a process sees; nothing if they are the host's, or if nobody can say whether they are.
    pub(super) fn sample(&self, pid: u64, whose: &Whose<'_>, buffer: &mut Vec<u8>, out: &mut Families) {
        let of_process = fs::read_link(self.host.proc(&format!("{pid}/ns/net"))).ok();
        if of_process.is_none() || self.of_host.is_none() || of_process == self.of_host {
            return;
        }
        let Ok(text) = read_once(&self.host.proc(&format!("{pid}/net/dev")), buffer) else { return };
        for line in lines(text) {
            // Neither line of the head has a colon.
            let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
            let Some(device) = name(trim(&line[..colon])) else { continue };
            if LEFT_OUT.iter().any(|prefix| device.starts_with(prefix)) {
                continue;
            }
            for (column, value) in words(&line[colon + 1..]).map_while(integer).enumerate() {
                if let Some((_, desc)) = COLUMNS.iter().find(|(known, _)| *known == column) {
                    out.sample(desc, &with_one(whose, device), value as f64);
                }
            }
        }
    }
}
