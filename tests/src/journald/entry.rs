//! An entry of a journal, as `journalctl -o json` says it, and in the export format that systemd-journal-remote takes.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::program::Program;

/// Fields in the order of their names, each with its values; and what an entry is known by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Name → values, as bytes.
    pub fields: BTreeMap<String, Vec<Vec<u8>>>,
    /// Microseconds since the Unix epoch, when journald took it.
    pub realtime: i64,
    /// Microseconds since the start of the machine.
    pub monotonic: u64,
    /// Its number within its sequence.
    pub seqnum: u64,
    /// Which sequence, and which start of the machine: 32 hexadecimal digits each.
    pub seqnum_id: String,
    /// See there.
    pub boot_id: String,
}

impl Entry {
    /// An entry of the test's making.
    pub fn made(fields: &[(&str, &str)], realtime: i64, boot_id: &str) -> Self {
        let mut entry = Self {
            realtime,
            monotonic: realtime.cast_unsigned() % 1_000_000_000,
            boot_id: boot_id.to_owned(),
            ..Self::default()
        };
        for (name, value) in fields {
            entry.fields.entry((*name).to_owned()).or_default().push(value.as_bytes().to_vec());
        }
        entry
    }

    /// The first value of a field, as text.
    pub fn text(&self, name: &str) -> Option<String> {
        self.fields.get(name)?.first().map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// The message, empty where there is none.
    pub fn message(&self) -> String {
        self.text("MESSAGE").unwrap_or_default()
    }

    /// The time that Picket gives it: its microsecond, and its number for what falls within one.
    pub fn time(&self) -> i64 {
        self.realtime * 1000 + i64::try_from(self.seqnum % 1000).expect("below a thousand")
    }

    /// In the export format (`systemd.io/JOURNAL_EXPORT_FORMATS`).
    pub(super) fn export(&self, machine_id: &str) -> Vec<u8> {
        let mut out = format!(
            "__REALTIME_TIMESTAMP={}\n__MONOTONIC_TIMESTAMP={}\n_BOOT_ID={}\n_MACHINE_ID={machine_id}\n",
            self.realtime, self.monotonic, self.boot_id
        )
        .into_bytes();
        for (name, values) in &self.fields {
            for value in values {
                append_field(&mut out, name, value);
            }
        }
        out.push(b'\n');
        out
    }
}

/// A field as the native protocol and the export format have it: `NAME=value`, or with its length where it has lines.
pub(super) fn append_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    if value.iter().any(|byte| *byte < b' ') {
        out.push(b'\n');
        out.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        out.push(b'=');
    }
    out.extend_from_slice(value);
    out.push(b'\n');
}

/// What journalctl says.
pub(super) fn read(options: &[&str]) -> Vec<Entry> {
    let journalctl = Program::find("journalctl").expect("the caller has looked for it");
    let said = journalctl.run(options.iter().chain(["--output=json", "--all", "--quiet", "--no-pager"].iter()));
    said.lines().map(parse).collect()
}

/// What journalctl says of one file before it fails.
pub(super) fn read_what_can_be(file: &str) -> Vec<Entry> {
    let journalctl = Program::find("journalctl").expect("the caller has looked for it");
    let args = ["--file", file, "--output=json", "--all", "--quiet", "--no-pager"];
    let (_, said, _) = journalctl.outcome_with(args, &[]);
    // Where it fails inside an entry, its last line is none.
    said.lines().filter(|line| line.ends_with('}')).map(parse).collect()
}

fn parse(line: &str) -> Entry {
    let Ok(Value::Object(object)) = serde_json::from_str(line) else {
        panic!("not what journalctl says: {line}");
    };
    let mut entry = Entry::default();
    for (name, value) in object {
        match (name.as_str(), &value) {
            ("__REALTIME_TIMESTAMP", Value::String(text)) => entry.realtime = text.parse().expect("a number"),
            ("__MONOTONIC_TIMESTAMP", Value::String(text)) => entry.monotonic = text.parse().expect("a number"),
            ("__CURSOR", Value::String(text)) => {
                for (key, value) in text.split(';').filter_map(|part| part.split_once('=')) {
                    match key {
                        "s" => value.clone_into(&mut entry.seqnum_id),
                        "i" => entry.seqnum = u64::from_str_radix(value, 16).expect("a hexadecimal number"),
                        "b" => value.clone_into(&mut entry.boot_id),
                        _ => {}
                    }
                }
            }
            _ if name.starts_with("__") => {}
            _ => {
                entry.fields.insert(name, values(&value));
            }
        }
    }
    entry
}

/// A value is text, or numbers where it is none; several stand in a list.
fn values(value: &Value) -> Vec<Vec<u8>> {
    let one = |value: &Value| match value {
        Value::String(text) => Some(text.clone().into_bytes()),
        Value::Array(bytes) => bytes.iter().map(|byte| byte.as_u64().and_then(|byte| u8::try_from(byte).ok())).collect(),
        _ => None,
    };
    if let Some(single) = one(value) {
        return vec![single];
    }
    let Value::Array(several) = value else {
        panic!("not a value: {value}");
    };
    several.iter().map(|value| one(value).expect("a value of several")).collect()
}
