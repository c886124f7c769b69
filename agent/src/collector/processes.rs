//! `processes`: how many processes and threads there are, and in which states (`/proc/<pid>/stat`, `/proc/<pid>/task/<tid>/stat`,
//! `proc_pid_stat(5)`).
//!
//! No collector costs more: a file a thread. So they are counted once a minute. A process of one thread is read once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proto::metric::Desc;

use super::host::Host;
use super::kept::{KeptFile, read_once};
use super::listing::numbered;
use super::seldom::Seldom;
use super::text::{integer, number, trim, words};
use super::{Collector, Failed, Round};

static THREADS: Desc = Desc::gauge("node_processes_threads", "Threads of all processes.", &[]);
static MAX_THREADS: Desc = Desc::gauge("node_processes_max_threads", "Threads that there may be.", &[]);
static STATE: Desc = Desc::gauge("node_processes_state", "Processes in each state.", &["state"]);
static THREADS_STATE: Desc = Desc::gauge("node_processes_threads_state", "Threads in each state.", &["thread_state"]);
static PIDS: Desc = Desc::gauge("node_processes_pids", "Processes.", &[]);
static MAX_PROCESSES: Desc = Desc::gauge("node_processes_max_processes", "The highest number that a process may have.", &[]);

pub(super) const FAMILIES: &[&Desc] = &[&THREADS, &MAX_THREADS, &STATE, &THREADS_STATE, &PIDS, &MAX_PROCESSES];

/// Running, sleeping, waiting for a disk, zombies, stopped, idle threads of the kernel.
const STATES: [char; 6] = ['R', 'S', 'D', 'Z', 'T', 'I'];
/// Of the fields behind the name, the number of threads.
const THREADS_FIELD: usize = 17;

pub(super) struct Processes {
    procfs: PathBuf,
    max_threads: KeptFile,
    pid_max: KeptFile,
    seldom: Seldom,
    counts: Counts,
}

/// As they were counted last.
#[derive(Default)]
struct Counts {
    processes: u64,
    threads: u64,
    /// By letter; a state that was seen once stays, at 0.
    states: BTreeMap<char, u64>,
    thread_states: BTreeMap<char, u64>,
}

impl Processes {
    pub(super) fn new(host: &Host) -> Self {
        Self {
            procfs: host.proc(""),
            max_threads: KeptFile::new(host.proc("sys/kernel/threads-max")),
            pid_max: KeptFile::new(host.proc("sys/kernel/pid_max")),
            seldom: Seldom::default(),
            counts: Counts::default(),
        }
    }
}

impl Counts {
    fn count(&mut self, procfs: &Path, buffer: &mut Vec<u8>) {
        (self.processes, self.threads) = (0, 0);
        // Those that there always may be are there from the beginning, at 0.
        for state in STATES {
            self.states.entry(state).or_default();
            self.thread_states.entry(state).or_default();
        }
        for count in self.states.values_mut().chain(self.thread_states.values_mut()) {
            *count = 0;
        }
        for process in numbered(procfs, "") {
            let directory = procfs.join(process.to_string());
            // It may be gone by now.
            let Some((state, threads)) = state(&directory, buffer) else { continue };
            self.processes += 1;
            self.threads += threads;
            *self.states.entry(state).or_default() += 1;
            *self.thread_states.entry(state).or_default() += 1;
            if threads < 2 {
                continue;
            }
            let tasks = directory.join("task");
            for thread in numbered(&tasks, "").into_iter().filter(|thread| *thread != process) {
                if let Some((state, _)) = self::state(&tasks.join(thread.to_string()), buffer) {
                    *self.thread_states.entry(state).or_default() += 1;
                }
            }
        }
    }
}

/// The state of a process or thread, and its number of threads. Its name stands in parentheses and may hold everything, further ones too.
fn state(directory: &Path, buffer: &mut Vec<u8>) -> Option<(char, u64)> {
    let stat = read_once(&directory.join("stat"), buffer).ok()?;
    let name_end = stat.iter().rposition(|byte| *byte == b')')?;
    let mut fields = words(&stat[name_end + 1..]);
    let state = fields.next().and_then(|state| state.first()).map(|letter| char::from(*letter))?;
    // The state was the first.
    Some((state, fields.nth(THREADS_FIELD - 1).and_then(integer)?))
}

impl Collector for Processes {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        if self.seldom.is_due(round.now) {
            self.counts.count(&self.procfs, round.buffer);
        }
        if self.counts.processes == 0 {
            return Err(Failed::NoData(self.procfs.display().to_string()));
        }
        round.out.sample(&THREADS, &[], self.counts.threads as f64);
        round.out.sample(&PIDS, &[], self.counts.processes as f64);
        let mut letter = [0; 4];
        for (desc, states) in [(&STATE, &self.counts.states), (&THREADS_STATE, &self.counts.thread_states)] {
            for (state, count) in states {
                round.out.sample(desc, &[state.encode_utf8(&mut letter)], *count as f64);
            }
        }
        for (file, desc) in [(&mut self.max_threads, &MAX_THREADS), (&mut self.pid_max, &MAX_PROCESSES)] {
            let value = number(trim(file.read(round.buffer)?));
            round.out.sample(desc, &[], value.ok_or_else(|| Failed::malformed(file.path(), "a number was expected"))?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::collector::testing::check;

    #[test]
    fn fixtures() {
        check("processes", &["usual", "malformed", "absent"]);
    }
}
