//! What is measured.

use std::time::Duration;

use super::super::checked::{Gpu, HostLabel, Metrics};
use super::super::defaults;
use super::super::raw::{RawGpu, RawMetrics};
use super::{Check, items, value_or};
use crate::collector::registry::COLLECTORS;
use settings::problem::quote;
use settings::quantity::show_duration;
use settings::read::{Spanned, nearest};

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
        let collectors = raw.collectors.as_ref().map(|collectors| &collectors.value);
        let enabled = self.collectors(items(collectors.and_then(|collectors| collectors.enable.as_ref())));
        let disabled = self.collectors(items(collectors.and_then(|collectors| collectors.disable.as_ref())));
        let runs = |name: &str, default: bool| (default || enabled.contains(&name)) && !disabled.contains(&name);
        Some(Metrics {
            interval: value_or(raw.interval.as_ref(), defaults::INTERVAL),
            collectors: COLLECTORS.iter().filter(|entry| runs(entry.name, entry.default)).map(|entry| entry.name).collect(),
            gpu: gpu(raw.gpu.as_ref().map(|gpu| &gpu.value)),
        })
    }

    /// Names of collectors.
    fn collectors(&mut self, names: &[Spanned<String>]) -> Vec<&'static str> {
        let mut known = Vec::new();
        for name in names {
            match COLLECTORS.iter().find(|entry| entry.name == name.value) {
                Some(entry) => known.push(entry.name),
                None => {
                    let all: Vec<&str> = COLLECTORS.iter().map(|entry| entry.name).collect();
                    let hint = nearest(&name.value, &all);
                    let hint = hint.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
                    self.problems.push(&name.at, format!("there is no collector {}{hint}", quote(&name.value)));
                }
            }
        }
        known
    }
}

fn gpu(raw: Option<&RawGpu>) -> Gpu {
    let library = raw.and_then(|raw| raw.library.as_ref());
    Gpu {
        is_asked_for: raw.is_some(),
        library: value_or(library, defaults::NVML.to_owned()),
        host_label: value_or(raw.and_then(|raw| raw.host_label.as_ref()), HostLabel::default()),
    }
}
