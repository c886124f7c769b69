//! Which selection takes an entry, and the stream that it becomes part of. Pure: fields in, a decision out.
//!
//! What decides, but for `grep`, are fields whose values repeat, so a decision is made once for each combination of them that a file
//! has, and found again by the values' keys. Labels are a pure function of the entry: nothing that was read before changes them.

use std::sync::Arc;

use record::metadata::Metadata;

use super::file::{EntryView, FieldId, Id128, Wanted};
use super::unit::collapse;
use crate::config::checked::{JournalInput, JournalSelection, MessageFormat, Priority, Proof};

/// Bytes of a message that are read; journald itself takes no longer ones by default (`LineMax`, and the size of a datagram).
const MESSAGE_MAX: usize = 1 << 20;
/// Bytes of any other field: Loki takes no longer values.
const VALUE_MAX: usize = record::metadata::MAX_VALUE_BYTES;
/// Names that labels have already: a field that would have one of them as metadata is told apart.
const TAKEN: [&str; 25] = [
    // Labels.
    "job",
    "node",
    "cluster",
    "unit",
    "level",
    "transport",
    "host",
    "filename",
    // What the agent adds.
    "identifier",
    "systemd_unit",
    "truncated_bytes",
    "split",
    // What messages of sshd and of the packet filter say.
    "user",
    "src_ip",
    "src_port",
    "method",
    "result",
    "src",
    "dst",
    "spt",
    "dpt",
    "proto",
    "in",
    "out",
    "prefix",
];
/// Ways to journald (systemd.journal-fields(7)); a journal from elsewhere could claim any number of others.
const TRANSPORTS: [&str; 6] = ["audit", "driver", "syslog", "journal", "stdout", "kernel"];

/// The fields that are asked for, by name.
#[derive(Clone, Debug, Default)]
struct Fields(Vec<String>);

impl Fields {
    fn id(&mut self, name: &str) -> FieldId {
        let place = self.0.iter().position(|known| known == name).unwrap_or_else(|| {
            self.0.push(name.to_owned());
            self.0.len() - 1
        });
        // The configuration bounds their number far below.
        FieldId(place as u16)
    }
}

/// The fields that labels and proofs need.
#[derive(Clone, Copy, Debug)]
struct Known {
    message: FieldId,
    priority: FieldId,
    transport: FieldId,
    identifier: FieldId,
    unit: FieldId,
    about: FieldId,
    pid: FieldId,
    uid: FieldId,
    executable: FieldId,
    host: FieldId,
    machine: FieldId,
}

/// All selections, compiled.
#[derive(Debug)]
pub struct Selections {
    wanted: Arc<Wanted>,
    known: Known,
    rules: Vec<Rule>,
    /// Fields whose values decide.
    deciding: Vec<FieldId>,
}

#[derive(Debug)]
struct Rule {
    selection: JournalSelection,
    fields: Vec<(FieldId, Vec<String>)>,
    metadata: Vec<(FieldId, String)>,
    /// Whether values of the identifier may be labels.
    has_identifiers: bool,
}

/// Whose an entry is, if its message matches; in the order in which they are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Which selection, by place.
    pub rule: usize,
    /// Whether it has proven what the selection asks.
    pub proven: bool,
    /// The labels beside those of every stream of the job.
    pub labels: Labels,
    /// The unit's full name, where the label has it collapsed.
    pub full_unit: Option<String>,
}

/// What the labels of an entry's stream are made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Labels {
    /// Of a journal that another host wrote.
    pub host: Option<String>,
    /// Without numbers and instances.
    pub unit: Option<String>,
    /// `emerg` to `debug`.
    pub level: &'static str,
    /// How it came to journald.
    pub transport: Option<String>,
    /// Where the selection wants it.
    pub identifier: Option<String>,
}

impl Selections {
    /// Compiles what is configured.
    pub fn new(input: &JournalInput) -> Self {
        let mut fields = Fields::default();
        let known = Known {
            message: fields.id("MESSAGE"),
            priority: fields.id("PRIORITY"),
            transport: fields.id("_TRANSPORT"),
            identifier: fields.id("SYSLOG_IDENTIFIER"),
            unit: fields.id("_SYSTEMD_UNIT"),
            about: fields.id("UNIT"),
            pid: fields.id("_PID"),
            uid: fields.id("_UID"),
            executable: fields.id("_EXE"),
            host: fields.id("_HOSTNAME"),
            machine: fields.id("_MACHINE_ID"),
        };
        let Known { priority, transport, identifier, unit, about, host, machine, .. } = known;
        let mut deciding = vec![priority, transport, identifier, unit, about, host, machine];
        if input.selections.iter().any(|selection| selection.proof.is_some()) {
            deciding.extend([known.uid, known.executable]);
        }
        let rule = |selection: &JournalSelection| {
            let matched = selection.fields.iter().map(|(name, values)| (fields.id(name), values.clone())).collect::<Vec<_>>();
            deciding.extend(matched.iter().map(|(field, _)| *field));
            Rule {
                fields: matched,
                metadata: selection.metadata.iter().map(|name| (fields.id(name), metadata_name(name))).collect(),
                has_identifiers: !selection.identifiers.is_empty(),
                selection: selection.clone(),
            }
        };
        let rules = input.selections.iter().map(rule).collect();
        deciding.sort_unstable();
        deciding.dedup();
        let limit = |name: &String| if name == "MESSAGE" { MESSAGE_MAX } else { VALUE_MAX };
        let wanted: Vec<(&str, usize)> = fields.0.iter().map(|name| (name.as_str(), limit(name))).collect();
        Self { wanted: Arc::new(Wanted::new(&wanted)), known, rules, deciding }
    }

    /// The fields to read of every entry.
    pub fn wanted(&self) -> Arc<Wanted> {
        Arc::clone(&self.wanted)
    }

    /// The field with the message.
    pub fn message(&self) -> FieldId {
        self.known.message
    }

    /// What is configured, by place.
    pub fn selection(&self, rule: usize) -> Option<&JournalSelection> {
        self.rules.get(rule).map(|rule| &rule.selection)
    }

    /// The keys of the values that decide, for finding the decision again within the same file.
    pub fn keys(&self, entry: &EntryView<'_>, keys: &mut Vec<u64>) {
        keys.clear();
        for field in &self.deciding {
            keys.push(entry.key(*field));
            // Hardly a field has several values.
            keys.extend(entry.keys(*field).skip(1));
        }
        // Who may speak of other units; hardly an entry has it.
        keys.push(if entry.key(self.known.about) == 0 { 0 } else { entry.key(self.known.pid) });
    }

    /// Who may take the entry, the first whose `grep` matches does. `own` is this host's machine id, if it is known.
    pub fn decide(&self, entry: &EntryView<'_>, own: Option<Id128>) -> Vec<Choice> {
        let mut choices = Vec::new();
        let text = |field| entry.get(field).and_then(|value| std::str::from_utf8(value).ok());
        let priority = entry.get(self.known.priority).and_then(Priority::of_digit).unwrap_or(Priority::INFO);
        let transport = text(self.known.transport);
        // What was collected from other hosts says so of every entry; the file's header has the collector's id.
        let is_foreign = own.is_some_and(|own| text(self.known.machine).is_some_and(|machine| machine != own.to_string()));
        let identifier = text(self.known.identifier);
        // journalctl -u does so too: systemd itself speaks of the units that it starts and ends.
        let about = text(self.known.about).filter(|_| entry.get(self.known.pid) == Some(b"1"));
        let unit = about.or_else(|| text(self.known.unit));
        let mut collapsed = String::new();
        if let Some(unit) = unit {
            collapse(unit, &mut collapsed);
        }
        for (place, rule) in self.rules.iter().enumerate() {
            let selection = &rule.selection;
            let has_fields = rule
                .fields
                .iter()
                .all(|(field, values)| entry.all(*field).any(|value| values.iter().any(|wanted| wanted.as_bytes() == value)));
            let is_unit = selection.units.is_empty() || unit.is_some_and(|unit| selection.units.is_match(unit));
            let is_severe =
                selection.priority.is_none_or(|least| priority <= least) || (selection.kernel && transport == Some("kernel"));
            if !(has_fields && is_unit && is_severe) {
                continue;
            }
            let is_label = |identifier: &&str| rule.has_identifiers && selection.identifiers.is_match(identifier);
            choices.push(Choice {
                rule: place,
                proven: selection.proof.as_ref().is_none_or(|proof| self.is_proven(entry, proof)),
                labels: Labels {
                    host: text(self.known.host).filter(|_| is_foreign).map(str::to_owned),
                    unit: unit.map(|_| collapsed.clone()).filter(|unit| !unit.is_empty()),
                    level: priority.name(),
                    transport: transport.filter(|transport| TRANSPORTS.contains(transport)).map(str::to_owned),
                    identifier: identifier.filter(is_label).map(str::to_owned),
                },
                full_unit: unit.filter(|unit| *unit != collapsed).map(str::to_owned),
            });
            if selection.grep.is_none() {
                break;
            }
        }
        choices
    }

    /// Whether journald itself says that it is who it claims to be. Accepted logins are told by the root process of the connection;
    /// some of its genuine lines lack the path, since the process was gone before journald looked. These come by syslog: the output
    /// of a service may be written to by a program that is not the one which named it.
    fn is_proven(&self, entry: &EntryView<'_>, proof: &Proof) -> bool {
        let is_known = |path: &[u8]| {
            // As long as an upgraded program still runs.
            let path = path.strip_suffix(b" (deleted)").unwrap_or(path);
            proof.executables.iter().any(|known| known.as_bytes() == path)
        };
        let is_syslog = entry.get(self.known.transport) == Some(b"syslog");
        entry.get(self.known.uid) == Some(b"0") && entry.get(self.known.executable).map_or(is_syslog, is_known)
    }

    /// Whether the message is one that the choice's selection takes.
    pub fn takes(&self, choice: &Choice, message: &[u8]) -> bool {
        let grep = self.rules.get(choice.rule).and_then(|rule| rule.selection.grep.as_ref());
        grep.is_none_or(|grep| grep.is_match(message))
    }

    /// The entry's metadata: the fields that are configured, and what its message says.
    pub fn metadata(&self, choice: &Choice, entry: &EntryView<'_>, message: &[u8], out: &mut Metadata) {
        out.clear();
        let Some(rule) = self.rules.get(choice.rule) else { return };
        for (field, name) in &rule.metadata {
            let is_told = (*field == self.known.identifier && choice.labels.identifier.is_some())
                || (*field == self.known.unit && choice.full_unit.is_some());
            if is_told {
                continue;
            }
            if let Some(value) = entry.get(*field) {
                match std::str::from_utf8(value) {
                    Ok(value) => out.push(name, value),
                    Err(_) => out.push(name, &String::from_utf8_lossy(value)),
                }
            }
        }
        if let Some(unit) = &choice.full_unit {
            out.push("systemd_unit", unit);
        }
        match rule.selection.format {
            MessageFormat::Raw => {}
            MessageFormat::Sshd => record::sshd::metadata(message, out),
            MessageFormat::Netfilter => record::netfilter::metadata(message, out),
        }
    }
}

/// `_PID` → `pid`, as Loki's names are written.
fn metadata_name(field: &str) -> String {
    match field {
        "SYSLOG_IDENTIFIER" => return "identifier".to_owned(),
        "_SYSTEMD_UNIT" => return "systemd_unit".to_owned(),
        _ => {}
    }
    let name = field.trim_start_matches('_').to_ascii_lowercase();
    if name.is_empty() || TAKEN.contains(&name.as_str()) || name.starts_with(|c: char| c.is_ascii_digit()) {
        return format!("field_{name}");
    }
    name
}
