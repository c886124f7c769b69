//! `softnet`: what each processor did with packets that came in (/proc/net/softnet_stat; the kernel's net/core/net-procfs.c has the
//! columns).

use proto::metric::Desc;

use super::host::Host;
use super::kept::KeptFile;
use super::text::{Decimal, hexadecimal, lines, words};
use super::{Collector, Failed, Round};

static PROCESSED: Desc = Desc::counter("node_softnet_processed_total", "Packets processed.", &["cpu"]);
static DROPPED: Desc = Desc::counter("node_softnet_dropped_total", "Packets dropped because the queue was full.", &["cpu"]);
static SQUEEZED: Desc =
    Desc::counter("node_softnet_times_squeezed_total", "How often packets were left over when the time was up.", &["cpu"]);
static COLLISION: Desc =
    Desc::counter("node_softnet_cpu_collision_total", "How often another CPU held the device's lock.", &["cpu"]);
static RECEIVED_RPS: Desc =
    Desc::counter("node_softnet_received_rps_total", "How often another CPU woke this one for packets.", &["cpu"]);
static FLOW_LIMIT: Desc =
    Desc::counter("node_softnet_flow_limit_count_total", "How often the limit of a flow was reached.", &["cpu"]);
static BACKLOG: Desc = Desc::gauge("node_softnet_backlog_len", "Packets that wait in the queue.", &["cpu"]);

pub(super) const FAMILIES: &[&Desc] = &[&PROCESSED, &DROPPED, &SQUEEZED, &COLLISION, &RECEIVED_RPS, &FLOW_LIMIT, &BACKLOG];

/// By column. Older kernels have fewer columns; what is missing is 0.
const COLUMNS: [(usize, &Desc); 7] =
    [(0, &PROCESSED), (1, &DROPPED), (2, &SQUEEZED), (8, &COLLISION), (9, &RECEIVED_RPS), (10, &FLOW_LIMIT), (11, &BACKLOG)];
/// The processor's number stands there; before Linux 5.13 it was the line's.
const CPU: usize = 12;

pub(super) struct SoftNet {
    file: KeptFile,
}

impl SoftNet {
    pub(super) fn new(host: &Host) -> Self {
        Self { file: KeptFile::new(host.net("softnet_stat")) }
    }
}

impl Collector for SoftNet {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        let mut cpu = Decimal::default();
        for (place, line) in lines(self.file.read(round.buffer)?).enumerate() {
            let mut columns = [None; CPU + 1];
            for (column, word) in columns.iter_mut().zip(words(line)) {
                *column = hexadecimal(word);
            }
            // Not a line of numbers.
            if columns[0].is_none() {
                continue;
            }
            let cpu = cpu.write(columns[CPU].unwrap_or(place as u64));
            for (column, desc) in COLUMNS {
                round.out.sample(desc, &[cpu], columns[column].unwrap_or(0) as f64);
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
        check("softnet", &["usual", "off_line", "old", "malformed", "absent"]);
    }
}
