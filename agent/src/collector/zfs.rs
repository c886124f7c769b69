//! `zfs`: what the ZFS module counts (/proc/spl/kstat/zfs): its cache, the state of pools, and the traffic of data sets.
//!
//! Logical traffic of data sets is not that of a pool's disks: `node_zfs_zpool_nread` and its like come from a file that `OpenZFS` 2.1
//! has done away with, and are given only where it still is.

mod kstat;

use std::path::{Path, PathBuf};

use proto::metric::Desc;

use self::kstat::{columns, dataset, named};
use super::host::Host;
use super::kept::{KeptFile, read_once};
use super::settings::Settings;
use super::sysfs::list;
use super::text::{text, trim};
use super::{Collector, Failed, Round};

static DATASET: Desc = Desc::untyped("node_zfs_zpool_dataset_*", "As the kstat of the data set has it.", &["zpool", "dataset"]);
static POOL_STATE: Desc = Desc::gauge("node_zfs_zpool_state", "Whether a pool is in that state.", &["zpool", "state"]);
static POOL: Desc = Desc::untyped("node_zfs_zpool_*", "As the kstat io of the pool has it.", &["zpool"]);
static MODULE: Desc = Desc::untyped("node_zfs_*", "As the kstat has it.", &[]);

pub(super) const FAMILIES: &[&Desc] = &[&DATASET, &POOL_STATE, &POOL, &MODULE];

/// A kstat, what it is called in names, and whether it is given if nobody asks for all.
const STATISTICS: [(&str, &str, bool); 11] = [
    ("abdstats", "abd", false),
    ("arcstats", "arc", true),
    ("dbufstats", "dbuf", false),
    ("dmu_tx", "dmu_tx", false),
    ("dnodestats", "dnode", false),
    ("fm", "fm", false),
    ("vdev_cache_stats", "vdev_cache", false),
    ("vdev_mirror_stats", "vdev_mirror", false),
    ("xuio_stats", "xuio", false),
    ("zfetchstats", "zfetch", false),
    ("zil", "zil", false),
];
const STATES: [&str; 7] = ["online", "degraded", "faulted", "offline", "removed", "unavail", "suspended"];
/// Data sets of a pool at most.
const DATASETS_MAX: usize = 10_000;

pub(super) struct Zfs {
    directory: PathBuf,
    statistics: Vec<(&'static str, KeptFile)>,
    name: String,
}

impl Zfs {
    pub(super) fn new(host: &Host, settings: &Settings) -> Self {
        let directory = host.proc("spl/kstat/zfs");
        let statistics = STATISTICS.iter().filter(|(_, _, default)| *default || settings.zfs_all);
        let statistics = statistics.map(|(file, name, _)| (*name, KeptFile::new(directory.join(file)))).collect();
        Self { directory, statistics, name: String::new() }
    }

    fn pool(&mut self, pool: &str, round: &mut Round<'_>) -> Result<(), Failed> {
        let mut path = self.directory.join(pool);
        let entries = list(&path, "")?;
        if let Ok(io) = read_in(&mut path, "io", round.buffer) {
            for (key, value) in columns(io) {
                self.name(&["zpool"], key);
                round.out.named(&POOL, &self.name, &[pool], value);
            }
        }
        for objset in entries.iter().filter(|name| name.starts_with("objset-")).take(DATASETS_MAX) {
            // A data set may be gone by now.
            let Ok(told) = read_in(&mut path, objset, round.buffer) else { continue };
            let Some(dataset) = dataset(told) else { continue };
            let dataset = text(dataset);
            for (key, value) in named(told).filter(|stat| stat.is_unsigned).map(|stat| (stat.name, stat.value)) {
                self.name(&["zpool_dataset"], key);
                round.out.named(&DATASET, &self.name, &[pool, &dataset], value);
            }
        }
        if let Ok(state) = read_in(&mut path, "state", round.buffer) {
            let state = text(trim(state)).to_lowercase();
            for known in STATES {
                round.out.sample(&POOL_STATE, &[pool, known], f64::from(u8::from(state == known)));
            }
        }
        Ok(())
    }

    /// Makes the name of a sample.
    fn name(&mut self, parts: &[&str], key: &[u8]) {
        self.name.clear();
        self.name.push_str("node_zfs");
        for part in parts {
            self.name.push('_');
            self.name.push_str(part);
        }
        self.name.push('_');
        let usual = |byte: &u8| if byte.is_ascii_alphanumeric() || *byte == b':' { char::from(*byte) } else { '_' };
        self.name.extend(key.iter().map(usual));
    }
}

/// Reads a file of a directory, whose path is used for it and is as before afterwards.
fn read_in<'b>(directory: &mut PathBuf, name: &str, buffer: &'b mut Vec<u8>) -> Result<&'b [u8], Failed> {
    directory.push(name);
    let read = read_once(directory, buffer);
    directory.pop();
    read
}

impl Collector for Zfs {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        let entries = list(&self.directory, "")?;
        let mut statistics = std::mem::take(&mut self.statistics);
        for (subsystem, file) in &mut statistics {
            // Which of them there are depends on the version.
            let Ok(told) = file.read(round.buffer) else { continue };
            for stat in named(told) {
                self.name(&[subsystem], stat.name);
                round.out.named(&MODULE, &self.name, &[], stat.value);
            }
        }
        self.statistics = statistics;
        for pool in &entries {
            if is_pool(&self.directory.join(pool)) {
                self.pool(pool, round)?;
            }
        }
        Ok(())
    }
}

/// Directories beside the module's own statistics are pools.
fn is_pool(path: &Path) -> bool {
    path.is_dir()
}

#[cfg(test)]
mod tests {
    use crate::collector::settings::Settings;
    use crate::collector::testing::{check, check_with};

    #[test]
    fn fixtures() {
        check("zfs", &["pools", "old", "damaged", "absent"]);
        check_with("zfs", &["all"], &Settings { zfs_all: true, ..Settings::default() });
    }
}
