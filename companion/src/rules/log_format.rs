//! Lines of past logs → entries as the agent would have shipped them: text, time and metadata, by the formats of `record`.

use std::borrow::Cow;

use proto::time::UnixNanos;
use record::json_line::JsonLine;
use record::kube_audit::KubeAudit;
use record::metadata::Metadata;
use record::vault_audit::VaultAudit;
use record::{cri, journal_json, netfilter, sshd, time};

/// How the lines of a log are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Any text; a time in RFC 3339 at its beginning is taken.
    Raw,
    /// A JSON object a line, with a time in one of the usual members.
    Json,
    /// As container runtimes write it.
    Cri,
    /// The audit log of kube-apiserver.
    KubeAudit,
    /// The audit log of Vault or `OpenBao`.
    VaultAudit,
    /// What `journalctl -o json` prints.
    Journal,
}

/// Names of the formats.
pub const FORMATS: [(&str, Format); 6] = [
    ("raw", Format::Raw),
    ("json", Format::Json),
    ("cri", Format::Cri),
    ("kube-audit", Format::KubeAudit),
    ("vault-audit", Format::VaultAudit),
    ("journal", Format::Journal),
];

impl Format {
    /// By its name.
    pub fn named(name: &str) -> Option<Self> {
        FORMATS.iter().find(|(known, _)| *known == name).map(|(_, format)| *format)
    }

    /// What the logs of a job are mostly written in.
    pub fn of_job(job: &str) -> Self {
        match job {
            "kubernetes-audit" | "kube-audit" => Self::KubeAudit,
            "vault-audit" => Self::VaultAudit,
            _ => Self::Raw,
        }
    }
}

/// Members that hold the time of JSON logs.
const JSON_TIMES: [&str; 5] = ["time", "timestamp", "@timestamp", "ts", "t"];

/// What the programs of OpenSSH's daemon call themselves.
const SSHD: [&str; 3] = ["sshd", "sshd-session", "sshd-auth"];

/// Reads lines of one log.
#[derive(Debug)]
pub struct LineReader {
    kind: Kind,
    metadata: Metadata,
    rewritten: Vec<u8>,
}

#[derive(Debug)]
enum Kind {
    Raw,
    Cri,
    Journal,
    Json(JsonLine),
    KubeAudit(KubeAudit),
    VaultAudit(VaultAudit),
}

/// A line that was read.
#[derive(Debug)]
pub struct Line<'a> {
    /// When it happened, if it says so.
    pub time: Option<UnixNanos>,
    /// What the rules see.
    pub text: Cow<'a, str>,
    /// Names and values.
    pub metadata: Vec<(String, String)>,
}

impl LineReader {
    /// Of a log in that format.
    pub fn new(format: Format) -> Self {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        // Of the formats' own names none is unknown; if it were, there would be no metadata, which rules do not need.
        let kind = match format {
            Format::Raw => Kind::Raw,
            Format::Cri => Kind::Cri,
            Format::Journal => Kind::Journal,
            Format::Json => JsonLine::new(&owned(&JSON_TIMES), &[]).map_or(Kind::Raw, Kind::Json),
            Format::KubeAudit => KubeAudit::new(true, &owned(KubeAudit::DEFAULT_METADATA)).map_or(Kind::Raw, Kind::KubeAudit),
            Format::VaultAudit => VaultAudit::new("", &owned(VaultAudit::DEFAULT_METADATA)).map_or(Kind::Raw, Kind::VaultAudit),
        };
        Self { kind, metadata: Metadata::default(), rewritten: Vec::new() }
    }

    /// Reads one line, without its newline. One that is not in its format is text without a time.
    pub fn read<'a>(&'a mut self, line: &'a [u8]) -> Line<'a> {
        self.metadata.clear();
        let scanned = match &self.kind {
            Kind::Raw => return raw(line),
            Kind::Cri => return container(line),
            Kind::Journal => return journal(line, &mut self.metadata, &mut self.rewritten),
            Kind::Json(reader) => reader.scan(line, &mut self.metadata, &mut self.rewritten),
            Kind::KubeAudit(reader) => reader.scan(line, &mut self.metadata, &mut self.rewritten),
            Kind::VaultAudit(reader) => reader.scan(line, &mut self.metadata, &mut self.rewritten),
        };
        let (time, text) = match scanned {
            Ok(scanned) => (scanned.time, scanned.text),
            Err(malformed) => (None, malformed.text),
        };
        let text = match text {
            record::event::Text::Source => line,
            record::event::Text::Rewritten => &self.rewritten,
        };
        Line { time, text: String::from_utf8_lossy(text), metadata: pairs(&self.metadata) }
    }
}

fn raw(line: &[u8]) -> Line<'_> {
    let first = line.split(|byte| *byte == b' ').next().unwrap_or_default();
    Line { time: time::parse_rfc3339(first), text: String::from_utf8_lossy(line), metadata: Vec::new() }
}

fn container(line: &[u8]) -> Line<'_> {
    match cri::parse(line) {
        Some(line) => Line { time: Some(line.time), text: String::from_utf8_lossy(line.message), metadata: Vec::new() },
        None => raw(line),
    }
}

/// What plain messages say is read by who wrote them: the entry's trusted fields, and not its text.
fn journal<'a>(line: &'a [u8], metadata: &mut Metadata, message: &'a mut Vec<u8>) -> Line<'a> {
    let Some(entry) = journal_json::parse(line, message) else { return raw(line) };
    if entry.is("_TRANSPORT", "kernel") {
        netfilter::metadata(entry.message, metadata);
    } else if entry.is("_UID", "0") && SSHD.iter().any(|name| entry.is("SYSLOG_IDENTIFIER", name)) {
        sshd::metadata(entry.message, metadata);
    }
    Line { time: Some(entry.time), text: String::from_utf8_lossy(entry.message), metadata: pairs(metadata) }
}

fn pairs(metadata: &Metadata) -> Vec<(String, String)> {
    metadata.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_gives_its_time_and_text() {
        for (format, line, time, text) in [
            (Format::Raw, "2026-11-23T09:00:00Z hello", Some(1_795_424_400_000_000_000), "2026-11-23T09:00:00Z hello"),
            (Format::Raw, "hello", None, "hello"),
            (Format::Json, r#"{"ts":1795424400.5,"a":1}"#, Some(1_795_424_400_500_000_000), r#"{"ts":1795424400.5,"a":1}"#),
            (Format::Cri, "2026-11-23T09:00:00Z stdout F hello", Some(1_795_424_400_000_000_000), "hello"),
            (
                Format::Journal,
                r#"{"MESSAGE":"hello","__REALTIME_TIMESTAMP":"1795424400000001"}"#,
                Some(1_795_424_400_000_001_000),
                "hello",
            ),
            (Format::Journal, r#"{"MESSAGE":[104,105],"__REALTIME_TIMESTAMP":"1"}"#, Some(1000), "hi"),
            (
                Format::KubeAudit,
                r#"{"auditID":"x","stageTimestamp":"2026-11-23T09:00:00Z"}"#,
                Some(1_795_424_400_000_000_000),
                r#"{"auditID":"x","stageTimestamp":"2026-11-23T09:00:00Z"}"#,
            ),
            (Format::VaultAudit, "not json", None, "not json"),
        ] {
            let mut reader = LineReader::new(format);
            let read = reader.read(line.as_bytes());
            assert_eq!((read.time.map(|time| time.0), &*read.text), (time, text), "{line}");
        }
        assert_eq!(Format::of_job("kubernetes-audit"), Format::KubeAudit);
        assert_eq!(Format::named("journal"), Some(Format::Journal));
    }

    #[test]
    fn an_entry_of_the_journal_has_the_metadata_of_who_wrote_it() {
        let accepted = "Accepted publickey for root from 203.0.113.7 port 5 ssh2";
        let packet = "x: IN=eth0 OUT= SRC=192.0.2.1 DST=192.0.2.2 PROTO=ICMP";
        for (message, fields, first) in [
            (accepted, r#""_UID":"0","SYSLOG_IDENTIFIER":"sshd-session","_TRANSPORT":"syslog""#, Some("user")),
            (accepted, r#""_UID":"1000","SYSLOG_IDENTIFIER":"sshd","_TRANSPORT":"syslog""#, None),
            (accepted, r#""_UID":"0","SYSLOG_IDENTIFIER":"logger","_TRANSPORT":"syslog""#, None),
            (packet, r#""_TRANSPORT":"kernel","SYSLOG_IDENTIFIER":"kernel""#, Some("prefix")),
            (packet, r#""_TRANSPORT":"syslog","SYSLOG_IDENTIFIER":"kernel""#, None),
        ] {
            let line = format!(r#"{{"MESSAGE":"{message}","__REALTIME_TIMESTAMP":"1",{fields}}}"#);
            let mut reader = LineReader::new(Format::Journal);
            let read = reader.read(line.as_bytes());
            assert_eq!(read.metadata.first().map(|(name, _)| name.as_str()), first, "{line}");
        }
    }
}
