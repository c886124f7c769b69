//! `cpu`: the time that each processor spent in each mode (/proc/stat, `proc_stat(5)`), what it throttled, which are on line and which
//! isolated (/sys/devices/system/cpu), and on demand what it is (/proc/cpuinfo).
//!
//! The kernel's times may run backwards a little: none of ours does. Time of guests stands in user and nice as well, as the kernel
//! counts it.

mod info;
mod times;
mod topology;

use proto::metric::Desc;

use super::host::Host;
use super::kept::{KeptFile, read_once};
use super::settings::Settings;
use super::text::{Decimal, list};
use super::{Collector, Failed, Round};

use self::info::Info;
use self::times::Times;
use self::topology::Topology;

static SECONDS: Desc = Desc::counter("node_cpu_seconds_total", "Seconds that the CPU spent in each mode.", &["cpu", "mode"]);
static GUEST: Desc =
    Desc::counter("node_cpu_guest_seconds_total", "Seconds that the CPU spent in guests, for each mode.", &["cpu", "mode"]);
static ISOLATED: Desc = Desc::gauge("node_cpu_isolated", "Whether the CPU is isolated from the scheduler.", &["cpu"]);
static ONLINE: Desc = Desc::gauge("node_cpu_online", "Whether the CPU is on line.", &["cpu"]);
static CORE_THROTTLES: Desc =
    Desc::counter("node_cpu_core_throttles_total", "How often the core was throttled for its heat.", &["package", "core"]);
static PACKAGE_THROTTLES: Desc =
    Desc::counter("node_cpu_package_throttles_total", "How often the package was throttled for its heat.", &["package"]);
static INFO: Desc = Desc::gauge(
    "node_cpu_info",
    "What the CPU is, from /proc/cpuinfo.",
    &["package", "core", "cpu", "vendor", "family", "model", "model_name", "microcode", "stepping", "cachesize"],
);
static FREQUENCY: Desc =
    Desc::gauge("node_cpu_frequency_hertz", "Frequency of the CPU, from /proc/cpuinfo.", &["package", "core", "cpu"]);
static FLAG: Desc = Desc::gauge("node_cpu_flag_info", "A flag of the first CPU, from /proc/cpuinfo.", &["flag"]);
static BUG: Desc = Desc::gauge("node_cpu_bug_info", "A bug of the first CPU, from /proc/cpuinfo.", &["bug"]);

pub(super) const FAMILIES: &[&Desc] =
    &[&SECONDS, &GUEST, &ISOLATED, &ONLINE, &CORE_THROTTLES, &PACKAGE_THROTTLES, &INFO, &FREQUENCY, &FLAG, &BUG];

pub(super) struct Cpu {
    stat: KeptFile,
    times: Times,
    /// The kernel isolates processors at boot.
    isolated: Vec<u64>,
    online: KeptFile,
    topology: Topology,
    info: Option<Info>,
    guest: bool,
}

impl Cpu {
    pub(super) fn new(host: &Host, settings: &Settings) -> Self {
        let directory = host.sys("devices/system/cpu");
        let isolated =
            read_once(&directory.join("isolated"), &mut Vec::new()).map(|text| list(text).collect()).unwrap_or_default();
        Self {
            stat: KeptFile::new(host.proc("stat")),
            times: Times::default(),
            isolated,
            online: KeptFile::new(directory.join("online")),
            topology: Topology::new(directory),
            info: Info::new(host, settings),
            guest: settings.cpu_guest,
        }
    }
}

impl Collector for Cpu {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        if self.times.take(self.stat.read(round.buffer)?) == 0 {
            return Err(Failed::malformed(self.stat.path(), "no line of a CPU"));
        }
        self.times.give(self.guest, round.out);
        let mut cpu = Decimal::default();
        for number in &self.isolated {
            round.out.sample(&ISOLATED, &[cpu.write(*number)], 1.0);
        }
        self.topology.give(self.times.online(), round);
        if self.topology.can_go_off_line()
            && let Ok(online) = self.online.read(round.buffer)
        {
            let online: Vec<u64> = list(online).collect();
            for number in self.topology.cpus() {
                round.out.sample(&ONLINE, &[cpu.write(number)], f64::from(online.contains(&number)));
            }
        }
        self.info.as_mut().map_or(Ok(()), |info| info.give(round))
    }
}

#[cfg(test)]
mod tests {
    use regex::bytes::Regex;

    use super::Settings;
    use crate::collector::testing::{check, check_with};

    #[test]
    fn fixtures() {
        check("cpu", &["usual", "throttled", "off_line", "malformed", "absent"]);
        let pattern = |text| Some(Regex::new(text).unwrap());
        let settings = Settings {
            cpu_info: true,
            cpu_flags: pattern("^aes$"),
            cpu_bugs: pattern("^spectre"),
            cpu_guest: false,
            ..Settings::default()
        };
        check_with("cpu", &["info"], &settings);
    }
}
