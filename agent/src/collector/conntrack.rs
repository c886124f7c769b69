//! `conntrack`: connections that the host's network tracks, how many it may, and what became of packets
//! (/proc/net/stat/nf_conntrack, /proc/sys/net/netfilter).
//!
//! /proc/sys/net is always that of the network that the reader is in, which in a container may be its own. So the number of
//! connections is taken from the statistics, which stand below a process of the host; only the limit is the same for all.

use proto::metric::Desc;

use super::host::Host;
use super::kept::KeptFile;
use super::text::{hexadecimal, lines, number, trim, words};
use super::{Collector, Failed, Round};

static ENTRIES: Desc = Desc::gauge("node_nf_conntrack_entries", "Connections tracked.", &[]);
static LIMIT: Desc = Desc::gauge("node_nf_conntrack_entries_limit", "Connections that may be tracked.", &[]);
// They only grow, and are gauges all the same: that is what dashboards and rules know them as.
static FOUND: Desc = Desc::gauge("node_nf_conntrack_stat_found", "Lookups that found a connection.", &[]);
static INVALID: Desc = Desc::gauge("node_nf_conntrack_stat_invalid", "Packets that could not be tracked.", &[]);
static IGNORE: Desc = Desc::gauge("node_nf_conntrack_stat_ignore", "Packets of connections that were known.", &[]);
static INSERT: Desc = Desc::gauge("node_nf_conntrack_stat_insert", "Connections added.", &[]);
static INSERT_FAILED: Desc = Desc::gauge("node_nf_conntrack_stat_insert_failed", "Connections that could not be added.", &[]);
static DROP: Desc =
    Desc::gauge("node_nf_conntrack_stat_drop", "Packets dropped because their connection could not be tracked.", &[]);
static EARLY_DROP: Desc =
    Desc::gauge("node_nf_conntrack_stat_early_drop", "Connections given up for others when the table was full.", &[]);
static SEARCH_RESTART: Desc =
    Desc::gauge("node_nf_conntrack_stat_search_restart", "Lookups begun again because the table was resized.", &[]);

pub(super) const FAMILIES: &[&Desc] =
    &[&ENTRIES, &LIMIT, &FOUND, &INVALID, &IGNORE, &INSERT, &INSERT_FAILED, &DROP, &EARLY_DROP, &SEARCH_RESTART];

/// Names of columns that are summed over the lines, one a processor.
const SUMMED: [(&[u8], &Desc); 8] = [
    (b"found", &FOUND),
    (b"invalid", &INVALID),
    (b"ignore", &IGNORE),
    (b"insert", &INSERT),
    (b"insert_failed", &INSERT_FAILED),
    (b"drop", &DROP),
    (b"early_drop", &EARLY_DROP),
    (b"search_restart", &SEARCH_RESTART),
];

pub(super) struct Conntrack {
    count: KeptFile,
    limit: KeptFile,
    statistics: KeptFile,
}

/// What the statistics say.
#[derive(Default)]
struct Statistics {
    entries: Option<u64>,
    sums: [u64; SUMMED.len()],
}

impl Conntrack {
    pub(super) fn new(host: &Host) -> Self {
        Self {
            count: KeptFile::new(host.proc("sys/net/netfilter/nf_conntrack_count")),
            limit: KeptFile::new(host.proc("sys/net/netfilter/nf_conntrack_max")),
            statistics: KeptFile::new(host.net("stat/nf_conntrack")),
        }
    }
}

impl Statistics {
    /// A line of names, then a line of hexadecimal numbers a processor.
    fn parse(text: &[u8]) -> Self {
        let mut statistics = Self::default();
        let mut lines = lines(text);
        let head = lines.next().unwrap_or_default();
        for line in lines {
            for (name, value) in words(head).zip(words(line).map(hexadecimal)) {
                let Some(value) = value else { continue };
                // Every line has the same.
                if name == b"entries" {
                    statistics.entries = Some(value);
                }
                for ((summed, _), sum) in SUMMED.iter().zip(&mut statistics.sums) {
                    if *summed == name {
                        *sum = sum.wrapping_add(value);
                    }
                }
            }
        }
        statistics
    }
}

impl Collector for Conntrack {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        let limit = one(&mut self.limit, round.buffer)?;
        // Kernels without the file (CONFIG_NF_CONNTRACK_PROCFS) still have the count.
        let statistics = self.statistics.read(round.buffer).map(Statistics::parse);
        let entries = statistics.as_ref().ok().and_then(|statistics| statistics.entries).map(|entries| entries as f64);
        let entries = entries.map_or_else(|| one(&mut self.count, round.buffer), Ok)?;
        round.out.sample(&ENTRIES, &[], entries);
        round.out.sample(&LIMIT, &[], limit);
        for ((_, desc), sum) in SUMMED.iter().zip(statistics?.sums) {
            round.out.sample(desc, &[], sum as f64);
        }
        Ok(())
    }
}

fn one(file: &mut KeptFile, buffer: &mut Vec<u8>) -> Result<f64, Failed> {
    let value = number(trim(file.read(buffer)?));
    value.ok_or_else(|| Failed::malformed(file.path(), "a number was expected"))
}

#[cfg(test)]
mod tests {
    use crate::collector::testing::check;

    #[test]
    fn fixtures() {
        check("conntrack", &["usual", "without_statistics", "old", "malformed", "absent"]);
    }
}
