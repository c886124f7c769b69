//! `powersupplyclass`: batteries and mains (`/sys/class/power_supply`; kernel's `ABI/testing/sysfs-class-power`).

use proto::metric::Desc;

use super::host::Host;
use super::kept::KeptFile;
use super::sysfs::{Objects, value};
use super::text::text;
use super::{Collector, Failed, Round};

/// The label of what has only one, and those of the information, which but for the first are called like the files.
const INFO_LABELS: &[&str] = &[
    "power_supply",
    "capacity_level",
    "charge_type",
    "health",
    "manufacturer",
    "model_name",
    "serial_number",
    "status",
    "technology",
    "type",
    "usb_type",
    "scope",
];

static INFO: Desc = Desc::gauge("node_power_supply_info", "What a power supply says of itself.", INFO_LABELS);
static VALUE: Desc = Desc::gauge("node_power_supply_*", "As the power supply's driver has it, in base units.", &["power_supply"]);

pub(super) const FAMILIES: &[&Desc] = &[&INFO, &VALUE];

/// A file, what its number is called, and what it is divided by.
const VALUES: [(&str, &str, f64); 49] = [
    ("authentic", "node_power_supply_authentic", 1.0),
    ("calibrate", "node_power_supply_calibrate", 1.0),
    ("capacity", "node_power_supply_capacity", 1.0),
    ("capacity_alert_max", "node_power_supply_capacity_alert_max", 1.0),
    ("capacity_alert_min", "node_power_supply_capacity_alert_min", 1.0),
    ("cycle_count", "node_power_supply_cyclecount", 1.0),
    ("online", "node_power_supply_online", 1.0),
    ("present", "node_power_supply_present", 1.0),
    ("time_to_empty_now", "node_power_supply_time_to_empty_seconds", 1.0),
    ("time_to_full_now", "node_power_supply_time_to_full_seconds", 1.0),
    ("current_boot", "node_power_supply_current_boot", 1e6),
    ("current_max", "node_power_supply_current_max", 1e6),
    ("current_now", "node_power_supply_current_ampere", 1e6),
    ("energy_empty", "node_power_supply_energy_empty", 1e6),
    ("energy_empty_design", "node_power_supply_energy_empty_design", 1e6),
    ("energy_full", "node_power_supply_energy_full", 1e6),
    ("energy_full_design", "node_power_supply_energy_full_design", 1e6),
    ("energy_now", "node_power_supply_energy_watthour", 1e6),
    ("voltage_boot", "node_power_supply_voltage_boot", 1e6),
    ("voltage_max", "node_power_supply_voltage_max", 1e6),
    ("voltage_max_design", "node_power_supply_voltage_max_design", 1e6),
    ("voltage_min", "node_power_supply_voltage_min", 1e6),
    ("voltage_min_design", "node_power_supply_voltage_min_design", 1e6),
    ("voltage_now", "node_power_supply_voltage_volt", 1e6),
    ("voltage_ocv", "node_power_supply_voltage_ocv", 1e6),
    ("charge_control_limit", "node_power_supply_charge_control_limit", 1e6),
    ("charge_control_limit_max", "node_power_supply_charge_control_limit_max", 1e6),
    ("charge_counter", "node_power_supply_charge_counter", 1e6),
    ("charge_empty", "node_power_supply_charge_empty", 1e6),
    ("charge_empty_design", "node_power_supply_charge_empty_design", 1e6),
    ("charge_full", "node_power_supply_charge_full", 1e6),
    ("charge_full_design", "node_power_supply_charge_full_design", 1e6),
    ("charge_now", "node_power_supply_charge_ampere", 1e6),
    ("charge_term_current", "node_power_supply_charge_term_current", 1e6),
    ("constant_charge_current", "node_power_supply_constant_charge_current", 1e6),
    ("constant_charge_current_max", "node_power_supply_constant_charge_current_max", 1e6),
    ("constant_charge_voltage", "node_power_supply_constant_charge_voltage", 1e6),
    ("constant_charge_voltage_max", "node_power_supply_constant_charge_voltage_max", 1e6),
    ("precharge_current", "node_power_supply_precharge_current", 1e6),
    ("input_current_limit", "node_power_supply_input_current_limit", 1e6),
    ("power_now", "node_power_supply_power_watt", 1e6),
    ("temp", "node_power_supply_temp_celsius", 10.0),
    ("temp_alert_max", "node_power_supply_temp_alert_max_celsius", 10.0),
    ("temp_alert_min", "node_power_supply_temp_alert_min_celsius", 10.0),
    ("temp_ambient", "node_power_supply_temp_ambient_celsius", 10.0),
    ("temp_ambient_max", "node_power_supply_temp_ambient_max_celsius", 10.0),
    ("temp_ambient_min", "node_power_supply_temp_ambient_min_celsius", 10.0),
    ("temp_max", "node_power_supply_temp_max_celsius", 10.0),
    ("temp_min", "node_power_supply_temp_min_celsius", 10.0),
];

pub(super) struct PowerSupplyClass {
    objects: Objects,
    supplies: Vec<Supply>,
}

struct Supply {
    name: String,
    /// With what its number is called and divided by.
    values: Vec<(&'static str, f64, KeptFile)>,
    /// In the order of the labels behind the first; without those that the device does not have.
    infos: Vec<Option<KeptFile>>,
}

impl PowerSupplyClass {
    pub(super) fn new(host: &Host) -> Self {
        Self { objects: Objects::new(host.sys("class/power_supply"), ""), supplies: Vec::new() }
    }

    fn look(&mut self) -> Result<(), Failed> {
        let directory = self.objects.directory().to_owned();
        let Some(names) = self.objects.look()? else { return Ok(()) };
        self.supplies.clear();
        for name in names {
            let existing = |file: &str| Some(directory.join(name).join(file)).filter(|path| path.is_file()).map(KeptFile::new);
            let values = VALUES.iter().filter_map(|(file, called, divisor)| Some((*called, *divisor, existing(file)?))).collect();
            let infos = INFO_LABELS[1..].iter().map(|file| existing(file)).collect();
            self.supplies.push(Supply { name: name.clone(), values, infos });
        }
        Ok(())
    }
}

impl Collector for PowerSupplyClass {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        self.look()?;
        for Supply { name, values, infos } in &mut self.supplies {
            for (called, divisor, file) in values {
                if let Some(value) = value(file, round.buffer) {
                    round.out.named(&VALUE, called, &[name], value / *divisor);
                }
            }
            let mut told = vec![name.clone()];
            for file in infos {
                let read = file.as_mut().and_then(|file| file.read(round.buffer).ok());
                told.push(read.map(|read| text(read).into_owned()).unwrap_or_default());
            }
            let told: Vec<&str> = told.iter().map(|value| &**value).collect();
            round.out.sample(&INFO, &told, 1.0);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::collector::testing::check;

    #[test]
    fn fixtures() {
        check("powersupplyclass", &["laptop", "charge", "absent"]);
    }
}
