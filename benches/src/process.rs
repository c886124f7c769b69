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
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
    let mut child = spawned.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let proc = format!("/proc/{}", child.id());
    let mut cost = Cost { cpu: Duration::ZERO, wall: Duration::ZERO, peak: 0 };
    // Looked at before it is reaped: a process that has ended keeps its times, and gives up its memory.
    let (mut is_done, mut has_ended) = (false, false);
    while !is_done && !has_ended {
        std::thread::sleep(LOOK_EVERY);
        (is_done, has_ended) = (done(), is_zombie(&proc));
        cost.cpu = cpu_of(&proc).unwrap_or(cost.cpu);
        cost.peak = memory(&proc, "VmHWM:").unwrap_or(cost.peak);
    }
    cost.wall = begin.elapsed();
    child.kill().ok();
    let status = child.wait().unwrap();
    assert!(is_done || status.success(), "{command:?}: {status}");
    cost
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

/// Processor time of this process, all threads.
pub fn own_time() -> Duration {
    let told = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(told.tv_sec.unsigned_abs(), u32::try_from(told.tv_nsec).unwrap_or_default())
}

/// Processor time of this thread.
pub fn thread_time() -> Duration {
    let told = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(told.tv_sec.unsigned_abs(), u32::try_from(told.tv_nsec).unwrap_or_default())
}

/// A line of `/proc/PID/status`, in bytes: `VmHWM:` is the peak, `VmRSS:` what is resident now.
pub fn memory(proc: &str, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("{proc}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kib| kib * 1024)
}
