//! A complete record becomes an entry: its time, its text and its metadata, or the reason why it is not shipped.
//!
//! Pure: the result depends on the record's bytes and the configuration alone. What a destination would refuse for its
//! length is reduced (JSON), cut or split here, and marked. Buffers are reused: nothing is allocated per line.

use std::fmt::Write;
use std::sync::Arc;

use proto::loki::metadata::StructuredMetadata;
use proto::time::UnixNanos;
use record::event::Text;
use record::json_line::JsonLine;
use record::kube_audit::KubeAudit;
use record::metadata::Metadata;
use record::reduce::{self, reduce};
use record::vault_audit::VaultAudit;
use regex::bytes::Regex;

use crate::config::checked::{Format, LongLines};

/// How lines of one job are understood.
pub struct Shaper {
    format: Compiled,
    drop: Vec<(Arc<str>, Regex)>,
    long_lines: LongLines,
    line_max: usize,
}

enum Compiled {
    Raw,
    Json(JsonLine),
    KubeAudit(KubeAudit),
    VaultAudit(VaultAudit),
}

/// The buffers that shaping needs; one per lane.
#[derive(Default)]
pub struct Workspace {
    metadata: Metadata,
    rewritten: Vec<u8>,
    reduced: Vec<u8>,
    replaced: String,
}

/// A record, shaped.
pub enum Shaped<'w> {
    /// To be shipped.
    Entry(Entry<'w>),
    /// Dropped by the rule of that name.
    Dropped(&'w Arc<str>),
}

/// What is shipped of a record.
pub struct Entry<'w> {
    /// The time in the record; `None` if it has none.
    pub time: Option<UnixNanos>,
    /// The text; longer than the destination takes only if it is to be split.
    pub text: &'w str,
    /// Structured metadata.
    pub metadata: &'w Metadata,
    /// What happened to it on the way.
    pub marks: Marks,
}

/// What happened to a record on the way, for the counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Not of the format that it should have: shipped as it is.
    pub malformed: bool,
    /// Bytes that were not UTF-8 were replaced.
    pub invalid_utf8: bool,
    /// Bodies were redacted.
    pub redacted: bool,
    /// Members were taken out to make it fit.
    pub reduced: bool,
    /// Its end was cut off.
    pub cut: bool,
    /// It becomes several entries.
    pub split: bool,
}

/// What the reader knows of a record and the entry should say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Origin<'a> {
    /// It ended without a newline.
    pub unterminated: bool,
    /// A joined record of which parts are missing or were left out.
    pub partial: bool,
    /// Bytes that the reader did not keep.
    pub left_out: u64,
    /// What every entry of the file carries.
    pub metadata: Option<&'a StructuredMetadata>,
}

impl Shaper {
    /// For one job and destination. `drop` are names and expressions, `line_max` the destination's limit in bytes. Errors
    /// name a metadata field or path that does not exist, in words.
    pub fn new(format: &Format, drop: Vec<(Arc<str>, Regex)>, long_lines: LongLines, line_max: usize) -> Result<Self, String> {
        let format = match format {
            Format::Raw | Format::Cri => Compiled::Raw,
            Format::Json(json) => {
                Compiled::Json(JsonLine::new(&json.timestamp, &json.metadata).map_err(|error| error.to_string())?)
            }
            Format::KubeAudit(audit) => {
                Compiled::KubeAudit(KubeAudit::new(audit.redact, &audit.metadata).map_err(|error| error.to_string())?)
            }
            Format::VaultAudit(audit) => {
                Compiled::VaultAudit(VaultAudit::new(&audit.prefix, &audit.metadata).map_err(|error| error.to_string())?)
            }
        };
        Ok(Self { format, drop, long_lines, line_max })
    }

    /// Whether records of this format carry a time.
    pub fn is_timed(&self) -> bool {
        !matches!(self.format, Compiled::Raw)
    }

    /// Shapes one record.
    pub fn shape<'w>(&'w self, line: &'w [u8], origin: Origin<'_>, work: &'w mut Workspace) -> Shaped<'w> {
        let Workspace { metadata, rewritten, reduced, replaced } = work;
        metadata.clear();
        let mut marks = Marks::default();
        let (time, text) = self.scan(line, metadata, rewritten, &mut marks);
        let mut bytes: &'w [u8] = match text {
            Text::Source => line,
            Text::Rewritten => rewritten,
        };
        if let Some((name, _)) = self.drop.iter().find(|(_, regex)| regex.is_match(bytes)) {
            return Shaped::Dropped(name);
        }
        if bytes.len() > self.line_max
            && let Some(kind) = self.reducible(marks)
            && let Some(shrunk) = reduce(kind, bytes, self.line_max, reduced)
        {
            metadata.push("original_bytes", decimal(shrunk.original as u64, &mut String::new()));
            marks.reduced = true;
            bytes = reduced;
        }
        let mut text: &'w str = if let Ok(text) = simdutf8::basic::from_utf8(bytes) {
            text
        } else {
            marks.invalid_utf8 = true;
            replaced.clear();
            for chunk in bytes.utf8_chunks() {
                replaced.push_str(chunk.valid());
                if !chunk.invalid().is_empty() {
                    replaced.push(char::REPLACEMENT_CHARACTER);
                }
            }
            replaced
        };
        let mut lost = origin.left_out;
        if text.len() > self.line_max {
            match self.long_lines {
                LongLines::Split => marks.split = true,
                LongLines::Cut => {
                    let end = text.floor_char_boundary(self.line_max);
                    lost += (text.len() - end) as u64;
                    text = &text[..end];
                }
            }
        }
        if lost > 0 {
            marks.cut = true;
            metadata.push("truncated_bytes", decimal(lost, &mut String::new()));
        }
        if origin.unterminated {
            metadata.push("unterminated", "true");
        }
        if origin.partial {
            metadata.push("partial", "true");
        }
        if let Some(of_file) = origin.metadata {
            metadata.append(of_file);
        }
        Shaped::Entry(Entry { time, text, metadata, marks })
    }

    /// The pieces of a text that is to be split, in order, each no longer than the destination takes.
    pub fn pieces<'t>(&self, mut text: &'t str) -> impl Iterator<Item = &'t str> + use<'t> {
        let line_max = self.line_max;
        std::iter::from_fn(move || {
            let end = if text.len() <= line_max { text.len() } else { text.floor_char_boundary(line_max).max(1) };
            let (piece, rest) = text.split_at_checked(end)?;
            text = rest;
            (!piece.is_empty()).then_some(piece)
        })
    }

    fn scan(
        &self,
        line: &[u8],
        metadata: &mut Metadata,
        rewritten: &mut Vec<u8>,
        marks: &mut Marks,
    ) -> (Option<UnixNanos>, Text) {
        let scanned = match &self.format {
            Compiled::Raw => return (None, Text::Source),
            Compiled::Json(json) => json.scan(line, metadata, rewritten),
            Compiled::KubeAudit(audit) => audit.scan(line, metadata, rewritten),
            Compiled::VaultAudit(audit) => audit.scan(line, metadata, rewritten),
        };
        match scanned {
            Ok(scanned) => {
                marks.redacted = scanned.redacted;
                (scanned.time, scanned.text)
            }
            // Redaction holds for broken lines too, so their text is the scanner's as well.
            Err(malformed) => {
                marks.malformed = true;
                marks.redacted = malformed.redacted;
                metadata.clear();
                (None, malformed.text)
            }
        }
    }

    fn reducible(&self, marks: Marks) -> Option<reduce::Kind> {
        match &self.format {
            _ if marks.malformed => None,
            Compiled::Raw => None,
            Compiled::Json(_) => Some(reduce::Kind::Json),
            Compiled::KubeAudit(_) => Some(reduce::Kind::KubeAudit),
            Compiled::VaultAudit(_) => Some(reduce::Kind::VaultAudit),
        }
    }
}

fn decimal(number: u64, text: &mut String) -> &str {
    // Writing into a String cannot fail.
    let _ = write!(text, "{number}");
    text
}
