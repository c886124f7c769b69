//! How lines are understood, and which keys belong to which format.

use record::json::JsonFields;
use record::kube_audit::KubeAudit as KubeAuditReader;
use record::vault_audit::VaultAudit as VaultAuditReader;

use super::super::checked::{Format, JsonFormat, KubeAuditFormat, VaultAuditFormat};
use super::super::defaults;
use super::super::raw::FormatName;
use super::{Check, items, value_or};
use settings::problem::quote;
use settings::read::{Spanned, nearest};

/// Loki takes 128 pairs an entry, and so many already make an entry longer than what it says. Times and metadata of
/// `json` together have room in its reader.
const FIELDS_MAX: usize = record::json_line::MAX_PATHS / 2;

pub(super) type List = Option<Spanned<Vec<Spanned<String>>>>;

/// The keys that belong to one format or another.
pub(super) struct FormatOptions<'a> {
    pub(super) timestamp: &'a List,
    pub(super) metadata: &'a List,
    pub(super) redact: &'a Option<Spanned<bool>>,
    pub(super) prefix: &'a Option<Spanned<String>>,
}

impl Check {
    pub(super) fn format(&mut self, name: FormatName, options: &FormatOptions<'_>) -> Format {
        use FormatName::{Cri, Json, KubeAudit, Raw, VaultAudit};
        self.belongs(options.timestamp.as_ref(), "timestamp", name == Json, "json");
        self.belongs(
            options.metadata.as_ref(),
            "metadata",
            matches!(name, Json | KubeAudit | VaultAudit),
            "json, kube-audit and vault-audit",
        );
        self.belongs(options.redact.as_ref(), "redact", name == KubeAudit, "kube-audit");
        self.belongs(options.prefix.as_ref(), "prefix", name == VaultAudit, "vault-audit");
        match name {
            Raw => Format::Raw,
            Cri => Format::Cri,
            Json => Format::Json(JsonFormat {
                timestamp: self.paths_in_json("timestamp", options.timestamp, &defaults::JSON_TIMESTAMP),
                metadata: self.paths_in_json("metadata", options.metadata, &[]),
            }),
            KubeAudit => Format::KubeAudit(KubeAuditFormat {
                redact: value_or(options.redact.as_ref(), true),
                metadata: self.metadata(options.metadata, KubeAuditReader::DEFAULT_METADATA, KubeAuditReader::METADATA),
            }),
            VaultAudit => Format::VaultAudit(VaultAuditFormat {
                prefix: value_or(options.prefix.as_ref(), String::new()),
                metadata: self.metadata(options.metadata, VaultAuditReader::DEFAULT_METADATA, VaultAuditReader::METADATA),
            }),
        }
    }

    fn belongs<T>(&mut self, setting: Option<&Spanned<T>>, name: &str, belongs: bool, formats: &str) {
        if let Some(setting) = setting.filter(|_| !belongs) {
            self.problems.push(&setting.at, format!("`{name}` belongs to the format {formats}; remove it, or set `format`"));
        }
    }

    /// Names of metadata, of those that the format's reader knows.
    fn metadata(&mut self, setting: &List, default: &[&str], known: &[&str]) -> Vec<String> {
        for name in items(setting.as_ref()) {
            if !known.contains(&name.value.as_str()) {
                let hint = match nearest(&name.value, known) {
                    Some(word) => format!(", did you mean `{word}`?"),
                    None => format!("; there is {}", known.join(", ")),
                };
                self.problems.push(&name.at, format!("unknown metadata {}{hint}", quote(&name.value)));
            }
        }
        self.fields("metadata", setting, default)
    }

    /// Dotted paths in a JSON object.
    fn paths_in_json(&mut self, name: &str, setting: &List, default: &[&str]) -> Vec<String> {
        for path in items(setting.as_ref()) {
            if let Err(error) = JsonFields::new([&path.value]) {
                self.problems.push(&path.at, format!("`{name}`: {error}"));
            }
        }
        self.fields(name, setting, default)
    }

    fn fields(&mut self, name: &str, setting: &List, default: &[&str]) -> Vec<String> {
        let Some(fields) = setting else {
            return default.iter().map(|&field| field.to_owned()).collect();
        };
        if fields.value.len() > FIELDS_MAX {
            let message = format!("`{name}` names {} fields; at most {FIELDS_MAX}", fields.value.len());
            self.problems.push(&fields.at, message);
        }
        fields.value.iter().map(|field| field.value.clone()).collect()
    }
}

/// The format that a job's name stands for.
pub(super) fn preset(job: &str) -> Option<FormatName> {
    match job {
        "kubernetes-audit" | "kube-audit" => Some(FormatName::KubeAudit),
        "vault-audit" => Some(FormatName::VaultAudit),
        _ => None,
    }
}
