//! `diskstats`: what each disk has read and written and how long that took (/proc/diskstats; the kernel's
//! Documentation/admin-guide/iostats.rst), and what it is (`diskstats/udev.rs`, /sys/block).
//!
//! A sector is 512 bytes there, whatever it is on the disk. Older kernels count fewer things, and so do we.

mod udev;

use procfs_core::DiskStat;
use proto::metric::{Desc, Families};

use super::host::Host;
use super::kept::KeptFile;
use super::settings::{Filter, Settings};
use super::text::{Decimal, lines, name, trim, words};
use super::{Collector, Failed, Round};

use self::udev::Udev;

const DEVICE: &[&str] = &["device"];

static READS: Desc = Desc::counter("node_disk_reads_completed_total", "Reads completed.", DEVICE);
static READS_MERGED: Desc = Desc::counter("node_disk_reads_merged_total", "Reads merged with others.", DEVICE);
static READ_BYTES: Desc = Desc::counter("node_disk_read_bytes_total", "Bytes read.", DEVICE);
static READ_TIME: Desc = Desc::counter("node_disk_read_time_seconds_total", "Seconds that reads took, of all together.", DEVICE);
static WRITES: Desc = Desc::counter("node_disk_writes_completed_total", "Writes completed.", DEVICE);
static WRITES_MERGED: Desc = Desc::counter("node_disk_writes_merged_total", "Writes merged with others.", DEVICE);
static WRITTEN_BYTES: Desc = Desc::counter("node_disk_written_bytes_total", "Bytes written.", DEVICE);
static WRITE_TIME: Desc =
    Desc::counter("node_disk_write_time_seconds_total", "Seconds that writes took, of all together.", DEVICE);
static NOW: Desc = Desc::gauge("node_disk_io_now", "Requests under way.", DEVICE);
static IO_TIME: Desc = Desc::counter("node_disk_io_time_seconds_total", "Seconds in which requests were under way.", DEVICE);
static WEIGHTED_TIME: Desc = Desc::counter(
    "node_disk_io_time_weighted_seconds_total",
    "Seconds in which requests were under way, times their number.",
    DEVICE,
);
static DISCARDS: Desc = Desc::counter("node_disk_discards_completed_total", "Discards completed.", DEVICE);
static DISCARDS_MERGED: Desc = Desc::counter("node_disk_discards_merged_total", "Discards merged with others.", DEVICE);
static DISCARDED: Desc = Desc::counter("node_disk_discarded_sectors_total", "Sectors discarded, of 512 bytes.", DEVICE);
static DISCARD_TIME: Desc =
    Desc::counter("node_disk_discard_time_seconds_total", "Seconds that discards took, of all together.", DEVICE);
static FLUSHES: Desc = Desc::counter("node_disk_flush_requests_total", "Flushes completed.", DEVICE);
static FLUSH_TIME: Desc =
    Desc::counter("node_disk_flush_requests_time_seconds_total", "Seconds that flushes took, of all together.", DEVICE);
static INFO: Desc = Desc::gauge(
    "node_disk_info",
    "What the disk is, from udev and /sys/block.",
    &["device", "major", "minor", "path", "wwn", "model", "serial", "revision", "rotational"],
);
static FILESYSTEM: Desc =
    Desc::gauge("node_disk_filesystem_info", "What is on the disk, from udev.", &["device", "type", "usage", "uuid", "version"]);
static MAPPER: Desc = Desc::gauge(
    "node_disk_device_mapper_info",
    "What the device mapper made it of, from udev.",
    &["device", "name", "uuid", "vg_name", "lv_name", "lv_layer"],
);
static ATA_CACHE: Desc = Desc::gauge("node_disk_ata_write_cache", "Whether the ATA disk has a write cache.", DEVICE);
static ATA_CACHE_ENABLED: Desc =
    Desc::gauge("node_disk_ata_write_cache_enabled", "Whether the ATA disk's write cache is on.", DEVICE);
static ATA_RPM: Desc =
    Desc::gauge("node_disk_ata_rotation_rate_rpm", "Rotations a minute of the ATA disk, 0 if it does not rotate.", DEVICE);

pub(super) const FAMILIES: &[&Desc] = &[
    &READS,
    &READS_MERGED,
    &READ_BYTES,
    &READ_TIME,
    &WRITES,
    &WRITES_MERGED,
    &WRITTEN_BYTES,
    &WRITE_TIME,
    &NOW,
    &IO_TIME,
    &WEIGHTED_TIME,
    &DISCARDS,
    &DISCARDS_MERGED,
    &DISCARDED,
    &DISCARD_TIME,
    &FLUSHES,
    &FLUSH_TIME,
    &INFO,
    &FILESYSTEM,
    &MAPPER,
    &ATA_CACHE,
    &ATA_CACHE_ENABLED,
    &ATA_RPM,
];

const SECTOR: f64 = 512.0;
const MILLISECONDS: f64 = 1000.0;

pub(super) struct DiskStats {
    host: Host,
    file: KeptFile,
    wanted: Filter,
    /// In the order of the file.
    disks: Vec<Disk>,
    /// For the disks' own files, while the buffer of the round holds the file.
    small: Vec<u8>,
}

struct Disk {
    /// Device number and name: another disk under the same name is another one.
    major: i32,
    minor: i32,
    name: String,
    rotational: KeptFile,
    udev: Udev,
}

impl DiskStats {
    pub(super) fn new(host: &Host, settings: &Settings) -> Self {
        Self {
            host: host.clone(),
            file: KeptFile::new(host.proc("diskstats")),
            wanted: settings.diskstats_devices.clone(),
            disks: Vec::new(),
            small: Vec::new(),
        }
    }
}

impl Collector for DiskStats {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        let mut given = 0;
        for line in lines(self.file.read(round.buffer)?) {
            let Some(device) = words(line).nth(2).and_then(name).filter(|device| self.wanted.admits(device)) else { continue };
            let Some(stat) = name(line).and_then(|line| DiskStat::from_line(line).ok()) else { continue };
            // Disks come and go seldom, and stand where they stood.
            let known = |disk: &Disk| disk.name == device && (disk.major, disk.minor) == (stat.major, stat.minor);
            if !self.disks.get(given).is_some_and(known) {
                self.disks.truncate(given);
                self.disks.push(Disk::new(&self.host, device, &stat));
            }
            if let Some(disk) = self.disks.get_mut(given) {
                disk.give_info(&mut self.small, round.out);
                give(device, &stat, round.out);
                disk.give_udev(round.out);
            }
            given += 1;
        }
        self.disks.truncate(given);
        Ok(())
    }
}

impl Disk {
    fn new(host: &Host, device: &str, stat: &DiskStat) -> Self {
        // A name with a slash (cciss/c0d0) is a file name in /sys all the same.
        let file = device.replace('/', "!");
        Self {
            major: stat.major,
            minor: stat.minor,
            name: device.to_owned(),
            rotational: KeptFile::new(host.sys(&format!("block/{file}/queue/rotational"))),
            udev: Udev::new(host.udev(&format!("data/b{}:{}", stat.major, stat.minor))),
        }
    }

    fn give_info(&mut self, small: &mut Vec<u8>, out: &mut Families) {
        let rotates = self.rotational.read(small).is_ok_and(|text| trim(text) == b"1");
        self.udev.look(small);
        let serial = ["SCSI_IDENT_SERIAL", "ID_SERIAL_SHORT", "ID_SERIAL"].map(|key| self.udev.get(key));
        let serial = serial.into_iter().find(|serial| !serial.is_empty()).unwrap_or_default();
        let (mut major, mut minor) = (Decimal::default(), Decimal::default());
        let labels = [
            self.name.as_str(),
            major.write(u64::from(self.major.unsigned_abs())),
            minor.write(u64::from(self.minor.unsigned_abs())),
            self.udev.get("ID_PATH"),
            self.udev.get("ID_WWN"),
            self.udev.get("ID_MODEL"),
            serial,
            self.udev.get("ID_REVISION"),
            if rotates { "1" } else { "0" },
        ];
        out.sample(&INFO, &labels, 1.0);
    }

    fn give_udev(&self, out: &mut Families) {
        let udev = |key| self.udev.get(key);
        let device = self.name.as_str();
        if !udev("ID_FS_TYPE").is_empty() {
            let labels = [device, udev("ID_FS_TYPE"), udev("ID_FS_USAGE"), udev("ID_FS_UUID"), udev("ID_FS_VERSION")];
            out.sample(&FILESYSTEM, &labels, 1.0);
        }
        if !udev("DM_NAME").is_empty() {
            let labels = [device, udev("DM_NAME"), udev("DM_UUID"), udev("DM_VG_NAME"), udev("DM_LV_NAME"), udev("DM_LV_LAYER")];
            out.sample(&MAPPER, &labels, 1.0);
        }
        if !udev("ID_ATA").is_empty() {
            for (desc, key) in [
                (&ATA_CACHE, "ID_ATA_WRITE_CACHE"),
                (&ATA_CACHE_ENABLED, "ID_ATA_WRITE_CACHE_ENABLED"),
                (&ATA_RPM, "ID_ATA_ROTATION_RATE_RPM"),
            ] {
                if let Ok(value) = udev(key).parse() {
                    out.sample(desc, &[device], value);
                }
            }
        }
    }
}

fn give(device: &str, stat: &DiskStat, out: &mut Families) {
    let fields: [(&Desc, Option<u64>, f64); 17] = [
        (&READS, Some(stat.reads), 1.0),
        (&READS_MERGED, Some(stat.merged), 1.0),
        (&READ_BYTES, Some(stat.sectors_read), SECTOR),
        (&READ_TIME, Some(stat.time_reading), 1.0 / MILLISECONDS),
        (&WRITES, Some(stat.writes), 1.0),
        (&WRITES_MERGED, Some(stat.writes_merged), 1.0),
        (&WRITTEN_BYTES, Some(stat.sectors_written), SECTOR),
        (&WRITE_TIME, Some(stat.time_writing), 1.0 / MILLISECONDS),
        (&NOW, Some(stat.in_progress), 1.0),
        (&IO_TIME, Some(stat.time_in_progress), 1.0 / MILLISECONDS),
        (&WEIGHTED_TIME, Some(stat.weighted_time_in_progress), 1.0 / MILLISECONDS),
        (&DISCARDS, stat.discards, 1.0),
        (&DISCARDS_MERGED, stat.discards_merged, 1.0),
        (&DISCARDED, stat.sectors_discarded, 1.0),
        (&DISCARD_TIME, stat.time_discarding, 1.0 / MILLISECONDS),
        (&FLUSHES, stat.flushes, 1.0),
        (&FLUSH_TIME, stat.time_flushing, 1.0 / MILLISECONDS),
    ];
    for (desc, value, unit) in fields {
        if let Some(value) = value {
            out.sample(desc, &[device], value as f64 * unit);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::collector::testing::check;

    #[test]
    fn fixtures() {
        check("diskstats", &["usual", "hardware", "old", "malformed", "absent"]);
    }
}
