//! What a dry run says of the machine that it runs on, as it sees itself: what was measured, people can then tell whose it is.

use std::fmt;

use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

/// A machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Host name.
    pub name: String,
    /// `Debian GNU/Linux 12 (bookworm)`.
    pub system: String,
    /// `6.1.0-28-amd64`.
    pub kernel: String,
    /// Logical processors.
    pub processors: usize,
    /// Memory in bytes.
    pub memory: u64,
}

/// Looks at this machine.
pub fn look() -> Machine {
    let what = RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing()).with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(what);
    let or = |text: Result<String, sysinfo::Error>, other: &str| {
        text.ok().filter(|text| !text.is_empty()).unwrap_or_else(|| other.to_owned())
    };
    Machine {
        name: or(System::host_name(), "this machine"),
        system: or(System::long_os_version(), "an unknown system"),
        kernel: or(System::kernel_version(), "of an unknown version"),
        processors: system.as_ref().map_or(0, |system| system.cpus().len()),
        memory: system.as_ref().map_or(0, System::total_memory),
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, system, kernel, processors, memory } = self;
        let gibibytes = *memory as f64 / f64::from(1 << 30);
        write!(f, "{name}: {system}, kernel {kernel}, {processors} processors, {gibibytes:.1} GiB of memory")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_seen_as_the_kernel_shows_it() {
        let machine = look();
        let proc = |path: &str| std::fs::read_to_string(format!("/proc/{path}")).unwrap();
        let total = proc("meminfo").split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024;
        assert_eq!((machine.kernel.as_str(), machine.memory), (proc("sys/kernel/osrelease").trim(), total));
        assert!(machine.processors > 0 && !machine.name.is_empty(), "{machine:?}");
        assert!(machine.to_string().contains(" GiB of memory"));
    }
}
