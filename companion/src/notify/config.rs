//! What the embedded router runs on, read from Alertmanager's own file: `raw` mirrors the file, `check` leads from there to here.
//!
//! What a real file has and this router does not is refused by name and place, never ignored. Secrets are kept apart from
//! everything that is printed, and those in files are read when they are used.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use client::{Endpoint, Secret, Tls};
use settings::file;
use settings::problem::{At, Problems};
use settings::read::Read as _;

use super::inhibit::InhibitRule;
use super::mute::TimeInterval;
use super::route::Routes;
use super::template::{Templates, Text};

mod check;
mod raw;
mod receivers;
#[cfg(test)]
mod tests;

/// A valid configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// How long an alert without an end is firing after it was last heard of.
    pub resolve_timeout: Duration,
    /// Which alert goes where.
    pub routes: Routes,
    /// Who is told, in the order of the file.
    pub receivers: Vec<Receiver>,
    /// Which alerts mute others.
    pub inhibit_rules: Vec<InhibitRule>,
    /// When routes are mute or active, by name.
    pub intervals: BTreeMap<String, TimeInterval>,
}

/// Somebody who is told, in one or several ways.
#[derive(Clone, Debug)]
pub struct Receiver {
    /// As routes call it.
    pub name: String,
    /// The ways.
    pub integrations: Vec<Integration>,
}

/// One way to tell somebody.
#[derive(Clone, Debug)]
pub struct Integration {
    /// `slack`, `webhook` or `email`, and its place in the file: tells it from the receiver's others.
    pub id: String,
    /// Whether it is told that something is over.
    pub send_resolved: bool,
    /// How.
    pub kind: IntegrationKind,
}

/// What kind of way.
#[derive(Clone, Debug)]
pub enum IntegrationKind {
    /// A Slack webhook.
    Slack(Box<SlackConfig>),
    /// A webhook of Alertmanager's form, version 4.
    Webhook(Box<WebhookConfig>),
    /// E-mail by SMTP.
    Email(Box<EmailConfig>),
}

/// `slack_configs[]`; texts are rendered for each notification.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the keys of Slack's attachments, under their own names")]
pub struct SlackConfig {
    pub http: Endpoint,
    pub channel: Text,
    pub username: Text,
    pub color: Text,
    pub title: Text,
    pub title_link: Text,
    pub pretext: Text,
    pub text: Text,
    pub fields: Vec<SlackField>,
    pub footer: Text,
    pub fallback: Text,
    pub callback_id: Text,
    pub icon_emoji: Text,
    pub icon_url: Text,
    pub image_url: Text,
    pub thumb_url: Text,
    pub link_names: bool,
    pub mrkdwn_in: Vec<String>,
    pub actions: Vec<SlackAction>,
}

/// `fields[]`
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the keys of Slack's attachments, under their own names")]
pub struct SlackField {
    pub title: Text,
    pub value: Text,
    pub short: bool,
}

/// `actions[]`
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the keys of Slack's attachments, under their own names")]
pub struct SlackAction {
    pub kind: Text,
    pub text: Text,
    pub url: Text,
    pub style: Text,
    pub name: Text,
    pub value: Text,
}

/// `webhook_configs[]`
#[derive(Clone, Debug)]
pub struct WebhookConfig {
    /// How it is reached.
    pub http: Endpoint,
    /// The most alerts of one notification; 0 is all.
    pub max_alerts: usize,
}

/// `email_configs[]`
#[derive(Clone, Debug)]
pub struct EmailConfig {
    /// Addresses, separated by commas.
    pub to: Text,
    /// The sender's address.
    pub from: Text,
    /// The server's name.
    pub host: String,
    /// Its port; 465 speaks TLS from the first byte on.
    pub port: u16,
    /// How we introduce ourselves; the host's name if there is none.
    pub hello: Option<String>,
    /// User and password.
    pub auth: Option<(String, Secret)>,
    /// Whether nothing is sent unless the connection is encrypted.
    pub require_tls: bool,
    /// What is trusted.
    pub tls: Tls,
    /// Header names and what they say; `Subject` is among them.
    pub headers: Vec<(String, Text)>,
    /// The HTML part; none if its source is empty.
    pub html: Option<Text>,
    /// The text part.
    pub text: Option<Text>,
}

/// Reads the file, and the template files that it names.
pub fn load(path: &Path) -> Result<Config, Problems> {
    let name: Arc<str> = path.to_string_lossy().into();
    let text = file::read(path).map_err(|error| file::unreadable(path, &error))?;
    parse(&name, &text, path.parent().unwrap_or(Path::new(".")))
}

/// Reads its text; paths in it are taken from `directory`.
pub fn parse(name: &Arc<str>, text: &[u8], directory: &Path) -> Result<Config, Problems> {
    let mut problems = Problems::default();
    let root = settings::yaml::parse(name, text)?;
    let Some(raw) = raw::Raw::read("the file", &root, &mut problems) else { return Err(problems) };
    let config = check::check(&raw, &root.at, directory);
    problems.and(config)
}

/// The default templates and those of files; a mistake is said with its place in its file.
fn read_templates(globs: &[settings::read::Spanned<String>], directory: &Path, problems: &mut Problems) -> Templates {
    let mut templates = match Templates::builtin() {
        Ok(templates) => templates,
        Err(problem) => {
            problems.push(&At::outside("the default templates"), problem.to_string());
            Templates::default()
        }
    };
    for glob in globs {
        let found = match template_files(&directory.join(&glob.value)) {
            Ok(found) => found,
            Err(error) => {
                problems.push(&glob.at, format!("`templates`: {error}"));
                continue;
            }
        };
        for path in found {
            let read = file::read(&path).map_err(|error| error.to_string());
            let text = read.and_then(|bytes| String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned()));
            match text.as_deref().map(|text| templates.add(text)) {
                Ok(Ok(())) => {}
                Ok(Err(problem)) => {
                    let file: Arc<str> = path.to_string_lossy().into();
                    problems.push(&At { file, line: problem.line, column: problem.column }, problem.message);
                }
                Err(error) => problems.push(&glob.at, format!("`templates`: {}: {error}", path.display())),
            }
        }
    }
    templates
}

/// The files of a path whose last part may hold `*` and `?`, in the order of their names. One that names no file at all is fine
/// with a star (a folder that is still empty), and a mistake without.
fn template_files(pattern: &Path) -> Result<Vec<PathBuf>, String> {
    let (Some(directory), Some(name)) = (pattern.parent(), pattern.file_name().and_then(|name| name.to_str())) else {
        return Err(format!("{} names no file", pattern.display()));
    };
    if directory.to_string_lossy().contains(['*', '?']) {
        return Err(format!("{}: only the last part may hold * or ?", pattern.display()));
    }
    if !name.contains(['*', '?']) {
        return Ok(vec![pattern.to_owned()]);
    }
    let regex = name.split('*').map(|part| part.split('?').map(regex::escape).collect::<Vec<_>>().join(".")).collect::<Vec<_>>();
    let regex = super::matcher::anchored(&regex.join(".*"))?;
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) => return Err(format!("{}: {error}", directory.display())),
    };
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_file() && path.file_name().and_then(|name| name.to_str()).is_some_and(|name| regex.is_match(name)))
        .collect();
    found.sort();
    Ok(found)
}
