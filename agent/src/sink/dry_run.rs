//! The destination of a dry run: prints what would be shipped, one entry a line, and ships nothing.
//!
//! It takes the very batches that a real destination would get, so what it shows is what would be sent.

use std::collections::BTreeMap;
use std::io::{self, Write};

use proto::exposition::{number, write_families};
use proto::labels::Labels;
use proto::loki::decode::{Push, decode_protobuf};
use proto::metric::Families;
use proto::remote_write::Samples;
use proto::time::UnixNanos;
use tokio::sync::mpsc::Receiver;

use crate::batch::Sealed;
use crate::cli::Output;

const UNCOMPRESSED_MAX: usize = 256 << 20;

/// How entries are shown.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// For people, or one JSON object a line.
    pub output: Output,
    /// Terminal colours.
    pub color: bool,
}

/// What a dry run saw, for its last words.
#[derive(Debug, Default)]
pub struct Summary {
    /// Samples of metrics.
    pub samples: u64,
    /// What could not be measured, and why.
    pub missing: Vec<String>,
    /// By account: entries, bytes of the source.
    pub shown: BTreeMap<String, (u64, u64)>,
    /// By account, fate and reason: lines, bytes of the source.
    pub withheld: BTreeMap<(String, &'static str, String), (u64, u64)>,
}

/// Prints batches until there are no more, or nobody reads what is printed.
pub fn print(mut inbox: Receiver<Sealed>, style: Style, out: &mut impl Write) -> io::Result<Summary> {
    let mut summary = Summary::default();
    while let Some(sealed) = inbox.blocking_recv() {
        for share in &sealed.streams {
            let shown = summary.shown.entry(share.source.to_string()).or_default();
            shown.0 += share.entries;
            shown.1 += share.bytes;
        }
        for withheld in &sealed.withheld {
            let key = (withheld.source.to_string(), withheld.fate.name(), withheld.reason.to_string());
            let seen = summary.withheld.entry(key).or_default();
            seen.0 += withheld.lines;
            seen.1 += withheld.bytes;
        }
        if sealed.entries > 0 {
            let push = decode_protobuf(&sealed.body, UNCOMPRESSED_MAX).map_err(|error| io::Error::other(error.to_string()))?;
            print_push(&push, style, out)?;
        }
    }
    out.flush()?;
    Ok(summary)
}

/// Prints samples as they would be shipped: in the text exposition format, or one JSON object a line.
pub fn print_samples(all: &[Samples], style: Style, out: &mut impl Write) -> io::Result<()> {
    match style.output {
        Output::Text => {
            let mut families = Families::new();
            for samples in all {
                put_samples(samples, &mut families);
            }
            let mut text = String::new();
            write_families(&families, &mut text);
            out.write_all(text.as_bytes())?;
        }
        Output::Json => {
            for samples in all {
                print_samples_json(samples, out)?;
            }
        }
    }
    out.flush()
}

fn put_samples(samples: &Samples, families: &mut Families) {
    let mut family = usize::MAX;
    for (place, series) in samples.set().iter().enumerate() {
        if series.family_place() != family {
            family = series.family_place();
            let head = series.family();
            families.read_family(head.name, head.kind, head.help, head.unit);
        }
        let name = series.labels().find(|(name, _)| *name == "__name__").map_or("", |(_, value)| value);
        families.read_sample(name, samples.sample(place).0, samples.times().get(place).copied());
        for (name, value) in series.labels().filter(|(name, _)| *name != "__name__") {
            families.label(name, value);
        }
    }
}

fn print_samples_json(samples: &Samples, out: &mut impl Write) -> io::Result<()> {
    for (place, series) in samples.set().iter().enumerate() {
        let (value, time) = samples.sample(place);
        let mut shown = String::new();
        number(value, &mut shown);
        let labels = series.labels().map(|(name, value)| (name.to_owned(), serde_json::Value::String(value.to_owned())));
        let sample = serde_json::json!({
            "ts": time.0.to_string(),
            "labels": labels.collect::<serde_json::Map<_, _>>(),
            // As text, since JSON has no NaN.
            "value": shown,
            "type": series.kind().to_string(),
        });
        writeln!(out, "{sample}")?;
    }
    Ok(())
}

fn print_push(push: &Push, style: Style, out: &mut impl Write) -> io::Result<()> {
    let labels: Vec<Labels> = push.streams.iter().map(|stream| Labels::parse(&stream.labels).unwrap_or_default()).collect();
    let mut entries: Vec<_> = push
        .streams
        .iter()
        .enumerate()
        .flat_map(|(place, stream)| stream.entries.iter().map(move |entry| (place, entry)))
        .collect();
    entries.sort_by_key(|(_, entry)| entry.time);
    let mut time = String::new();
    for (place, entry) in entries {
        time.clear();
        record::time::format_rfc3339(entry.time, &mut time);
        match style.output {
            Output::Json => print_json(&labels[place], entry.time, &entry.line, &entry.metadata, out)?,
            Output::Text => print_text(&labels[place], &time, &entry.line, &entry.metadata, style.color, out)?,
        }
    }
    out.flush()
}

fn print_text(
    labels: &Labels,
    time: &str,
    line: &str,
    metadata: &[(String, String)],
    color: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    let (dim, bold, reset) = if color { ("\x1b[2m", "\x1b[1m", "\x1b[0m") } else { ("", "", "") };
    // A log must not be able to command the terminal.
    let line: String = line.chars().map(|char| if char.is_control() && char != '\t' { '\u{fffd}' } else { char }).collect();
    write!(out, "{dim}{time}{reset} {bold}{labels}{reset} {line}")?;
    if !metadata.is_empty() {
        write!(out, "  {dim}")?;
        for (place, (name, value)) in metadata.iter().enumerate() {
            let blank = if place == 0 { "" } else { " " };
            write!(out, "{blank}{name}={value:?}")?;
        }
        write!(out, "{reset}")?;
    }
    writeln!(out)
}

fn print_json(
    labels: &Labels,
    time: UnixNanos,
    line: &str,
    metadata: &[(String, String)],
    out: &mut impl Write,
) -> io::Result<()> {
    let object = |pairs: &mut dyn Iterator<Item = (String, String)>| {
        pairs.map(|(name, value)| (name, serde_json::Value::String(value))).collect::<serde_json::Map<_, _>>()
    };
    let mut text = String::new();
    record::time::format_rfc3339(time, &mut text);
    let entry = serde_json::json!({
        "time": text,
        "ts": time.0.to_string(),
        "labels": object(&mut labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned()))),
        "metadata": object(&mut metadata.iter().cloned()),
        "line": line,
    });
    writeln!(out, "{entry}")
}

impl Summary {
    /// The last words, for people.
    pub fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let shown: u64 = self.shown.values().map(|(entries, _)| entries).sum();
        if self.samples > 0 {
            writeln!(out, "{} samples would have been written; nothing was.", self.samples)?;
        }
        for missing in &self.missing {
            writeln!(out, "  {missing}")?;
        }
        if self.samples > 0 && shown == 0 && self.withheld.is_empty() {
            return Ok(());
        }
        writeln!(out, "{shown} entries would have been shipped; nothing was, and no position was saved.")?;
        for (source, (entries, bytes)) in &self.shown {
            writeln!(out, "  {source}: {entries} entries from {bytes} bytes")?;
        }
        for ((source, fate, reason), (lines, bytes)) in &self.withheld {
            writeln!(out, "  {source}: {lines} lines ({bytes} bytes) {fate}: {reason}")?;
        }
        Ok(())
    }
}
