//! `loadavg`: the load of the last 1, 5 and 15 minutes (`proc_loadavg(5)`).

use proto::metric::Desc;

use super::host::Host;
use super::kept::KeptFile;
use super::text::{number, words};
use super::{Collector, Failed, Round};

static LOAD1: Desc = Desc::gauge("node_load1", "1m load average.", &[]);
static LOAD5: Desc = Desc::gauge("node_load5", "5m load average.", &[]);
static LOAD15: Desc = Desc::gauge("node_load15", "15m load average.", &[]);

pub(super) const FAMILIES: &[&Desc] = &[&LOAD1, &LOAD5, &LOAD15];

pub(super) struct LoadAvg {
    file: KeptFile,
}

impl LoadAvg {
    pub(super) fn new(host: &Host) -> Self {
        Self { file: KeptFile::new(host.proc("loadavg")) }
    }
}

impl Collector for LoadAvg {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        let mut loads = words(self.file.read(round.buffer)?);
        for desc in FAMILIES {
            let load = loads.next().and_then(number);
            let load = load.ok_or_else(|| Failed::malformed(self.file.path(), "three numbers were expected"))?;
            round.out.sample(desc, &[], load);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::collector::testing::check;

    #[test]
    fn fixtures() {
        check("loadavg", &["usual", "malformed", "absent"]);
    }
}
