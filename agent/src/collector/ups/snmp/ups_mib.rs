//! UPS-MIB (RFC 1628) as `snmp_exporter` has it, with `ups_` before each name: an object a row.
//!
//! Values are those of the wire: tenths of volts stay tenths, 2147483647 (not available) stays that. Text is a label of an object's
//! own name, of a sample that is 1.

use proto::metric::{Desc, Families};

use super::ber::Oid;
use super::pdu::Value;

/// What is walked.
pub(super) const UPS_MIB: &[u32] = &[1, 3, 6, 1, 2, 1, 33, 1];
/// What is asked beside it: hundredths of seconds since the card started.
pub(super) const SYS_UPTIME: &[u32] = &[1, 3, 6, 1, 2, 1, 1, 3, 0];

/// `DisplayString` of RFC 2579; UPS-MIB's are of 63.
const TEXT_BYTES: usize = 255;

static UPTIME: Desc = Desc::gauge("ups_sysUpTime", "Hundredths of seconds since the card started.", &[]);

/// An object.
struct Row {
    /// Below `UPS_MIB`, without the instance.
    object: &'static [u32],
    shape: Shape,
    desc: &'static Desc,
}

/// Which labels it has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// One number.
    Number,
    /// A number a line.
    Line,
    /// A text.
    Text,
    /// A text a line.
    LineText,
}

macro_rules! row {
    ($object:expr, $kind:ident $name:literal, $help:literal) => {
        row!($object, Shape::Number, $kind $name, &[], $help)
    };
    ($object:expr, by $index:literal $kind:ident $name:literal, $help:literal) => {
        row!($object, Shape::Line, $kind $name, &[$index], $help)
    };
    ($object:expr, text $label:literal $name:literal, $help:literal) => {
        row!($object, Shape::Text, gauge $name, &[$label], $help)
    };
    ($object:expr, $shape:expr, $kind:ident $name:literal, $labels:expr, $help:literal) => {{
        static DESC: Desc = Desc::$kind($name, $help, $labels);
        Row { object: &$object, shape: $shape, desc: &DESC }
    }};
}

/// Sorted by their objects.
const ROWS: &[Row] = &[
    row!([1, 1], text "upsIdentManufacturer" "ups_upsIdentManufacturer", "The manufacturer."),
    row!([1, 2], text "upsIdentModel" "ups_upsIdentModel", "The model."),
    row!([1, 3], text "upsIdentUPSSoftwareVersion" "ups_upsIdentUPSSoftwareVersion", "The UPS's firmware."),
    row!([1, 4], text "upsIdentAgentSoftwareVersion" "ups_upsIdentAgentSoftwareVersion", "The card's firmware."),
    row!([1, 5], text "upsIdentName" "ups_upsIdentName", "The UPS's name."),
    row!([1, 6], text "upsIdentAttachedDevices" "ups_upsIdentAttachedDevices", "What hangs on its output."),
    row!([2, 1], gauge "ups_upsBatteryStatus", "1 unknown, 2 normal, 3 low, 4 depleted."),
    row!([2, 2], gauge "ups_upsSecondsOnBattery", "Seconds on battery; 0 on mains."),
    row!([2, 3], gauge "ups_upsEstimatedMinutesRemaining", "Minutes until the battery is empty."),
    row!([2, 4], gauge "ups_upsEstimatedChargeRemaining", "Charge in per cent."),
    row!([2, 5], gauge "ups_upsBatteryVoltage", "Voltage of the battery in 0.1 V."),
    row!([2, 6], gauge "ups_upsBatteryCurrent", "Current of the battery in 0.1 A."),
    row!([2, 7], gauge "ups_upsBatteryTemperature", "Temperature at the battery in degrees Celsius."),
    row!([3, 1], counter "ups_upsInputLineBads", "How often the input was out of tolerance."),
    row!([3, 2], gauge "ups_upsInputNumLines", "Input lines."),
    row!([3, 3, 1, 2], by "upsInputLineIndex" gauge "ups_upsInputFrequency", "Input frequency in 0.1 Hz."),
    row!([3, 3, 1, 3], by "upsInputLineIndex" gauge "ups_upsInputVoltage", "Input voltage in V."),
    row!([3, 3, 1, 4], by "upsInputLineIndex" gauge "ups_upsInputCurrent", "Input current in 0.1 A."),
    row!([3, 3, 1, 5], by "upsInputLineIndex" gauge "ups_upsInputTruePower", "Input power in W."),
    row!([4, 1], gauge "ups_upsOutputSource", "1 other, 2 none, 3 normal, 4 bypass, 5 battery, 6 booster, 7 reducer."),
    row!([4, 2], gauge "ups_upsOutputFrequency", "Output frequency in 0.1 Hz."),
    row!([4, 3], gauge "ups_upsOutputNumLines", "Output lines."),
    row!([4, 4, 1, 2], by "upsOutputLineIndex" gauge "ups_upsOutputVoltage", "Output voltage in V."),
    row!([4, 4, 1, 3], by "upsOutputLineIndex" gauge "ups_upsOutputCurrent", "Output current in 0.1 A."),
    row!([4, 4, 1, 4], by "upsOutputLineIndex" gauge "ups_upsOutputPower", "Output power in W."),
    row!([4, 4, 1, 5], by "upsOutputLineIndex" gauge "ups_upsOutputPercentLoad", "Load in per cent."),
    row!([5, 1], gauge "ups_upsBypassFrequency", "Bypass frequency in 0.1 Hz."),
    row!([5, 2], gauge "ups_upsBypassNumLines", "Bypass lines."),
    row!([5, 3, 1, 2], by "upsBypassLineIndex" gauge "ups_upsBypassVoltage", "Bypass voltage in V."),
    row!([5, 3, 1, 3], by "upsBypassLineIndex" gauge "ups_upsBypassCurrent", "Bypass current in 0.1 A."),
    row!([5, 3, 1, 4], by "upsBypassLineIndex" gauge "ups_upsBypassPower", "Bypass power in W."),
    row!([6, 1], gauge "ups_upsAlarmsPresent", "Alarms that are present."),
    row!([6, 2, 1, 2], Shape::LineText, gauge "ups_upsAlarmDescr", &["upsAlarmId", "upsAlarmDescr"], "An alarm, by its object."),
    row!([6, 2, 1, 3], by "upsAlarmId" gauge "ups_upsAlarmTime", "sysUpTime when the alarm began."),
    row!([7, 1], text "upsTestId" "ups_upsTestId", "The test that was started last, by its object."),
    row!([7, 2], gauge "ups_upsTestSpinLock", "Tests that were started."),
    row!([7, 3], gauge "ups_upsTestResultsSummary", "1 passed, 2 warning, 3 error, 4 aborted, 5 in progress, 6 none started."),
    row!([7, 4], text "upsTestResultsDetail" "ups_upsTestResultsDetail", "What the last test found."),
    row!([7, 5], gauge "ups_upsTestStartTime", "sysUpTime when the last test began."),
    row!([7, 6], gauge "ups_upsTestElapsedTime", "Hundredths of seconds that the last test has taken."),
    row!([8, 1], gauge "ups_upsShutdownType", "What a shutdown turns off: 1 the output, 2 the system."),
    row!([8, 2], gauge "ups_upsShutdownAfterDelay", "Seconds until a shutdown; -1 if there is none."),
    row!([8, 3], gauge "ups_upsStartupAfterDelay", "Seconds until a start; -1 if there is none."),
    row!([8, 4], gauge "ups_upsRebootWithDuration", "Seconds of a reboot that runs; -1 if there is none."),
    row!([8, 5], gauge "ups_upsAutoRestart", "Whether it starts when the mains are back: 1 yes, 2 no."),
    row!([9, 1], gauge "ups_upsConfigInputVoltage", "Nominal input voltage in V."),
    row!([9, 2], gauge "ups_upsConfigInputFreq", "Nominal input frequency in 0.1 Hz."),
    row!([9, 3], gauge "ups_upsConfigOutputVoltage", "Nominal output voltage in V."),
    row!([9, 4], gauge "ups_upsConfigOutputFreq", "Nominal output frequency in 0.1 Hz."),
    row!([9, 5], gauge "ups_upsConfigOutputVA", "Nominal apparent power in VA."),
    row!([9, 6], gauge "ups_upsConfigOutputPower", "Nominal power in W."),
    row!([9, 7], gauge "ups_upsConfigLowBattTime", "Minutes left at which the battery counts as low."),
    row!([9, 8], gauge "ups_upsConfigAudibleStatus", "The beeper: 1 disabled, 2 enabled, 3 muted."),
    row!([9, 9], gauge "ups_upsConfigLowVoltageTransferPoint", "Input voltage below which the battery takes over, in V."),
    row!([9, 10], gauge "ups_upsConfigHighVoltageTransferPoint", "Input voltage above which the battery takes over, in V."),
];

/// What it gives.
pub(in crate::collector::ups) fn families() -> impl Iterator<Item = &'static Desc> {
    std::iter::once(&UPTIME).chain(ROWS.iter().map(|row| row.desc))
}

/// The sample of an object, if it is one that is known and has a value of its type.
pub(super) fn give(name: &Oid, value: &Value<'_>, out: &mut Families) {
    if name.0 == SYS_UPTIME {
        if let Some(number) = number(value) {
            out.sample(&UPTIME, &[], number);
        }
        return;
    }
    let Some([object @ .., instance]) = name.0.strip_prefix(UPS_MIB) else { return };
    let Some(row) = ROWS.iter().find(|row| row.object == object) else { return };
    let line = matches!(row.shape, Shape::Line | Shape::LineText);
    if !line && *instance != 0 {
        return;
    }
    match row.shape {
        Shape::Number | Shape::Line => {
            let Some(number) = number(value) else { return };
            let index = instance.to_string();
            // The index is the only label of a line's number, and no label of others.
            let labels = [index.as_str()];
            out.sample(row.desc, if line { &labels } else { &[] }, number);
        }
        Shape::Text | Shape::LineText => {
            let Some(text) = text(value) else { return };
            if line {
                out.sample(row.desc, &[&instance.to_string(), &text], 1.0);
            } else {
                out.sample(row.desc, &[&text], 1.0);
            }
        }
    }
}

fn number(value: &Value<'_>) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Unsigned(number) => Some(*number as f64),
        _ => None,
    }
}

/// Cards pad texts with NULs. What is longer than the MIB allows is cut.
fn text(value: &Value<'_>) -> Option<String> {
    match value {
        Value::Octets(bytes) => {
            let bytes = bytes.get(..TEXT_BYTES).unwrap_or(bytes);
            Some(String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned())
        }
        Value::Oid(oid) => Some(oid.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_object_stands_once_and_in_its_order() {
        assert!(ROWS.windows(2).all(|pair| pair[0].object < pair[1].object));
        for row in ROWS.iter().filter(|row| matches!(row.shape, Shape::Text | Shape::LineText)) {
            assert_eq!(row.desc.labels.last().map(|label| format!("ups_{label}")).as_deref(), Some(row.desc.name));
        }
    }
}
