//! What a chip is called, and the files that it has.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::File;
use super::naming::{FileName, clean};
use crate::collector::sysfs::{attribute, list};

/// A chip: one directory of /sys/class/hwmon.
#[derive(Debug)]
pub(super) struct Chip {
    directory: PathBuf,
    /// The label `chip`.
    pub label: String,
    /// What it calls itself.
    pub name: Option<String>,
}

impl Chip {
    /// All chips. Two of one device bear their own names behind the device's, or the directories' if these are alike too.
    pub(super) fn all(directory: &Path, names: &[String], buffer: &mut Vec<u8>) -> Vec<Self> {
        let mut chips: Vec<Self> = names
            .iter()
            .map(|name| directory.join(name))
            .filter(|directory| directory.is_dir())
            .map(|directory| {
                let name = attribute(&directory.join("name"), buffer).map(|name| clean(&name)).filter(|name| !name.is_empty());
                Self { label: base(&directory, name.as_deref()), directory, name }
            })
            .collect();
        let (mut labels, mut names) = (HashMap::new(), HashMap::new());
        for chip in &chips {
            *labels.entry(chip.label.clone()).or_insert(0) += 1;
            *names.entry((chip.label.clone(), chip.name.clone())).or_insert(0) += 1;
        }
        for chip in &mut chips {
            if labels.get(&chip.label).is_none_or(|count| *count == 1) {
                continue;
            }
            let alone = names.get(&(chip.label.clone(), chip.name.clone())).is_none_or(|count| *count == 1);
            let behind = chip.name.clone().filter(|_| alone).unwrap_or_else(|| clean(&last(&chip.directory)));
            chip.label = format!("{}_{behind}", chip.label);
        }
        chips
    }

    /// Its files that tell something of a sensor; drivers that are older have them in the device's directory.
    pub(super) fn files(&self) -> Vec<File> {
        let mut files: Vec<File> = Vec::new();
        for directory in [self.directory.clone(), self.directory.join("device")] {
            for name in list(&directory, "").unwrap_or_default() {
                let path = directory.join(&name);
                let Some(name) = FileName::of(&name).filter(|_| path.is_file()) else { continue };
                // The device's own file counts.
                files.retain(|file| file.name != name);
                files.push(File { name, path });
            }
        }
        files
    }
}

/// The label of a chip as if it were alone: by its device, by its name, by its directory.
fn base(directory: &Path, name: Option<&str>) -> String {
    if let Ok(device) = directory.join("device").canonicalize() {
        let (kind, device) = (device.parent().map(last).unwrap_or_default(), last(&device));
        match (clean(&kind), clean(&device)) {
            (_, device) if device.is_empty() => {}
            (kind, device) if kind.is_empty() => return device,
            (kind, device) => return format!("{kind}_{device}"),
        }
    }
    name.map_or_else(|| clean(&last(directory)), str::to_owned)
}

fn last(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
