//! The files of version 1 (the kernel's cgroup-v1/memory.rst, cpuacct.rst, blkio-controller.rst, scheduler/sched-bwc.rst): their text in,
//! figures out.

use super::figures::{Cpu, Io, Memory};
use super::files::{Files, fields};
use super::hierarchies::Controller;
use crate::collector::text::{integer, lines, words};

const NANOSECONDS: f64 = 1e9;
/// Ticks of a second, as the kernel tells times to programs (`USER_HZ`) on every machine that has containers.
const TICKS: f64 = 100.0;
/// Limits above are none: the kernel writes the largest number of pages, in bytes.
const NO_LIMIT: u64 = 1 << 62;
/// Files of a disk's bytes and requests, each with the groups below and without, as older kernels have it alone.
const BYTES: [&str; 2] = ["blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes"];
const REQUESTS: [&str; 2] = ["blkio.throttle.io_serviced_recursive", "blkio.throttle.io_serviced"];

/// Of processors.
pub(super) fn cpu(files: &mut Files, buffer: &mut Vec<u8>) -> Cpu {
    let usage = files.number(Controller::Accounting, "cpuacct.usage", buffer).map(|value| value as f64 / NANOSECONDS);
    let mut cpu = Cpu {
        usage,
        // -1 where there is no quota.
        quota: files.number(Controller::Cpu, "cpu.cfs_quota_us", buffer),
        period: files.number(Controller::Cpu, "cpu.cfs_period_us", buffer),
        shares: files.number(Controller::Cpu, "cpu.shares", buffer),
        ..Cpu::default()
    };
    for (key, value) in fields(files.read(Controller::Accounting, "cpuacct.stat", buffer).unwrap_or_default()) {
        let seconds = Some(value as f64 / TICKS);
        match key {
            b"user" => cpu.user = seconds,
            b"system" => cpu.system = seconds,
            _ => {}
        }
    }
    for (key, value) in fields(files.read(Controller::Cpu, "cpu.stat", buffer).unwrap_or_default()) {
        match key {
            b"nr_periods" => cpu.periods = Some(value),
            b"nr_throttled" => cpu.throttled_periods = Some(value),
            b"throttled_time" => cpu.throttled = Some(value as f64 / NANOSECONDS),
            _ => {}
        }
    }
    cpu
}

/// Of memory. Lines with `total_` have all groups below in them.
pub(super) fn memory(files: &mut Files, buffer: &mut Vec<u8>) -> Memory {
    let limit = files.number(Controller::Memory, "memory.limit_in_bytes", buffer);
    let mut memory = Memory {
        usage: files.number(Controller::Memory, "memory.usage_in_bytes", buffer),
        limit: limit.map(|limit| if limit > NO_LIMIT { 0 } else { limit }),
        ..Memory::default()
    };
    for (key, value) in fields(files.read(Controller::Memory, "memory.stat", buffer).unwrap_or_default()) {
        let value = Some(value);
        match key {
            b"total_rss" => memory.rss = value,
            b"total_cache" => memory.cache = value,
            b"total_mapped_file" => memory.mapped = value,
            b"total_inactive_file" => memory.inactive_file = value,
            b"total_swap" => memory.swap = value,
            b"pgfault" => memory.faults.own = value,
            b"total_pgfault" => memory.faults.all = value,
            b"pgmajfault" => memory.major_faults.own = value,
            b"total_pgmajfault" => memory.major_faults.all = value,
            _ => {}
        }
    }
    memory
}

/// Processes of this very group that were killed for want of memory (Linux 4.13 and later).
pub(super) fn kills(files: &mut Files, buffer: &mut Vec<u8>) -> Option<u64> {
    files.field(Controller::Memory, "memory.oom_control", b"oom_kill", buffer)
}

/// Of disks, by their numbers: lines `8:0 Read 4096`.
pub(super) fn io(files: &mut Files, buffer: &mut Vec<u8>, give: &mut dyn FnMut(&[u8], Io, u64)) {
    for (names, read, written) in [(BYTES, Io::ReadBytes, Io::WrittenBytes), (REQUESTS, Io::Reads, Io::Writes)] {
        // The first file that is there.
        names.into_iter().any(|name| io_of(files, name, [read, written], buffer, give));
    }
}

/// Says whether the file is there.
fn io_of(
    files: &mut Files,
    name: &str,
    [read, written]: [Io; 2],
    buffer: &mut Vec<u8>,
    give: &mut dyn FnMut(&[u8], Io, u64),
) -> bool {
    let Some(text) = files.read(Controller::Io, name, buffer) else { return false };
    for line in lines(text) {
        let mut words = words(line);
        let (Some(device), Some(kind)) = (words.next(), words.next()) else { continue };
        let what = match kind {
            b"Read" => read,
            b"Write" => written,
            _ => continue,
        };
        if let Some(value) = words.next().and_then(integer) {
            give(device, what, value);
        }
    }
    true
}
