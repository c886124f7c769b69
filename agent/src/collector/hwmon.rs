//! `hwmon`: temperatures, fans, voltages and the like (/sys/class/hwmon; kernel's hwmon/sysfs-interface.rst).
//!
//! What a chip has is found out when one comes or goes; each round reads kept descriptors. A chip's name is its device's, which stays
//! when modules are loaded in another order (`chip.rs`); what a file is called and in which unit it is given says `naming.rs`.

mod chip;
mod naming;

use std::collections::HashSet;

use proto::metric::Desc;

use self::chip::Chip;
use self::naming::{File, Given};
use super::host::Host;
use super::kept::KeptFile;
use super::settings::{Filter, Settings};
use super::sysfs::{Objects, attribute, value};
use super::{Collector, Failed, Round};

const LABELS: &[&str] = &["chip", "sensor"];

static CHIP_NAMES: Desc = Desc::gauge("node_hwmon_chip_names", "What a chip calls itself.", &["chip", "chip_name"]);
static SENSOR_LABEL: Desc = Desc::gauge("node_hwmon_sensor_label", "What a chip calls a sensor.", &["chip", "sensor", "label"]);
static ENERGY: Desc = Desc::counter("node_hwmon_energy*_joule_total", "Energy used, in joules.", LABELS);
static SECONDS: Desc = Desc::gauge("node_hwmon_*_seconds", "A span of a sensor, in seconds.", LABELS);
static VOLTS: Desc = Desc::gauge("node_hwmon_*_volts", "Voltage, in volts.", LABELS);
static CELSIUS: Desc = Desc::gauge("node_hwmon_temp*_celsius", "Temperature, in degrees Celsius.", LABELS);
static AMPS: Desc = Desc::gauge("node_hwmon_curr*_amps", "Current, in amperes.", LABELS);
static WATT: Desc = Desc::gauge("node_hwmon_power*_watt", "Power, in watts.", LABELS);
static RPM: Desc = Desc::gauge("node_hwmon_fan*_rpm", "Speed of a fan, in revolutions a minute.", LABELS);
static MHZ: Desc = Desc::gauge("node_hwmon_freq*_freq_mhz", "Frequency, in megahertz.", LABELS);
static OTHER: Desc = Desc::gauge("node_hwmon_*", "As the chip's driver has it.", LABELS);

pub(super) const FAMILIES: &[&Desc] =
    &[&CHIP_NAMES, &SENSOR_LABEL, &ENERGY, &SECONDS, &VOLTS, &CELSIUS, &AMPS, &WATT, &RPM, &MHZ, &OTHER];

/// Files of a node at most.
const FILES_MAX: usize = 4096;

pub(super) struct HwMon {
    objects: Objects,
    chips: Vec<Chip>,
    sensors: Vec<Called>,
    readings: Vec<Reading>,
    wanted_chips: Filter,
    wanted_sensors: Filter,
}

/// What a chip calls a sensor.
struct Called {
    chip: usize,
    sensor: String,
    label: String,
}

/// A file that is read each round.
struct Reading {
    chip: usize,
    sensor: String,
    given: Given,
    file: KeptFile,
}

impl HwMon {
    pub(super) fn new(host: &Host, settings: &Settings) -> Self {
        Self {
            objects: Objects::new(host.sys("class/hwmon"), "hwmon"),
            chips: Vec::new(),
            sensors: Vec::new(),
            readings: Vec::new(),
            wanted_chips: settings.hwmon_chips.clone(),
            wanted_sensors: settings.hwmon_sensors.clone(),
        }
    }

    fn look(&mut self, buffer: &mut Vec<u8>) -> Result<(), Failed> {
        let directory = self.objects.directory().to_owned();
        let Some(names) = self.objects.look()? else { return Ok(()) };
        let mut chips = Chip::all(&directory, names, buffer);
        chips.retain(|chip| self.wanted_chips.admits(&chip.label));
        self.sensors.clear();
        self.readings.clear();
        // One label, two files: only the first can be told apart.
        let mut given = HashSet::new();
        for (place, chip) in chips.iter().enumerate() {
            let files = chip.files();
            for file in &files {
                let sensor = file.name.sensor();
                if self.readings.len() == FILES_MAX || !self.wanted_sensors.admits(&format!("{};{sensor}", chip.label)) {
                    continue;
                }
                if file.name.property == "label" {
                    if let Some(label) = attribute(&file.path, buffer) {
                        self.sensors.push(Called { chip: place, sensor, label });
                    }
                    continue;
                }
                let of_sensor = |property: &str| files.iter().find(|other| other.name.is_beside(&file.name, property));
                let label = || of_sensor("label").and_then(|label| attribute(&label.path, buffer));
                let Some((as_given, sensor)) = naming::given(&file.name, of_sensor("").is_some(), label) else { continue };
                if given.insert((as_given.name.clone(), place, sensor.clone())) {
                    self.readings.push(Reading { chip: place, sensor, given: as_given, file: KeptFile::new(&file.path) });
                }
            }
        }
        self.chips = chips;
        Ok(())
    }
}

impl Collector for HwMon {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        self.look(round.buffer)?;
        for chip in &self.chips {
            if let Some(name) = &chip.name {
                round.out.sample(&CHIP_NAMES, &[&chip.label, name], 1.0);
            }
        }
        for Called { chip, sensor, label } in &self.sensors {
            round.out.sample(&SENSOR_LABEL, &[&self.chips[*chip].label, sensor, label], 1.0);
        }
        for reading in &mut self.readings {
            let Some(read) = value(&mut reading.file, round.buffer) else { continue };
            let labels = [&*self.chips[reading.chip].label, &*reading.sensor];
            round.out.named(reading.given.desc, &reading.given.name, &labels, reading.given.scale.of(read));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collector::testing::{check, check_with};

    #[test]
    fn fixtures() {
        check("hwmon", &["server", "old_driver", "collisions", "absent"]);
        let without = |text: &str| Filter { exclude: Some(regex::bytes::Regex::new(text).unwrap()), include: None };
        let settings =
            Settings { hwmon_chips: without("^nvme"), hwmon_sensors: without("coretemp_0;temp3$"), ..Settings::default() };
        check_with("hwmon", &["excluded"], &settings);
    }
}
