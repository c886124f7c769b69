//! What is measured.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::checked::{Gpu, HostLabel, Metrics, ScrapePods};
use super::super::defaults;
use super::super::raw::metrics::{RawContainers, RawGpu, RawMetrics, RawRelabel, RawScrape, RawScrapePods, RawTextfile};
use super::place::RawPlace;
use super::{Check, items, value_or};
use crate::collector::containers::ContainerSettings;
use crate::collector::gpu::LIBRARY;
use crate::relabel::{Action, Relabelling, Rule};
use crate::scrape::Job;
use crate::scrape::job::Limits;
use crate::sink::http::client_auth;
use settings::problem::quote;
use settings::quantity::{show_bytes, show_duration};
use settings::read::{Labels, Spanned, nearest};

impl Check {
    /// The node's metrics, if the section is there.
    pub(super) fn metrics(&mut self, section: Option<&Spanned<RawMetrics>>) -> Option<Metrics> {
        let raw = &section?.value;
        if let Some(interval) = &raw.interval {
            self.bounded(
                "interval",
                &interval.at,
                interval.value,
                Duration::from_millis(100),
                Duration::from_mins(10),
                show_duration,
            );
        }
        let (collectors, mut settings) = self.collectors(raw.collectors.as_ref());
        settings.textfile_directories = raw.textfile.iter().filter_map(|section| self.textfile(section)).collect();
        let interval = value_or(raw.interval.as_ref(), defaults::INTERVAL);
        Some(Metrics {
            interval,
            collectors,
            settings,
            containers: containers(raw.containers.as_ref().map(|containers| &containers.value)),
            gpu: gpu(raw.gpu.as_ref().map(|gpu| &gpu.value)),
            ups: self.upses(items(raw.ups.as_ref())),
            scrape: items(raw.scrape.as_ref()).iter().filter_map(|section| self.scrape(section, interval)).collect(),
            scrape_pods: raw.scrape_pods.as_ref().map(|section| self.scrape_pods(section, interval)),
            relabel: self.relabel(items(raw.relabel.as_ref())),
        })
    }

    fn textfile(&mut self, section: &Spanned<RawTextfile>) -> Option<String> {
        let directory = self.needed(section.value.directory.as_ref(), "directory", section)?;
        if !directory.value.starts_with('/') {
            self.problems.push(&directory.at, format!("`directory`: {} is not absolute; begin with /", quote(&directory.value)));
        }
        Some(directory.value.clone())
    }

    fn scrape(&mut self, section: &Spanned<RawScrape>, interval: Duration) -> Option<Job> {
        let raw = &section.value;
        let job = self.needed(raw.job.as_ref(), "job", section).map(|job| job.value.clone());
        let place = RawPlace {
            name: None,
            url: raw.url.as_ref(),
            tenant: None,
            basic_auth: raw.basic_auth.as_ref(),
            bearer_token_file: raw.bearer_token_file.as_ref(),
            tls: raw.tls.as_ref(),
            timeout: raw.timeout.as_ref(),
        };
        let interval = self.scrape_interval(raw.interval.as_ref(), interval);
        let place = self.place(&place, section, "/metrics", defaults::SCRAPE_TIMEOUT.min(interval));
        let labels = self.target_labels(raw.labels.as_ref());
        let mut limits = Limits::default();
        if let Some(bytes) = &raw.body_limit {
            self.bounded("body_limit", &bytes.at, bytes.value.0, 1 << 10, 256 << 20, show_bytes);
            limits.body_bytes = bytes.value.0;
        }
        if let Some(samples) = &raw.sample_limit {
            self.bounded("sample_limit", &samples.at, samples.value.0, 1, 10_000_000, |n| n.to_string());
            limits.samples = samples.value.0;
        }
        let (job, (_, place)) = (job?, place?);
        Some(Job {
            labels,
            interval,
            timeout: place.timeout.min(interval),
            auth: client_auth(&place.auth),
            tls: place.tls,
            honor_labels: value_or(raw.honor_labels.as_ref(), false),
            honor_timestamps: value_or(raw.honor_timestamps.as_ref(), true),
            limits,
            ..Job::new(job, place.url)
        })
    }

    fn scrape_pods(&mut self, section: &Spanned<RawScrapePods>, interval: Duration) -> ScrapePods {
        let raw = &section.value;
        let interval = self.scrape_interval(raw.interval.as_ref(), interval);
        if let Some(timeout) = &raw.timeout {
            self.bounded("timeout", &timeout.at, timeout.value, Duration::from_secs(1), Duration::from_mins(10), show_duration);
        }
        let timeout = value_or(raw.timeout.as_ref(), defaults::SCRAPE_TIMEOUT).min(interval);
        let template = Job::new(value_or(raw.job.as_ref(), defaults::PODS_JOB.to_owned()), String::new());
        ScrapePods { template: Job { interval, timeout, ..template } }
    }

    fn scrape_interval(&mut self, setting: Option<&Spanned<Duration>>, default: Duration) -> Duration {
        if let Some(interval) = setting {
            self.bounded(
                "interval",
                &interval.at,
                interval.value,
                Duration::from_millis(100),
                Duration::from_hours(1),
                show_duration,
            );
        }
        value_or(setting, default)
    }

    fn target_labels(&mut self, setting: Option<&Spanned<Labels>>) -> Vec<(String, String)> {
        let Some(Spanned { value: Labels(entries), .. }) = setting else { return Vec::new() };
        for (name, _) in entries {
            if name.value.is_empty() || name.value.starts_with("__") {
                self.problems.push(&name.at, format!("label {} cannot be given to a target", quote(&name.value)));
            }
        }
        entries.iter().map(|(name, value)| (name.value.clone(), value.value.clone())).collect()
    }

    fn relabel(&mut self, sections: &[Spanned<RawRelabel>]) -> BTreeMap<String, Vec<Rule>> {
        let mut all: BTreeMap<String, Vec<Rule>> = BTreeMap::new();
        for section in sections {
            let job = self.needed(section.value.job.as_ref(), "job", section).map(|job| job.value.clone());
            if let (Some(job), Some(rule)) = (job, self.rule(section)) {
                all.entry(job).or_default().push(rule);
            }
        }
        all
    }

    fn rule(&mut self, section: &Spanned<RawRelabel>) -> Option<Rule> {
        let raw = &section.value;
        if let Some(prefix) = &raw.name_prefix {
            let others = raw.action.is_some()
                || raw.source_labels.is_some()
                || raw.regex.is_some()
                || raw.target_label.is_some()
                || raw.replacement.is_some();
            if others {
                self.problems.push(&prefix.at, "`name_prefix` stands alone with `job`; write another item for the rest");
            }
            return Some(Rule::name_prefix(&prefix.value));
        }
        let default = Rule::default();
        let action = match &raw.action {
            None => default.action,
            Some(action) => {
                let known = Action::of_name(&action.value);
                if known.is_none() {
                    let names: Vec<&str> = Action::names().collect();
                    let hint = nearest(&action.value, &names).map(|name| format!(", did you mean `{name}`?")).unwrap_or_default();
                    self.problems.push(&action.at, format!("unknown action {}{hint}", quote(&action.value)));
                }
                known?
            }
        };
        let rule = Rule {
            action,
            source_labels: items(raw.source_labels.as_ref()).iter().map(|label| label.value.clone()).collect(),
            separator: value_or(raw.separator.as_ref(), default.separator),
            regex: value_or(raw.regex.as_ref(), default.regex),
            modulus: raw.modulus.as_ref().map_or(default.modulus, |modulus| modulus.value.0 as u64),
            target_label: value_or(raw.target_label.as_ref(), default.target_label),
            replacement: value_or(raw.replacement.as_ref(), default.replacement),
        };
        if let Err((_, error)) = Relabelling::new(std::slice::from_ref(&rule)) {
            self.problems.push(&section.at, error.to_string());
            return None;
        }
        Some(rule)
    }
}

fn containers(raw: Option<&RawContainers>) -> ContainerSettings {
    let default = ContainerSettings::default();
    let Some(raw) = raw else { return default };
    ContainerSettings {
        memory_failures: value_or(raw.memory_failures.as_ref(), default.memory_failures),
        slices: value_or(raw.slices.as_ref(), default.slices),
        pressure: value_or(raw.pressure.as_ref(), default.pressure),
    }
}

fn gpu(raw: Option<&RawGpu>) -> Gpu {
    let library = raw.and_then(|raw| raw.library.as_ref());
    Gpu {
        is_asked_for: raw.is_some(),
        library: value_or(library, LIBRARY.to_owned()),
        host_label: value_or(raw.and_then(|raw| raw.host_label.as_ref()), HostLabel::default()),
        pids: value_or(raw.and_then(|raw| raw.pids.as_ref()), false),
        close_when_idle: value_or(raw.and_then(|raw| raw.close_when_idle.as_ref()), false),
    }
}
