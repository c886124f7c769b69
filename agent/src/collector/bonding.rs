//! `bonding`: bonded interfaces and how many of their parts are up (`/sys/class/net/bonding_masters`; kernel's `networking/bonding.rst`).

use proto::metric::Desc;

use super::host::Host;
use super::kept::KeptFile;
use super::sysfs::attribute;
use super::text::{text, words};
use super::{Collector, Failed, Round};

static SLAVES: Desc = Desc::gauge("node_bonding_slaves", "Interfaces of a bond.", &["master"]);
static ACTIVE: Desc = Desc::gauge("node_bonding_active", "Interfaces of a bond that are up.", &["master"]);

pub(super) const FAMILIES: &[&Desc] = &[&SLAVES, &ACTIVE];

pub(super) struct Bonding {
    masters: KeptFile,
}

impl Bonding {
    pub(super) fn new(host: &Host) -> Self {
        Self { masters: KeptFile::new(host.sys("class/net/bonding_masters")) }
    }
}

impl Collector for Bonding {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        let directory = self.masters.path().with_file_name("");
        let masters: Vec<String> = words(self.masters.read(round.buffer)?).map(|name| text(name).into_owned()).collect();
        for master in masters {
            let directory = directory.join(&master);
            // It may be gone by now.
            let Some(slaves) = attribute(&directory.join("bonding/slaves"), round.buffer) else { continue };
            let mut is_up = |slave: &str| {
                // Older kernels say `slave_`.
                let mut status =
                    |link: &str| attribute(&directory.join(format!("{link}_{slave}/bonding_slave/mii_status")), round.buffer);
                status("lower").or_else(|| status("slave")).is_some_and(|status| status == "up")
            };
            let (mut count, mut active) = (0, 0);
            for slave in slaves.split_ascii_whitespace() {
                count += 1;
                active += i32::from(is_up(slave));
            }
            round.out.sample(&SLAVES, &[&master], f64::from(count));
            round.out.sample(&ACTIVE, &[&master], f64::from(active));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::collector::testing::check;

    #[test]
    fn fixtures() {
        check("bonding", &["usual", "old_kernel", "none", "absent"]);
    }
}
