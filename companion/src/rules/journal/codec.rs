//! The journal's bytes: frames (`durable::frame`), and in each a table of label sets, each once however many points have it, and
//! records: a kind byte and fields as LEB128 integers and length-prefixed text. What does not decode is damage: everything from there
//! on is cut.

use std::collections::HashMap;

use durable::frame::{self, Damage, Format};
use proto::time::UnixNanos;

use super::{Record, RuleId};
use crate::labels::LabelSet;
use crate::logql::Point;
use crate::rules::alert::{Alert, Episode, Phase};
use crate::rules::leaf::Mark;

const FORMAT: Format = Format { header: b"picket-rules", version: 1, body_max: 256 << 20 };

/// Reads a journal. Gives the records up to the first damage, and the damage.
pub fn decode(journal: &[u8]) -> (Vec<Record>, Option<Damage>) {
    let mut records = Vec::new();
    let damage = FORMAT.read(journal, |body| {
        records.append(&mut decode_frame(body)?);
        Some(())
    });
    (records, damage)
}

/// Begins a journal.
pub fn encode_header(out: &mut Vec<u8>) {
    FORMAT.begin(out);
}

/// Appends records as one frame: after a crash all of them are there, or none.
pub fn encode_frame(records: &[Record], out: &mut Vec<u8>) {
    let mut writer = Writer { out: Vec::new(), sets: HashMap::new(), table: Vec::new() };
    for record in records {
        writer.record(record);
    }
    // Bodies are far below 4 GiB: a flush is one request's worth, and a snapshot is written in several frames.
    frame::seal(out, |out| {
        unsigned(out, writer.sets.len() as u64);
        out.extend_from_slice(&writer.table);
        out.extend_from_slice(&writer.out);
    });
}

fn decode_frame(body: &[u8]) -> Option<Vec<Record>> {
    let mut reader = Reader { bytes: body, sets: Vec::new() };
    let sets = reader.unsigned()?;
    for _ in 0..sets {
        let labels = reader.labels()?;
        reader.sets.push(labels);
    }
    let mut records = Vec::new();
    while !reader.bytes.is_empty() {
        records.push(reader.record()?);
    }
    Some(records)
}

fn unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn text(out: &mut Vec<u8>, text: &str) {
    unsigned(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Records on their way into a frame.
struct Writer<'a> {
    out: Vec<u8>,
    sets: HashMap<&'a LabelSet, u64>,
    table: Vec<u8>,
}

impl<'a> Writer<'a> {
    fn record(&mut self, record: &'a Record) {
        let kind = match record {
            Record::Rule { .. } => 1,
            Record::Evaluated { .. } => 2,
            Record::Point { .. } => 3,
            Record::Alert { alert: Some(_), .. } => 4,
            Record::Alert { alert: None, .. } => 5,
            Record::Episode { .. } => 6,
        };
        self.out.push(kind);
        self.out.extend_from_slice(&record.rule().0.to_le_bytes());
        match record {
            Record::Rule { seen_from, .. } => self.time(*seen_from),
            Record::Evaluated { at, waiting, .. } => {
                self.time(*at);
                unsigned(&mut self.out, waiting.len() as u64);
                for time in waiting {
                    self.time(*time);
                }
            }
            Record::Point { leaf, labels, point, mark, .. } => {
                unsigned(&mut self.out, u64::from(*leaf));
                self.set(labels);
                self.time(point.time);
                self.float(point.value);
                self.out.extend_from_slice(&mark.hash.to_le_bytes());
                self.time(mark.arrival);
            }
            Record::Alert { labels, alert, .. } => {
                self.set(labels);
                if let Some(alert) = alert {
                    self.alert(alert);
                }
            }
            Record::Episode { episode, .. } => {
                self.set(&episode.labels);
                self.time(episode.from);
                self.time(episode.until);
                self.time(episode.noted);
            }
        }
    }

    fn alert(&mut self, alert: &'a Alert) {
        self.set(&alert.annotations);
        self.float(alert.value);
        self.out.push(match alert.phase {
            Phase::Inactive => 0,
            Phase::Pending => 1,
            Phase::Firing => 2,
        });
        self.time(alert.active_at);
        self.time(alert.seen_at);
        let times = [alert.fired_at, alert.resolved_at, alert.missing_since, alert.last_sent, alert.held_until];
        for time in times.into_iter().chain([alert.late.map(UnixNanos)]) {
            self.out.push(u8::from(time.is_some()));
            if let Some(time) = time {
                self.time(time);
            }
        }
    }

    fn set(&mut self, labels: &'a LabelSet) {
        let next = self.sets.len() as u64;
        let number = *self.sets.entry(labels).or_insert_with(|| {
            unsigned(&mut self.table, labels.len() as u64);
            for (name, value) in labels.iter() {
                text(&mut self.table, name);
                text(&mut self.table, value);
            }
            next
        });
        unsigned(&mut self.out, number);
    }

    fn time(&mut self, time: UnixNanos) {
        self.out.extend_from_slice(&time.0.to_le_bytes());
    }

    fn float(&mut self, value: f64) {
        self.out.extend_from_slice(&value.to_bits().to_le_bytes());
    }
}

/// A body that is being read.
struct Reader<'a> {
    bytes: &'a [u8],
    sets: Vec<LabelSet>,
}

impl Reader<'_> {
    fn record(&mut self) -> Option<Record> {
        let kind = self.byte()?;
        let rule = RuleId(u64::from_le_bytes(self.eight()?));
        Some(match kind {
            1 => Record::Rule { rule, seen_from: self.time()? },
            2 => {
                let at = self.time()?;
                let count = self.unsigned()?;
                // A count that is larger than what is left is damage, not a reason to set memory aside.
                let mut waiting = Vec::new();
                for _ in 0..count {
                    waiting.push(self.time()?);
                }
                Record::Evaluated { rule, at, waiting }
            }
            3 => {
                let leaf = u32::try_from(self.unsigned()?).ok()?;
                let labels = self.set()?;
                let point = Point { time: self.time()?, value: self.float()? };
                let mark = Mark { hash: u64::from_le_bytes(self.eight()?), arrival: self.time()? };
                Record::Point { rule, leaf, labels, point, mark }
            }
            4 => {
                let labels = self.set()?;
                let alert = self.alert(labels.clone())?;
                Record::Alert { rule, labels, alert: Some(Box::new(alert)) }
            }
            5 => Record::Alert { rule, labels: self.set()?, alert: None },
            6 => {
                let (labels, from, until, noted) = (self.set()?, self.time()?, self.time()?, self.time()?);
                Record::Episode { rule, episode: Episode { labels, from, until, noted } }
            }
            _ => return None,
        })
    }

    fn alert(&mut self, labels: LabelSet) -> Option<Alert> {
        let annotations = self.set()?;
        let value = self.float()?;
        let phase = match self.byte()? {
            0 => Phase::Inactive,
            1 => Phase::Pending,
            2 => Phase::Firing,
            _ => return None,
        };
        let (active_at, seen_at) = (self.time()?, self.time()?);
        let mut times = [None; 6];
        for time in &mut times {
            *time = match self.byte()? {
                0 => None,
                1 => Some(self.time()?),
                _ => return None,
            };
        }
        let [fired_at, resolved_at, missing_since, last_sent, held_until, late] = times;
        let late = late.map(|late| late.0);
        Some(Alert {
            labels,
            annotations,
            value,
            phase,
            active_at,
            fired_at,
            resolved_at,
            missing_since,
            last_sent,
            seen_at,
            held_until,
            late,
        })
    }

    fn labels(&mut self) -> Option<LabelSet> {
        let count = self.unsigned()?;
        let mut pairs = Vec::new();
        for _ in 0..count {
            pairs.push((self.text()?, self.text()?));
        }
        Some(pairs.into_iter().collect())
    }

    fn set(&mut self) -> Option<LabelSet> {
        let number = usize::try_from(self.unsigned()?).ok()?;
        self.sets.get(number).cloned()
    }

    fn text(&mut self) -> Option<String> {
        let length = usize::try_from(self.unsigned()?).ok()?;
        let (text, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        Some(std::str::from_utf8(text).ok()?.to_owned())
    }

    fn unsigned(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn time(&mut self) -> Option<UnixNanos> {
        Some(UnixNanos(i64::from_le_bytes(self.eight()?)))
    }

    fn float(&mut self) -> Option<f64> {
        Some(f64::from_bits(u64::from_le_bytes(self.eight()?)))
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*byte)
    }

    fn eight(&mut self) -> Option<[u8; 8]> {
        let (eight, rest) = self.bytes.split_first_chunk()?;
        self.bytes = rest;
        Some(*eight)
    }
}
