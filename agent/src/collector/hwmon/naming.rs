//! Under which name, with which label and in which unit a file of a chip is given. Pure.

use std::path::PathBuf;

use proto::metric::Desc;

use super::{AMPS, CELSIUS, ENERGY, MHZ, OTHER, RPM, SECONDS, VOLTS, WATT};

/// What sensors are called.
const KINDS: [&str; 14] = [
    "vrm",
    "beep_enable",
    "update_interval",
    "in",
    "cpu",
    "fan",
    "pwm",
    "temp",
    "curr",
    "power",
    "energy",
    "humidity",
    "intrusion",
    "freq",
];

/// A file of a chip.
#[derive(Debug)]
pub(super) struct File {
    pub name: FileName,
    pub path: PathBuf,
}

/// `temp1_crit_alarm`, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileName {
    kind: &'static str,
    number: u64,
    /// Empty if the file is the sensor's only one.
    pub property: String,
}

/// How a file is given.
#[derive(Debug, PartialEq)]
pub(super) struct Given {
    pub desc: &'static Desc,
    pub name: String,
    pub scale: Scale,
}

/// What a file's number is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    One,
    Thousandth,
    Millionth,
    /// Whether it is 1.
    Flag,
}

impl Scale {
    pub(super) fn of(self, value: f64) -> f64 {
        match self {
            Self::One => value,
            Self::Thousandth => value / 1e3,
            Self::Millionth => value / 1e6,
            Self::Flag => f64::from(u8::from((value - 1.0).abs() < f64::EPSILON)),
        }
    }
}

impl FileName {
    /// A kind, then perhaps a number, then perhaps `_` and a property; nothing if no sensor has a file of that name.
    pub(super) fn of(name: &str) -> Option<Self> {
        let digits = name.find(|char: char| char.is_ascii_digit()).unwrap_or(name.len());
        let (kind, rest) = name.split_at(digits);
        let kind = *KINDS.iter().find(|known| **known == kind)?;
        let behind = rest.find(|char: char| !char.is_ascii_digit()).unwrap_or(rest.len());
        let (number, rest) = rest.split_at(behind);
        let number = if number.is_empty() { 0 } else { number.parse().ok()? };
        let property = match rest {
            "" => "",
            rest => rest.strip_prefix('_').filter(|property| !property.is_empty())?,
        };
        Some(Self { kind, number, property: property.to_owned() })
    }

    /// The label `sensor`.
    pub(super) fn sensor(&self) -> String {
        format!("{}{}", self.kind, self.number)
    }

    /// Whether it is that file of the same sensor.
    pub(super) fn is_beside(&self, other: &Self, property: &str) -> bool {
        self.kind == other.kind && self.number == other.number && self.property == property
    }
}

/// How a file is given, and under which label; nothing if it is not. `has_bare` says that the sensor has a file without property.
pub(super) fn given(file: &FileName, has_bare: bool, label: impl FnOnce() -> Option<String>) -> Option<(Given, String)> {
    let sensor = file.sensor();
    let (kind, property) = (file.kind, &*file.property);
    let alone = match kind {
        "beep_enable" => Some((&OTHER, "node_hwmon_beep_enabled", Scale::Flag)),
        "vrm" => Some((&OTHER, "node_hwmon_voltage_regulator_version", Scale::One)),
        "update_interval" => Some((&SECONDS, "node_hwmon_update_interval_seconds", Scale::Thousandth)),
        _ => None,
    };
    if let Some((desc, name, scale)) = alone {
        return property.is_empty().then(|| (Given { desc, name: name.to_owned(), scale }, sensor));
    }
    let mut name = format!("node_hwmon_{kind}");
    match property {
        // It is the sensor's value, unless there is a file that is nothing else.
        "input" if !has_bare => {}
        "" => {}
        property => {
            name.push('_');
            name.push_str(&clean(property));
        }
    }
    let (desc, unit, scale): (&'static Desc, &str, Scale) = match (kind, property) {
        (_, "fault" | "alarm") => (&OTHER, "", Scale::One),
        (_, "beep") => (&OTHER, "_enabled", Scale::One),
        ("in" | "cpu", _) => (&VOLTS, "_volts", Scale::Thousandth),
        // An alarm of a limit (`crit_alarm`) too, as node_exporter has it: 0.001 is one.
        ("temp", property) if property != "type" => (&CELSIUS, "_celsius", Scale::Thousandth),
        ("curr", _) => (&AMPS, "_amps", Scale::Thousandth),
        ("energy", _) => (&ENERGY, "_joule_total", Scale::Millionth),
        ("power", "accuracy") | ("humidity", _) => (&OTHER, "", Scale::Millionth),
        ("power", "average_interval" | "average_interval_min" | "average_interval_max") => {
            (&SECONDS, "_seconds", Scale::Thousandth)
        }
        ("power", _) => (&WATT, "_watt", Scale::Millionth),
        ("fan", "input" | "min" | "max" | "target") => (&RPM, "_rpm", Scale::One),
        ("freq", "input") => {
            name.push_str("_freq_mhz");
            return Some((Given { desc: &MHZ, name, scale: Scale::Millionth }, clean(&label()?)));
        }
        _ => (&OTHER, "", Scale::One),
    };
    name.push_str(unit);
    Some((Given { desc, name, scale }, sensor))
}

/// As part of a name or of a label: lower case, anything unusual as `_`.
pub(super) fn clean(text: &str) -> String {
    let lower = text.to_lowercase();
    let usual = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || matches!(char, ':' | '_');
    lower.replace(|char| !usual(char), "_").trim_matches('_').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_given_as_node_exporter_gives_it() {
        for (file, bare, given_as) in [
            ("temp1_input", false, Some(("node_hwmon_temp_celsius", "temp1", 45_000.0, 45.0))),
            ("temp1_crit_alarm", false, Some(("node_hwmon_temp_crit_alarm_celsius", "temp1", 1.0, 0.001))),
            ("temp1_alarm", false, Some(("node_hwmon_temp_alarm", "temp1", 1.0, 1.0))),
            ("temp2_type", false, Some(("node_hwmon_temp_type", "temp2", 4.0, 4.0))),
            ("in0_input", true, Some(("node_hwmon_in_input_volts", "in0", 1_024.0, 1.024))),
            ("cpu0_vid", false, Some(("node_hwmon_cpu_vid_volts", "cpu0", 1_250.0, 1.25))),
            ("fan2_beep", false, Some(("node_hwmon_fan_beep_enabled", "fan2", 1.0, 1.0))),
            ("fan2_pulses", false, Some(("node_hwmon_fan_pulses", "fan2", 2.0, 2.0))),
            ("pwm1", false, Some(("node_hwmon_pwm", "pwm1", 128.0, 128.0))),
            ("pwm1_auto_point1_pwm", true, Some(("node_hwmon_pwm_auto_point1_pwm", "pwm1", 9.0, 9.0))),
            ("curr1_input", false, Some(("node_hwmon_curr_amps", "curr1", 1_500.0, 1.5))),
            ("power1_average", false, Some(("node_hwmon_power_average_watt", "power1", 25e6, 25.0))),
            (
                "power1_average_interval_max",
                false,
                Some(("node_hwmon_power_average_interval_max_seconds", "power1", 5_000.0, 5.0)),
            ),
            ("power1_accuracy", false, Some(("node_hwmon_power_accuracy", "power1", 500_000.0, 0.5))),
            ("energy1_input", false, Some(("node_hwmon_energy_joule_total", "energy1", 7e6, 7.0))),
            ("humidity1_input", false, Some(("node_hwmon_humidity", "humidity1", 450_000.0, 0.45))),
            ("intrusion0_alarm", false, Some(("node_hwmon_intrusion_alarm", "intrusion0", 1.0, 1.0))),
            ("freq1_input", false, Some(("node_hwmon_freq_freq_mhz", "sclk", 214e6, 214.0))),
            ("beep_enable", false, Some(("node_hwmon_beep_enabled", "beep_enable0", 1.0, 1.0))),
            ("update_interval", false, Some(("node_hwmon_update_interval_seconds", "update_interval0", 2_000.0, 2.0))),
            ("vrm", false, Some(("node_hwmon_voltage_regulator_version", "vrm0", 9.0, 9.0))),
            ("name", false, None),
            ("uevent", false, None),
            ("temperature1_input", false, None),
            ("temp1input", false, None),
            ("temp99999999999999999999_input", false, None),
        ] {
            let found = FileName::of(file).and_then(|name| given(&name, bare, || Some("SCLK ".to_owned())));
            let found = found.as_ref();
            let expected = given_as.map(|(name, sensor, _, value)| (name, sensor, value));
            let read = given_as.map_or(0.0, |given| given.2);
            let found = found.map(|(given, sensor)| (&*given.name, &**sensor, given.scale.of(read)));
            assert_eq!(found, expected, "{file}");
        }
    }

    #[test]
    fn names_are_cleaned_of_what_is_unusual() {
        for (name, clean_name) in [("0000:00:18.3", "0000:00:18_3"), ("coretemp.0", "coretemp_0"), ("_Tctl ", "tctl"), ("µ", "")]
        {
            assert_eq!(clean(name), clean_name);
        }
    }
}
