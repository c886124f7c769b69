//! The files of version 2 (the kernel's cgroup-v2.rst): their text in, figures out.

use super::figures::{Cpu, Faults, Io, Memory};
use super::files::{Files, fields};
use super::hierarchies::Controller;
use crate::collector::text::{integer, lines, trim, words};

const MICROSECONDS: f64 = 1e6;

/// Of processors.
pub(super) fn cpu(files: &mut Files, buffer: &mut Vec<u8>) -> Cpu {
    // `max 100000` where there is no quota.
    let (quota, period) = {
        let mut max = words(files.read(Controller::Cpu, "cpu.max", buffer).unwrap_or_default());
        (max.next().and_then(integer), max.next().and_then(integer))
    };
    let shares = files.number(Controller::Cpu, "cpu.weight", buffer).map(shares);
    let mut cpu = Cpu { quota, period, shares, ..Cpu::default() };
    for (key, value) in fields(files.read(Controller::Cpu, "cpu.stat", buffer).unwrap_or_default()) {
        let seconds = Some(value as f64 / MICROSECONDS);
        match key {
            b"usage_usec" => cpu.usage = seconds,
            b"user_usec" => cpu.user = seconds,
            b"system_usec" => cpu.system = seconds,
            b"nr_periods" => cpu.periods = Some(value),
            b"nr_throttled" => cpu.throttled_periods = Some(value),
            b"throttled_usec" => cpu.throttled = seconds,
            _ => {}
        }
    }
    cpu
}

/// Of memory.
pub(super) fn memory(files: &mut Files, buffer: &mut Vec<u8>) -> Memory {
    let mut memory = Memory {
        usage: files.number(Controller::Memory, "memory.current", buffer),
        swap: files.number(Controller::Memory, "memory.swap.current", buffer),
        limit: files.read(Controller::Memory, "memory.max", buffer).and_then(|text| match trim(text) {
            b"max" => Some(0),
            limit => integer(limit),
        }),
        ..Memory::default()
    };
    for (key, value) in fields(files.read(Controller::Memory, "memory.stat", buffer).unwrap_or_default()) {
        let value = Some(value);
        match key {
            b"anon" => memory.rss = value,
            b"file" => memory.cache = value,
            b"file_mapped" => memory.mapped = value,
            b"inactive_file" => memory.inactive_file = value,
            // The counts have all below in them: both scopes are one, as cAdvisor has it.
            b"pgfault" => memory.faults = Faults { own: value, all: value },
            b"pgmajfault" => memory.major_faults = Faults { own: value, all: value },
            _ => {}
        }
    }
    memory
}

/// Processes that were killed for want of memory.
pub(super) fn kills(files: &mut Files, buffer: &mut Vec<u8>) -> Option<u64> {
    files.field(Controller::Memory, "memory.events", b"oom_kill", buffer)
}

/// Of disks, by their numbers.
pub(super) fn io(files: &mut Files, buffer: &mut Vec<u8>, give: &mut dyn FnMut(&[u8], Io, u64)) {
    for line in lines(files.read(Controller::Io, "io.stat", buffer).unwrap_or_default()) {
        let mut words = words(line);
        let Some(device) = words.next() else { continue };
        for word in words {
            let Some(equals) = word.iter().position(|byte| *byte == b'=') else { continue };
            let what = match &word[..equals] {
                b"rbytes" => Io::ReadBytes,
                b"wbytes" => Io::WrittenBytes,
                b"rios" => Io::Reads,
                b"wios" => Io::Writes,
                _ => continue,
            };
            if let Some(value) = integer(&word[equals + 1..]) {
                give(device, what, value);
            }
        }
    }
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
}
