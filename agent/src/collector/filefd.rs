//! `filefd`: open files of the whole node, and how many there may be (/proc/sys/fs/file-nr, proc_sys_fs(5)).

use proto::metric::Desc;

use super::host::Host;
use super::kept::KeptFile;
use super::text::{number, words};
use super::{Collector, Failed, Round};

static ALLOCATED: Desc = Desc::gauge("node_filefd_allocated", "Open files.", &[]);
static MAXIMUM: Desc = Desc::gauge("node_filefd_maximum", "Files that may be open.", &[]);

pub(super) const FAMILIES: &[&Desc] = &[&ALLOCATED, &MAXIMUM];

pub(super) struct FileFd {
    file: KeptFile,
}

impl FileFd {
    pub(super) fn new(host: &Host) -> Self {
        Self { file: KeptFile::new(host.proc("sys/fs/file-nr")) }
    }
}

impl Collector for FileFd {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        let mut values = words(self.file.read(round.buffer)?).map(number);
        // The second has been 0 since Linux 2.6.
        let (Some(Some(allocated)), Some(_), Some(Some(maximum))) = (values.next(), values.next(), values.next()) else {
            return Err(Failed::malformed(self.file.path(), "three numbers were expected"));
        };
        round.out.sample(&ALLOCATED, &[], allocated);
        round.out.sample(&MAXIMUM, &[], maximum);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::collector::testing::check;

    #[test]
    fn fixtures() {
        check("filefd", &["usual", "malformed", "absent"]);
    }
}
