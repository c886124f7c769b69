//! The journal: presets spelt out, and what of an entry's fields is asked.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::super::checked::{JournalInput, JournalSelection, LongLines, MessageFormat, Priority, Proof, Start};
use super::super::raw::RawJournal;
use super::super::raw::journal::{Kernel, Preset};
use super::super::{defaults, patterns};
use super::{Check, items, value_or};
use settings::problem::quote;
use settings::read::{Entries, Spanned};

/// journald takes no longer names (systemd.journal-fields(7)).
const FIELD_BYTES_MAX: usize = 64;
/// Fields that journald sets itself, without the underscore with which it does (systemd.journal-fields(7)).
const SET_BY_JOURNALD: [&str; 16] = [
    "PID",
    "UID",
    "GID",
    "COMM",
    "EXE",
    "CMDLINE",
    "CAP_EFFECTIVE",
    "AUDIT_SESSION",
    "AUDIT_LOGINUID",
    "SYSTEMD_UNIT",
    "SYSTEMD_SLICE",
    "SYSTEMD_CGROUP",
    "BOOT_ID",
    "MACHINE_ID",
    "HOSTNAME",
    "TRANSPORT",
];
/// Fields that all selections together may ask for, beside those that labels need.
const FIELDS_MAX: usize = 32;

impl Check {
    pub(super) fn journal(
        &mut self,
        selections: &Spanned<Vec<Spanned<RawJournal>>>,
        directories: Option<&Spanned<Vec<Spanned<String>>>>,
    ) -> JournalInput {
        let directories = match directories {
            None => defaults::JOURNAL_DIRECTORIES.map(PathBuf::from).to_vec(),
            Some(directories) => {
                if directories.value.is_empty() {
                    self.problems.push(&directories.at, "`journal_directories` is empty: no journal would be found");
                }
                let trimmed = directories.value.iter().map(|path| path.with(path.value.trim_end_matches('/').to_owned()));
                trimmed.filter_map(|path| self.path("journal_directories", &path)).map(PathBuf::from).collect()
            }
        };
        if selections.value.is_empty() {
            self.problems
                .push(&selections.at, "`journal` is empty: nothing of it would be shipped; write `[{preset: node-journal}]`");
        }
        let input = JournalInput {
            directories,
            selections: selections.value.iter().filter_map(|selection| self.selection(selection)).collect(),
        };
        let asked = input.selections.iter().flat_map(|selection| selection.fields.keys().chain(&selection.metadata));
        let asked = asked.collect::<std::collections::BTreeSet<_>>().len();
        if asked > FIELDS_MAX {
            self.problems.push(&selections.at, format!("`journal` asks for {asked} fields; at most {FIELDS_MAX}"));
        }
        input
    }

    fn selection(&mut self, section: &Spanned<RawJournal>) -> Option<JournalSelection> {
        let raw = &section.value;
        let preset = raw.preset.as_ref().map(|preset| preset.value);
        let job = match (&raw.job, preset) {
            (Some(job), _) => self.job(job),
            (None, Some(preset)) => Some(job_of(preset).to_owned()),
            (None, None) => self.needed(None::<&Spanned<String>>, "job", section).map(|job| job.value.clone()),
        };
        let mut fields = raw.r#match.as_ref().map(|fields| self.fields_to_match(fields)).unwrap_or_default();
        let mut grep = None;
        if let Some(text) = &raw.grep {
            grep = Some(self.take("grep", text, patterns::regex(&text.value))?);
        }
        let mut priority = raw.priority.as_ref().map(|priority| priority.value);
        let mut kernel = raw.kernel.as_ref().is_some_and(|kernel| kernel.value == Kernel::All);
        match preset {
            Some(Preset::Sshd) => {
                fields
                    .entry(defaults::IDENTIFIER.to_owned())
                    .or_insert_with(|| defaults::SSHD_IDENTIFIERS.map(str::to_owned).to_vec());
            }
            Some(Preset::CalicoFlow) => {
                fields.entry("_TRANSPORT".to_owned()).or_insert_with(|| vec!["kernel".to_owned()]);
                // A constant that compiles.
                grep = grep.or_else(|| patterns::regex(defaults::CALICO_PREFIX).ok());
            }
            Some(Preset::NodeJournal) => {
                priority = priority.or_else(|| Priority::named("warning"));
                kernel |= raw.kernel.is_none();
            }
            None => {}
        }
        if kernel && priority.is_none() {
            let at = raw.kernel.as_ref().map_or(&section.at, |kernel| &kernel.at);
            self.problems.push(at, "`kernel: all` says nothing without `priority`: entries of every level are taken already");
        }
        let proof = match (preset, &raw.executables) {
            (Some(Preset::Sshd), executables) => Some(self.proof(executables.as_ref())),
            (_, None) => None,
            (_, Some(executables)) => {
                self.problems.push(&executables.at, "`executables` belongs to the preset sshd; remove it, or set `preset: sshd`");
                None
            }
        };
        let format = value_or(raw.format.as_ref(), format_of(preset, job.as_deref()));
        let identifiers = match &raw.identifiers {
            Some(globs) => self.name_globs("identifiers", Some(globs), |_| Ok(())),
            // Whoever is proven to be sshd chooses one of three.
            None if proof.is_some() => {
                patterns::name_globs(defaults::SSHD_IDENTIFIERS.map(str::to_owned).to_vec()).unwrap_or_default()
            }
            None => patterns::Globs::default(),
        };
        let metadata = match &raw.metadata {
            None => defaults::JOURNAL_METADATA.map(str::to_owned).to_vec(),
            Some(names) => names.value.iter().filter_map(|name| self.field(name)).collect(),
        };
        let units = self.name_globs("units", raw.units.as_ref(), |_| Ok(()));
        let labels = self.labels(raw.labels.as_ref());
        let drop = items(raw.drop.as_ref());
        let drop = drop.iter().filter_map(|rule| self.drop_rule(rule)).collect();
        Some(JournalSelection {
            job: job?,
            fields,
            units,
            priority,
            kernel,
            grep,
            format,
            proof,
            identifiers,
            metadata,
            labels,
            drop,
            start: value_or(raw.max_age.as_ref(), Start::Age(defaults::MAX_AGE)),
            long_lines: value_or(raw.long_lines.as_ref(), LongLines::Cut),
        })
    }

    fn proof(&mut self, executables: Option<&Spanned<Vec<Spanned<String>>>>) -> Proof {
        let executables = match executables {
            None => defaults::SSHD_EXECUTABLES.map(str::to_owned).to_vec(),
            Some(paths) => {
                if paths.value.is_empty() {
                    self.problems.push(&paths.at, "`executables` is empty: nothing would be taken for sshd");
                }
                paths.value.iter().filter_map(|path| self.path("executables", path)).collect()
            }
        };
        Proof { executables, otherwise: defaults::SSHD_UNTRUSTED.to_owned() }
    }

    fn fields_to_match(&mut self, fields: &Spanned<Entries<Vec<Spanned<String>>>>) -> BTreeMap<String, Vec<String>> {
        let mut matched = BTreeMap::new();
        for (name, values) in &fields.value.0 {
            let Some(field) = self.field(name) else { continue };
            if values.value.is_empty() {
                self.problems.push(&values.at, format!("`match`: {} has no value, so no entry would match", quote(&field)));
            }
            matched.insert(field, values.value.iter().map(|value| value.value.clone()).collect());
        }
        matched
    }

    /// A field's name: capital letters, digits and underscores.
    fn field(&mut self, name: &Spanned<String>) -> Option<String> {
        let text = &name.value;
        let is_field = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        if text.starts_with("__") {
            self.problems.push(&name.at, format!("{} is an address of the entry, no field of it", quote(text)));
            return None;
        }
        if SET_BY_JOURNALD.contains(&text.as_str()) {
            let message = format!("{} is what any program may send of itself; what journald says is `_{text}`", quote(text));
            self.problems.push(&name.at, message);
            return None;
        }
        if text.is_empty()
            || text.len() > FIELD_BYTES_MAX
            || !text.chars().all(is_field)
            || text.starts_with(|c: char| c.is_ascii_digit())
        {
            let upper = text.to_ascii_uppercase();
            let prefix = if SET_BY_JOURNALD.contains(&upper.as_str()) { "_" } else { "" };
            let is_other = upper != *text && upper.chars().all(is_field);
            let hint = if is_other { format!(", did you mean `{prefix}{upper}`?") } else { String::new() };
            self.problems
                .push(&name.at, format!("{} is not the name of a journal field, such as _SYSTEMD_UNIT{hint}", quote(text)));
            return None;
        }
        Some(text.clone())
    }
}

fn job_of(preset: Preset) -> &'static str {
    match preset {
        Preset::Sshd => defaults::SSHD_JOB,
        Preset::CalicoFlow => defaults::CALICO_JOB,
        Preset::NodeJournal => "node-journal",
    }
}

/// What messages of a preset, or of the job that has its name, are.
fn format_of(preset: Option<Preset>, job: Option<&str>) -> MessageFormat {
    match (preset, job) {
        (Some(Preset::Sshd), _) | (None, Some(defaults::SSHD_JOB)) => MessageFormat::Sshd,
        (Some(Preset::CalicoFlow), _) | (None, Some(defaults::CALICO_JOB)) => MessageFormat::Netfilter,
        _ => MessageFormat::Raw,
    }
}
