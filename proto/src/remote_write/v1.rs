//! Encodes remote write 1.0 (`prometheus.WriteRequest`): every series with all its labels in full.

use super::exemplar::Exemplar;
use super::request::{Part, Request};
use crate::metric::{Family, UnixMillis};
use crate::snappy::{put_varint, varint_len};

/// Tag bytes: the field's number and its wire type.
const REQUEST_SERIES: u8 = 1 << 3 | 2;
const REQUEST_METADATA: u8 = 3 << 3 | 2;
const SERIES_LABEL: u8 = 1 << 3 | 2;
const SERIES_SAMPLE: u8 = 2 << 3 | 2;
const SERIES_EXEMPLAR: u8 = 3 << 3 | 2;
const EXEMPLAR_LABEL: u8 = 1 << 3 | 2;
const EXEMPLAR_VALUE: u8 = 2 << 3 | 1;
const EXEMPLAR_TIME: u8 = 3 << 3;
const LABEL_NAME: u8 = 1 << 3 | 2;
const LABEL_VALUE: u8 = 2 << 3 | 2;
const SAMPLE_VALUE: u8 = 1 << 3 | 1;
const SAMPLE_TIME: u8 = 2 << 3;
const METADATA_TYPE: u8 = 1 << 3;
const METADATA_FAMILY: u8 = 2 << 3 | 2;
const METADATA_HELP: u8 = 4 << 3 | 2;
const METADATA_UNIT: u8 = 5 << 3 | 2;

/// Appends the message.
pub(super) fn encode(request: &Request, out: &mut Vec<u8>) {
    request.for_each_series(|series, place, parts, _| {
        let exemplars = || parts.iter().flat_map(|part| part.samples().exemplars_of(place));
        let exemplars_len: usize = exemplars().map(|exemplar| message_len(exemplar_len(exemplar))).sum();
        let length = labels_len(series.labels()) + samples_len(parts, place) + exemplars_len;
        out.push(REQUEST_SERIES);
        put_varint(out, length as u64);
        put_labels(out, SERIES_LABEL, series.labels());
        for part in parts {
            let sample = part.samples().sample(place);
            out.push(SERIES_SAMPLE);
            out.push(sample_len(sample) as u8);
            put_sample(out, sample);
        }
        for exemplar in exemplars() {
            out.push(SERIES_EXEMPLAR);
            put_varint(out, exemplar_len(exemplar) as u64);
            put_labels(out, EXEMPLAR_LABEL, pairs(exemplar));
            put_example(out, exemplar);
        }
    });
}

/// Appends a message that holds types, help and units alone.
pub fn encode_metadata<'m>(families: impl Iterator<Item = Family<'m>>, out: &mut Vec<u8>) {
    for family in families {
        let kind = family.kind as u64;
        let length = 1 + varint_len(kind) + text_len(family.name) + text_len(family.help) + text_len(family.unit);
        out.push(REQUEST_METADATA);
        put_varint(out, length as u64);
        out.push(METADATA_TYPE);
        put_varint(out, kind);
        put_text(out, METADATA_FAMILY, family.name);
        put_text(out, METADATA_HELP, family.help);
        put_text(out, METADATA_UNIT, family.unit);
    }
}

/// A message with its tag.
fn message_len(inner: usize) -> usize {
    1 + varint_len(inner as u64) + inner
}

fn labels_len<'l>(labels: impl Iterator<Item = (&'l str, &'l str)>) -> usize {
    labels.map(|(name, value)| message_len(text_len(name) + text_len(value))).sum()
}

fn put_labels<'l>(out: &mut Vec<u8>, tag: u8, labels: impl Iterator<Item = (&'l str, &'l str)>) {
    for (name, value) in labels {
        out.push(tag);
        put_varint(out, (text_len(name) + text_len(value)) as u64);
        put_text(out, LABEL_NAME, name);
        put_text(out, LABEL_VALUE, value);
    }
}

fn pairs(exemplar: &Exemplar) -> impl Iterator<Item = (&str, &str)> {
    exemplar.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

fn exemplar_len(exemplar: &Exemplar) -> usize {
    labels_len(pairs(exemplar)) + sample_len((exemplar.value, exemplar.time))
}

/// Value and time of an exemplar, which stand one field behind those of a sample; they are as long.
pub(super) fn put_example(out: &mut Vec<u8>, exemplar: &Exemplar) {
    if exemplar.value.to_bits() != 0 {
        out.push(EXEMPLAR_VALUE);
        out.extend_from_slice(&exemplar.value.to_le_bytes());
    }
    if exemplar.time.0 != 0 {
        out.push(EXEMPLAR_TIME);
        put_varint(out, exemplar.time.0.cast_unsigned());
    }
}

fn samples_len(parts: &[Part], place: usize) -> usize {
    parts.iter().map(|part| 2 + sample_len(part.samples().sample(place))).sum()
}

/// Value and time, without what stands before the message. Below 128, so its length is one byte. What is 0 is a default, which is
/// not written; half of a node's samples are.
pub(super) fn sample_len((value, time): (f64, UnixMillis)) -> usize {
    let value = if value.to_bits() == 0 { 0 } else { 9 };
    value + if time.0 == 0 { 0 } else { 1 + varint_len(time.0.cast_unsigned()) }
}

pub(super) fn put_sample(out: &mut Vec<u8>, (value, time): (f64, UnixMillis)) {
    if value.to_bits() != 0 {
        out.push(SAMPLE_VALUE);
        out.extend_from_slice(&value.to_le_bytes());
    }
    if time.0 != 0 {
        out.push(SAMPLE_TIME);
        put_varint(out, time.0.cast_unsigned());
    }
}

/// A text with its tag; an empty one is a default, which is not written.
fn text_len(text: &str) -> usize {
    if text.is_empty() { 0 } else { 1 + varint_len(text.len() as u64) + text.len() }
}

fn put_text(out: &mut Vec<u8>, tag: u8, text: &str) {
    if !text.is_empty() {
        out.push(tag);
        put_varint(out, text.len() as u64);
        out.extend_from_slice(text.as_bytes());
    }
}
