//! `entropy`: how much randomness the kernel has gathered (/proc/sys/kernel/random, random(4)); since Linux 5.18 it always has enough.

use std::path::PathBuf;

use proto::metric::Desc;

use super::host::Host;
use super::kept::KeptFile;
use super::seldom::Seldom;
use super::text::{number, trim};
use super::{Collector, Failed, Round};

static AVAILABLE: Desc = Desc::gauge("node_entropy_available_bits", "Bits of randomness at hand.", &[]);
static POOL_SIZE: Desc = Desc::gauge("node_entropy_pool_size_bits", "Bits of randomness that the kernel keeps.", &[]);

pub(super) const FAMILIES: &[&Desc] = &[&AVAILABLE, &POOL_SIZE];

const FILES: [(&str, &Desc); 2] = [("entropy_avail", &AVAILABLE), ("poolsize", &POOL_SIZE)];

pub(super) struct Entropy {
    directory: PathBuf,
    files: [KeptFile; FILES.len()],
    seldom: Seldom,
    values: [f64; FILES.len()],
}

impl Entropy {
    pub(super) fn new(host: &Host) -> Self {
        let directory = host.proc("sys/kernel/random");
        let files = FILES.map(|(name, _)| KeptFile::new(directory.join(name)));
        Self { directory, files, seldom: Seldom::default(), values: [0.0; FILES.len()] }
    }
}

impl Collector for Entropy {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        if self.seldom.is_due(round.now) {
            for (file, value) in self.files.iter_mut().zip(&mut self.values) {
                let read = file.read(round.buffer).and_then(|text| {
                    number(trim(text)).ok_or_else(|| Failed::malformed(&self.directory, "numbers were expected"))
                });
                match read {
                    Ok(read) => *value = read,
                    Err(failed) => {
                        // Asked again the next time, and told again.
                        self.seldom = Seldom::default();
                        return Err(failed);
                    }
                }
            }
        }
        for ((_, desc), value) in FILES.iter().zip(self.values) {
            round.out.sample(desc, &[], value);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::collector::testing::check;

    #[test]
    fn fixtures() {
        check("entropy", &["usual", "malformed", "absent"]);
    }
}
