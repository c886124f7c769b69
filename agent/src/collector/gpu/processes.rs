//! Memory of a card by pod and program, also where pods share the card in turns: a device plugin knows who may use it, this who does.
//!
//! In: NVML's lists of processes (compute, graphics, MPS), and <procfs>/<pid> of each. Out: one family, whose sum is the memory that
//! processes hold. What belongs to no pod has no pod's labels; without any label of a process it is there at 0 too, so that a card that
//! nobody uses is told from one that nobody watches. Memory that the driver does not tell is left out.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;

use nvml_wrapper::Device;
use nvml_wrapper::enums::device::UsedGpuMemory;
use proto::metric::{Desc, Families};

use super::card::{Card, labels_with};
use crate::collector::containers::{Owner, Owners};
use crate::collector::host::Host;
use crate::collector::kept::read_once;
use crate::collector::text::text;

const LABELS: [&str; 15] = labels_with(["namespace", "pod", "container", "process_name", "pid"]);
static USED: Desc = Desc::gauge(
    "gpu_pod_memory_used_bytes",
    "Frame buffer memory that processes of a container hold, in bytes; without pod, what is in none.",
    &LABELS,
);

/// What processes give.
pub(super) const FAMILIES: &[&Desc] = &[&USED];

/// Processes of a card that are told apart; the driver has fewer channels than that.
const PROCESSES_MAX: usize = 4096;
/// The first namespace of processes, by the number that the kernel gives it (`proc_ns.h`): the only one from which the driver
/// shows all.
const OF_HOST: &str = "pid:[4026531836]";

/// Looks up whose processes are.
pub(super) struct Processes {
    host: Host,
    owners: Owners,
    has_pid: bool,
    sees_all: bool,
    buffer: Vec<u8>,
}

/// Whose memory it is: a row.
#[derive(Default, PartialEq, Eq, PartialOrd, Ord)]
struct Holder {
    owner: Owner,
    program: String,
    pid: String,
}

impl Processes {
    /// Of this host; `has_pid` gives each process a row of its own.
    pub(super) fn new(host: &Host, has_pid: bool) -> Self {
        let own = fs::read_link(host.proc("self/ns/pid"));
        let sees_all = own.is_ok_and(|own| own.as_os_str() == OsStr::new(OF_HOST));
        Self { host: host.clone(), owners: Owners::new(host), has_pid, sees_all, buffer: Vec::new() }
    }

    /// Why not all that there is may be seen, if so.
    pub(super) fn missing(&self) -> Option<String> {
        let why = "memory by pod takes the host's namespace of processes (`hostPID: true` in a pod): the driver hides the processes of \
                   others from this one";
        (!self.sees_all).then(|| why.to_owned())
    }

    /// The memory of a card, or of an instance of one; says whether certainly no process uses it.
    pub(super) fn sample(&mut self, device: &Device<'_>, card: &Card, out: &mut Families) -> bool {
        let Some(Listed { used, is_whole }) = list(device) else { return false };
        let is_idle = used.is_empty() && is_whole && self.sees_all;
        let mut rows = BTreeMap::new();
        // An empty list means something only to who sees all.
        if is_whole && self.sees_all {
            rows.insert(Holder::default(), 0);
        }
        for (pid, bytes) in used {
            let row = rows.entry(self.holder(pid)).or_insert(0_u64);
            *row = row.saturating_add(bytes);
        }
        for (Holder { owner, program, pid }, bytes) in &rows {
            let whose = [&owner.namespace, &owner.pod, &owner.container, program, pid].map(String::as_str);
            out.sample(&USED, &card.values_with::<{ LABELS.len() }>(&whose), *bytes as f64);
        }
        is_idle
    }

    fn holder(&mut self, pid: u32) -> Holder {
        let owner = self.owners.of(pid).unwrap_or_default();
        let program = read_once(&self.host.proc(&format!("{pid}/comm")), &mut self.buffer);
        let program = program.map(|name| text(name).into_owned()).unwrap_or_default();
        Holder { owner, program, pid: if self.has_pid { pid.to_string() } else { String::new() } }
    }
}

/// What the driver lists.
struct Listed {
    /// Bytes by process.
    used: BTreeMap<u32, u64>,
    /// Whether the memory of every process is known.
    is_whole: bool,
}

/// Nothing where the card has no such lists. A process that computes and draws stands in both, with all that it has in each.
fn list(device: &Device<'_>) -> Option<Listed> {
    let lists = [device.running_compute_processes(), device.running_graphics_processes(), device.mps_running_compute_processes()];
    if lists.iter().all(Result::is_err) {
        return None;
    }
    let mut listed = Listed { used: BTreeMap::new(), is_whole: true };
    for process in lists.into_iter().flatten().flatten().take(PROCESSES_MAX) {
        match process.used_gpu_memory {
            UsedGpuMemory::Used(bytes) => {
                let known = listed.used.entry(process.pid).or_default();
                *known = bytes.max(*known);
            }
            UsedGpuMemory::Unavailable => listed.is_whole = false,
        }
    }
    Some(listed)
}
