//! `interrupts`: how often each interrupt came to each processor (/proc/interrupts, `proc_interrupts(5)`). A large machine has
//! thousands of such series, so that it runs only when it is asked for.

use proto::metric::Desc;

use super::host::Host;
use super::kept::KeptFile;
use super::settings::{Filter, Settings};
use super::text::{integer, lines, name, number, trim, words};
use super::{Collector, Failed, Round};

static INTERRUPTS: Desc =
    Desc::counter("node_interrupts_total", "How often the interrupt came.", &["cpu", "type", "info", "devices"]);

pub(super) const FAMILIES: &[&Desc] = &[&INTERRUPTS];

pub(super) struct Interrupts {
    file: KeptFile,
    wanted: Filter,
    zeros: bool,
    info: String,
    devices: String,
    whole: String,
}

impl Interrupts {
    pub(super) fn new(host: &Host, settings: &Settings) -> Self {
        Self {
            file: KeptFile::new(host.proc("interrupts")),
            wanted: settings.interrupts.clone(),
            zeros: settings.interrupts_zeros,
            info: String::new(),
            devices: String::new(),
            whole: String::new(),
        }
    }
}

impl Collector for Interrupts {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        let mut lines = lines(self.file.read(round.buffer)?);
        // A column for each processor that is on line, with its number.
        let head = lines.next().unwrap_or_default();
        let cpus = || words(head).filter_map(|cpu| name(cpu.strip_prefix(b"CPU")?));
        let columns = cpus().count();
        if columns == 0 {
            return Err(Failed::malformed(self.file.path(), "a head with CPUs was expected"));
        }
        for line in lines {
            // On some architectures the first number stands right behind the colon.
            let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
            let Some(kind) = name(trim(&line[..colon])) else { continue };
            let mut rest = words(&line[colon + 1..]).filter_map(name).skip(columns).peekable();
            // ERR and MIS are of all processors together.
            if rest.peek().is_none() {
                continue;
            }
            self.info.clear();
            self.devices.clear();
            if integer(kind.as_bytes()).is_some() {
                self.info.push_str(rest.next().unwrap_or_default());
                join(rest, &mut self.devices);
            } else {
                join(rest, &mut self.info);
            }
            self.whole.clear();
            self.whole.extend([kind, ";", &self.info, ";", &self.devices]);
            if !self.wanted.admits(&self.whole) {
                continue;
            }
            for (cpu, value) in cpus().zip(words(&line[colon + 1..])) {
                if let Some(value) = number(value).filter(|value| self.zeros || *value != 0.0) {
                    round.out.sample(&INTERRUPTS, &[cpu, kind, &self.info, &self.devices], value);
                }
            }
        }
        Ok(())
    }
}

fn join<'w>(words: impl Iterator<Item = &'w str>, out: &mut String) {
    for (place, word) in words.enumerate() {
        if place > 0 {
            out.push(' ');
        }
        out.push_str(word);
    }
}

#[cfg(test)]
mod tests {
    use regex::bytes::Regex;

    use super::{Filter, Settings};
    use crate::collector::testing::{check, check_with};

    #[test]
    fn fixtures() {
        check("interrupts", &["usual", "off_line", "malformed", "absent"]);
        let interrupts = Filter { include: Some(Regex::new("virtio|^LOC").unwrap()), ..Filter::default() };
        check_with("interrupts", &["filtered"], &Settings { interrupts, interrupts_zeros: false, ..Settings::default() });
    }
}
