//! NUT's variables under the names of `prometheus-nut-exporter`: a list of them, in base units, percentages as ratios.

use proto::metric::{Desc, Families};

use super::Told;
use super::variables::number;

static SERVER: Desc = Desc::gauge("nut_server_info", "The NUT server; always 1.", &["version"]);
static INFO: Desc = Desc::gauge(
    "nut_ups_info",
    "What is known of the UPS; always 1.",
    &[
        "ups",
        "description",
        "description2",
        "device_type",
        "location",
        "manufacturer",
        "manufacturing_date",
        "model",
        "battery_type",
        "driver",
        "driver_version",
        "driver_version_internal",
        "driver_version_data",
        "usb_vendor_id",
        "usb_product_id",
        "ups_firmware",
        "ups_type",
        "type",
        "nut_version",
    ],
);
/// The variables of its labels, behind `ups` and `description`.
const INFO_VARIABLES: [&str; 17] = [
    "device.description",
    "device.type",
    "device.location",
    "device.mfr",
    "device.mfr.date",
    "device.model",
    "battery.type",
    "driver.name",
    "driver.version",
    "driver.version.internal",
    "driver.version.data",
    "ups.vendorid",
    "ups.productid",
    "ups.firmware",
    "ups.type",
    "device.type",
    "driver.version",
];
static STATUS: Desc = Desc::gauge("nut_ups_status", "1 for each state of ups.status that is set.", &["ups", "status"]);
const STATES: [&str; 11] = ["OL", "OB", "LB", "CHRG", "RB", "FSD", "BYPASS", "SD", "CP", "BOOST", "OFF"];

/// How a value becomes a number.
#[derive(Clone, Copy)]
enum Unit {
    /// It is one.
    Base,
    /// Of a hundred.
    Percent,
    /// 1 enabled, 2 disabled, 3 muted, 0 anything else.
    Beeper,
    /// What came before `nut_ups_status`.
    Status,
}

struct Row {
    variable: &'static str,
    unit: Unit,
    desc: &'static Desc,
}

/// A row whose description stands beside its variable.
macro_rules! row {
    ($variable:literal $unit:ident $name:literal, $help:literal) => {{
        static DESC: Desc = Desc::gauge($name, $help, &["ups"]);
        Row { variable: $variable, unit: Unit::$unit, desc: &DESC }
    }};
}

const ROWS: &[Row] = &[
    row!("ups.beeper.status" Beeper "nut_beeper_status", "The beeper: unknown (0), enabled (1), disabled (2) or muted (3)."),
    row!("device.uptime" Base "nut_uptime_seconds", "Uptime of the device."),
    row!("ups.load" Percent "nut_load", "Load, as a ratio."),
    row!("ups.temperature" Base "nut_temperature_celsius", "Temperature of the UPS."),
    row!("battery.charge" Percent "nut_battery_charge", "Charge, as a ratio."),
    row!("battery.charge.low" Percent "nut_battery_charge_low", "Charge below which the battery is low, as a ratio."),
    row!("battery.charge.warning" Percent "nut_battery_charge_warning", "Charge below which it warns, as a ratio."),
    row!("battery.charge.restart" Percent "nut_battery_charge_restart", "Charge from which it starts again, as a ratio."),
    row!("battery.runtime" Base "nut_battery_runtime_seconds", "How long the battery lasts."),
    row!("battery.runtime.low" Base "nut_battery_runtime_low_seconds", "Runtime below which the battery is low."),
    row!("battery.runtime.restart" Base "nut_battery_runtime_restart_seconds", "Runtime from which it starts again."),
    row!("ups.delay.shutdown" Base "nut_delay_shutdown_seconds", "From the command to the shutdown."),
    row!("ups.delay.start" Base "nut_delay_start_seconds", "Before the load is started again."),
    row!("battery.voltage" Base "nut_battery_voltage_volts", "Voltage of the battery."),
    row!("battery.voltage.nominal" Base "nut_battery_voltage_nominal_volts", "Nominal voltage of the battery."),
    row!("battery.voltage.high" Base "nut_battery_voltage_high_volts", "Voltage of a full battery."),
    row!("battery.voltage.low" Base "nut_battery_voltage_low_volts", "Voltage of an empty battery."),
    row!("battery.temperature" Base "nut_battery_temperature_celsius", "Temperature of the battery."),
    row!("input.voltage" Base "nut_input_voltage_volts", "Input voltage."),
    row!("input.voltage.nominal" Base "nut_input_voltage_nominal_volts", "Nominal input voltage."),
    row!("input.voltage.minimum" Base "nut_input_voltage_minimum_volts", "Lowest input voltage seen."),
    row!("input.voltage.maximum" Base "nut_input_voltage_maximum_volts", "Highest input voltage seen."),
    row!("input.transfer.low" Base "nut_input_transfer_low_volts", "Input voltage below which the battery takes over."),
    row!("input.transfer.high" Base "nut_input_transfer_high_volts", "Input voltage above which the battery takes over."),
    row!("input.current" Base "nut_input_current_amperes", "Input current."),
    row!("input.current.nominal" Base "nut_input_current_nominal_amperes", "Nominal input current."),
    row!("input.frequency" Base "nut_input_frequency_hertz", "Input frequency."),
    row!("input.frequency.nominal" Base "nut_input_frequency_nominal_hertz", "Nominal input frequency."),
    row!("input.frequency.low" Base "nut_input_frequency_low_hertz", "Lowest input frequency."),
    row!("input.frequency.high" Base "nut_input_frequency_high_hertz", "Highest input frequency."),
    row!("output.voltage" Base "nut_output_voltage_volts", "Output voltage."),
    row!("output.voltage.nominal" Base "nut_output_voltage_nominal_volts", "Nominal output voltage."),
    row!("output.current" Base "nut_output_current_amperes", "Output current."),
    row!("output.current.nominal" Base "nut_output_current_nominal_amperes", "Nominal output current."),
    row!("output.frequency" Base "nut_output_frequency_hertz", "Output frequency."),
    row!("output.frequency.nominal" Base "nut_output_frequency_nominal_hertz", "Nominal output frequency."),
    row!("ups.power" Base "nut_power_watts", "Apparent power."),
    row!("ups.power.nominal" Base "nut_power_nominal_watts", "Nominal apparent power."),
    row!("ups.realpower" Base "nut_real_power_watts", "Real power."),
    row!("ups.realpower.nominal" Base "nut_real_power_nominal_watts", "Nominal real power."),
    row!("ups.status" Status "nut_status", "The first flag of ups.status: OL (1), OB (2), LB (3), others (0); see nut_ups_status."),
    row!("battery.voltage" Base "nut_battery_volts", "The older name of nut_battery_voltage_volts."),
    row!("input.voltage" Base "nut_input_volts", "The older name of nut_input_voltage_volts."),
    row!("output.voltage" Base "nut_output_volts", "The older name of nut_output_voltage_volts."),
];

/// What it gives.
pub(super) fn families() -> impl Iterator<Item = &'static Desc> {
    [&SERVER, &INFO, &STATUS].into_iter().chain(ROWS.iter().map(|row| row.desc))
}

/// The server's own.
pub(super) fn server(version: &str, out: &mut Families) {
    out.sample(&SERVER, &[version], 1.0);
}

/// Samples of one UPS.
pub(super) fn give(told: &Told, out: &mut Families) {
    let mut labels = [""; INFO_VARIABLES.len() + 2];
    let values = [told.name.as_str(), &told.description].into_iter();
    let values = values.chain(INFO_VARIABLES.iter().map(|variable| told.variables.get(variable).unwrap_or_default()));
    for (label, value) in labels.iter_mut().zip(values) {
        *label = value;
    }
    out.sample(&INFO, &labels, 1.0);
    if let Some(status) = told.variables.get("ups.status") {
        for state in STATES {
            out.sample(&STATUS, &[&told.name, state], f64::from(u8::from(has(status, state))));
        }
    }
    for row in ROWS {
        if let Some(value) = told.variables.get(row.variable).and_then(|value| convert(value, row.unit)) {
            out.sample(row.desc, &[&told.name], value);
        }
    }
}

fn convert(value: &str, unit: Unit) -> Option<f64> {
    match unit {
        Unit::Base => number(value),
        Unit::Percent => number(value).map(|percent| percent / 100.0),
        Unit::Beeper => Some(match value {
            "enabled" => 1.0,
            "disabled" => 2.0,
            "muted" => 3.0,
            _ => 0.0,
        }),
        // The first flag alone, as the exporter has it.
        Unit::Status => Some(match value.split_ascii_whitespace().next() {
            Some("OL") => 1.0,
            Some("OB") => 2.0,
            Some("LB") => 3.0,
            _ => 0.0,
        }),
    }
}

fn has(status: &str, flag: &str) -> bool {
    status.split_ascii_whitespace().any(|set| set == flag)
}
