//! `meminfo`: every line of /proc/meminfo (`proc_meminfo(5)`), in bytes where it is an amount of memory.

use proto::metric::Desc;

use super::host::Host;
use super::kept::KeptFile;
use super::text::{lines, number, words};
use super::{Collector, Failed, Round};

static BYTES: Desc = Desc::gauge("node_memory_*_bytes", "As /proc/meminfo has it, in bytes.", &[]);
static PAGES: Desc = Desc::gauge("node_memory_*", "As /proc/meminfo has it, in pages.", &[]);

pub(super) const FAMILIES: &[&Desc] = &[&BYTES, &PAGES];

pub(super) struct MemInfo {
    file: KeptFile,
    name: String,
}

impl MemInfo {
    pub(super) fn new(host: &Host) -> Self {
        Self { file: KeptFile::new(host.proc("meminfo")), name: String::new() }
    }
}

impl Collector for MemInfo {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        for line in lines(self.file.read(round.buffer)?) {
            let mut words = words(line);
            let (Some(key), Some(value)) = (words.next().and_then(|key| key.strip_suffix(b":")), words.next().and_then(number))
            else {
                continue;
            };
            // `Active(anon)` is Active_anon.
            self.name.clear();
            self.name.push_str("node_memory_");
            self.name
                .extend(key.iter().filter(|byte| **byte != b')').map(|byte| if *byte == b'(' { '_' } else { char::from(*byte) }));
            match words.next() {
                Some(b"kB") => {
                    self.name.push_str("_bytes");
                    round.out.named(&BYTES, &self.name, &[], value * 1024.0);
                }
                _ => round.out.named(&PAGES, &self.name, &[], value),
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
        check("meminfo", &["usual"]);
    }
}
