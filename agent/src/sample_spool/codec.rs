//! Records of the spool of samples: bytes in, a set of series or samples out, and the way back. Pure.
//!
//! A record begins with its kind (one byte) and how many samples are in it (u32); numbers are little endian. What does not decode is
//! damage, never a panic.

use std::collections::HashMap;
use std::sync::Arc;

use proto::metric::{Family, Kind, UnixMillis};
use proto::remote_write::{Exemplar, Samples, SeriesSet, SeriesSetBuilder};

/// Kind and number of samples.
pub(super) const HEAD: usize = 5;

const SET: u8 = 1;
const SAMPLES: u8 = 2;
/// Samples that have times of their own.
const TIMED: u8 = 3;
/// Those with exemplars behind them.
const SAMPLES_EXEMPLIFIED: u8 = 4;
const TIMED_EXEMPLIFIED: u8 = 5;

/// What a record is.
pub(super) enum Record {
    /// Series that samples behind it are of.
    Set { number: u32, set: Arc<SeriesSet> },
    /// Samples.
    Samples(Samples),
}

/// How many samples are in a record that begins so.
pub(super) fn samples_in(head: &[u8]) -> u64 {
    let count = head.get(1..HEAD).map_or(0, |bytes| bytes.iter().rev().fold(0, |count, byte| count << 8 | u64::from(*byte)));
    if head.first() == Some(&SET) { 0 } else { count }
}

pub(super) fn write_set(number: u32, set: &SeriesSet, out: &mut Vec<u8>) {
    out.push(SET);
    put(out, 0);
    put(out, number);
    put(out, set.families().count() as u32);
    for family in set.families() {
        out.push(family.kind as u8);
        put_text(out, family.name);
        put_text(out, family.help);
        put_text(out, family.unit);
    }
    put(out, set.len() as u32);
    for series in set.iter() {
        put(out, series.family_place() as u32);
        out.extend_from_slice(&series.started().0.to_le_bytes());
        put(out, series.labels().count() as u32);
        for (name, value) in series.labels() {
            put_text(out, name);
            put_text(out, value);
        }
    }
}

pub(super) fn write_samples(number: u32, samples: &Samples, out: &mut Vec<u8>) {
    out.push(match (samples.times().is_empty(), samples.exemplars().is_empty()) {
        (true, true) => SAMPLES,
        (false, true) => TIMED,
        (true, false) => SAMPLES_EXEMPLIFIED,
        (false, false) => TIMED_EXEMPLIFIED,
    });
    put(out, samples.len() as u32);
    put(out, number);
    out.extend_from_slice(&samples.time().0.to_le_bytes());
    for value in samples.values() {
        out.extend_from_slice(&value.to_le_bytes());
    }
    for time in samples.times() {
        out.extend_from_slice(&time.0.to_le_bytes());
    }
    if samples.exemplars().is_empty() {
        return;
    }
    put(out, samples.exemplars().len() as u32);
    for exemplar in samples.exemplars() {
        put(out, exemplar.place as u32);
        out.extend_from_slice(&exemplar.value.to_le_bytes());
        out.extend_from_slice(&exemplar.time.0.to_le_bytes());
        put(out, exemplar.labels.len() as u32);
        for (name, value) in &exemplar.labels {
            put_text(out, name);
            put_text(out, value);
        }
    }
}

fn put(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put(out, text.len() as u32);
    out.extend_from_slice(text.as_bytes());
}

/// Reads a record; nothing if it makes no sense.
pub(super) fn read(body: &[u8], sets: &HashMap<u32, Arc<SeriesSet>>) -> Option<Record> {
    let mut rest = Rest(body);
    let kind = rest.byte()?;
    let count = rest.number()? as usize;
    let number = rest.number()?;
    if kind == SET {
        let set = rest.set()?;
        return rest.0.is_empty().then_some(Record::Set { number, set });
    }
    let set = Arc::clone(sets.get(&number)?);
    let time = UnixMillis(rest.long()?);
    let values: Vec<f64> = rest.longs(count)?.map(|bits| f64::from_bits(bits.cast_unsigned())).collect();
    let samples = Samples::new(set, time, values)?;
    let samples = match kind {
        SAMPLES | SAMPLES_EXEMPLIFIED => samples,
        TIMED | TIMED_EXEMPLIFIED => samples.with_times(rest.longs(count)?.map(UnixMillis).collect())?,
        _ => return None,
    };
    let samples = match kind {
        SAMPLES_EXEMPLIFIED | TIMED_EXEMPLIFIED => samples.with_exemplars(rest.exemplars()?),
        _ => samples,
    };
    rest.0.is_empty().then_some(Record::Samples(samples))
}

/// What is left of a record.
struct Rest<'b>(&'b [u8]);

impl<'b> Rest<'b> {
    fn bytes(&mut self, len: usize) -> Option<&'b [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    fn byte(&mut self) -> Option<u8> {
        self.bytes(1)?.first().copied()
    }

    fn number(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.bytes(4)?.try_into().ok()?))
    }

    fn long(&mut self) -> Option<i64> {
        Some(i64::from_le_bytes(self.bytes(8)?.try_into().ok()?))
    }

    fn longs(&mut self, count: usize) -> Option<impl Iterator<Item = i64> + use<'b>> {
        let bytes = self.bytes(count.checked_mul(8)?)?;
        Some(bytes.chunks_exact(8).map(|bytes| bytes.iter().rev().fold(0, |number, byte| number << 8 | i64::from(*byte))))
    }

    fn text(&mut self) -> Option<&'b str> {
        let len = self.number()? as usize;
        std::str::from_utf8(self.bytes(len)?).ok()
    }

    fn exemplars(&mut self) -> Option<Vec<Exemplar>> {
        let mut exemplars = Vec::new();
        for _ in 0..self.number()? {
            let place = self.number()? as usize;
            let value = f64::from_bits(self.long()?.cast_unsigned());
            let time = UnixMillis(self.long()?);
            let mut labels = Vec::new();
            for _ in 0..self.number()? {
                labels.push((self.text()?.to_owned(), self.text()?.to_owned()));
            }
            if labels.iter().any(|(name, value)| name.is_empty() || value.is_empty()) {
                return None;
            }
            exemplars.push(Exemplar { place, labels, value, time });
        }
        Some(exemplars)
    }

    fn set(&mut self) -> Option<Arc<SeriesSet>> {
        let mut builder = SeriesSetBuilder::new();
        let families = self.number()?;
        for _ in 0..families {
            let kind = kind(self.byte()?)?;
            let (name, help, unit) = (self.text()?, self.text()?, self.text()?);
            builder.family(Family { name, kind, help, unit });
        }
        let count = self.number()?;
        for _ in 0..count {
            let family = self.number()?;
            let started = UnixMillis(self.long()?);
            let pairs = self.number()?;
            let mut labels = Vec::new();
            for _ in 0..pairs {
                labels.push((self.text()?, self.text()?));
            }
            let right = labels.iter().all(|(name, value)| !name.is_empty() && !value.is_empty());
            if family >= families || !right || !builder.series(family as usize, labels.into_iter(), started) {
                return None;
            }
        }
        Some(builder.finish())
    }
}

fn kind(number: u8) -> Option<Kind> {
    const KINDS: [Kind; 8] = [
        Kind::Unknown,
        Kind::Counter,
        Kind::Gauge,
        Kind::Histogram,
        Kind::GaugeHistogram,
        Kind::Summary,
        Kind::Info,
        Kind::StateSet,
    ];
    KINDS.get(usize::from(number)).copied()
}
