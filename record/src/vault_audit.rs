//! Entries of Vault's audit log (and of `OpenBao`), one JSON object a line.
//!
//! A line in; its time, metadata and the text to ship out. Metadata has the names and values that Loki's `json` stage
//! would give; of a member that occurs twice the last scalar counts. Nothing is taken out: Vault replaces what is
//! secret by a keyed hash itself. The format is `audit/types.go` of hashicorp/vault.

use crate::event::{self, Field};
use crate::json::{JsonFields, Kind};
use crate::metadata::Metadata;
use proto::loki::metadata::Name;

pub use crate::event::{Malformed, MalformedReason, Scanned, Text, UnknownField};

#[cfg(test)]
mod tests;

/// What can become metadata, in the order in which it is shipped.
const FIELDS: [Field; 19] = [
    ("type", "type"),
    ("request_operation", "request.operation"),
    ("request_path", "request.path"),
    ("request_remote_address", "request.remote_address"),
    ("request_id", "request.id"),
    ("request_mount_point", "request.mount_point"),
    ("request_mount_type", "request.mount_type"),
    ("request_mount_class", "request.mount_class"),
    ("request_namespace_id", "request.namespace.id"),
    ("request_namespace_path", "request.namespace.path"),
    ("auth_display_name", "auth.display_name"),
    ("auth_entity_id", "auth.entity_id"),
    ("auth_accessor", "auth.accessor"),
    ("auth_token_type", "auth.token_type"),
    ("auth_metadata_username", "auth.metadata.username"),
    ("auth_metadata_role_name", "auth.metadata.role_name"),
    ("response_auth_display_name", "response.auth.display_name"),
    ("response_auth_entity_id", "response.auth.entity_id"),
    ("error", "error"),
];

const TIME: usize = 0;
const FIRST_METADATA: usize = 1;

/// Reads audit entries.
#[derive(Clone, Debug)]
pub struct VaultAudit {
    prefix: String,
    fields: JsonFields,
    /// The name and the path of each.
    metadata: Vec<(Name, &'static str)>,
}

impl VaultAudit {
    /// All names of metadata, in the order in which they are shipped.
    pub const METADATA: &'static [&'static str] = &event::names(&FIELDS);

    /// The names that are shipped by default: what the rules group by and people search for.
    pub const DEFAULT_METADATA: &'static [&'static str] =
        &["type", "request_operation", "request_path", "request_remote_address", "auth_display_name", "auth_entity_id", "error"];

    /// A reader that yields the named metadata. `prefix` is what the audit device was told to write before every
    /// entry, usually nothing; it is taken off the lines that have it.
    pub fn new(prefix: &str, metadata: &[String]) -> Result<Self, UnknownField> {
        let metadata = event::select(&FIELDS, Self::METADATA, metadata)?;
        let paths = std::iter::once("time").chain(metadata.iter().map(|(_, path)| *path));
        Ok(Self { prefix: prefix.to_owned(), fields: event::compile(paths), metadata })
    }

    /// Reads one line without its newline. `metadata` and `rewritten` are emptied first; the text is rewritten when
    /// it had a prefix. A malformed line is shipped as it is.
    pub fn scan(&self, line: &[u8], metadata: &mut Metadata, rewritten: &mut Vec<u8>) -> Result<Scanned, Malformed> {
        metadata.clear();
        rewritten.clear();
        let entry = line.strip_prefix(self.prefix.as_bytes()).unwrap_or(line);
        let mut found = [None; FIRST_METADATA + FIELDS.len()];
        self.fields.scalars(entry, &mut found)?;
        for ((name, _), value) in self.metadata.iter().zip(&found[FIRST_METADATA..]) {
            event::push(metadata, name, *value);
        }
        let text = if entry.len() == line.len() {
            Text::Source
        } else {
            rewritten.extend_from_slice(entry);
            Text::Rewritten
        };
        Ok(Scanned { time: found[TIME].and_then(event::rfc3339), text, redacted: false })
    }
}

/// Whether a line is an audit entry: a JSON object whose `type` is `request` or `response` and whose `time` is a
/// string.
///
/// For a container that writes its audit log and its own log to one output. The server's own lines have `@timestamp`
/// and no `type`.
pub fn is_vault_audit(line: &[u8]) -> bool {
    if line.trim_ascii_start().first() != Some(&b'{') {
        return false;
    }
    let (mut has_type, mut has_time) = (false, false);
    let mut scanner = crate::json::Scanner::new(line);
    let walked = scanner.object(|scanner, key| {
        let value = scanner.value()?;
        if key.is("type") {
            has_type = value.is("request") || value.is("response");
        } else if key.is("time") {
            has_time = value.kind() == Kind::String;
        }
        Ok(())
    });
    walked.is_ok() && scanner.finish().is_ok() && has_type && has_time
}
