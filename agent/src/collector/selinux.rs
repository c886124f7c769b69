//! `selinux`: whether SELinux is on, and whether it enforces its policy (/sys/fs/selinux, /etc/selinux/config, selinux(8)).

use std::io::Read as _;
use std::path::Path;

use proto::metric::Desc;

use super::host::Host;
use super::kept::KeptFile;
use super::text::trim;
use super::{Collector, Failed, Round};
use crate::host_root::HostRoot;

static ENABLED: Desc = Desc::gauge("node_selinux_enabled", "Whether SELinux is on.", &[]);
static CONFIG: Desc =
    Desc::gauge("node_selinux_config_mode", "Mode that is configured: 1 enforcing, 0 permissive, -1 disabled.", &[]);
static CURRENT: Desc = Desc::gauge("node_selinux_current_mode", "Mode that is in force: 1 enforcing, 0 permissive.", &[]);

pub(super) const FAMILIES: &[&Desc] = &[&ENABLED, &CONFIG, &CURRENT];

const CONFIG_FILE: &str = "/etc/selinux/config";
const CONFIG_MAX: u64 = 64 << 10;
const DISABLED: f64 = -1.0;

pub(super) struct SeLinux {
    enforce: KeptFile,
    root: HostRoot,
}

impl SeLinux {
    pub(super) fn new(host: &Host) -> Self {
        Self { enforce: KeptFile::new(host.sys("fs/selinux/enforce")), root: host.root().clone() }
    }
}

impl Collector for SeLinux {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        let enforcing = match self.enforce.read(round.buffer) {
            Ok(text) => trim(text) == b"1",
            Err(Failed::NoData(_)) => {
                round.out.sample(&ENABLED, &[], 0.0);
                return Ok(());
            }
            Err(failed) => return Err(failed),
        };
        round.out.sample(&ENABLED, &[], 1.0);
        round.out.sample(&CONFIG, &[], configured(&self.root));
        round.out.sample(&CURRENT, &[], f64::from(enforcing));
        Ok(())
    }
}

/// Without a file, or with a word that means nothing, SELinux will be off after the next boot.
fn configured(root: &HostRoot) -> f64 {
    let mut text = String::new();
    let read = root.open(Path::new(CONFIG_FILE)).and_then(|file| file.take(CONFIG_MAX).read_to_string(&mut text));
    let mode = text.lines().filter(|_| read.is_ok()).find_map(|line| line.trim().strip_prefix("SELINUX="));
    match mode.map(str::trim) {
        Some("enforcing") => 1.0,
        Some("permissive") => 0.0,
        _ => DISABLED,
    }
}

#[cfg(test)]
mod tests {
    use crate::collector::testing::check;

    #[test]
    fn fixtures() {
        check("selinux", &["enforcing", "permissive", "without_configuration", "absent"]);
    }
}
