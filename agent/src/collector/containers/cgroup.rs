//! One control group of version 2 (kernel's cgroup-v2.rst): its files in, samples out. A file that is not there, since the controller
//! is not enabled or the kernel is older, costs its own samples.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use proto::metric::{Desc, Families, UnixMillis};

use super::families::{
    CFS_PERIODS, CFS_SECONDS, CFS_THROTTLED, CPU_STALLED, CPU_SYSTEM, CPU_USAGE, CPU_USER, CPU_WAITING, FS_READ_BYTES, FS_READS,
    FS_WRITE_BYTES, FS_WRITES, IO_STALLED, IO_WAITING, LAST_SEEN, LIMIT_MEMORY, MEMORY_CACHE, MEMORY_FAILURES, MEMORY_MAPPED,
    MEMORY_RSS, MEMORY_STALLED, MEMORY_SWAP, MEMORY_USAGE, MEMORY_WAITING, MEMORY_WORKING_SET, PROCESSES, SPEC_PERIOD,
    SPEC_QUOTA, SPEC_SHARES, START_TIME, THREADS, Whose, with_one,
};
use super::path::{Place, place};
use super::settings::ContainerSettings;
use crate::collector::host::Host;
use crate::collector::kept::{KeptFile, read_once};
use crate::collector::text::{integer, lines, name, trim, words};

/// Files that are kept open: those that cost most and are always there.
const KEPT: [&str; 3] = ["cpu.stat", "memory.current", "memory.stat"];
/// Groups that a container made below its own, and that are looked at.
const BELOW_MAX: usize = 64;
/// Devices whose names are remembered.
const DEVICES_MAX: usize = 4096;

const MICROSECONDS: f64 = 1e6;

/// The group.
pub(super) struct Cgroup {
    /// Its path from the root of all groups: the label `id`.
    pub(super) id: String,
    /// When it was made, as far as that can be seen.
    pub(super) created: UnixMillis,
    is_container: bool,
    directory: PathBuf,
    kept: [KeptFile; KEPT.len()],
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
    pub(super) fn new(top: &Path, id: &str, booted: UnixMillis, now: UnixMillis) -> Self {
        let directory = top.join(id.trim_start_matches('/'));
        let is_container = matches!(place(id.rsplit('/').next().unwrap_or_default()), Place::Container(_));
        let made = |path: &Path| {
            let since = fs::metadata(path).ok()?.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
            i64::try_from(since.as_millis()).ok()
        };
        // The kernel gives a file the time when it was first looked at, at the earliest that of the group.
        let created = [made(&directory), made(&directory.join("cgroup.events"))].into_iter().flatten().min().unwrap_or(booted.0);
        let created = UnixMillis(if id == "/" { booted.0 } else { created.min(now.0).max(booted.0) });
        Self { id: id.to_owned(), created, is_container, kept: KEPT.map(|name| KeptFile::new(directory.join(name))), directory }
    }

    /// What stands in one of its files now.
    fn read<'b>(&mut self, file: &str, buffer: &'b mut Vec<u8>) -> Option<&'b [u8]> {
        for (name, kept) in KEPT.iter().zip(&mut self.kept) {
            if *name == file {
                return kept.read(buffer).ok();
            }
        }
        self.directory.push(file);
        let text = read_once(&self.directory, buffer);
        self.directory.pop();
        text.ok()
    }

    fn number(&mut self, file: &str, buffer: &mut Vec<u8>) -> Option<u64> {
        integer(trim(self.read(file, buffer)?))
    }

    /// A field of a file of lines `key value`.
    pub(super) fn field(&mut self, file: &str, key: &[u8], buffer: &mut Vec<u8>) -> Option<u64> {
        fields(self.read(file, buffer)?).find_map(|(name, value)| (name == key).then_some(value))
    }

    /// Any process of the group, or of one that it has made below, as runtimes do.
    pub(super) fn process(&mut self, buffer: &mut Vec<u8>) -> Option<u64> {
        if let Some(pid) = self.read("cgroup.procs", buffer).and_then(|text| integer(lines(text).next()?)) {
            return Some(pid);
        }
        self.below().find_map(|procs| integer(lines(read_once(&procs, buffer).ok()?).next()?))
    }

    /// Processes in groups right below.
    fn processes_below(&self, buffer: &mut Vec<u8>) -> usize {
        self.below().filter_map(|procs| Some(lines(read_once(&procs, buffer).ok()?).filter_map(integer).count())).sum()
    }

    /// The lists of processes of groups right below.
    fn below(&self) -> impl Iterator<Item = PathBuf> {
        let entries = fs::read_dir(&self.directory).into_iter().flatten().flatten();
        let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        directories.take(BELOW_MAX).map(|entry| entry.path().join("cgroup.procs"))
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
        // `max 100000` where there is no quota.
        let (quota, period) = {
            let mut max = words(self.read("cpu.max", buffer).unwrap_or_default());
            (max.next().and_then(integer), max.next().and_then(integer))
        };
        if let Some(quota) = quota {
            out.sample(&SPEC_QUOTA, whose, quota as f64);
        }
        if let Some(period) = period {
            out.sample(&SPEC_PERIOD, whose, period as f64);
        }
        if let Some(weight) = self.number("cpu.weight", buffer) {
            out.sample(&SPEC_SHARES, whose, shares(weight) as f64);
        }
        let Some(text) = self.read("cpu.stat", buffer) else { return };
        for (key, value) in fields(text) {
            let seconds = value as f64 / MICROSECONDS;
            match key {
                // What has not run yet has no series.
                b"usage_usec" if value > 0 => out.sample(&CPU_USAGE, &with_one(whose, "total"), seconds),
                b"user_usec" => out.sample(&CPU_USER, whose, seconds),
                b"system_usec" => out.sample(&CPU_SYSTEM, whose, seconds),
                b"nr_periods" if quota.is_some() => out.sample(&CFS_PERIODS, whose, value as f64),
                b"nr_throttled" if quota.is_some() => out.sample(&CFS_THROTTLED, whose, value as f64),
                b"throttled_usec" if quota.is_some() => out.sample(&CFS_SECONDS, whose, seconds),
                _ => {}
            }
        }
    }

    fn sample_memory(&mut self, whose: &Whose<'_>, with: &mut With<'_>, out: &mut Families) {
        let buffer = &mut *with.buffer;
        let own = self.number("memory.current", buffer);
        let usage = if self.id == "/" { own.or(with.node_memory) } else { own };
        if let Some(usage) = usage {
            out.sample(&MEMORY_USAGE, whose, usage as f64);
        }
        if let Some(swap) = self.number("memory.swap.current", buffer) {
            out.sample(&MEMORY_SWAP, whose, swap as f64);
        }
        if let Some(text) = self.read("memory.max", buffer) {
            let limit = trim(text);
            if let Some(limit) = if limit == b"max" { Some(0) } else { integer(limit) } {
                out.sample(&LIMIT_MEMORY, whose, limit as f64);
            }
        }
        let Some(text) = self.read("memory.stat", buffer) else { return };
        for (key, value) in fields(text) {
            let amount = value as f64;
            match key {
                b"anon" => out.sample(&MEMORY_RSS, whose, amount),
                b"file" => out.sample(&MEMORY_CACHE, whose, amount),
                b"file_mapped" => out.sample(&MEMORY_MAPPED, whose, amount),
                b"inactive_file" => {
                    if let Some(usage) = usage {
                        out.sample(&MEMORY_WORKING_SET, whose, usage.saturating_sub(value) as f64);
                    }
                }
                b"pgfault" | b"pgmajfault" if with.settings.memory_failures => {
                    // The counts of version 2 have all below in them: both scopes are one, as cAdvisor has it.
                    let [id, name, image, container, pod, namespace] = *whose;
                    for scope in ["container", "hierarchy"] {
                        let labels = [id, name, image, container, pod, namespace, failure(key), scope];
                        out.sample(&MEMORY_FAILURES, &labels, amount);
                    }
                }
                _ => {}
            }
        }
    }

    fn sample_io(&mut self, whose: &Whose<'_>, with: &mut With<'_>, out: &mut Families) {
        let Some(text) = self.read("io.stat", with.buffer) else { return };
        for line in lines(text) {
            let mut words = words(line);
            let Some(device) = words.next().and_then(|number| with.devices.name(number)) else { continue };
            for word in words {
                let Some(equals) = word.iter().position(|byte| *byte == b'=') else { continue };
                let desc: &Desc = match &word[..equals] {
                    b"rbytes" => &FS_READ_BYTES,
                    b"wbytes" => &FS_WRITE_BYTES,
                    b"rios" => &FS_READS,
                    b"wios" => &FS_WRITES,
                    _ => continue,
                };
                if let Some(value) = integer(&word[equals + 1..]) {
                    out.sample(desc, &with_one(whose, device), value as f64);
                }
            }
        }
    }

    fn sample_processes(&mut self, whose: &Whose<'_>, buffer: &mut Vec<u8>, out: &mut Families) {
        if let Some(text) = self.read("cgroup.procs", buffer) {
            let own = lines(text).filter_map(integer).count();
            // A group with processes has none below; one without may be a container whose runtime put them one deeper.
            let count = if own == 0 && self.is_container { self.processes_below(buffer) } else { own };
            out.sample(&PROCESSES, whose, count as f64);
        }
        if let Some(threads) = self.number("pids.current", buffer) {
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
        let Some(text) = self.read(file, buffer) else { return };
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

/// Lines `key value`.
fn fields(text: &[u8]) -> impl Iterator<Item = (&[u8], u64)> {
    lines(text).filter_map(|line| {
        let mut words = words(line);
        Some((words.next()?, integer(words.next()?)?))
    })
}

fn failure(key: &[u8]) -> &'static str {
    if key == b"pgfault" { "pgfault" } else { "pgmajfault" }
}

/// Shares of version 1 by the weight of version 2, as kubelet and runc once turned one into the other.
fn shares(weight: u64) -> u64 {
    weight.saturating_sub(1).saturating_mul(262_142) / 9999 + 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_the_shares_that_they_were_made_of_as_near_as_they_can_be() {
        assert_eq!([1, 39, 10_000].map(shares), [2, 998, 262_144]);
    }

    #[test]
    fn a_group_was_made_neither_before_the_boot_nor_later_than_now() {
        let top = tempfile::tempdir().unwrap();
        let of = |booted, now| Cgroup::new(top.path(), "/a", UnixMillis(booted), UnixMillis(now)).created.0;
        assert_eq!(of(5, 9), 5, "nobody knows");
        fs::create_dir(top.path().join("a")).unwrap();
        let at = |seconds| UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        fs::File::open(top.path().join("a")).unwrap().set_modified(at(20)).unwrap();
        assert_eq!((of(5, 90_000), of(5, 9), of(30_000, 90_000)), (20_000, 9, 30_000));
        fs::File::create(top.path().join("a/cgroup.events")).unwrap().set_modified(at(10)).unwrap();
        assert_eq!(of(5, 90_000), 10_000);
    }
}
