//! Encodes remote write 2.0 (`io.prometheus.write.v2.Request`): every text once, in front; series refer to it.

use std::collections::HashMap;
use std::sync::Arc;

use super::exemplar::Exemplar;
use super::request::{Part, Request};
use super::series::{Series, SeriesSet};
use super::v1::{put_example, put_sample, sample_len};
use crate::snappy::{put_varint, varint_len};

/// Tag bytes: the field's number and its wire type.
const REQUEST_SYMBOL: u8 = 4 << 3 | 2;
const REQUEST_SERIES: u8 = 5 << 3 | 2;
const SERIES_LABELS: u8 = 1 << 3 | 2;
const SERIES_SAMPLE: u8 = 2 << 3 | 2;
const SERIES_EXEMPLAR: u8 = 4 << 3 | 2;
const EXEMPLAR_LABELS: u8 = 1 << 3 | 2;
const SERIES_METADATA: u8 = 5 << 3 | 2;
const SAMPLE_START: u8 = 3 << 3;
const METADATA_TYPE: u8 = 1 << 3;
const METADATA_HELP: u8 = 3 << 3;
const METADATA_UNIT: u8 = 4 << 3;

/// Appends the message. `describe` says of a family whether its help and unit are to be sent; it is asked once. Then they stand at
/// all of its series, for a receiver takes what stands at a series for all that there is to say of it.
pub(super) fn encode(request: &Request, mut describe: impl FnMut(&str) -> bool, out: &mut Vec<u8>) {
    let mut symbols = Symbols::new(request);
    // A family may be in several sets, with a help of its own in each.
    let mut asked: HashMap<String, bool> = HashMap::new();
    let mut descriptions: HashMap<(usize, usize), (u32, u32)> = HashMap::new();
    let mut series_bytes = Vec::new();
    let mut references = Vec::new();
    let mut exemplars = Vec::new();
    request.for_each_series(|series, place, parts, group| {
        references.clear();
        references.extend(series.references().iter().map(|reference| symbols.number(group, *reference)));
        let described = *descriptions.entry((group, series.family_place())).or_insert_with(|| {
            let family = series.family();
            let says_nothing = family.help.is_empty() && family.unit.is_empty();
            if says_nothing || !*asked.entry(family.name.to_owned()).or_insert_with(|| describe(family.name)) {
                return (0, 0);
            }
            let (help, unit) = series.help_and_unit();
            (symbols.number(group, help), symbols.number(group, unit))
        });
        exemplars.clear();
        for exemplar in parts.iter().flat_map(|part| part.samples().exemplars_of(place)) {
            put_exemplar(exemplar, &mut symbols, &mut exemplars);
        }
        put_series(series, place, parts, &references, &exemplars, described, &mut series_bytes);
    });
    symbols.write(out);
    out.extend_from_slice(&series_bytes);
}

fn put_exemplar(exemplar: &Exemplar, symbols: &mut Symbols, out: &mut Vec<u8>) {
    let texts = exemplar.labels.iter().flat_map(|(name, value)| [name, value]);
    let references: Vec<u32> = texts.map(|text| symbols.text(text)).collect();
    let labels_len: usize = references.iter().map(|reference| varint_len(u64::from(*reference))).sum();
    let labels_part = if labels_len == 0 { 0 } else { 1 + varint_len(labels_len as u64) + labels_len };
    out.push(SERIES_EXEMPLAR);
    put_varint(out, (labels_part + sample_len((exemplar.value, exemplar.time))) as u64);
    if labels_len > 0 {
        out.push(EXEMPLAR_LABELS);
        put_varint(out, labels_len as u64);
        for reference in references {
            put_varint(out, u64::from(reference));
        }
    }
    put_example(out, exemplar);
}

/// `exemplars` are encoded already.
fn put_series(
    series: Series<'_>,
    place: usize,
    parts: &[Part],
    references: &[u32],
    exemplars: &[u8],
    described: (u32, u32),
    out: &mut Vec<u8>,
) {
    let (kind, started) = (series.kind() as u64, series.started().0);
    let labels_len: usize = references.iter().map(|reference| varint_len(u64::from(*reference))).sum();
    let start_len = if started == 0 { 0 } else { 1 + varint_len(started.cast_unsigned()) };
    let (help, unit) = described;
    let number_len = |number: u64| if number == 0 { 0 } else { 1 + varint_len(number) };
    let metadata_len = number_len(kind) + number_len(u64::from(help)) + number_len(u64::from(unit));
    let samples_len: usize = parts.iter().map(|part| 2 + sample_len(part.samples().sample(place)) + start_len).sum();
    let length = 1 + varint_len(labels_len as u64) + labels_len + samples_len + exemplars.len() + 2 + metadata_len;
    out.push(REQUEST_SERIES);
    put_varint(out, length as u64);
    out.push(SERIES_LABELS);
    put_varint(out, labels_len as u64);
    for reference in references {
        put_varint(out, u64::from(*reference));
    }
    for part in parts {
        let sample = part.samples().sample(place);
        out.push(SERIES_SAMPLE);
        // Below 128.
        out.push((sample_len(sample) + start_len) as u8);
        put_sample(out, sample);
        put_number(out, SAMPLE_START, started.cast_unsigned());
    }
    out.extend_from_slice(exemplars);
    out.push(SERIES_METADATA);
    out.push(metadata_len as u8);
    put_number(out, METADATA_TYPE, kind);
    put_number(out, METADATA_HELP, u64::from(help));
    put_number(out, METADATA_UNIT, u64::from(unit));
}

/// A number with its tag; 0 is a default, which is not written.
fn put_number(out: &mut Vec<u8>, tag: u8, number: u64) {
    if number != 0 {
        out.push(tag);
        put_varint(out, number);
    }
}

/// The texts that the series of a request refer to, in the order in which they do: only those, though their sets have more.
struct Symbols {
    /// One a group, with the number that each of the set's symbols has in the request; 0 if it has none yet.
    sets: Vec<(Arc<SeriesSet>, Vec<u32>)>,
    /// Texts across sets, where there are several, and of exemplars, where there are some.
    shared: HashMap<String, u32>,
    are_shared: bool,
    /// What stands in the request.
    written: Vec<Written>,
}

enum Written {
    /// A symbol of a group's set.
    Symbol(usize, u32),
    /// A text of an exemplar.
    Text(String),
}

impl Symbols {
    fn new(request: &Request) -> Self {
        let mut sets: Vec<(Arc<SeriesSet>, Vec<u32>)> = Vec::new();
        request.for_each_series(|_, _, parts, group| {
            if group == sets.len()
                && let Some(first) = parts.first()
            {
                let set = Arc::clone(first.samples().set());
                let numbers = vec![0; set.symbols()];
                sets.push((set, numbers));
            }
        });
        let have_exemplars = request.parts().iter().any(|part| !part.samples().exemplars().is_empty());
        let are_shared = sets.len() > 1 || have_exemplars;
        Self { sets, shared: HashMap::new(), are_shared, written: Vec::new() }
    }

    fn number(&mut self, group: usize, symbol: u32) -> u32 {
        let (set, numbers) = &mut self.sets[group];
        // Number 0 is the empty text in every set and in every request.
        if symbol == 0 {
            return 0;
        }
        let known = &mut numbers[symbol as usize];
        if *known == 0 {
            let next = self.written.len() as u32 + 1;
            *known = if self.are_shared { *self.shared.entry(set.symbol(symbol).to_owned()).or_insert(next) } else { next };
            if *known == next {
                self.written.push(Written::Symbol(group, symbol));
            }
        }
        *known
    }

    /// The number of a text of an exemplar.
    fn text(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        if let Some(number) = self.shared.get(text) {
            return *number;
        }
        self.written.push(Written::Text(text.to_owned()));
        let number = self.written.len() as u32;
        self.shared.insert(text.to_owned(), number);
        number
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[REQUEST_SYMBOL, 0]);
        for written in &self.written {
            let text = match written {
                Written::Symbol(group, symbol) => self.sets[*group].0.symbol(*symbol),
                Written::Text(text) => text,
            };
            out.push(REQUEST_SYMBOL);
            put_varint(out, text.len() as u64);
            out.extend_from_slice(text.as_bytes());
        }
    }
}
