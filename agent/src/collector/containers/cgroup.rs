//! One control group: what its version says in, samples out.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use proto::metric::{Desc, Families, UnixMillis};

use super::families::{
    CFS_PERIODS, CFS_SECONDS, CFS_THROTTLED, CPU_STALLED, CPU_SYSTEM, CPU_USAGE, CPU_USER, CPU_WAITING, FS_READ_BYTES, FS_READS,
    FS_WRITE_BYTES, FS_WRITES, IO_STALLED, IO_WAITING, LAST_SEEN, LIMIT_MEMORY, MEMORY_CACHE, MEMORY_FAILURES, MEMORY_MAPPED,
    MEMORY_RSS, MEMORY_STALLED, MEMORY_SWAP, MEMORY_USAGE, MEMORY_WAITING, MEMORY_WORKING_SET, PROCESSES, SPEC_PERIOD,
    SPEC_QUOTA, SPEC_SHARES, START_TIME, THREADS, Whose, with_one,
};
use super::figures::{Faults, Io};
use super::files::Files;
use super::hierarchies::{Controller, Hierarchies, Version};
use super::path::{Place, place};
use super::settings::ContainerSettings;
use super::{version_1, version_2};
use crate::collector::host::Host;
use crate::collector::kept::read_once;
use crate::collector::text::{integer, lines, name, words};

/// Devices whose names are remembered.
const DEVICES_MAX: usize = 4096;

const MICROSECONDS: f64 = 1e6;

/// The group.
pub(super) struct Cgroup {
    files: Files,
    /// When it was made, as far as that can be seen.
    pub(super) created: UnixMillis,
    is_container: bool,
}

/// Names of block devices by `major:minor`.
pub(super) struct Devices {
    host: Host,
    names: HashMap<Vec<u8>, String>,
}

impl Devices {
    pub(super) fn new(host: &Host) -> Self {
        Self { host: host.clone(), names: HashMap::new() }
    }

    /// `/dev/sda`; nothing for one that the kernel has no name for.
    fn name(&mut self, number: &[u8]) -> Option<&str> {
        if self.names.len() >= DEVICES_MAX {
            self.names.clear();
        }
        if !self.names.contains_key(number) {
            let link = self.host.sys("dev/block").join(name(number)?);
            let target = fs::read_link(link).ok()?;
            self.names.insert(number.to_owned(), format!("/dev/{}", target.file_name()?.to_str()?));
        }
        self.names.get(number).map(String::as_str)
    }
}

/// What is needed besides the group to give its samples.
pub(super) struct With<'w> {
    pub(super) settings: &'w ContainerSettings,
    pub(super) devices: &'w mut Devices,
    pub(super) buffer: &'w mut Vec<u8>,
    pub(super) now: UnixMillis,
    /// Bytes of memory in use on the node, for the root, whose group does not say.
    pub(super) node_memory: Option<u64>,
}

impl Cgroup {
    /// The group at a path below the root of all groups. `booted` and `now` bound when it can have been made.
    pub(super) fn new(hierarchies: &Arc<Hierarchies>, id: &str, booted: UnixMillis, now: UnixMillis) -> Self {
        let files = Files::new(hierarchies, id);
        let directory = files.directory();
        let is_container = matches!(place(id.rsplit('/').next().unwrap_or_default()), Place::Container(_));
        let made = |path: &Path| {
            let since = fs::metadata(path).ok()?.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
            i64::try_from(since.as_millis()).ok()
        };
        // The kernel gives a file the time when it was first looked at, at the earliest that of the group.
        let oldest = ["", "cgroup.events", "cgroup.procs"].iter().filter_map(|file| made(&directory.join(file))).min();
        let created = oldest.unwrap_or(booted.0);
        let created = UnixMillis(if id == "/" { booted.0 } else { created.min(now.0).max(booted.0) });
        Self { files, created, is_container }
    }

    /// Its path from the root of all groups: the label `id`.
    pub(super) fn id(&self) -> &str {
        self.files.id()
    }

    /// Processes that were killed for want of memory.
    pub(super) fn kills(&mut self, buffer: &mut Vec<u8>) -> Option<u64> {
        match self.files.version(Controller::Memory)? {
            Version::One => version_1::kills(&mut self.files, buffer),
            Version::Two => version_2::kills(&mut self.files, buffer),
        }
    }

    /// Whether its kills have those of the groups below in them.
    pub(super) fn counts_below(&self) -> bool {
        self.files.counts_below()
    }

    /// Any process of the group, or of one that it has made below, as runtimes do.
    pub(super) fn process(&mut self, buffer: &mut Vec<u8>) -> Option<u64> {
        if let Some(pid) = self.files.processes(buffer).and_then(|mut own| own.next()) {
            return Some(pid);
        }
        self.files.below().find_map(|procs| integer(lines(read_once(&procs, buffer).ok()?).next()?))
    }

    /// Processes in groups right below.
    fn processes_below(&self, buffer: &mut Vec<u8>) -> usize {
        self.files.below().filter_map(|procs| Some(lines(read_once(&procs, buffer).ok()?).filter_map(integer).count())).sum()
    }

    /// All samples of the group.
    pub(super) fn sample(&mut self, whose: &Whose<'_>, with: &mut With<'_>, out: &mut Families) {
        let before = out.counters_since(self.created);
        let given = out.len();
        self.sample_cpu(whose, with.buffer, out);
        self.sample_memory(whose, with, out);
        self.sample_io(whose, with, out);
        self.sample_processes(whose, with.buffer, out);
        if with.settings.pressure {
            for (file, some, full) in PRESSURES {
                self.sample_pressure(file, some, full, whose, with.buffer, out);
            }
        }
        // One that went between being found and being read was not seen.
        if out.len() > given {
            out.sample(&START_TIME, whose, (self.created.0 / 1000) as f64);
            out.sample(&LAST_SEEN, whose, (with.now.0 / 1000) as f64);
        }
        out.counters_since(before);
    }

    fn sample_cpu(&mut self, whose: &Whose<'_>, buffer: &mut Vec<u8>, out: &mut Families) {
        let cpu = match self.files.version(Controller::Cpu) {
            Some(Version::One) => version_1::cpu(&mut self.files, buffer),
            Some(Version::Two) => version_2::cpu(&mut self.files, buffer),
            None => return,
        };
        // What has not run yet has no series.
        if let Some(usage) = cpu.usage.filter(|usage| *usage > 0.0) {
            out.sample(&CPU_USAGE, &with_one(whose, "total"), usage);
        }
        let mut give = |desc, value: Option<f64>| {
            if let Some(value) = value {
                out.sample(desc, whose, value);
            }
        };
        let number = |value: Option<u64>| value.map(|value| value as f64);
        give(&CPU_USER, cpu.user);
        give(&CPU_SYSTEM, cpu.system);
        give(&SPEC_SHARES, number(cpu.shares));
        give(&SPEC_PERIOD, number(cpu.period));
        if cpu.quota.is_some() {
            give(&SPEC_QUOTA, number(cpu.quota));
            give(&CFS_PERIODS, number(cpu.periods));
            give(&CFS_THROTTLED, number(cpu.throttled_periods));
            give(&CFS_SECONDS, cpu.throttled);
        }
    }

    fn sample_memory(&mut self, whose: &Whose<'_>, with: &mut With<'_>, out: &mut Families) {
        let memory = match self.files.version(Controller::Memory) {
            Some(Version::One) => version_1::memory(&mut self.files, with.buffer),
            Some(Version::Two) => version_2::memory(&mut self.files, with.buffer),
            None => return,
        };
        let usage = if self.id() == "/" { memory.usage.or(with.node_memory) } else { memory.usage };
        let mut give = |desc, value: Option<u64>| {
            if let Some(value) = value {
                out.sample(desc, whose, value as f64);
            }
        };
        give(&MEMORY_USAGE, usage);
        give(&MEMORY_WORKING_SET, usage.zip(memory.inactive_file).map(|(usage, unused)| usage.saturating_sub(unused)));
        give(&MEMORY_RSS, memory.rss);
        give(&MEMORY_CACHE, memory.cache);
        give(&MEMORY_MAPPED, memory.mapped);
        give(&MEMORY_SWAP, memory.swap);
        give(&LIMIT_MEMORY, memory.limit);
        if with.settings.memory_failures {
            let [id, name, image, container, pod, namespace] = *whose;
            for (kind, Faults { own, all }) in [("pgfault", memory.faults), ("pgmajfault", memory.major_faults)] {
                for (scope, value) in [("container", own), ("hierarchy", all)] {
                    if let Some(value) = value {
                        let labels = [id, name, image, container, pod, namespace, kind, scope];
                        out.sample(&MEMORY_FAILURES, &labels, value as f64);
                    }
                }
            }
        }
    }

    fn sample_io(&mut self, whose: &Whose<'_>, with: &mut With<'_>, out: &mut Families) {
        let (devices, buffer) = (&mut *with.devices, &mut *with.buffer);
        let mut give = |device: &[u8], what: Io, value: u64| {
            let Some(device) = devices.name(device) else { return };
            let desc: &Desc = match what {
                Io::ReadBytes => &FS_READ_BYTES,
                Io::WrittenBytes => &FS_WRITE_BYTES,
                Io::Reads => &FS_READS,
                Io::Writes => &FS_WRITES,
            };
            out.sample(desc, &with_one(whose, device), value as f64);
        };
        match self.files.version(Controller::Io) {
            Some(Version::One) => version_1::io(&mut self.files, buffer, &mut give),
            Some(Version::Two) => version_2::io(&mut self.files, buffer, &mut give),
            None => {}
        }
    }

    fn sample_processes(&mut self, whose: &Whose<'_>, buffer: &mut Vec<u8>, out: &mut Families) {
        if let Some(own) = self.files.processes(buffer).map(Iterator::count) {
            // A container without processes may be one whose runtime put them one group deeper.
            let count = if own == 0 && self.is_container { self.processes_below(buffer) } else { own };
            out.sample(&PROCESSES, whose, count as f64);
        }
        // Called so in both versions.
        if let Some(threads) = self.files.number(Controller::Pids, "pids.current", buffer) {
            out.sample(&THREADS, whose, threads as f64);
        }
    }

    fn sample_pressure(
        &mut self,
        file: &str,
        some: &'static Desc,
        full: &'static Desc,
        whose: &Whose<'_>,
        buffer: &mut Vec<u8>,
        out: &mut Families,
    ) {
        let Some(text) = self.files.read(Controller::Unified, file, buffer) else { return };
        for line in lines(text) {
            let mut words = words(line);
            let desc = match words.next() {
                Some(b"some") => some,
                Some(b"full") => full,
                _ => continue,
            };
            if let Some(total) = words.find_map(|word| integer(word.strip_prefix(b"total=")?)) {
                out.sample(desc, whose, total as f64 / MICROSECONDS);
            }
        }
    }
}

const PRESSURES: [(&str, &Desc, &Desc); 3] = [
    ("cpu.pressure", &CPU_WAITING, &CPU_STALLED),
    ("memory.pressure", &MEMORY_WAITING, &MEMORY_STALLED),
    ("io.pressure", &IO_WAITING, &IO_STALLED),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_was_made_neither_before_the_boot_nor_later_than_now() {
        let tree = tempfile::tempdir().unwrap();
        let top = tree.path().join("sys/fs/cgroup");
        fs::create_dir_all(&top).unwrap();
        fs::write(top.join("cgroup.controllers"), "").unwrap();
        let hierarchies = Arc::new(Hierarchies::find(&crate::collector::testing::host(tree.path())));
        let of = |booted, now| Cgroup::new(&hierarchies, "/a", UnixMillis(booted), UnixMillis(now)).created.0;
        assert_eq!(of(5, 9), 5, "nobody knows");
        fs::create_dir(top.join("a")).unwrap();
        let at = |seconds| UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        fs::File::open(top.join("a")).unwrap().set_modified(at(20)).unwrap();
        assert_eq!((of(5, 90_000), of(5, 9), of(30_000, 90_000)), (20_000, 9, 30_000));
        fs::File::create(top.join("a/cgroup.events")).unwrap().set_modified(at(10)).unwrap();
        assert_eq!(of(5, 90_000), 10_000);
    }
}
