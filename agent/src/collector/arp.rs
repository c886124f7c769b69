//! `arp`: how many neighbours each network device of the host knows (/proc/net/arp, proc_pid_net(5)), incomplete ones too.

use proto::metric::Desc;

use super::host::Host;
use super::kept::KeptFile;
use super::settings::{Filter, Settings};
use super::text::{lines, name, words};
use super::{Collector, Failed, Round};

static ENTRIES: Desc = Desc::gauge("node_arp_entries", "Neighbours that the device knows.", &["device"]);

pub(super) const FAMILIES: &[&Desc] = &[&ENTRIES];

/// Address, hardware type, flags, hardware address, mask, device.
const DEVICE_COLUMN: usize = 5;

pub(super) struct Arp {
    file: KeptFile,
    wanted: Filter,
}

impl Arp {
    pub(super) fn new(host: &Host, settings: &Settings) -> Self {
        Self { file: KeptFile::new(host.net("arp")), wanted: settings.arp_devices.clone() }
    }
}

impl Collector for Arp {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        // The first line is the head.
        let entries = lines(self.file.read(round.buffer)?).skip(1);
        let mut devices: Vec<&str> = entries.filter_map(|line| name(words(line).nth(DEVICE_COLUMN)?)).collect();
        devices.sort_unstable();
        for entries in devices.chunk_by(|a, b| a == b) {
            if let Some(device) = entries.first().filter(|device| self.wanted.admits(device)) {
                round.out.sample(&ENTRIES, &[device], entries.len() as f64);
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
        check("arp", &["usual", "none", "malformed", "absent"]);
    }
}
