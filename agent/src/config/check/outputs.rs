//! The destinations.

use std::time::Duration;

use super::super::checked::{LokiOutput, RemoteWriteOutput};
use super::super::patterns::Globs;
use super::super::raw::{RawLoki, RawRemoteWrite};
use super::super::{defaults, patterns};
use super::place::RawPlace;
use super::{Check, value_or};
use settings::problem::{At, quote};
use settings::quantity::{show_bytes, show_duration};
use settings::read::{Size, Spanned};

impl Check {
    pub(super) fn loki(&mut self, raw: &[Spanned<RawLoki>]) -> Vec<LokiOutput> {
        let outputs: Vec<(LokiOutput, &At)> = raw
            .iter()
            .filter_map(|output| {
                let at = output.value.name.as_ref().map_or(&output.at, |name| &name.at);
                Some((self.loki_output(output)?, at))
            })
            .collect();
        self.names(outputs.iter().map(|(output, at)| (output.name.as_str(), *at)), "positions belong to a name");
        outputs.into_iter().map(|(output, _)| output).collect()
    }

    pub(super) fn remote_write(&mut self, raw: &[Spanned<RawRemoteWrite>]) -> Vec<RemoteWriteOutput> {
        let outputs: Vec<(RemoteWriteOutput, &At)> = raw
            .iter()
            .filter_map(|output| {
                let at = output.value.name.as_ref().map_or(&output.at, |name| &name.at);
                Some((self.remote_write_output(output)?, at))
            })
            .collect();
        self.names(outputs.iter().map(|(output, at)| (output.name.as_str(), *at)), "a spool belongs to a name");
        outputs.into_iter().map(|(output, _)| output).collect()
    }

    /// Each name once.
    fn names<'o>(&mut self, outputs: impl Iterator<Item = (&'o str, &'o At)>, why: &str) {
        let mut known: Vec<(&str, &At)> = Vec::new();
        for (name, at) in outputs {
            if let Some((_, first)) = known.iter().find(|(other, _)| *other == name) {
                let place = if first.line == 0 { first.file.to_string() } else { format!("line {}", first.line) };
                let name = quote(name);
                self.problems
                    .push(at, format!("two outputs have the name {name} (see {place}); {why}, so give one another `name`"));
            }
            known.push((name, at));
        }
    }

    /// The jobs that go to a destination.
    fn jobs(&mut self, setting: Option<&Spanned<Vec<Spanned<String>>>>) -> Globs {
        let Some(jobs) = setting else { return patterns::name_globs(vec!["*".to_owned()]).unwrap_or_default() };
        if jobs.value.is_empty() {
            self.problems.push(&jobs.at, "`jobs` is empty: nothing would be sent; write [\"*\"] for all");
        }
        self.name_globs("jobs", Some(jobs), |_| Ok(()))
    }

    fn spool(&mut self, setting: Option<&Spanned<Size>>) -> u64 {
        if let Some(spool) = setting.filter(|spool| spool.value.0 != 0) {
            self.bounded("spool", &spool.at, spool.value.0, 1 << 20, 1 << 40, show_bytes);
        }
        setting.map_or(defaults::SPOOL, |spool| spool.value.0)
    }

    fn remote_write_output(&mut self, section: &Spanned<RawRemoteWrite>) -> Option<RemoteWriteOutput> {
        let raw = &section.value;
        let place = RawPlace {
            name: raw.name.as_ref(),
            url: raw.url.as_ref(),
            tenant: raw.tenant.as_ref(),
            basic_auth: raw.basic_auth.as_ref(),
            bearer_token_file: raw.bearer_token_file.as_ref(),
            tls: raw.tls.as_ref(),
            timeout: raw.timeout.as_ref(),
        };
        let place = self.place(&place, section, defaults::REMOTE_WRITE_PATH, defaults::REMOTE_WRITE_TIMEOUT);
        let jobs = self.jobs(raw.jobs.as_ref());
        if let Some(linger) = &raw.linger {
            self.bounded("linger", &linger.at, linger.value, Duration::ZERO, Duration::from_mins(1), show_duration);
        }
        if let Some(samples) = &raw.batch_samples {
            self.bounded("batch_samples", &samples.at, samples.value.0, 50, 100_000, |n| n.to_string());
        }
        let spool = self.spool(raw.spool.as_ref());
        let (name, place) = place?;
        Some(RemoteWriteOutput {
            name,
            place,
            version: value_or(raw.version.as_ref(), defaults::REMOTE_WRITE_VERSION),
            jobs,
            linger: value_or(raw.linger.as_ref(), defaults::SAMPLES_LINGER),
            batch_samples: raw.batch_samples.as_ref().map_or(defaults::BATCH_SAMPLES, |samples| samples.value.0),
            spool,
        })
    }

    fn loki_output(&mut self, section: &Spanned<RawLoki>) -> Option<LokiOutput> {
        let raw = &section.value;
        let place = RawPlace {
            name: raw.name.as_ref(),
            url: raw.url.as_ref(),
            tenant: raw.tenant.as_ref(),
            basic_auth: raw.basic_auth.as_ref(),
            bearer_token_file: raw.bearer_token_file.as_ref(),
            tls: raw.tls.as_ref(),
            timeout: raw.timeout.as_ref(),
        };
        let place = self.place(&place, section, defaults::LOKI_PATH, defaults::TIMEOUT);
        let jobs = self.jobs(raw.jobs.as_ref());
        if let Some(linger) = &raw.linger {
            self.bounded("linger", &linger.at, linger.value, Duration::ZERO, Duration::from_mins(1), show_duration);
        }
        if let Some(bytes) = &raw.batch_bytes {
            self.bounded("batch_bytes", &bytes.at, bytes.value.0, 4 << 10, 16 << 20, show_bytes);
        }
        if let Some(entries) = &raw.batch_entries {
            self.bounded("batch_entries", &entries.at, entries.value.0, 1, 100_000, |n| n.to_string());
        }
        if let Some(line) = &raw.max_line {
            self.bounded("max_line", &line.at, line.value.0, 1 << 10, 64 << 20, show_bytes);
        }
        let spool = self.spool(raw.spool.as_ref());
        let (name, place) = place?;
        let max_entry_age = value_or(raw.max_entry_age.as_ref(), defaults::MAX_ENTRY_AGE);
        let order_window = value_or(raw.order_window.as_ref(), defaults::ORDER_WINDOW);
        Some(LokiOutput {
            name,
            place,
            jobs,
            linger: value_or(raw.linger.as_ref(), defaults::LINGER),
            batch_bytes: raw.batch_bytes.as_ref().map_or(defaults::BATCH_BYTES, |bytes| bytes.value.0 as usize),
            batch_entries: raw.batch_entries.as_ref().map_or(defaults::BATCH_ENTRIES, |entries| entries.value.0),
            max_line: raw.max_line.as_ref().map_or(defaults::LOKI_MAX_LINE, |line| line.value.0 as usize),
            max_entry_age: (!max_entry_age.is_zero()).then_some(max_entry_age),
            order_window: (!order_window.is_zero()).then_some(order_window),
            spool,
        })
    }
}
