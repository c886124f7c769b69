//! What is measured, scraped and relabelled.

use std::fmt;

use client::Secret;
use settings::quantity::{show_bytes, show_duration};

use super::{Page, list, map, path, scalar};
use crate::collector::registry::{COLLECTORS, Entry};
use crate::collector::ups::{Login, NutNames, SnmpAccess, SnmpSettings, SnmpUser, UpsSettings};
use crate::config::checked::{HostLabel, Metrics};
use crate::relabel::Rule;
use crate::scrape::Job;

impl Page {
    pub(super) fn metrics(&mut self, metrics: &Metrics) -> fmt::Result {
        let names = |wanted: &dyn Fn(&Entry) -> bool| -> Vec<String> {
            COLLECTORS.iter().filter(|entry| wanted(entry)).map(|entry| entry.name.to_owned()).collect()
        };
        let runs = |entry: &Entry| metrics.collectors.contains(&entry.name);
        self.line("interval", show_duration(metrics.interval))?;
        self.open("collectors")?;
        self.line("enable", list(&names(&|entry| runs(entry) && !entry.default)))?;
        self.line("disable", list(&names(&|entry| !runs(entry) && entry.default)))?;
        self.collector_settings(metrics)?;
        self.close();
        self.open("containers")?;
        self.line("memory_failures", metrics.containers.memory_failures)?;
        self.line("slices", metrics.containers.slices)?;
        self.line("pressure", metrics.containers.pressure)?;
        self.close();
        if metrics.gpu.is_asked_for {
            self.open("gpu")?;
            self.line("library", scalar(&metrics.gpu.library))?;
            let label = match metrics.gpu.host_label {
                HostLabel::Capital => "Hostname",
                HostLabel::Small => "hostname",
            };
            self.line("host_label", label)?;
            self.line("pids", metrics.gpu.pids)?;
            self.line("close_when_idle", metrics.gpu.close_when_idle)?;
            self.close();
        }
        if !metrics.ups.is_empty() {
            self.section("ups", &metrics.ups, Self::ups)?;
        }
        for directory in &metrics.settings.textfile_directories {
            self.open("textfile")?;
            self.line("directory", scalar(directory))?;
            self.close();
        }
        if !metrics.scrape.is_empty() {
            self.section("scrape", &metrics.scrape, Self::scrape)?;
        }
        if let Some(pods) = &metrics.scrape_pods {
            self.open("scrape_pods")?;
            self.line("job", scalar(&pods.template.job))?;
            self.line("interval", show_duration(pods.template.interval))?;
            self.line("timeout", show_duration(pods.template.timeout))?;
            self.close();
        }
        let rules: Vec<(&String, &Rule)> =
            metrics.relabel.iter().flat_map(|(job, rules)| rules.iter().map(move |rule| (job, rule))).collect();
        if !rules.is_empty() {
            self.section("relabel", &rules, Self::relabel)?;
        }
        Ok(())
    }

    fn ups(&mut self, ups: &UpsSettings) -> fmt::Result {
        let (protocol, timeout, names) = match ups {
            UpsSettings::Nut(nut) => ("nut", nut.timeout, Some(nut.names)),
            UpsSettings::Snmp(snmp) => ("snmp", snmp.timeout, None),
            UpsSettings::Apcupsd(apcupsd) => ("apcupsd", apcupsd.timeout, Some(apcupsd.names)),
        };
        self.line(protocol, scalar(&ups.server().to_string()))?;
        match names {
            Some(NutNames::NutExporter) => self.line("names", "nut_exporter")?,
            Some(NutNames::BaseUnits) => self.line("names", "base_units")?,
            None => {}
        }
        self.line("timeout", show_duration(timeout))?;
        if let UpsSettings::Nut(nut) = ups {
            if let Some(Login { user, password: Secret::File(file) }) = &nut.login {
                self.line("username", scalar(user))?;
                self.line("password_file", path(file))?;
            }
            if let Some(tls) = &nut.tls {
                self.open("tls")?;
                self.tls(tls)?;
                self.close();
            }
        }
        match ups {
            // Without a file it is the one that everybody knows.
            UpsSettings::Snmp(SnmpSettings { access: SnmpAccess::Community(Secret::File(file)), .. }) => {
                self.line("community_file", path(file))
            }
            UpsSettings::Snmp(SnmpSettings { access: SnmpAccess::User(user), .. }) => self.snmp_user(user),
            _ => Ok(()),
        }
    }

    fn snmp_user(&mut self, user: &SnmpUser) -> fmt::Result {
        self.open("v3")?;
        self.line("username", scalar(&user.name))?;
        if let Some(auth) = &user.auth {
            self.line("auth", auth.protocol.name())?;
            self.password_file("auth_password_file", &auth.password)?;
            if let Some(privacy) = &auth.privacy {
                self.line("privacy", privacy.protocol.name())?;
                self.password_file("privacy_password_file", &privacy.password)?;
            }
        }
        self.line("context", scalar(&user.context))?;
        self.close();
        Ok(())
    }

    /// The agent's secrets stand in files alone.
    fn password_file(&mut self, key: &str, secret: &Secret) -> fmt::Result {
        secret.file().map_or(Ok(()), |file| self.line(key, path(file)))
    }

    fn scrape(&mut self, job: &Job) -> fmt::Result {
        self.line("job", scalar(&job.job))?;
        self.line("url", scalar(&job.url))?;
        self.line("labels", map(&job.labels.iter().cloned().collect()))?;
        self.line("interval", show_duration(job.interval))?;
        self.line("timeout", show_duration(job.timeout))?;
        self.line("honor_labels", job.honor_labels)?;
        self.line("honor_timestamps", job.honor_timestamps)?;
        self.line("body_limit", show_bytes(job.limits.body_bytes))?;
        self.line("sample_limit", job.limits.samples)?;
        self.client_access(&job.url, &job.auth, &job.tls)
    }

    fn relabel(&mut self, (job, rule): &(&String, &Rule)) -> fmt::Result {
        let default = Rule::default();
        self.line("job", scalar(job))?;
        self.line("action", rule.action.name())?;
        if !rule.source_labels.is_empty() {
            self.line("source_labels", list(&rule.source_labels))?;
        }
        for (key, value, default) in [
            ("separator", &rule.separator, &default.separator),
            ("regex", &rule.regex, &default.regex),
            ("target_label", &rule.target_label, &default.target_label),
            ("replacement", &rule.replacement, &default.replacement),
        ] {
            // What an action does not look at is refused.
            if value != default {
                self.line(key, scalar(value))?;
            }
        }
        if rule.modulus > 0 { self.line("modulus", rule.modulus) } else { Ok(()) }
    }
}
