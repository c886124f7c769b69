//! `dmi`: what the firmware says of the machine (/sys/class/dmi/id), read once: it cannot change while the machine runs.

use std::path::PathBuf;

use proto::metric::Desc;

use super::host::Host;
use super::sysfs::attribute;
use super::{Collector, Failed, Round};

/// Labels, which are called like the files but for the last. Serial numbers can be read by root alone.
const LABELS: &[&str] = &[
    "bios_date",
    "bios_release",
    "bios_vendor",
    "bios_version",
    "board_asset_tag",
    "board_name",
    "board_serial",
    "board_vendor",
    "board_version",
    "chassis_asset_tag",
    "chassis_serial",
    "chassis_vendor",
    "chassis_version",
    "product_family",
    "product_name",
    "product_serial",
    "product_sku",
    "product_uuid",
    "product_version",
    "system_vendor",
];

static INFO: Desc = Desc::gauge("node_dmi_info", "What the firmware says of the machine.", LABELS);

pub(super) const FAMILIES: &[&Desc] = &[&INFO];

pub(super) struct Dmi {
    directory: PathBuf,
    told: Option<Vec<String>>,
}

impl Dmi {
    pub(super) fn new(host: &Host) -> Self {
        Self { directory: host.sys("class/dmi/id"), told: None }
    }
}

impl Collector for Dmi {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        let told = self.told.get_or_insert_with(|| {
            let file = |label: &&'static str| if *label == "system_vendor" { "sys_vendor" } else { *label };
            let read = |label| attribute(&self.directory.join(file(label)), round.buffer).unwrap_or_default();
            LABELS.iter().map(read).collect()
        });
        if told.iter().all(String::is_empty) {
            return Err(Failed::NoData(self.directory.display().to_string()));
        }
        let told: Vec<&str> = told.iter().map(|value| &**value).collect();
        round.out.sample(&INFO, &told, 1.0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::collector::testing::check;

    #[test]
    fn fixtures() {
        check("dmi", &["usual", "no_utf8", "absent"]);
    }
}
