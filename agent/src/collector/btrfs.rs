//! `btrfs`: room, commits and errors of Btrfs file systems (/sys/fs/btrfs; kernel's `fs/btrfs/sysfs.c`).
//!
//! Errors of devices come from `devinfo/*/error_stats` (5.14), so that no ioctl on a mount is needed. That directory names a device by
//! its number in the file system; with one device it is clear which one that is, with several the label says `devid 2`.

use std::path::Path;

use proto::metric::Desc;

use super::host::Host;
use super::kept::read_once;
use super::sysfs::{Objects, attribute, list, value_once};
use super::text::{integer, lines, words};
use super::{Collector, Failed, Round};

const UUID: &[&str] = &["uuid"];
const GROUP: &[&str] = &["uuid", "block_group_type", "mode"];

static INFO: Desc = Desc::gauge("node_btrfs_info", "A file system.", &["uuid", "label"]);
static GLOBAL_RSV: Desc = Desc::gauge("node_btrfs_global_rsv_size_bytes", "Size of the global reserve.", UUID);
static COMMITS: Desc = Desc::counter("node_btrfs_commits_total", "Commits since it was mounted.", UUID);
static COMMIT_SECONDS: Desc = Desc::counter("node_btrfs_commit_seconds_total", "What all commits took.", UUID);
static LAST_COMMIT: Desc = Desc::gauge("node_btrfs_last_commit_seconds", "What the last commit took.", UUID);
static MAX_COMMIT: Desc = Desc::gauge("node_btrfs_max_commit_seconds", "What the slowest commit took.", UUID);
static RESERVED: Desc =
    Desc::gauge("node_btrfs_reserved_bytes", "Bytes reserved for a kind of block groups.", &["uuid", "block_group_type"]);
static USED: Desc = Desc::gauge("node_btrfs_used_bytes", "Bytes used, by kind and profile of block groups.", GROUP);
static SIZE: Desc = Desc::gauge("node_btrfs_size_bytes", "Bytes set aside, by kind and profile of block groups.", GROUP);
static RATIO: Desc = Desc::gauge("node_btrfs_allocation_ratio", "Bytes on disks for each byte of a profile.", GROUP);
static DEVICE_SIZE: Desc = Desc::gauge("node_btrfs_device_size_bytes", "Size of a device.", &["uuid", "device"]);
static DEVICE_ERRORS: Desc = Desc::counter("node_btrfs_device_errors_total", "Errors of a device.", &["uuid", "device", "type"]);

pub(super) const FAMILIES: &[&Desc] = &[
    &INFO,
    &GLOBAL_RSV,
    &COMMITS,
    &COMMIT_SECONDS,
    &LAST_COMMIT,
    &MAX_COMMIT,
    &RESERVED,
    &USED,
    &SIZE,
    &RATIO,
    &DEVICE_SIZE,
    &DEVICE_ERRORS,
];

/// The unit of a block device's `size`.
const SECTOR: f64 = 512.0;

pub(super) struct Btrfs {
    objects: Objects,
    file_systems: Vec<String>,
}

impl Btrfs {
    pub(super) fn new(host: &Host) -> Self {
        Self { objects: Objects::new(host.sys("fs/btrfs"), ""), file_systems: Vec::new() }
    }
}

impl Collector for Btrfs {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        if let Some(names) = self.objects.look()? {
            // Beside them stands what the module can do.
            self.file_systems = names.iter().filter(|name| name.contains('-')).cloned().collect();
        }
        for name in &self.file_systems {
            give(&self.objects.directory().join(name), name, round);
        }
        Ok(())
    }
}

fn give(directory: &Path, name: &str, round: &mut Round<'_>) {
    let uuid = attribute(&directory.join("metadata_uuid"), round.buffer).filter(|uuid| !uuid.is_empty());
    let uuid = uuid.as_deref().unwrap_or(name);
    // It may have been unmounted.
    let Ok(devices) = list(&directory.join("devices"), "") else { return };
    let label = attribute(&directory.join("label"), round.buffer).unwrap_or_default();
    round.out.sample(&INFO, &[uuid, &label], 1.0);
    if let Some(size) = value_once(&directory.join("allocation/global_rsv_size"), round.buffer) {
        round.out.sample(&GLOBAL_RSV, &[uuid], size);
    }
    give_commits(directory, uuid, round);
    for kind in ["data", "metadata", "system"] {
        let directory = directory.join("allocation").join(kind);
        if let Some(reserved) = value_once(&directory.join("bytes_reserved"), round.buffer) {
            round.out.sample(&RESERVED, &[uuid, kind], reserved);
        }
        for mode in list(&directory, "").unwrap_or_default() {
            let used = value_once(&directory.join(&mode).join("used_bytes"), round.buffer);
            let size = value_once(&directory.join(&mode).join("total_bytes"), round.buffer);
            let (Some(used), Some(size)) = (used, size) else { continue };
            let labels = [uuid, kind, &*mode];
            round.out.sample(&USED, &labels, used);
            round.out.sample(&SIZE, &labels, size);
            round.out.sample(&RATIO, &labels, ratio(&mode, devices.len() as f64));
        }
    }
    for device in &devices {
        if let Some(size) = value_once(&directory.join("devices").join(device).join("size"), round.buffer) {
            round.out.sample(&DEVICE_SIZE, &[uuid, device], size * SECTOR);
        }
    }
    give_errors(directory, uuid, &devices, round);
}

/// Since 6.0.
fn give_commits(directory: &Path, uuid: &str, round: &mut Round<'_>) {
    let Ok(told) = read_once(&directory.join("commit_stats"), round.buffer) else { return };
    for line in lines(told) {
        let mut parts = words(line);
        let (Some(key), Some(value)) = (parts.next(), parts.next().and_then(integer)) else { continue };
        let value = value as f64;
        match key {
            b"commits" => round.out.sample(&COMMITS, &[uuid], value),
            b"last_commit_ms" => round.out.sample(&LAST_COMMIT, &[uuid], value / 1000.0),
            b"max_commit_ms" => round.out.sample(&MAX_COMMIT, &[uuid], value / 1000.0),
            b"total_commit_ms" => round.out.sample(&COMMIT_SECONDS, &[uuid], value / 1000.0),
            _ => {}
        }
    }
}

fn give_errors(directory: &Path, uuid: &str, devices: &[String], round: &mut Round<'_>) {
    for number in list(&directory.join("devinfo"), "").unwrap_or_default() {
        let path = directory.join("devinfo").join(&number).join("error_stats");
        let Ok(told) = read_once(&path, round.buffer) else { continue };
        let device = match devices {
            [device] => device.clone(),
            _ => format!("devid {number}"),
        };
        for line in lines(told) {
            let mut parts = words(line);
            let (Some(key), Some(value)) = (parts.next(), parts.next().and_then(integer)) else { continue };
            let kind = match key {
                b"write_errs" => "write",
                b"read_errs" => "read",
                b"flush_errs" => "flush",
                b"corruption_errs" => "corruption",
                b"generation_errs" => "generation",
                _ => continue,
            };
            round.out.sample(&DEVICE_ERRORS, &[uuid, &device, kind], value as f64);
        }
    }
}

/// Bytes on so many devices for each byte of a profile; 0 for one that is not known.
fn ratio(mode: &str, devices: f64) -> f64 {
    match mode {
        "single" | "raid0" => 1.0,
        "dup" | "raid1" | "raid10" => 2.0,
        "raid1c3" => 3.0,
        "raid1c4" => 4.0,
        "raid5" => devices / (devices - 1.0),
        "raid6" => devices / (devices - 2.0),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use crate::collector::testing::check;

    #[test]
    fn fixtures() {
        check("btrfs", &["usual", "recorded", "old_kernel", "none", "absent"]);
    }
}
