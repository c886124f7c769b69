//! The inputs: files by job, pods, changes.

use std::path::PathBuf;
use std::time::Duration;

use globset::GlobMatcher;

use super::super::checked::{
    ChangesInput, DropRule, FileInput, Format, JsonFormat, KubeAuditFormat, Logs, LongLines,
    Multiline, PodInput, PodMultiline, Route, VaultAuditFormat,
};
use super::super::problem::quote;
use super::super::quantity::{show_bytes, show_duration};
use super::super::raw::{
    FormatName, RawChanges, RawDrop, RawFiles, RawLogs, RawMultiline, RawPodDrop, RawPodMultiline,
    RawPods, RawRoute,
};
use super::super::read::{Age, Size, Spanned};
use super::super::{defaults, patterns};
use super::{Check, LABEL_VALUE_BYTES_MAX, value_or};

/// Loki takes 128 pairs an entry; so many make every entry longer than what it says.
const METADATA_MAX: usize = 32;

type List = Option<Spanned<Vec<Spanned<String>>>>;

/// The keys that belong to one format or another.
struct FormatOptions<'a> {
    timestamp: &'a List,
    metadata: &'a List,
    redact: &'a Option<Spanned<bool>>,
    prefix: &'a Option<Spanned<String>>,
}

/// What files and pods have in common.
struct Reading<'a> {
    max_age: &'a Option<Spanned<Age>>,
    long_lines: &'a Option<Spanned<LongLines>>,
    max_line: &'a Option<Spanned<Size>>,
    rotate_wait: &'a Option<Spanned<Duration>>,
}

impl Check {
    pub(super) fn logs(&mut self, raw: &RawLogs) -> Logs {
        let files = raw
            .files
            .as_ref()
            .map(|files| files.value.as_slice())
            .unwrap_or_default();
        Logs {
            files: files.iter().filter_map(|file| self.file(file)).collect(),
            pods: raw.pods.as_ref().and_then(|pods| self.pods(&pods.value)),
            changes: raw
                .changes
                .as_ref()
                .and_then(|changes| self.changes(changes)),
        }
    }

    /// Nothing if something that the rest depends on is wrong, which is then noted.
    fn file(&mut self, section: &Spanned<RawFiles>) -> Option<FileInput> {
        let raw = &section.value;
        let job = self
            .needed(raw.job.as_ref(), "job", section)
            .and_then(|job| self.job(job));
        let preset = job.as_deref().and_then(preset);
        let name = raw
            .format
            .as_ref()
            .map(|format| format.value)
            .or(preset)
            .unwrap_or(FormatName::Raw);
        let options = FormatOptions {
            timestamp: &raw.timestamp,
            metadata: &raw.metadata,
            redact: &raw.redact,
            prefix: &raw.prefix,
        };
        let format = self.format(name, &options);
        let audit = matches!(name, FormatName::KubeAudit | FormatName::VaultAudit);

        let paths = match &raw.paths {
            Some(paths) => self.paths(paths),
            None if preset == Some(FormatName::KubeAudit) => {
                defaults::KUBE_AUDIT_PATHS.map(str::to_owned).to_vec()
            }
            None if section.damaged => Vec::new(),
            None => {
                let at = raw.job.as_ref().map_or(&section.at, |job| &job.at);
                self.problems.push(
                    at,
                    "`paths` is missing; only the Kubernetes audit log has usual places",
                );
                Vec::new()
            }
        };
        let exclude = self.path_globs("exclude", raw.exclude.as_ref());
        let drop = raw
            .drop
            .as_ref()
            .map(|rules| rules.value.as_slice())
            .unwrap_or_default();
        let drop = drop
            .iter()
            .filter_map(|rule| self.drop_rule(rule))
            .collect();
        let multiline = raw.multiline.as_ref().and_then(|join| {
            if audit {
                self.problems.push(
                    &join.at,
                    "an audit log has one event a line; remove `multiline`",
                );
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
        Some(FileInput {
            job: job?,
            paths,
            exclude,
            format,
            labels,
            drop,
            multiline,
            max_age,
            long_lines,
            max_line,
            rotate_wait,
        })
    }

    fn pods(&mut self, raw: &RawPods) -> Option<PodInput> {
        let root = match &raw.root {
            None => Some(defaults::PODS_ROOT.to_owned()),
            Some(root) => {
                let trimmed = root.with(root.value.trim_end_matches('/').to_owned());
                self.path("root", &trimmed)
            }
        };
        let include = self.name_globs("include", raw.include.as_ref(), pod_name);
        let exclude = self.name_globs("exclude", raw.exclude.as_ref(), pod_name);
        let drop = raw
            .drop
            .as_ref()
            .map(|rules| rules.value.as_slice())
            .unwrap_or_default();
        let drop = drop
            .iter()
            .filter_map(|rule| self.pod_drop_rule(rule))
            .collect();
        let routes = raw
            .routes
            .as_ref()
            .map(|routes| routes.value.as_slice())
            .unwrap_or_default();
        let routes = routes
            .iter()
            .filter_map(|route| self.route(route))
            .collect();
        let multiline = raw
            .multiline
            .as_ref()
            .map(|joins| joins.value.as_slice())
            .unwrap_or_default();
        let multiline = multiline
            .iter()
            .filter_map(|join| self.pod_multiline(join))
            .collect();
        let reading = Reading {
            max_age: &raw.max_age,
            long_lines: &raw.long_lines,
            max_line: &raw.max_line,
            rotate_wait: &raw.rotate_wait,
        };
        let (max_age, long_lines, max_line, rotate_wait) = self.reading(&reading, false);
        let labels = self.labels(raw.labels.as_ref());
        let root = PathBuf::from(root?);
        Some(PodInput {
            root,
            include,
            exclude,
            drop,
            routes,
            multiline,
            labels,
            max_age,
            long_lines,
            max_line,
            rotate_wait,
        })
    }

    fn changes(&mut self, section: &Spanned<RawChanges>) -> Option<ChangesInput> {
        let raw = &section.value;
        let job = match &raw.job {
            Some(job) => self.job(job),
            None => Some(defaults::CHANGES_JOB.to_owned()),
        };
        let paths = self
            .needed(raw.paths.as_ref(), "paths", section)
            .map(|paths| self.paths(paths));
        Some(ChangesInput {
            job: job?,
            paths: paths?,
        })
    }

    fn job(&mut self, job: &Spanned<String>) -> Option<String> {
        if job.value.is_empty() {
            self.problems
                .push(&job.at, "`job` is empty; name what these lines are");
            return None;
        }
        if job.value.len() > LABEL_VALUE_BYTES_MAX {
            self.problems.push(
                &job.at,
                format!("`job` is longer than the {LABEL_VALUE_BYTES_MAX} bytes that Loki takes"),
            );
        }
        Some(job.value.clone())
    }

    fn paths(&mut self, paths: &Spanned<Vec<Spanned<String>>>) -> Vec<String> {
        if paths.value.is_empty() {
            self.problems
                .push(&paths.at, "`paths` is empty: nothing would be read");
        }
        paths
            .value
            .iter()
            .filter_map(|path| self.path("paths", path))
            .collect()
    }

    fn path_globs(
        &mut self,
        name: &str,
        setting: Option<&Spanned<Vec<Spanned<String>>>>,
    ) -> patterns::Globs {
        let globs = setting
            .map(|globs| globs.value.as_slice())
            .unwrap_or_default();
        let texts = globs
            .iter()
            .filter_map(|glob| self.path(name, glob))
            .collect();
        self.all_globs(name, setting, patterns::path_globs(texts))
    }

    fn format(&mut self, name: FormatName, options: &FormatOptions<'_>) -> Format {
        use FormatName::{Cri, Json, KubeAudit, Raw, VaultAudit};
        self.belongs(
            options.timestamp.as_ref(),
            "timestamp",
            name == Json,
            "json",
        );
        self.belongs(
            options.metadata.as_ref(),
            "metadata",
            matches!(name, Json | KubeAudit | VaultAudit),
            "json, kube-audit and vault-audit",
        );
        self.belongs(
            options.redact.as_ref(),
            "redact",
            name == KubeAudit,
            "kube-audit",
        );
        self.belongs(
            options.prefix.as_ref(),
            "prefix",
            name == VaultAudit,
            "vault-audit",
        );
        match name {
            Raw => Format::Raw,
            Cri => Format::Cri,
            Json => Format::Json(JsonFormat {
                timestamp: self.fields("timestamp", options.timestamp, &defaults::JSON_TIMESTAMP),
                metadata: self.fields("metadata", options.metadata, &[]),
            }),
            KubeAudit => Format::KubeAudit(KubeAuditFormat {
                redact: value_or(options.redact.as_ref(), true),
                metadata: self.fields("metadata", options.metadata, &defaults::KUBE_AUDIT_METADATA),
            }),
            VaultAudit => Format::VaultAudit(VaultAuditFormat {
                prefix: value_or(options.prefix.as_ref(), String::new()),
                metadata: self.fields(
                    "metadata",
                    options.metadata,
                    &defaults::VAULT_AUDIT_METADATA,
                ),
            }),
        }
    }

    fn belongs<T>(
        &mut self,
        setting: Option<&Spanned<T>>,
        name: &str,
        belongs: bool,
        formats: &str,
    ) {
        if let Some(setting) = setting.filter(|_| !belongs) {
            self.problems.push(
                &setting.at,
                format!("`{name}` belongs to the format {formats}; remove it, or set `format`"),
            );
        }
    }

    fn fields(&mut self, name: &str, setting: &List, default: &[&str]) -> Vec<String> {
        let Some(fields) = setting else {
            return default.iter().map(|&field| field.to_owned()).collect();
        };
        if fields.value.len() > METADATA_MAX {
            self.problems.push(
                &fields.at,
                format!(
                    "`{name}` names {} fields; at most {METADATA_MAX}",
                    fields.value.len()
                ),
            );
        }
        for field in fields.value.iter().filter(|field| field.value.is_empty()) {
            self.problems
                .push(&field.at, format!("`{name}`: a field's name is empty"));
        }
        fields
            .value
            .iter()
            .map(|field| field.value.clone())
            .collect()
    }

    fn drop_rule(&mut self, section: &Spanned<RawDrop>) -> Option<DropRule> {
        let raw = &section.value;
        let text = self.needed(raw.regex.as_ref(), "regex", section)?;
        let regex = self.take("regex", text, patterns::regex(&text.value))?;
        // Two texts that have nothing in common: who matches both matches every line, mostly by an `|` too much.
        if regex.is_match(b"") && regex.is_match(b"\x00any line") {
            self.problems.push(
                &text.at,
                format!(
                    "`regex`: {} matches every line, so nothing would be shipped",
                    quote(&text.value)
                ),
            );
        }
        Some(DropRule {
            name: value_or(raw.name.as_ref(), text.value.clone()),
            pods: None,
            regex,
        })
    }

    fn pod_drop_rule(&mut self, section: &Spanned<RawPodDrop>) -> Option<DropRule> {
        let raw = &section.value;
        let pods = raw.pods.as_ref().map(|pods| self.pod_glob(pods));
        let rule = RawDrop {
            name: raw.name.clone(),
            regex: raw.regex.clone(),
        };
        let rule = self.drop_rule(&section.with(rule))?;
        match pods {
            None => Some(rule),
            Some(pods) => Some(DropRule {
                pods: Some(pods?),
                ..rule
            }),
        }
    }

    fn route(&mut self, section: &Spanned<RawRoute>) -> Option<Route> {
        let raw = &section.value;
        let pods = self
            .needed(raw.pods.as_ref(), "pods", section)
            .and_then(|pods| self.pod_glob(pods));
        let container = raw.container.as_ref().map(|container| {
            self.take(
                "container",
                container,
                patterns::name_glob(&container.value),
            )
        });
        let job = self
            .needed(raw.job.as_ref(), "job", section)
            .and_then(|job| self.job(job));
        let name = raw
            .format
            .as_ref()
            .map(|format| format.value)
            .or_else(|| job.as_deref().and_then(preset));
        if job.is_some() && name.is_none() && !section.damaged {
            self.problems.push(
                &section.at,
                "`format` is missing: it says which lines the route takes",
            );
        }
        if let Some(format) = raw
            .format
            .as_ref()
            .filter(|format| matches!(format.value, FormatName::Raw | FormatName::Cri))
        {
            self.problems.push(
                &format.at,
                "every line is of this format; a route takes json, kube-audit or vault-audit",
            );
        }
        let options = FormatOptions {
            timestamp: &raw.timestamp,
            metadata: &raw.metadata,
            redact: &raw.redact,
            prefix: &raw.prefix,
        };
        let format = name.map(|name| self.format(name, &options));
        let container = match container {
            None => None,
            Some(container) => Some(container?),
        };
        Some(Route {
            pods: pods?,
            container,
            format: format?,
            job: job?,
        })
    }

    fn pod_multiline(&mut self, section: &Spanned<RawPodMultiline>) -> Option<PodMultiline> {
        let raw = &section.value;
        let pods = self
            .needed(raw.pods.as_ref(), "pods", section)
            .and_then(|pods| self.pod_glob(pods));
        let container = raw.container.as_ref().map(|container| {
            self.take(
                "container",
                container,
                patterns::name_glob(&container.value),
            )
        });
        let RawPodMultiline {
            first,
            max_lines,
            timeout,
            ..
        } = raw.clone();
        let join = self.multiline(&section.with(RawMultiline {
            first,
            max_lines,
            timeout,
        }));
        let container = match container {
            None => None,
            Some(container) => Some(container?),
        };
        Some(PodMultiline {
            pods: pods?,
            container,
            join: join?,
        })
    }

    fn multiline(&mut self, section: &Spanned<RawMultiline>) -> Option<Multiline> {
        let raw = &section.value;
        if let Some(lines) = &raw.max_lines {
            self.bounded("max_lines", &lines.at, lines.value.0, 2, 100_000, |n| {
                n.to_string()
            });
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
            max_lines: raw
                .max_lines
                .as_ref()
                .map_or(defaults::MULTILINE_MAX_LINES, |count| count.value.0),
            timeout: value_or(raw.timeout.as_ref(), defaults::MULTILINE_TIMEOUT),
        })
    }

    fn reading(
        &mut self,
        raw: &Reading<'_>,
        audit: bool,
    ) -> (Option<Duration>, LongLines, usize, Duration) {
        let max_age = match raw.max_age {
            Some(age) => age.value.0,
            None if audit => None,
            None => Some(defaults::MAX_AGE),
        };
        let default = if audit {
            defaults::AUDIT_MAX_LINE
        } else {
            defaults::MAX_LINE
        };
        let max_line = raw.max_line.as_ref().map_or(default, |setting| {
            self.bounded(
                "max_line",
                &setting.at,
                setting.value.0,
                1 << 10,
                64 << 20,
                show_bytes,
            );
            setting.value.0 as usize
        });
        let rotate_wait = raw
            .rotate_wait
            .as_ref()
            .map_or(defaults::ROTATE_WAIT, |setting| {
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
        (
            max_age,
            value_or(raw.long_lines.as_ref(), LongLines::Cut),
            max_line,
            rotate_wait,
        )
    }

    fn pod_glob(&mut self, text: &Spanned<String>) -> Option<GlobMatcher> {
        let glob = pod_name(&text.value).and_then(|()| patterns::name_glob(&text.value));
        self.take("pods", text, glob)
    }
}

/// The format that a job's name stands for.
fn preset(job: &str) -> Option<FormatName> {
    match job {
        "kubernetes-audit" | "kube-audit" => Some(FormatName::KubeAudit),
        "vault-audit" => Some(FormatName::VaultAudit),
        _ => None,
    }
}

/// A glob without a slash would match no pod at all, since each is named by its namespace too.
fn pod_name(glob: &str) -> Result<(), String> {
    if glob.contains('/') {
        return Ok(());
    }
    if glob == "*" {
        return Err("names no namespace; write */* for all pods".to_owned());
    }
    Err(format!(
        "names no namespace; write {glob}/* for all pods of a namespace, */{glob} for pods of this name"
    ))
}
