//! `mdadm`: software RAID (/proc/mdstat, and /sys/block/md*/md; kernel's admin-guide/md.rst).

mod mdstat;

use proto::metric::Desc;

use self::mdstat::{Activity, arrays};
use super::host::Host;
use super::kept::KeptFile;
use super::sysfs::{Objects, attribute, value_once};
use super::text::number;
use super::{Collector, Failed, Round};

static STATE: Desc = Desc::gauge("node_md_state", "What an array does.", &["device", "state"]);
static DISKS: Desc = Desc::gauge("node_md_disks", "Disks of an array, by their state.", &["device", "state"]);
static REQUIRED: Desc = Desc::gauge("node_md_disks_required", "Disks that an array needs to be whole.", &["device"]);
static BLOCKS: Desc = Desc::gauge("node_md_blocks", "Blocks of 1 KiB of an array.", &["device"]);
static SYNCED: Desc = Desc::gauge("node_md_blocks_synced", "Blocks of an array that are in sync, or checked.", &["device"]);
static RAID_DISKS: Desc = Desc::gauge("node_md_raid_disks", "Disks of an array when it is whole.", &["device"]);
static DEGRADED: Desc = Desc::gauge("node_md_degraded", "Disks by which an array is degraded.", &["device"]);

pub(super) const FAMILIES: &[&Desc] = &[&STATE, &DISKS, &REQUIRED, &BLOCKS, &SYNCED, &RAID_DISKS, &DEGRADED];

pub(super) struct MdAdm {
    mdstat: KeptFile,
    objects: Objects,
    arrays: Vec<String>,
}

impl MdAdm {
    pub(super) fn new(host: &Host) -> Self {
        Self { mdstat: KeptFile::new(host.proc("mdstat")), objects: Objects::new(host.sys("block"), "md"), arrays: Vec::new() }
    }
}

impl Collector for MdAdm {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        for array in arrays(self.mdstat.read(round.buffer)?) {
            let device = &*String::from_utf8_lossy(array.name);
            round.out.sample(&REQUIRED, &[device], array.required as f64);
            for (state, count) in [("active", array.active), ("failed", array.failed), ("spare", array.spare)] {
                round.out.sample(&DISKS, &[device, state], count as f64);
            }
            for state in Activity::ALL {
                round.out.sample(&STATE, &[device, state.name()], f64::from(u8::from(array.activity == Some(state))));
            }
            round.out.sample(&BLOCKS, &[device], array.blocks as f64);
            round.out.sample(&SYNCED, &[device], array.synced as f64);
        }
        match self.objects.look() {
            Ok(Some(names)) => self.arrays = names.to_vec(),
            Ok(None) => {}
            // No block device at all.
            Err(Failed::NoData(_)) => return Ok(()),
            Err(failed) => return Err(failed),
        }
        for device in &self.arrays {
            let directory = self.objects.directory().join(device).join("md");
            let Some(level) = attribute(&directory.join("level"), round.buffer) else { continue };
            // `11 (10)` while it is reshaped. A container has no disks of its own.
            if !matches!(&*level, "" | "container" | "imsm" | "ddf")
                && let Some(disks) = attribute(&directory.join("raid_disks"), round.buffer)
                && let Some(disks) = disks.split(' ').next().and_then(|disks| number(disks.as_bytes()))
            {
                round.out.sample(&RAID_DISKS, &[device], disks);
            }
            // What has no redundancy cannot be degraded.
            let degraded = match &*level {
                "raid1" | "raid4" | "raid5" | "raid6" | "raid10" => value_once(&directory.join("degraded"), round.buffer),
                _ => Some(0.0),
            };
            if let Some(degraded) = degraded {
                round.out.sample(&DEGRADED, &[device], degraded);
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
        check("mdadm", &["usual", "busy", "odd", "damaged", "none", "absent"]);
    }
}
