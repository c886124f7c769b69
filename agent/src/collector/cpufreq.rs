//! `cpufreq`: how fast each processor runs and may run (/sys/devices/system/cpu/cpu*/cpufreq; the kernel's
//! Documentation/admin-guide/pm/cpufreq.rst).
//!
//! Only the frequency itself is read each time. What the hardware says of it (`cpuinfo_cur_freq`) never is: it is slow, and root's.

use std::path::{Path, PathBuf};

use proto::metric::Desc;

use super::host::Host;
use super::kept::{KeptFile, read_once};
use super::listing::numbered;
use super::seldom::Seldom;
use super::text::{Decimal, name, number, trim, words};
use super::{Collector, Failed, Round};

const CPU: &[&str] = &["cpu"];

static SCALING: Desc = Desc::gauge("node_cpu_scaling_frequency_hertz", "Frequency that the CPU is set to.", CPU);
static SCALING_MIN: Desc =
    Desc::gauge("node_cpu_scaling_frequency_min_hertz", "Lowest frequency that the CPU may be set to.", CPU);
static SCALING_MAX: Desc =
    Desc::gauge("node_cpu_scaling_frequency_max_hertz", "Highest frequency that the CPU may be set to.", CPU);
static MIN: Desc = Desc::gauge("node_cpu_frequency_min_hertz", "Lowest frequency that the CPU can run at.", CPU);
static MAX: Desc = Desc::gauge("node_cpu_frequency_max_hertz", "Highest frequency that the CPU can run at.", CPU);
static GOVERNOR: Desc =
    Desc::gauge("node_cpu_scaling_governor", "Whether the governor sets the CPU's frequency.", &["cpu", "governor"]);

pub(super) const FAMILIES: &[&Desc] = &[&SCALING, &SCALING_MIN, &SCALING_MAX, &MIN, &MAX, &GOVERNOR];

/// What is asked seldom.
const LIMITS: [(&str, &Desc); 4] = [
    ("scaling_min_freq", &SCALING_MIN),
    ("scaling_max_freq", &SCALING_MAX),
    ("cpuinfo_min_freq", &MIN),
    ("cpuinfo_max_freq", &MAX),
];
const KILOHERTZ: f64 = 1000.0;

pub(super) struct CpuFreq {
    directory: PathBuf,
    seldom: Seldom,
    cpus: Vec<Cpu>,
}

struct Cpu {
    number: u64,
    current: KeptFile,
    limits: [Option<f64>; LIMITS.len()],
    governor: String,
    /// Those there are to choose from.
    governors: Vec<String>,
}

impl CpuFreq {
    pub(super) fn new(host: &Host) -> Self {
        Self { directory: host.sys("devices/system/cpu"), seldom: Seldom::default(), cpus: Vec::new() }
    }

    fn look(&mut self, buffer: &mut Vec<u8>) {
        let numbers = numbered(&self.directory, "cpu");
        let of = |number: u64| self.directory.join(format!("cpu{number}/cpufreq"));
        self.cpus = numbers
            .into_iter()
            .filter(|number| of(*number).is_dir())
            .map(|number| Cpu::new(number, &of(number), buffer))
            .collect();
    }
}

impl Cpu {
    fn new(number: u64, directory: &Path, buffer: &mut Vec<u8>) -> Self {
        let mut read = |file: &str| read_once(&directory.join(file), buffer).map(<[u8]>::to_vec).unwrap_or_default();
        let texts = |text: &[u8]| words(text).filter_map(name).map(str::to_owned).collect::<Vec<_>>();
        Self {
            number,
            current: KeptFile::new(directory.join("scaling_cur_freq")),
            limits: LIMITS.map(|(file, _)| number_of(&read(file))),
            governor: texts(&read("scaling_governor")).into_iter().next().unwrap_or_default(),
            governors: texts(&read("scaling_available_governors")),
        }
    }
}

/// A frequency. Where it is not known, words stand there.
fn number_of(text: &[u8]) -> Option<f64> {
    number(trim(text)).map(|kilohertz| kilohertz * KILOHERTZ)
}

impl Collector for CpuFreq {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        if self.seldom.is_due(round.now) {
            self.look(round.buffer);
        }
        if self.cpus.is_empty() {
            return Err(Failed::NoData("no CPU with a frequency that can be set".into()));
        }
        let mut label = Decimal::default();
        for cpu in &mut self.cpus {
            let label = label.write(cpu.number);
            if let Some(frequency) = cpu.current.read(round.buffer).ok().and_then(number_of) {
                round.out.sample(&SCALING, &[label], frequency);
            }
            for ((_, desc), limit) in LIMITS.iter().zip(cpu.limits) {
                if let Some(limit) = limit {
                    round.out.sample(desc, &[label], limit);
                }
            }
            for governor in cpu.governors.iter().filter(|_| !cpu.governor.is_empty()) {
                round.out.sample(&GOVERNOR, &[label, governor], f64::from(*governor == cpu.governor));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::collector::testing::check;

    #[test]
    fn fixtures() {
        check("cpufreq", &["usual", "passive", "absent"]);
    }
}
