//! `edac`: errors of memory (/sys/devices/system/edac/mc; kernel's admin-guide/RAS).

use std::path::Path;

use proto::metric::Desc;

use super::host::Host;
use super::sysfs::{Objects, attribute, list, value_once};
use super::{Collector, Failed, Round};

const CSROW: &[&str] = &["controller", "csrow"];
const CHANNEL: &[&str] = &["controller", "csrow", "channel", "dimm_label"];

static CORRECTABLE: Desc = Desc::counter("node_edac_correctable_errors_total", "Errors that were corrected.", &["controller"]);
static UNCORRECTABLE: Desc =
    Desc::counter("node_edac_uncorrectable_errors_total", "Errors that could not be corrected.", &["controller"]);
static CSROW_CORRECTABLE: Desc =
    Desc::counter("node_edac_csrow_correctable_errors_total", "Errors of a row that were corrected.", CSROW);
static CSROW_UNCORRECTABLE: Desc =
    Desc::counter("node_edac_csrow_uncorrectable_errors_total", "Errors of a row that could not be corrected.", CSROW);
static CHANNEL_CORRECTABLE: Desc =
    Desc::counter("node_edac_channel_correctable_errors_total", "Errors of a channel that were corrected.", CHANNEL);
static CHANNEL_UNCORRECTABLE: Desc =
    Desc::counter("node_edac_channel_uncorrectable_errors_total", "Errors of a channel that could not be corrected.", CHANNEL);

pub(super) const FAMILIES: &[&Desc] =
    &[&CORRECTABLE, &UNCORRECTABLE, &CSROW_CORRECTABLE, &CSROW_UNCORRECTABLE, &CHANNEL_CORRECTABLE, &CHANNEL_UNCORRECTABLE];

pub(super) struct Edac {
    objects: Objects,
    controllers: Vec<String>,
}

impl Edac {
    pub(super) fn new(host: &Host) -> Self {
        Self { objects: Objects::new(host.sys("devices/system/edac/mc"), "mc"), controllers: Vec::new() }
    }
}

impl Collector for Edac {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        if let Some(names) = self.objects.look()? {
            self.controllers = names.to_vec();
        }
        if self.controllers.is_empty() {
            return Err(Failed::NoData(self.objects.directory().display().to_string()));
        }
        for name in &self.controllers {
            let Some(controller) = number_behind(name, "mc") else { continue };
            let directory = self.objects.directory().join(name);
            let files = [
                (&CORRECTABLE, "ce_count", &[controller][..]),
                (&CSROW_CORRECTABLE, "ce_noinfo_count", &[controller, "unknown"]),
                (&UNCORRECTABLE, "ue_count", &[controller]),
                (&CSROW_UNCORRECTABLE, "ue_noinfo_count", &[controller, "unknown"]),
            ];
            for (desc, file, labels) in files {
                give(desc, &directory.join(file), labels, round);
            }
            for name in list(&directory, "csrow").unwrap_or_default() {
                if let Some(csrow) = number_behind(&name, "csrow") {
                    give_csrow(&directory.join(&name), controller, csrow, round);
                }
            }
        }
        Ok(())
    }
}

fn give_csrow(directory: &Path, controller: &str, csrow: &str, round: &mut Round<'_>) {
    give(&CSROW_CORRECTABLE, &directory.join("ce_count"), &[controller, csrow], round);
    give(&CSROW_UNCORRECTABLE, &directory.join("ue_count"), &[controller, csrow], round);
    for file in list(directory, "ch").unwrap_or_default() {
        let Some(channel) = file.strip_suffix("_ce_count").and_then(|name| number_behind(name, "ch")) else { continue };
        let label = attribute(&directory.join(format!("ch{channel}_dimm_label")), round.buffer);
        // `mc#0csrow#1channel#0`
        let label = label.map(|label| label.replace('#', "").replace("csrow", "_csrow").replace("channel", "_channel"));
        let labels = [controller, csrow, channel, label.as_deref().unwrap_or("unknown")];
        give(&CHANNEL_CORRECTABLE, &directory.join(&file), &labels, round);
        give(&CHANNEL_UNCORRECTABLE, &directory.join(format!("ch{channel}_ue_count")), &labels, round);
    }
}

/// Which files there are depends on the controller.
fn give(desc: &'static Desc, path: &Path, labels: &[&str], round: &mut Round<'_>) {
    if let Some(count) = value_once(path, round.buffer) {
        round.out.sample(desc, labels, count);
    }
}

fn number_behind<'n>(name: &'n str, prefix: &str) -> Option<&'n str> {
    name.strip_prefix(prefix).filter(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use crate::collector::testing::check;

    #[test]
    fn fixtures() {
        check("edac", &["usual", "no_rows", "none", "absent"]);
    }
}
