//! How lines are understood, and which keys belong to which format.

use super::super::checked::{Format, JsonFormat, KubeAuditFormat, VaultAuditFormat};
use super::super::defaults;
use super::super::raw::FormatName;
use super::super::read::Spanned;
use super::{Check, value_or};

/// Loki takes 128 pairs an entry; so many make every entry longer than what it says.
const METADATA_MAX: usize = 32;

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
}

/// The format that a job's name stands for.
pub(super) fn preset(job: &str) -> Option<FormatName> {
    match job {
        "kubernetes-audit" | "kube-audit" => Some(FormatName::KubeAudit),
        "vault-audit" => Some(FormatName::VaultAudit),
        _ => None,
    }
}
