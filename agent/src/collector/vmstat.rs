//! `vmstat`: paging, swapping and kills for want of memory (/proc/vmstat, proc_vmstat(5)).

use proto::metric::Desc;

use super::fields::Fields;
use super::host::Host;
use super::kept::KeptFile;
use super::settings::Settings;
use super::text::{lines, number, words};
use super::{Collector, Failed, Round};

static FIELD: Desc = Desc::untyped("node_vmstat_*", "As /proc/vmstat has it.", &[]);

pub(super) const FAMILIES: &[&Desc] = &[&FIELD];

pub(super) struct VmStat {
    file: KeptFile,
    fields: Fields,
}

impl VmStat {
    pub(super) fn new(host: &Host, settings: &Settings) -> Self {
        Self { file: KeptFile::new(host.proc("vmstat")), fields: Fields::new("node_vmstat_", &settings.vmstat_fields) }
    }
}

impl Collector for VmStat {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        self.fields.again();
        for line in lines(self.file.read(round.buffer)?) {
            let mut words = words(line);
            let (Some(field), value) = (words.next(), words.next()) else { continue };
            if let (Some(family), Some(value)) = (self.fields.family(b"", field), value.and_then(number)) {
                round.out.named(&FIELD, family, &[], value);
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
        check("vmstat", &["usual", "malformed", "absent"]);
    }
}
