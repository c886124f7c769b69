//! Which collectors of the node run, and what they give.

use regex::bytes::Regex;

use super::super::patterns;
use super::super::raw::collectors::RawCollectors;
use super::{Check, items};
use crate::collector::registry::COLLECTORS;
use crate::collector::settings::{Filter, Settings};
use settings::problem::quote;
use settings::read::{Spanned, nearest};

/// A setting, as the file has it or not.
type Setting<'a, T> = Option<&'a Spanned<T>>;

impl Check {
    /// The collectors that run, and their settings.
    pub(super) fn collectors(&mut self, section: Setting<RawCollectors>) -> (Vec<&'static str>, Settings) {
        let raw = section.map(|section| section.value.clone()).unwrap_or_default();
        let enabled = self.collector_names(items(raw.enable.as_ref()));
        let disabled = self.collector_names(items(raw.disable.as_ref()));
        let runs = |name: &str, default: bool| (default || enabled.contains(&name)) && !disabled.contains(&name);
        let run: Vec<&str> = COLLECTORS.iter().filter(|entry| runs(entry.name, entry.default)).map(|entry| entry.name).collect();
        let settings = self.collector_settings(&raw, &run);
        (run, settings)
    }

    fn collector_settings(&mut self, raw: &RawCollectors, run: &[&'static str]) -> Settings {
        let mut settings = Settings::default();
        macro_rules! section {
            ($name:ident) => {
                self.of_one_that_runs(stringify!($name), raw.$name.as_ref(), run)
            };
        }
        if let Some(arp) = section!(arp) {
            self.filter("device", arp.device_include.as_ref(), arp.device_exclude.as_ref(), &mut settings.arp_devices);
        }
        if let Some(cpu) = section!(cpu) {
            switch(cpu.guest.as_ref(), &mut settings.cpu_guest);
            switch(cpu.info.as_ref(), &mut settings.cpu_info);
            settings.cpu_flags = self.pattern("info_flags_include", cpu.info_flags_include.as_ref());
            settings.cpu_bugs = self.pattern("info_bugs_include", cpu.info_bugs_include.as_ref());
        }
        if let Some(disks) = section!(diskstats) {
            self.filter("device", disks.device_include.as_ref(), disks.device_exclude.as_ref(), &mut settings.diskstats_devices);
        }
        if let Some(mounts) = section!(filesystem) {
            let points = &mut settings.filesystem_mount_points;
            self.filter("mount_points", mounts.mount_points_include.as_ref(), mounts.mount_points_exclude.as_ref(), points);
            self.filter(
                "fs_types",
                mounts.fs_types_include.as_ref(),
                mounts.fs_types_exclude.as_ref(),
                &mut settings.filesystem_types,
            );
            switch(mounts.kubelet_volumes.as_ref(), &mut settings.filesystem_kubelet_volumes);
        }
        if let Some(hwmon) = section!(hwmon) {
            self.filter("chip", hwmon.chip_include.as_ref(), hwmon.chip_exclude.as_ref(), &mut settings.hwmon_chips);
            self.filter("sensor", hwmon.sensor_include.as_ref(), hwmon.sensor_exclude.as_ref(), &mut settings.hwmon_sensors);
        }
        if let Some(interrupts) = section!(interrupts) {
            self.filter("name", interrupts.name_include.as_ref(), interrupts.name_exclude.as_ref(), &mut settings.interrupts);
            switch(interrupts.include_zeros.as_ref(), &mut settings.interrupts_zeros);
        }
        if let Some(mounts) = section!(mountstats) {
            switch(mounts.all_operations.as_ref(), &mut settings.mountstats_all_operations);
        }
        if let Some(devices) = section!(netclass) {
            self.filter(
                "device",
                devices.device_include.as_ref(),
                devices.device_exclude.as_ref(),
                &mut settings.netclass_devices,
            );
            switch(devices.ignore_invalid_speed.as_ref(), &mut settings.netclass_ignore_invalid_speed);
        }
        if let Some(devices) = section!(netdev) {
            self.filter("device", devices.device_include.as_ref(), devices.device_exclude.as_ref(), &mut settings.netdev_devices);
        }
        if let Some(netstat) = section!(netstat) {
            self.fields_given(netstat.fields.as_ref(), &mut settings.netstat_fields);
        }
        if let Some(stat) = section!(stat) {
            switch(stat.softirq.as_ref(), &mut settings.stat_softirqs);
        }
        if let Some(systemd) = section!(systemd) {
            self.filter("unit", systemd.unit_include.as_ref(), systemd.unit_exclude.as_ref(), &mut settings.systemd_units);
            switch(systemd.enable_restarts_metrics.as_ref(), &mut settings.systemd_restarts);
            switch(systemd.enable_start_time_metrics.as_ref(), &mut settings.systemd_start_times);
            switch(systemd.enable_task_metrics.as_ref(), &mut settings.systemd_tasks);
        }
        if let Some(vmstat) = section!(vmstat) {
            self.fields_given(vmstat.fields.as_ref(), &mut settings.vmstat_fields);
        }
        if let Some(zfs) = section!(zfs) {
            switch(zfs.all.as_ref(), &mut settings.zfs_all);
        }
        settings
    }

    /// A section, which does nothing if its collector does not run.
    fn of_one_that_runs<'a, T>(&mut self, name: &str, section: Setting<'a, T>, run: &[&str]) -> Option<&'a T> {
        let section = section?;
        if !run.contains(&name) {
            let message =
                format!("the collector {name} does not run, so this does nothing; remove it, or `enable` the collector");
            self.problems.push(&section.at, message);
        }
        Some(&section.value)
    }

    /// What is given and what is left out. The only ones that are given replace those that are left out by default.
    fn filter(&mut self, stem: &str, include: Setting<String>, exclude: Setting<String>, filter: &mut Filter) {
        if include.is_none() && exclude.is_none() {
            return;
        }
        *filter = Filter {
            include: self.pattern(&format!("{stem}_include"), include),
            exclude: match (include, exclude) {
                (Some(include), None) if include.value.is_empty() => filter.exclude.take(),
                _ => self.pattern(&format!("{stem}_exclude"), exclude),
            },
        };
    }

    fn fields_given(&mut self, setting: Setting<String>, fields: &mut Regex) {
        if let Some(text) = setting
            && let Some(pattern) = self.take("fields", text, patterns::regex(&text.value))
        {
            *fields = pattern;
        }
    }

    /// A pattern; none if it is empty.
    fn pattern(&mut self, name: &str, setting: Setting<String>) -> Option<Regex> {
        let text = setting.filter(|text| !text.value.is_empty())?;
        self.take(name, text, patterns::regex(&text.value))
    }

    /// Names of collectors.
    fn collector_names(&mut self, names: &[Spanned<String>]) -> Vec<&'static str> {
        let mut known = Vec::new();
        for name in names {
            if let Some(entry) = COLLECTORS.iter().find(|entry| entry.name == name.value) {
                known.push(entry.name);
                continue;
            }
            let all: Vec<&str> = COLLECTORS.iter().map(|entry| entry.name).collect();
            let hint = nearest(&name.value, &all).map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
            self.problems.push(&name.at, format!("there is no collector {}{hint}", quote(&name.value)));
        }
        known
    }
}

fn switch(setting: Setting<bool>, value: &mut bool) {
    if let Some(setting) = setting {
        *value = setting.value;
    }
}
