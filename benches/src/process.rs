//! Runs a program to its end and says what it cost, as the kernel counts it.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a run cost.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Processor time, user and system, of the process and all its threads.
    pub cpu: Duration,
    /// From start to end.
    pub wall: Duration,
    /// The most memory that was resident, bytes.
    pub peak: u64,
}

/// How often the peak is looked at; the kernel keeps it, so only what comes after the last look can be missed.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Runs `command` to its end, which must come by itself and be a good one, or until `done` says that it has done its work.
#[expect(clippy::disallowed_methods, reason = "a bench that watches a process has nothing else to wait for")]
pub fn run(command: &mut Command, mut done: impl FnMut() -> bool) -> Cost {
    let begin = Instant::now();
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let proc = format!("/proc/{}", child.id());
    let (mut cpu, mut peak) = (Duration::ZERO, 0);
    loop {
        // Read while it may still be asked: a process that has ended keeps its times and gives up its memory.
        let is_done = done();
        cpu = cpu_of(&proc).unwrap_or(cpu);
        peak = memory(&proc, "VmHWM:").unwrap_or(peak);
        if is_done {
            let wall = begin.elapsed();
            child.kill().ok();
            child.wait().unwrap();
            return Cost { cpu, wall, peak };
        }
        // Looked at, not reaped: its times can still be read.
        if is_zombie(&proc) {
            let cost = Cost { cpu: cpu_of(&proc).unwrap_or(cpu), wall: begin.elapsed(), peak };
            let status = child.wait().unwrap();
            assert!(status.success(), "{command:?}: {status}");
            return cost;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn stat(proc: &str) -> Option<String> {
    let stat = fs::read_to_string(format!("{proc}/stat")).ok()?;
    // The name in parentheses may hold anything.
    Some(stat.rsplit_once(") ")?.1.to_owned())
}

fn is_zombie(proc: &str) -> bool {
    stat(proc).is_none_or(|stat| stat.starts_with('Z'))
}

/// User and system time of a process, all threads, in clock ticks of 10 ms.
pub fn cpu_of(proc: &str) -> Option<Duration> {
    let stat = stat(proc)?;
    let ticks: u64 = stat.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().unwrap_or(0)).sum();
    Some(Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second()))
}

/// A line of `/proc/PID/status`, in bytes: `VmHWM:` is the peak, `VmRSS:` what is resident now.
pub fn memory(proc: &str, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("{proc}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kib| kib * 1024)
}
