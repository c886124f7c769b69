//! `kernel_hung`: threads that hung for two minutes and more (/proc/sys/kernel/hung_task_detect_count, since Linux 6.10).

use proto::metric::Desc;

use super::host::Host;
use super::kept::KeptFile;
use super::text::{number, trim};
use super::{Collector, Failed, Round};

static TASKS: Desc = Desc::counter("node_kernel_hung_tasks_total", "Threads that the kernel has found hanging.", &[]);

pub(super) const FAMILIES: &[&Desc] = &[&TASKS];

pub(super) struct KernelHung {
    file: KeptFile,
}

impl KernelHung {
    pub(super) fn new(host: &Host) -> Self {
        Self { file: KeptFile::new(host.proc("sys/kernel/hung_task_detect_count")) }
    }
}

impl Collector for KernelHung {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        let tasks = number(trim(self.file.read(round.buffer)?));
        round.out.sample(&TASKS, &[], tasks.ok_or_else(|| Failed::malformed(self.file.path(), "a number was expected"))?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::collector::testing::check;

    #[test]
    fn fixtures() {
        check("kernel_hung", &["usual", "malformed", "absent"]);
    }
}
