//! The configuration that runs, as a file: every default written out. Read again, it means the same.
//!
//! Secrets cannot appear: the configuration has only the paths of the files that hold them.

mod collectors;
mod metrics;

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::path::Path;

use super::checked::{
    Auth, Config, DropRule, FileInput, Format, JournalSelection, LokiOutput, LongLines, MessageFormat, Multiline, Place,
    PodInput, PodMultiline, RemoteWriteOutput, Route, Start, Wanted,
};
use client::{Secret, Tls};
use proto::remote_write::Version;
use settings::quantity::{show_bytes, show_duration};

/// The text of `config`, in the order of the reference configuration.
pub(super) fn effective(config: &Config) -> String {
    let mut page = Page { text: String::new(), indent: 0, item: false };
    // Writing to a string cannot fail.
    let _ = page.config(config);
    page.text
}

/// The text so far, and how deep the next line stands.
struct Page {
    text: String,
    indent: usize,
    /// The next line begins an item of a list.
    item: bool,
}

impl Page {
    fn config(&mut self, config: &Config) -> fmt::Result {
        self.line("node", scalar(&config.node))?;
        let mut all = config.labels.clone();
        // Without the key it would come back as its default.
        all.entry("cluster".to_owned()).or_default();
        self.line("labels", map(&all))?;
        self.line("listen", config.listen.map_or_else(|| scalar(""), |listen| scalar(&listen.to_string())))?;
        self.open("logs")?;
        if config.logs.files.is_empty() {
            self.line("files", "[]")?;
        } else {
            self.section("files", &config.logs.files, Self::file)?;
        }
        if let Some(pods) = &config.logs.pods {
            self.open("pods")?;
            self.pods(pods)?;
            self.close();
        }
        if let Some(journal) = &config.logs.journal {
            self.section("journal", &journal.selections, Self::journal)?;
            let directories: Vec<String> = journal.directories.iter().map(|path| path.to_string_lossy().into_owned()).collect();
            self.line("journal_directories", list(&directories))?;
        }
        if let Some(changes) = &config.logs.changes {
            self.open("changes")?;
            self.line("job", scalar(&changes.job))?;
            self.line("paths", list(&changes.paths))?;
            self.close();
        }
        self.line("max_held_bytes", show_bytes(config.logs.max_held_bytes))?;
        self.close();
        if let Some(metrics) = &config.metrics {
            self.open("metrics")?;
            self.metrics(metrics)?;
            self.close();
        }
        if let Some(kubelet) = &config.kubelet {
            self.open("kubelet")?;
            self.line("url", scalar(&kubelet.url))?;
            self.client_access(&kubelet.url, &kubelet.auth, &kubelet.tls)?;
            self.line("timeout", show_duration(kubelet.timeout))?;
            self.close();
        }
        self.open("outputs")?;
        if config.outputs.loki.is_empty() {
            self.line("loki", "[]")?;
        } else {
            self.section("loki", &config.outputs.loki, Self::loki)?;
        }
        if config.outputs.remote_write.is_empty() {
            self.line("remote_write", "[]")?;
        } else {
            self.section("remote_write", &config.outputs.remote_write, Self::remote_write)?;
        }
        self.close();
        Ok(())
    }

    fn file(&mut self, file: &FileInput) -> fmt::Result {
        self.line("job", scalar(&file.job))?;
        self.line("paths", list(&file.paths))?;
        self.line("exclude", list(file.exclude.texts()))?;
        self.format(&file.format)?;
        self.line("labels", map(&file.labels))?;
        self.drop(&file.drop)?;
        if let Some(join) = &file.multiline {
            self.open("multiline")?;
            self.multiline(join)?;
            self.close();
        }
        self.line("max_age", age(file.max_age))?;
        self.line("long_lines", long_lines(file.long_lines))?;
        self.line("max_line", show_bytes(file.max_line as u64))?;
        self.line("rotate_wait", show_duration(file.rotate_wait))
    }

    fn pods(&mut self, pods: &PodInput) -> fmt::Result {
        self.line("root", path(&pods.root))?;
        self.line("include", list(pods.include.texts()))?;
        self.line("exclude", list(pods.exclude.texts()))?;
        self.drop(&pods.drop)?;
        if pods.routes.is_empty() {
            self.line("routes", "[]")?;
        } else {
            self.section("routes", &pods.routes, Self::route)?;
        }
        if pods.multiline.is_empty() {
            self.line("multiline", "[]")?;
        } else {
            self.section("multiline", &pods.multiline, Self::pod_multiline)?;
        }
        self.line("labels", map(&pods.labels))?;
        self.line("app_labels", list(&pods.app_labels))?;
        self.line("max_age", age(pods.max_age))?;
        self.line("long_lines", long_lines(pods.long_lines))?;
        self.line("max_line", show_bytes(pods.max_line as u64))?;
        self.line("rotate_wait", show_duration(pods.rotate_wait))
    }

    fn journal(&mut self, selection: &JournalSelection) -> fmt::Result {
        if let Some(proof) = &selection.proof {
            self.line("preset", "sshd")?;
            self.line("executables", list(&proof.executables))?;
        }
        self.line("job", scalar(&selection.job))?;
        let fields: Vec<String> =
            selection.fields.iter().map(|(name, values)| format!("{}: {}", scalar(name), list(values))).collect();
        self.line("match", format!("{{{}}}", fields.join(", ")))?;
        self.line("units", list(selection.units.texts()))?;
        if let Some(priority) = selection.priority {
            self.line("priority", priority.name())?;
            self.line("kernel", if selection.kernel { "all" } else { "by-priority" })?;
        }
        if let Some(grep) = &selection.grep {
            self.line("grep", scalar(grep.as_str()))?;
        }
        let format = match selection.format {
            MessageFormat::Raw => "raw",
            MessageFormat::Sshd => "sshd",
            MessageFormat::Netfilter => "netfilter",
        };
        self.line("format", format)?;
        self.line("identifiers", list(selection.identifiers.texts()))?;
        self.line("metadata", list(&selection.metadata))?;
        self.line("labels", map(&selection.labels))?;
        self.drop(&selection.drop)?;
        match selection.start {
            Start::Now => self.line("max_age", "now")?,
            Start::Boot => self.line("max_age", "boot")?,
            Start::Age(back) => self.line("max_age", show_duration(back))?,
            Start::Everything => self.line("max_age", "all")?,
        }
        self.line("long_lines", long_lines(selection.long_lines))
    }

    fn drop(&mut self, rules: &[DropRule]) -> fmt::Result {
        if rules.is_empty() {
            return self.line("drop", "[]");
        }
        self.section("drop", rules, |page, rule| {
            page.line("name", scalar(&rule.name))?;
            if let Some(pods) = &rule.pods {
                page.line("pods", scalar(pods.glob().glob()))?;
            }
            page.line("regex", scalar(rule.regex.as_str()))
        })
    }

    fn route(&mut self, route: &Route) -> fmt::Result {
        self.line("pods", scalar(route.pods.glob().glob()))?;
        self.line("container", scalar(route.container.as_ref().map_or("*", |container| container.glob().glob())))?;
        self.format(&route.format)?;
        self.line("job", scalar(&route.job))
    }

    fn pod_multiline(&mut self, multiline: &PodMultiline) -> fmt::Result {
        self.line("pods", scalar(multiline.pods.glob().glob()))?;
        self.line("container", scalar(multiline.container.as_ref().map_or("*", |container| container.glob().glob())))?;
        self.multiline(&multiline.join)
    }

    fn multiline(&mut self, join: &Multiline) -> fmt::Result {
        self.line("first", scalar(join.first.as_str()))?;
        self.line("max_lines", join.max_lines)?;
        self.line("timeout", show_duration(join.timeout))
    }

    fn format(&mut self, format: &Format) -> fmt::Result {
        match format {
            Format::Raw => self.line("format", "raw"),
            Format::Cri => self.line("format", "cri"),
            Format::Json(json) => {
                self.line("format", "json")?;
                self.line("timestamp", list(&json.timestamp))?;
                self.line("metadata", list(&json.metadata))
            }
            Format::KubeAudit(kube) => {
                self.line("format", "kube-audit")?;
                self.line("metadata", list(&kube.metadata))?;
                self.line("redact", kube.redact)
            }
            Format::VaultAudit(vault) => {
                self.line("format", "vault-audit")?;
                self.line("metadata", list(&vault.metadata))?;
                self.line("prefix", scalar(&vault.prefix))
            }
        }
    }

    /// Credentials and TLS of what is asked.
    fn client_access(&mut self, url: &str, auth: &client::Auth, tls: &Tls) -> fmt::Result {
        match auth {
            client::Auth::Basic { user, password: Secret::File(file) } => {
                self.open("basic_auth")?;
                self.line("username", scalar(user))?;
                self.line("password_file", path(file))?;
                self.close();
            }
            client::Auth::Scheme { secret: Secret::File(file), .. } => self.line("bearer_token_file", path(file))?,
            // The agent's secrets stand in files alone.
            _ => {}
        }
        if url.starts_with("https:") {
            self.open("tls")?;
            self.tls(tls)?;
            self.close();
        }
        Ok(())
    }

    fn loki(&mut self, loki: &LokiOutput) -> fmt::Result {
        self.line("name", scalar(&loki.name))?;
        self.line("url", scalar(&loki.place.url))?;
        self.line("jobs", list(loki.jobs.texts()))?;
        self.access(&loki.place)?;
        self.line("linger", show_duration(loki.linger))?;
        self.line("batch_bytes", show_bytes(loki.batch_bytes as u64))?;
        self.line("batch_entries", loki.batch_entries)?;
        self.line("max_line", show_bytes(loki.max_line as u64))?;
        self.line("max_entry_age", show_duration(loki.max_entry_age.unwrap_or_default()))?;
        self.line("order_window", show_duration(loki.order_window.unwrap_or_default()))?;
        self.line("spool", show_bytes(loki.spool))?;
        self.line("timeout", show_duration(loki.place.timeout))
    }

    fn remote_write(&mut self, output: &RemoteWriteOutput) -> fmt::Result {
        self.line("name", scalar(&output.name))?;
        self.line("url", scalar(&output.place.url))?;
        let version = match output.version {
            Wanted::Auto => "auto",
            Wanted::Only(Version::V1) => "\"1.0\"",
            Wanted::Only(Version::V2) => "\"2.0\"",
        };
        self.line("version", version)?;
        self.line("jobs", list(output.jobs.texts()))?;
        self.access(&output.place)?;
        self.line("linger", show_duration(output.linger))?;
        self.line("batch_samples", output.batch_samples)?;
        self.line("spool", show_bytes(output.spool))?;
        self.line("timeout", show_duration(output.place.timeout))
    }

    /// Tenant, credentials and TLS.
    fn access(&mut self, place: &Place) -> fmt::Result {
        self.line("tenant", scalar(&place.tenant))?;
        match &place.auth {
            Auth::None => {}
            Auth::Basic { user, password_file } => {
                self.open("basic_auth")?;
                self.line("username", scalar(user))?;
                self.line("password_file", path(password_file))?;
                self.close();
            }
            Auth::Bearer { token_file } => self.line("bearer_token_file", path(token_file))?,
        }
        // With http there is nothing to say, and `tls` would be refused.
        if place.url.starts_with("https:") {
            self.open("tls")?;
            self.tls(&place.tls)?;
            self.close();
        }
        Ok(())
    }

    fn tls(&mut self, tls: &Tls) -> fmt::Result {
        for (name, file) in [("ca_file", &tls.ca_file), ("cert_file", &tls.cert_file), ("key_file", &tls.key_file)] {
            if let Some(file) = file {
                self.line(name, path(file))?;
            }
        }
        if let Some(name) = &tls.server_name {
            self.line("server_name", scalar(name))?;
        }
        self.line("insecure_skip_verify", tls.insecure_skip_verify)
    }

    /// A list of maps, one line a key.
    fn section<T>(&mut self, key: &str, items: &[T], write: impl Fn(&mut Self, &T) -> fmt::Result) -> fmt::Result {
        self.open(key)?;
        for item in items {
            self.indent += 1;
            self.item = true;
            write(self, item)?;
            self.indent -= 1;
        }
        self.close();
        Ok(())
    }

    fn open(&mut self, key: &str) -> fmt::Result {
        self.margin()?;
        writeln!(self.text, "{key}:")?;
        self.indent += 1;
        Ok(())
    }

    fn close(&mut self) {
        self.indent -= 1;
    }

    fn line(&mut self, key: &str, value: impl fmt::Display) -> fmt::Result {
        self.margin()?;
        writeln!(self.text, "{key}: {value}")
    }

    fn margin(&mut self) -> fmt::Result {
        let dash = usize::from(self.item);
        self.item = false;
        write!(self.text, "{:width$}{}", "", if dash == 1 { "- " } else { "" }, width = 2 * (self.indent - dash))
    }
}

fn list(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| scalar(item)).collect();
    format!("[{}]", items.join(", "))
}

fn map(entries: &BTreeMap<String, String>) -> String {
    let entries: Vec<String> = entries.iter().map(|(name, value)| format!("{}: {}", scalar(name), scalar(value))).collect();
    format!("{{{}}}", entries.join(", "))
}

fn path(path: &Path) -> String {
    scalar(&path.to_string_lossy())
}

fn age(age: Option<std::time::Duration>) -> String {
    age.map_or_else(|| "all".to_owned(), show_duration)
}

fn long_lines(long_lines: LongLines) -> &'static str {
    match long_lines {
        LongLines::Cut => "cut",
        LongLines::Split => "split",
    }
}

/// Text as YAML: as it is where no reader can take it for anything else, quoted otherwise.
fn scalar(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-'))
        && !matches!(text.to_ascii_lowercase().as_str(), "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "y" | "n");
    if plain {
        return text.to_owned();
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                // Writing to a string cannot fail.
                let _ = write!(quoted, "\\u{:04x}", c as u32);
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
