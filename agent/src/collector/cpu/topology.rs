//! Which processors, cores and packages there are (/sys/devices/system/cpu), and how often cores and packages were throttled: each
//! once, whatever number of processors tells it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::{CORE_THROTTLES, PACKAGE_THROTTLES};
use crate::collector::Round;
use crate::collector::kept::{KeptFile, read_once};
use crate::collector::listing::numbered;
use crate::collector::text::{Decimal, integer, trim};

/// It does not change but by putting processors off line and on: then it is read again.
pub(super) struct Topology {
    directory: PathBuf,
    seen_online: Option<Vec<u64>>,
    cpus: Vec<u64>,
    can_go_off_line: bool,
    cores: Vec<Core>,
    packages: Vec<Package>,
}

struct Core {
    package: u64,
    number: u64,
    count: KeptFile,
}

struct Package {
    number: u64,
    count: KeptFile,
}

impl Topology {
    /// `directory` is that of all processors in /sys.
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory, seen_online: None, cpus: Vec::new(), can_go_off_line: false, cores: Vec::new(), packages: Vec::new() }
    }

    /// All processors, on line or not.
    pub(super) fn cpus(&self) -> impl Iterator<Item = u64> + '_ {
        self.cpus.iter().copied()
    }

    /// Whether the first processor can go off line: if not, the machine is taken for one on which none does.
    pub(super) fn can_go_off_line(&self) -> bool {
        self.can_go_off_line
    }

    /// Gives the counts that can be read.
    pub(super) fn give(&mut self, online: &[u64], round: &mut Round<'_>) {
        if self.seen_online.as_deref() != Some(online) {
            self.look(round.buffer);
            self.seen_online = Some(online.to_vec());
        }
        let (mut package, mut core) = (Decimal::default(), Decimal::default());
        for of in &mut self.packages {
            if let Some(count) = count(&mut of.count, round.buffer) {
                round.out.sample(&PACKAGE_THROTTLES, &[package.write(of.number)], count);
            }
        }
        for of in &mut self.cores {
            if let Some(count) = count(&mut of.count, round.buffer) {
                round.out.sample(&CORE_THROTTLES, &[package.write(of.package), core.write(of.number)], count);
            }
        }
    }

    fn look(&mut self, buffer: &mut Vec<u8>) {
        self.cpus = numbered(&self.directory, "cpu");
        self.can_go_off_line = self.cpus.first().is_some_and(|cpu| self.of(*cpu, "online").exists());
        self.cores.clear();
        self.packages.clear();
        let (mut cores, mut packages) = (BTreeSet::new(), BTreeSet::new());
        for cpu in self.cpus.clone() {
            let mut id = |file: &str| read_once(&self.of(cpu, file), buffer).ok().and_then(|text| integer(trim(text)));
            let (Some(package), Some(core)) = (id("topology/physical_package_id"), id("topology/core_id")) else { continue };
            let count = self.of(cpu, "thermal_throttle/core_throttle_count");
            if count.exists() && cores.insert((package, core)) {
                self.cores.push(Core { package, number: core, count: KeptFile::new(count) });
            }
            let count = self.of(cpu, "thermal_throttle/package_throttle_count");
            if count.exists() && packages.insert(package) {
                self.packages.push(Package { number: package, count: KeptFile::new(count) });
            }
        }
    }

    fn of(&self, cpu: u64, file: &str) -> PathBuf {
        self.directory.join(format!("cpu{cpu}")).join(file)
    }
}

fn count(file: &mut KeptFile, buffer: &mut Vec<u8>) -> Option<f64> {
    integer(trim(file.read(buffer).ok()?)).map(|count| count as f64)
}
