//! What collectors give, for those that run.

use std::fmt::{self, Display};

use regex::bytes::Regex;

use super::{Page, scalar};
use crate::collector::settings::Filter;
use crate::config::checked::Metrics;

impl Page {
    pub(super) fn collector_settings(&mut self, metrics: &Metrics) -> fmt::Result {
        for name in &metrics.collectors {
            let lines = lines(name, metrics);
            if lines.is_empty() {
                continue;
            }
            self.open(name)?;
            for (key, value) in lines {
                self.line(&key, value)?;
            }
            self.close();
        }
        Ok(())
    }
}

fn lines(collector: &str, metrics: &Metrics) -> Vec<(String, String)> {
    let settings = &metrics.settings;
    match collector {
        "arp" => filter("device", &settings.arp_devices),
        "cpu" => vec![
            line("guest", settings.cpu_guest),
            line("info", settings.cpu_info),
            line("info_flags_include", pattern(settings.cpu_flags.as_ref())),
            line("info_bugs_include", pattern(settings.cpu_bugs.as_ref())),
        ],
        "diskstats" => filter("device", &settings.diskstats_devices),
        "filesystem" => {
            let mut lines = filter("mount_points", &settings.filesystem_mount_points);
            lines.extend(filter("fs_types", &settings.filesystem_types));
            lines.push(line("kubelet_volumes", settings.filesystem_kubelet_volumes));
            lines
        }
        "hwmon" => [filter("chip", &settings.hwmon_chips), filter("sensor", &settings.hwmon_sensors)].concat(),
        "interrupts" => {
            let mut lines = filter("name", &settings.interrupts);
            lines.push(line("include_zeros", settings.interrupts_zeros));
            lines
        }
        "mountstats" => vec![line("all_operations", settings.mountstats_all_operations)],
        "netclass" => {
            let mut lines = filter("device", &settings.netclass_devices);
            lines.push(line("ignore_invalid_speed", settings.netclass_ignore_invalid_speed));
            lines
        }
        "netdev" => filter("device", &settings.netdev_devices),
        "netstat" => vec![line("fields", pattern(Some(&settings.netstat_fields)))],
        "stat" => vec![line("softirq", settings.stat_softirqs)],
        "systemd" => {
            let mut lines = filter("unit", &settings.systemd_units);
            lines.push(line("enable_restarts_metrics", settings.systemd_restarts));
            lines.push(line("enable_start_time_metrics", settings.systemd_start_times));
            lines.push(line("enable_task_metrics", settings.systemd_tasks));
            lines
        }
        "vmstat" => vec![line("fields", pattern(Some(&settings.vmstat_fields)))],
        "zfs" => vec![line("all", settings.zfs_all)],
        _ => Vec::new(),
    }
}

fn line(key: &str, value: impl Display) -> (String, String) {
    (key.to_owned(), value.to_string())
}

fn filter(stem: &str, filter: &Filter) -> Vec<(String, String)> {
    let sides = [("include", &filter.include), ("exclude", &filter.exclude)];
    sides.map(|(side, setting)| line(&format!("{stem}_{side}"), pattern(setting.as_ref()))).into()
}

fn pattern(pattern: Option<&Regex>) -> String {
    scalar(pattern.map(Regex::as_str).unwrap_or_default())
}
