//! `rapl`: energy that parts of the processor have used (/sys/class/powercap; kernel's power/powercap). Root's alone since 5.10.

use std::collections::HashMap;

use proto::metric::Desc;

use super::host::Host;
use super::kept::KeptFile;
use super::sysfs::{Objects, attribute};
use super::text::{number, trim};
use super::{Collector, Failed, Round};

static JOULES: Desc = Desc::counter(
    "node_rapl_*_joules_total",
    "Energy used, in joules. Begins anew after some hours or days.",
    &["index", "path"],
);

pub(super) const FAMILIES: &[&Desc] = &[&JOULES];

pub(super) struct Rapl {
    objects: Objects,
    zones: Vec<Zone>,
}

struct Zone {
    /// Of the metric.
    name: String,
    index: String,
    /// On the host.
    path: String,
    energy: KeptFile,
}

impl Rapl {
    pub(super) fn new(host: &Host) -> Self {
        Self { objects: Objects::new(host.sys("class/powercap"), ""), zones: Vec::new() }
    }

    fn look(&mut self, buffer: &mut Vec<u8>) -> Result<(), Failed> {
        let directory = self.objects.directory().to_owned();
        let Some(names) = self.objects.look()? else { return Ok(()) };
        self.zones.clear();
        let mut used: HashMap<String, u32> = HashMap::new();
        for zone in names {
            // The tree's root has none.
            let Some(name) = attribute(&directory.join(zone).join("name"), buffer) else { continue };
            let (name, index) = index(&name, &used);
            used.insert(name.clone(), index + 1);
            self.zones.push(Zone {
                name: format!("node_rapl_{}_joules_total", clean(&name)),
                index: index.to_string(),
                path: format!("/sys/class/powercap/{zone}"),
                energy: KeptFile::new(directory.join(zone).join("energy_uj")),
            });
        }
        Ok(())
    }
}

/// `package-1` is the second package; of what has no number, as many as there are.
fn index(name: &str, used: &HashMap<String, u32>) -> (String, u32) {
    if let Some((name, number)) = name.split_once('-')
        && let Ok(number) = number.parse()
    {
        return (name.to_owned(), number);
    }
    (name.to_owned(), used.get(name).copied().unwrap_or_default())
}

fn clean(name: &str) -> String {
    name.replace(|char: char| !char.is_ascii_alphanumeric(), "_")
}

impl Collector for Rapl {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        self.look(round.buffer)?;
        let mut failed = None;
        for Zone { name, index, path, energy } in &mut self.zones {
            match energy.read(round.buffer) {
                Ok(read) => {
                    if let Some(energy) = number(trim(read)) {
                        round.out.named(&JOULES, name, &[index, path], energy / 1e6);
                    }
                }
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use crate::collector::testing::check;

    #[test]
    fn fixtures() {
        check("rapl", &["usual", "dies", "absent"]);
    }
}
