//! `pressure`: how long threads waited for processors, memory and I/O (/proc/pressure; the kernel's
//! Documentation/accounting/psi.rst).

use proto::metric::Desc;
use rustix::io::Errno;

use super::host::Host;
use super::kept::KeptFile;
use super::text::{integer, lines, words};
use super::{Collector, Failed, Round};

static CPU: Desc = Desc::counter("node_pressure_cpu_waiting_seconds_total", "Seconds in which threads waited for a CPU.", &[]);
static IO: Desc = Desc::counter("node_pressure_io_waiting_seconds_total", "Seconds in which threads waited for I/O.", &[]);
static IO_FULL: Desc =
    Desc::counter("node_pressure_io_stalled_seconds_total", "Seconds in which all threads waited for I/O.", &[]);
static MEMORY: Desc =
    Desc::counter("node_pressure_memory_waiting_seconds_total", "Seconds in which threads waited for memory.", &[]);
static MEMORY_FULL: Desc =
    Desc::counter("node_pressure_memory_stalled_seconds_total", "Seconds in which all threads waited for memory.", &[]);
static IRQ_FULL: Desc =
    Desc::counter("node_pressure_irq_stalled_seconds_total", "Seconds in which interrupts kept all threads from running.", &[]);

pub(super) const FAMILIES: &[&Desc] = &[&CPU, &IO, &IO_FULL, &MEMORY, &MEMORY_FULL, &IRQ_FULL];

/// For each file the families of its lines `some` and `full`. Of processors `full` says nothing: somebody always runs.
const RESOURCES: [(&str, Option<&Desc>, Option<&Desc>); 4] = [
    ("cpu", Some(&CPU), None),
    ("io", Some(&IO), Some(&IO_FULL)),
    ("memory", Some(&MEMORY), Some(&MEMORY_FULL)),
    ("irq", None, Some(&IRQ_FULL)),
];
const MICROSECONDS: f64 = 1e6;

pub(super) struct Pressure {
    files: [KeptFile; RESOURCES.len()],
}

impl Pressure {
    pub(super) fn new(host: &Host) -> Self {
        Self { files: RESOURCES.map(|(name, ..)| KeptFile::new(host.proc("pressure").join(name))) }
    }
}

impl Collector for Pressure {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        let mut given = false;
        for (file, (_, some, full)) in self.files.iter_mut().zip(RESOURCES) {
            let text = match file.read(round.buffer) {
                Ok(text) => text,
                // Kernels before 6.1 know nothing of interrupts, those before 4.20 nothing at all.
                Err(Failed::NoData(_)) => continue,
                Err(Failed::Unreadable { source, .. }) if Errno::from_io_error(&source) == Some(Errno::OPNOTSUPP) => {
                    return Err(Failed::NoData(
                        "pressure is switched off; `psi=1` on the kernel's command line switches it on".into(),
                    ));
                }
                Err(failed) => return Err(failed),
            };
            for line in lines(text) {
                let mut words = words(line);
                let desc = match words.next() {
                    Some(b"some") => some,
                    Some(b"full") => full,
                    _ => None,
                };
                let total = words.find_map(|word| integer(word.strip_prefix(b"total=")?));
                if let (Some(desc), Some(total)) = (desc, total) {
                    round.out.sample(desc, &[], total as f64 / MICROSECONDS);
                    given = true;
                }
            }
        }
        if given { Ok(()) } else { Err(Failed::NoData("/proc/pressure".into())) }
    }
}

#[cfg(test)]
mod tests {
    use crate::collector::testing::check;

    #[test]
    fn fixtures() {
        check("pressure", &["usual", "without_irq", "malformed", "absent"]);
    }
}
