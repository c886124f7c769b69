//! NUT's variables under the names of `nut_exporter`: all that are numbers, as they are, with the label `ups`.

use proto::metric::{Desc, Families};

use super::Told;
use super::variables::number;

static VARIABLE: Desc = Desc::gauge("network_ups_tools_*", "A variable of NUT that is a number, or on (1) or off (0).", &["ups"]);
static STATUS: Desc = Desc::gauge(
    "network_ups_tools_ups_status",
    "1 for each flag of ups.status that is set, 0 for known ones that are not.",
    &["ups", "flag"],
);
static DEVICE: Desc = Desc::gauge(
    "network_ups_tools_device_info",
    "What is known of the device; always 1.",
    &["ups", "model", "mfr", "serial", "type", "description", "contact", "location", "part", "macaddr", "uptime"],
);

/// What it gives.
pub(super) const FAMILIES: &[&Desc] = &[&DEVICE, &STATUS, &VARIABLE];

/// Flags that are given even when they are not set.
const FLAGS: [&str; 15] =
    ["OL", "OB", "LB", "HB", "RB", "CHRG", "DISCHRG", "BYPASS", "CAL", "OFF", "OVER", "TRIM", "BOOST", "FSD", "SD"];

const ON: [&str; 6] = ["enable", "enabled", "on", "true", "active", "activated"];
const OFF: [&str; 6] = ["disable", "disabled", "off", "false", "inactive", "deactivated"];

/// Samples of one UPS. `name` is memory.
pub(super) fn give(told: &Told, name: &mut String, out: &mut Families) {
    let device = |what| told.variables.get(what).unwrap_or_default();
    let labels = [
        told.name.as_str(),
        device("device.model"),
        device("device.mfr"),
        device("device.serial"),
        device("device.type"),
        device("device.description"),
        device("device.contact"),
        device("device.location"),
        device("device.part"),
        device("device.macaddr"),
        device("device.uptime"),
    ];
    out.sample(&DEVICE, &labels, 1.0);
    for (variable, value) in told.variables.iter() {
        if variable == "ups.status" {
            status(&told.name, value, out);
        } else if let Some(value) = number(value).or_else(|| switch(value)) {
            name.clear();
            name.push_str("network_ups_tools_");
            name.extend(variable.chars().map(|char| if char.is_ascii_alphanumeric() { char } else { '_' }));
            out.named(&VARIABLE, name, &[&told.name], value);
        }
    }
}

/// The flags that are known, then those that are set beside them.
fn status(ups: &str, status: &str, out: &mut Families) {
    let mut set = status.split_ascii_whitespace();
    for flag in FLAGS {
        out.sample(&STATUS, &[ups, flag], f64::from(u8::from(set.clone().any(|set| set == flag))));
    }
    while let Some(flag) = set.next() {
        // A flag that is there twice is given once.
        if !FLAGS.contains(&flag) && !set.clone().any(|later| later == flag) {
            out.sample(&STATUS, &[ups, flag], 1.0);
        }
    }
}

fn switch(value: &str) -> Option<f64> {
    let is_one_of = |words: &[&str]| words.iter().any(|word| value.eq_ignore_ascii_case(word));
    if is_one_of(&ON) { Some(1.0) } else { is_one_of(&OFF).then_some(0.0) }
}
