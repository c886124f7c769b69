//! `sockstat`: sockets in use and the memory that they hold (/proc/net/sockstat, /proc/net/sockstat6), of the host's network.

use proto::metric::{Desc, Families};

use super::host::Host;
use super::kept::KeptFile;
use super::text::{lines, name, number, words};
use super::{Collector, Failed, Round};

static FIELD: Desc = Desc::gauge("node_sockstat_*", "As /proc/net/sockstat and sockstat6 have it; mem is in pages.", &[]);

pub(super) const FAMILIES: &[&Desc] = &[&FIELD];

pub(super) struct SockStat {
    files: [KeptFile; 2],
    page_bytes: f64,
    name: String,
}

impl SockStat {
    pub(super) fn new(host: &Host) -> Self {
        let files = ["sockstat", "sockstat6"].map(|name| KeptFile::new(host.net(name)));
        Self { files, page_bytes: rustix::param::page_size() as f64, name: String::new() }
    }

    fn give(text: &[u8], page_bytes: f64, family: &mut String, out: &mut Families) {
        for line in lines(text) {
            let mut words = words(line);
            let Some(protocol) = words.next().and_then(|word| name(word.strip_suffix(b":")?)) else { continue };
            while let (Some(field), Some(value)) = (words.next().and_then(name), words.next().and_then(number)) {
                family.clear();
                family.extend(["node_sockstat_", protocol, "_", field]);
                out.named(&FIELD, family, &[], value);
                if field == "mem" {
                    family.push_str("_bytes");
                    out.named(&FIELD, family, &[], value * page_bytes);
                }
            }
        }
    }
}

impl Collector for SockStat {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        let mut absent = 0;
        for file in &mut self.files {
            match file.read(round.buffer) {
                Ok(text) => Self::give(text, self.page_bytes, &mut self.name, round.out),
                Err(Failed::NoData(_)) => absent += 1,
                Err(failed) => return Err(failed),
            }
        }
        if absent == self.files.len() { Err(Failed::NoData(self.files[0].path().display().to_string())) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use crate::collector::testing::check;

    #[test]
    fn fixtures() {
        check("sockstat", &["usual", "without_ipv6", "malformed", "absent"]);
    }
}
