//! `schedstat`: how long each processor ran threads, and how long threads waited for it (/proc/schedstat; the kernel's
//! Documentation/scheduler/sched-stats.rst has the fields).

use proto::metric::Desc;

use super::host::Host;
use super::kept::KeptFile;
use super::text::{lines, name, number, words};
use super::{Collector, Failed, Round};

static RUNNING: Desc = Desc::counter("node_schedstat_running_seconds_total", "Seconds that the CPU ran threads.", &["cpu"]);
static WAITING: Desc =
    Desc::counter("node_schedstat_waiting_seconds_total", "Seconds that threads waited for the CPU, of all together.", &["cpu"]);
static TIMESLICES: Desc = Desc::counter("node_schedstat_timeslices_total", "Time slices that the CPU ran.", &["cpu"]);

pub(super) const FAMILIES: &[&Desc] = &[&RUNNING, &WAITING, &TIMESLICES];

/// Fields of the scheduler's own that stand before.
const BEFORE: usize = 6;
const NANOSECONDS: f64 = 1e9;

pub(super) struct SchedStat {
    file: KeptFile,
}

impl SchedStat {
    pub(super) fn new(host: &Host) -> Self {
        Self { file: KeptFile::new(host.proc("schedstat")) }
    }
}

impl Collector for SchedStat {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        for line in lines(self.file.read(round.buffer)?) {
            let mut words = words(line);
            let Some(cpu) = words.next().and_then(|word| name(word.strip_prefix(b"cpu")?)) else { continue };
            let mut values = words.skip(BEFORE).map_while(number);
            if let (Some(running), Some(waiting), Some(slices)) = (values.next(), values.next(), values.next()) {
                round.out.sample(&RUNNING, &[cpu], running / NANOSECONDS);
                round.out.sample(&WAITING, &[cpu], waiting / NANOSECONDS);
                round.out.sample(&TIMESLICES, &[cpu], slices);
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
        check("schedstat", &["usual", "malformed", "absent"]);
    }
}
