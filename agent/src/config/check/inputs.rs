//! The inputs: files by job, and changes; `pods` has the third. Also what all of them have in common.

use std::time::Duration;

use super::super::checked::{ChangesInput, DropRule, FileInput, Logs, LongLines, Multiline};
use super::super::raw::{FormatName, RawChanges, RawDrop, RawFiles, RawLogs, RawMultiline};
use super::super::{defaults, patterns};
use super::formats::{FormatOptions, preset};
use super::{Check, LABEL_VALUE_BYTES_MAX, items, value_or};
use settings::problem::quote;
use settings::quantity::{show_bytes, show_duration};
use settings::read::{Age, Size, Spanned};

/// What files and pods have in common.
pub(super) struct Reading<'a> {
    pub(super) max_age: &'a Option<Spanned<Age>>,
    pub(super) long_lines: &'a Option<Spanned<LongLines>>,
    pub(super) max_line: &'a Option<Spanned<Size>>,
    pub(super) rotate_wait: &'a Option<Spanned<Duration>>,
}

impl Check {
    pub(super) fn logs(&mut self, raw: &RawLogs) -> Logs {
        let files = items(raw.files.as_ref());
        Logs {
            files: files.iter().filter_map(|file| self.file(file)).collect(),
            pods: raw.pods.as_ref().and_then(|pods| self.pods(&pods.value)),
            journal: match (&raw.journal, &raw.journal_directories) {
                (Some(selections), directories) => Some(self.journal(selections, directories.as_ref())),
                (None, None) => None,
                (None, Some(directories)) => {
                    self.problems.push(
                        &directories.at,
                        "`journal_directories` says where the journal is, but `journal` is missing: nothing of it is read",
                    );
                    None
                }
            },
            changes: raw.changes.as_ref().and_then(|changes| self.changes(changes)),
            max_held_bytes: raw.max_held_bytes.as_ref().map_or(defaults::MAX_HELD_BYTES, |setting| {
                // Below the smallest, the lag of an ordinary rotation would lose lines.
                self.bounded("max_held_bytes", &setting.at, setting.value.0, 1 << 20, 1 << 50, show_bytes);
                setting.value.0
            }),
        }
    }

    /// Nothing if something that the rest depends on is wrong, which is then noted.
    fn file(&mut self, section: &Spanned<RawFiles>) -> Option<FileInput> {
        let raw = &section.value;
        let job = self.needed(raw.job.as_ref(), "job", section).and_then(|job| self.job(job));
        let preset = job.as_deref().and_then(preset);
        let name = raw.format.as_ref().map(|format| format.value).or(preset).unwrap_or(FormatName::Raw);
        let options =
            FormatOptions { timestamp: &raw.timestamp, metadata: &raw.metadata, redact: &raw.redact, prefix: &raw.prefix };
        let format = self.format(name, &options);
        let audit = matches!(name, FormatName::KubeAudit | FormatName::VaultAudit);

        let paths = match &raw.paths {
            Some(paths) => self.paths(paths),
            None if preset == Some(FormatName::KubeAudit) => defaults::KUBE_AUDIT_PATHS.map(str::to_owned).to_vec(),
            None if section.damaged => Vec::new(),
            None => {
                let at = raw.job.as_ref().map_or(&section.at, |job| &job.at);
                self.problems.push(at, "`paths` is missing; only the Kubernetes audit log has usual places");
                Vec::new()
            }
        };
        let exclude = self.path_globs("exclude", raw.exclude.as_ref());
        let drop = items(raw.drop.as_ref());
        let drop = drop.iter().filter_map(|rule| self.drop_rule(rule)).collect();
        let multiline = raw.multiline.as_ref().and_then(|join| {
            if audit {
                self.problems.push(&join.at, "an audit log has one event a line; remove `multiline`");
            }
            self.multiline(join)
        });
        let reading = Reading {
            max_age: &raw.max_age,
            long_lines: &raw.long_lines,
            max_line: &raw.max_line,
            rotate_wait: &raw.rotate_wait,
        };
        let (max_age, long_lines, max_line, rotate_wait) = self.reading(&reading, audit);
        let labels = self.labels(raw.labels.as_ref());
        Some(FileInput { job: job?, paths, exclude, format, labels, drop, multiline, max_age, long_lines, max_line, rotate_wait })
    }

    fn changes(&mut self, section: &Spanned<RawChanges>) -> Option<ChangesInput> {
        let raw = &section.value;
        let job = match &raw.job {
            Some(job) => self.job(job),
            None => Some(defaults::CHANGES_JOB.to_owned()),
        };
        let paths = self.needed(raw.paths.as_ref(), "paths", section).map(|paths| self.paths(paths));
        Some(ChangesInput { job: job?, paths: paths? })
    }

    pub(super) fn job(&mut self, job: &Spanned<String>) -> Option<String> {
        if job.value.is_empty() {
            self.problems.push(&job.at, "`job` is empty; name what these lines are");
            return None;
        }
        if job.value.len() > LABEL_VALUE_BYTES_MAX {
            self.problems.push(&job.at, format!("`job` is longer than the {LABEL_VALUE_BYTES_MAX} bytes that Loki takes"));
        }
        Some(job.value.clone())
    }

    fn paths(&mut self, paths: &Spanned<Vec<Spanned<String>>>) -> Vec<String> {
        if paths.value.is_empty() {
            self.problems.push(&paths.at, "`paths` is empty: nothing would be read");
        }
        paths.value.iter().filter_map(|path| self.path("paths", path)).collect()
    }

    fn path_globs(&mut self, name: &str, setting: Option<&Spanned<Vec<Spanned<String>>>>) -> patterns::Globs {
        let globs = items(setting);
        let texts = globs.iter().filter_map(|glob| self.path(name, glob)).collect();
        self.all_globs(name, setting, patterns::path_globs(texts))
    }

    pub(super) fn drop_rule(&mut self, section: &Spanned<RawDrop>) -> Option<DropRule> {
        let raw = &section.value;
        let text = self.needed(raw.regex.as_ref(), "regex", section)?;
        let regex = self.take("regex", text, patterns::regex(&text.value))?;
        // Two texts that have nothing in common: who matches both matches every line, mostly by an `|` too much.
        if regex.is_match(b"") && regex.is_match(b"\x00any line") {
            self.problems
                .push(&text.at, format!("`regex`: {} matches every line, so nothing would be shipped", quote(&text.value)));
        }
        Some(DropRule { name: value_or(raw.name.as_ref(), text.value.clone()), pods: None, regex })
    }

    pub(super) fn multiline(&mut self, section: &Spanned<RawMultiline>) -> Option<Multiline> {
        let raw = &section.value;
        if let Some(lines) = &raw.max_lines {
            self.bounded("max_lines", &lines.at, lines.value.0, 2, 100_000, |n| n.to_string());
        }
        if let Some(timeout) = &raw.timeout {
            self.bounded(
                "timeout",
                &timeout.at,
                timeout.value,
                Duration::from_millis(100),
                Duration::from_mins(1),
                show_duration,
            );
        }
        let first = self.needed(raw.first.as_ref(), "first", section)?;
        Some(Multiline {
            first: self.take("first", first, patterns::regex(&first.value))?,
            max_lines: raw.max_lines.as_ref().map_or(defaults::MULTILINE_MAX_LINES, |count| count.value.0),
            timeout: value_or(raw.timeout.as_ref(), defaults::MULTILINE_TIMEOUT),
        })
    }

    pub(super) fn reading(&mut self, raw: &Reading<'_>, audit: bool) -> (Option<Duration>, LongLines, usize, Duration) {
        let max_age = match raw.max_age {
            Some(age) => age.value.0,
            None if audit => None,
            None => Some(defaults::MAX_AGE),
        };
        let default = if audit { defaults::AUDIT_MAX_LINE } else { defaults::MAX_LINE };
        let max_line = raw.max_line.as_ref().map_or(default, |setting| {
            self.bounded("max_line", &setting.at, setting.value.0, 1 << 10, 64 << 20, show_bytes);
            setting.value.0 as usize
        });
        let rotate_wait = raw.rotate_wait.as_ref().map_or(defaults::ROTATE_WAIT, |setting| {
            self.bounded(
                "rotate_wait",
                &setting.at,
                setting.value,
                Duration::from_secs(1),
                Duration::from_hours(1),
                show_duration,
            );
            setting.value
        });
        (max_age, value_or(raw.long_lines.as_ref(), LongLines::Cut), max_line, rotate_wait)
    }
}
