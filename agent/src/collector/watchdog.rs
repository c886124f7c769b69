//! `watchdog`: hardware that restarts a machine which no longer runs (/sys/class/watchdog; kernel's `ABI/testing/sysfs-class-watchdog`).

use proto::metric::Desc;

use super::host::Host;
use super::sysfs::{Objects, attribute, value_once};
use super::{Collector, Failed, Round};

const NAME: &[&str] = &["name"];

static BOOTSTATUS: Desc = Desc::gauge("node_watchdog_bootstatus", "Why the machine was started, in bits.", NAME);
static FW_VERSION: Desc = Desc::gauge("node_watchdog_fw_version", "Version of the firmware.", NAME);
static NOWAYOUT: Desc = Desc::gauge("node_watchdog_nowayout", "Whether it cannot be stopped any more.", NAME);
static TIMELEFT: Desc = Desc::gauge("node_watchdog_timeleft_seconds", "Seconds until it restarts the machine.", NAME);
static TIMEOUT: Desc = Desc::gauge("node_watchdog_timeout_seconds", "Seconds for which it waits.", NAME);
static PRETIMEOUT: Desc = Desc::gauge("node_watchdog_pretimeout_seconds", "Seconds before the end at which it says so.", NAME);
static ACCESS_CS0: Desc = Desc::gauge("node_watchdog_access_cs0", "Whether the machine was started from the second image.", NAME);
static INFO: Desc = Desc::gauge("node_watchdog_info", "What a watchdog says of itself.", INFO_LABELS);

const INFO_LABELS: &[&str] = &["name", "options", "identity", "state", "status", "pretimeout_governor"];

pub(super) const FAMILIES: &[&Desc] =
    &[&BOOTSTATUS, &FW_VERSION, &NOWAYOUT, &TIMELEFT, &TIMEOUT, &PRETIMEOUT, &ACCESS_CS0, &INFO];

const FILES: [(&str, &Desc); 7] = [
    ("bootstatus", &BOOTSTATUS),
    ("fw_version", &FW_VERSION),
    ("nowayout", &NOWAYOUT),
    ("timeleft", &TIMELEFT),
    ("timeout", &TIMEOUT),
    ("pretimeout", &PRETIMEOUT),
    ("access_cs0", &ACCESS_CS0),
];

pub(super) struct Watchdog {
    objects: Objects,
    watchdogs: Vec<String>,
}

impl Watchdog {
    pub(super) fn new(host: &Host) -> Self {
        Self { objects: Objects::new(host.sys("class/watchdog"), "watchdog"), watchdogs: Vec::new() }
    }
}

impl Collector for Watchdog {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        if let Some(names) = self.objects.look()? {
            self.watchdogs = names.to_vec();
        }
        for name in &self.watchdogs {
            let directory = self.objects.directory().join(name);
            // A file that the device has nothing for is not there, or cannot be read.
            for (file, desc) in FILES {
                if let Some(value) = value_once(&directory.join(file), round.buffer) {
                    round.out.sample(desc, &[name], value);
                }
            }
            let mut told = [""; 5].map(str::to_owned);
            for (told, file) in told.iter_mut().zip(&INFO_LABELS[1..]) {
                *told = attribute(&directory.join(file), round.buffer).unwrap_or_default();
            }
            let [options, identity, state, status, governor] = &told;
            round.out.sample(&INFO, &[name, options, identity, state, status, governor], 1.0);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::collector::testing::check;

    #[test]
    fn fixtures() {
        check("watchdog", &["usual", "bare", "none", "absent"]);
    }
}
