//! What udev has found out about a block device: the `E:` lines of /run/udev/data/b<major>:<minor>, which it writes anew when
//! something about the device changes.

use std::path::PathBuf;
use std::time::SystemTime;

use crate::collector::kept::read_once;
use crate::collector::text::lines;

/// The properties that are told. udev knows some fifty of a disk.
const TOLD: [&str; 20] = [
    "DM_LV_LAYER",
    "DM_LV_NAME",
    "DM_NAME",
    "DM_UUID",
    "DM_VG_NAME",
    "ID_ATA",
    "ID_ATA_ROTATION_RATE_RPM",
    "ID_ATA_WRITE_CACHE",
    "ID_ATA_WRITE_CACHE_ENABLED",
    "ID_FS_TYPE",
    "ID_FS_USAGE",
    "ID_FS_UUID",
    "ID_FS_VERSION",
    "ID_MODEL",
    "ID_PATH",
    "ID_REVISION",
    "ID_SERIAL",
    "ID_SERIAL_SHORT",
    "ID_WWN",
    "SCSI_IDENT_SERIAL",
];

/// Properties of one device, as of the last change of the file.
pub(super) struct Udev {
    file: PathBuf,
    changed: Option<SystemTime>,
    properties: Vec<(&'static str, String)>,
}

impl Udev {
    /// Of a device whose file this is. It is read when it is looked at.
    pub(super) fn new(file: PathBuf) -> Self {
        Self { file, changed: None, properties: Vec::new() }
    }

    /// Reads the file if it has changed.
    pub(super) fn look(&mut self, buffer: &mut Vec<u8>) {
        let changed = std::fs::metadata(&self.file).and_then(|metadata| metadata.modified()).ok();
        if changed == self.changed {
            return;
        }
        self.changed = changed;
        self.properties.clear();
        let Ok(text) = read_once(&self.file, buffer) else { return };
        for property in lines(text).filter_map(|line| line.strip_prefix(b"E:")) {
            let property = String::from_utf8_lossy(property);
            let Some((key, value)) = property.split_once('=') else { continue };
            if let Some(key) = TOLD.iter().find(|told| **told == key) {
                self.properties.push((key, value.to_owned()));
            }
        }
    }

    /// A property; empty if it is not known.
    pub(super) fn get(&self, key: &str) -> &str {
        self.properties.iter().find(|(known, _)| *known == key).map_or("", |(_, value)| value)
    }
}
