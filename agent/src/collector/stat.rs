//! `stat`: what the kernel has counted since it started, apart from the processors' times (/proc/stat, proc_stat(5)).

use proto::metric::Desc;

use super::host::Host;
use super::kept::KeptFile;
use super::settings::Settings;
use super::text::{lines, name, number, words};
use super::{Collector, Failed, Round};

static INTERRUPTS: Desc = Desc::counter("node_intr_total", "Interrupts serviced.", &[]);
static CONTEXT_SWITCHES: Desc = Desc::counter("node_context_switches_total", "Context switches.", &[]);
static FORKS: Desc = Desc::counter("node_forks_total", "Processes and threads created.", &[]);
static BOOT_TIME: Desc = Desc::gauge("node_boot_time_seconds", "When the node booted, in seconds since 1970.", &[]);
static RUNNING: Desc = Desc::gauge("node_procs_running", "Threads that run or could.", &[]);
static BLOCKED: Desc = Desc::gauge("node_procs_blocked", "Threads that wait for I/O.", &[]);
static SOFTIRQS: Desc = Desc::counter("node_softirqs_total", "Softirqs, by vector.", &["vector"]);

pub(super) const FAMILIES: &[&Desc] = &[&INTERRUPTS, &CONTEXT_SWITCHES, &FORKS, &BOOT_TIME, &RUNNING, &BLOCKED, &SOFTIRQS];

/// Behind the sum, in the order of the line.
const VECTORS: [&str; 10] = ["hi", "timer", "net_tx", "net_rx", "block", "block_iopoll", "tasklet", "sched", "hrtimer", "rcu"];

pub(super) struct Stat {
    file: KeptFile,
    softirqs: bool,
}

impl Stat {
    pub(super) fn new(host: &Host, settings: &Settings) -> Self {
        Self { file: KeptFile::new(host.proc("stat")), softirqs: settings.stat_softirqs }
    }
}

impl Collector for Stat {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        for line in lines(self.file.read(round.buffer)?) {
            let mut words = words(line);
            let desc = match words.next().and_then(name) {
                Some("intr") => &INTERRUPTS,
                Some("ctxt") => &CONTEXT_SWITCHES,
                Some("processes") => &FORKS,
                Some("btime") => &BOOT_TIME,
                Some("procs_running") => &RUNNING,
                Some("procs_blocked") => &BLOCKED,
                Some("softirq") if self.softirqs => {
                    for (vector, count) in VECTORS.iter().zip(words.skip(1).map_while(number)) {
                        round.out.sample(&SOFTIRQS, &[vector], count);
                    }
                    continue;
                }
                _ => continue,
            };
            // Of `intr` only the sum, of which the line has thousands of parts.
            if let Some(value) = words.next().and_then(number) {
                round.out.sample(desc, &[], value);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Settings;
    use crate::collector::testing::{check, check_with};

    #[test]
    fn fixtures() {
        check("stat", &["usual", "malformed", "absent"]);
        check_with("stat", &["softirqs"], &Settings { stat_softirqs: true, ..Settings::default() });
    }
}
