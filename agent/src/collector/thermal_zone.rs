//! `thermal_zone`: temperatures of zones and states of what cools them (/sys/class/thermal; kernel's thermal/sysfs-api.rst).

use proto::metric::Desc;

use super::host::Host;
use super::kept::KeptFile;
use super::sysfs::{Objects, attribute, value, value_once};
use super::{Collector, Failed, Round};

static TEMP: Desc = Desc::gauge("node_thermal_zone_temp", "Temperature of a zone, in degrees Celsius.", &["zone", "type"]);
static CUR_STATE: Desc = Desc::gauge("node_cooling_device_cur_state", "How much a device cools now.", &["name", "type"]);
static MAX_STATE: Desc = Desc::gauge("node_cooling_device_max_state", "How much a device can cool at most.", &["name", "type"]);

pub(super) const FAMILIES: &[&Desc] = &[&TEMP, &CUR_STATE, &MAX_STATE];

const ZONE: &str = "thermal_zone";
const DEVICE: &str = "cooling_device";

pub(super) struct ThermalZone {
    zones: Objects,
    devices: Objects,
    temps: Vec<Zone>,
    coolers: Vec<Cooler>,
}

struct Zone {
    number: String,
    kind: String,
    temp: KeptFile,
}

struct Cooler {
    name: String,
    kind: String,
    cur_state: KeptFile,
    max_state: f64,
}

impl ThermalZone {
    pub(super) fn new(host: &Host) -> Self {
        let directory = host.sys("class/thermal");
        Self {
            zones: Objects::new(directory.clone(), ZONE),
            devices: Objects::new(directory, DEVICE),
            temps: Vec::new(),
            coolers: Vec::new(),
        }
    }

    fn look(&mut self, buffer: &mut Vec<u8>) -> Result<(), Failed> {
        let directory = self.zones.directory().to_owned();
        if let Some(names) = self.zones.look()? {
            let temp = |name: &String| {
                let path = directory.join(name);
                let kind = attribute(&path.join("type"), buffer)?;
                Some(Zone { number: name.strip_prefix(ZONE)?.to_owned(), kind, temp: KeptFile::new(path.join("temp")) })
            };
            self.temps = names.iter().filter_map(temp).collect();
        }
        if let Some(names) = self.devices.look()? {
            let cooler = |name: &String| {
                let path = directory.join(name);
                Some(Cooler {
                    name: name.strip_prefix(DEVICE)?.to_owned(),
                    kind: attribute(&path.join("type"), buffer)?,
                    cur_state: KeptFile::new(path.join("cur_state")),
                    max_state: value_once(&path.join("max_state"), buffer)?,
                })
            };
            self.coolers = names.iter().filter_map(cooler).collect();
        }
        Ok(())
    }
}

impl Collector for ThermalZone {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        self.look(round.buffer)?;
        for Zone { number, kind, temp } in &mut self.temps {
            // A sensor that is switched off has nothing to say.
            if let Some(temp) = value(temp, round.buffer) {
                round.out.sample(&TEMP, &[number, kind], temp / 1000.0);
            }
        }
        for Cooler { name, kind, cur_state, max_state } in &mut self.coolers {
            // -1 of what is not cooling at all, as intel_powerclamp has it.
            if let Some(cur_state) = value(cur_state, round.buffer) {
                round.out.sample(&CUR_STATE, &[name, kind], cur_state);
                round.out.sample(&MAX_STATE, &[name, kind], *max_state);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::collector::testing::check;

    #[test]
    fn fixtures() {
        check("thermal_zone", &["usual", "switched_off", "absent"]);
    }
}
