//! What the processors are (/proc/cpuinfo, `proc_cpuinfo(5)`): asked for only on demand, since the file is long and says little anew.

use proto::metric::{Desc, Families};
use regex::bytes::Regex;

use super::{BUG, FLAG, FREQUENCY, INFO};
use crate::collector::host::Host;
use crate::collector::kept::KeptFile;
use crate::collector::settings::Settings;
use crate::collector::text::{lines, name, number, trim, words};
use crate::collector::{Failed, Round};

/// The file, and what of it is given.
pub(super) struct Info {
    file: KeptFile,
    flags: Option<Regex>,
    bugs: Option<Regex>,
}

/// One processor's part of the file.
#[derive(Clone, Copy, Default)]
struct Processor<'t> {
    /// In the order of the labels.
    labels: [&'t str; 10],
    megahertz: Option<f64>,
    flags: &'t [u8],
    bugs: &'t [u8],
}

const KEYS: [&str; 10] = [
    "physical id",
    "core id",
    "processor",
    "vendor_id",
    "cpu family",
    "model",
    "model name",
    "microcode",
    "stepping",
    "cache size",
];
const PROCESSOR: usize = 2;

impl Info {
    /// If it is wanted. A pattern of flags or bugs wants it too.
    pub(super) fn new(host: &Host, settings: &Settings) -> Option<Self> {
        (settings.cpu_info || settings.cpu_flags.is_some() || settings.cpu_bugs.is_some()).then(|| Self {
            file: KeptFile::new(host.proc("cpuinfo")),
            flags: settings.cpu_flags.clone(),
            bugs: settings.cpu_bugs.clone(),
        })
    }

    /// Gives all processors, and flags and bugs of the first.
    pub(super) fn give(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        let processors = parse(self.file.read(round.buffer)?);
        for processor in &processors {
            round.out.sample(&INFO, &processor.labels, 1.0);
            if let Some(megahertz) = processor.megahertz {
                let [package, core, cpu, ..] = processor.labels;
                round.out.sample(&FREQUENCY, &[package, core, cpu], megahertz * 1e6);
            }
        }
        if let Some(first) = processors.first() {
            matching(&FLAG, first.flags, self.flags.as_ref(), round.out);
            matching(&BUG, first.bugs, self.bugs.as_ref(), round.out);
        }
        Ok(())
    }
}

fn matching(desc: &'static Desc, all: &[u8], wanted: Option<&Regex>, out: &mut Families) {
    let Some(wanted) = wanted else { return };
    for word in words(all).filter_map(name).filter(|word| wanted.is_match(word.as_bytes())) {
        out.sample(desc, &[word], 1.0);
    }
}

fn parse(text: &[u8]) -> Vec<Processor<'_>> {
    let mut processors: Vec<Processor<'_>> = Vec::new();
    for line in lines(text) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (key, value) = (name(trim(&line[..colon])).unwrap_or_default(), trim(&line[colon + 1..]));
        if key == KEYS[PROCESSOR] {
            processors.push(Processor::default());
        }
        let Some(processor) = processors.last_mut() else { continue };
        if let Some(place) = KEYS.iter().position(|known| *known == key) {
            processor.labels[place] = name(value).unwrap_or_default();
        }
        match key {
            "cpu MHz" => processor.megahertz = number(value),
            "flags" => processor.flags = value,
            "bugs" => processor.bugs = value,
            _ => {}
        }
    }
    processors
}
