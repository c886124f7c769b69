//! Exemplars: examples of what a sample has counted, each with labels, a value and mostly a time of its own. They are no part of a
//! shape, for every collection may have others; where there is none they cost nothing.

use super::{NO_TIME, Span, UnixMillis, slice};

/// Those of all samples.
#[derive(Clone, Debug, Default)]
pub(super) struct Exemplars {
    text: String,
    heads: Vec<Head>,
    labels: Vec<(Span, Span)>,
}

#[derive(Clone, Copy, Debug)]
struct Head {
    sample: u32,
    /// Its first pair in `labels`; they end where the next one's begin.
    first_label: u32,
    value: f64,
    time: i64,
}

/// An exemplar of a sample.
#[derive(Clone, Copy, Debug)]
pub struct Exemplar<'a> {
    of: &'a Exemplars,
    place: usize,
}

impl Exemplars {
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.heads.clear();
        self.labels.clear();
    }

    pub(super) fn push(&mut self, sample: usize, value: f64, time: Option<UnixMillis>) {
        let time = time.map_or(NO_TIME, |time| time.0);
        self.heads.push(Head { sample: sample as u32, first_label: self.labels.len() as u32, value, time });
    }

    /// Of the one that came last.
    pub(super) fn label(&mut self, name: &str, value: &str) {
        let pair = (self.push_text(name), self.push_text(value));
        self.labels.push(pair);
    }

    /// Takes in those of others, whose samples follow behind so many.
    pub(super) fn append(&mut self, other: &Self, samples: usize) {
        let (text, labels) = (self.text.len() as u32, self.labels.len() as u32);
        let moved = |span: Span| Span { start: span.start + text, len: span.len };
        self.text.push_str(&other.text);
        self.labels.extend(other.labels.iter().map(|(name, value)| (moved(*name), moved(*value))));
        self.heads.extend(other.heads.iter().map(|head| Head {
            sample: head.sample + samples as u32,
            first_label: head.first_label + labels,
            ..*head
        }));
    }

    pub(super) fn capacity(&self) -> usize {
        self.text.capacity() + self.heads.capacity() * size_of::<Head>() + self.labels.capacity() * size_of::<(Span, Span)>()
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = Exemplar<'_>> {
        (0..self.heads.len()).map(|place| Exemplar { of: self, place })
    }

    fn push_text(&mut self, text: &str) -> Span {
        let span = Span { start: self.text.len() as u32, len: text.len() as u32 };
        self.text.push_str(text);
        span
    }
}

impl<'a> Exemplar<'a> {
    fn head(&self) -> &'a Head {
        &self.of.heads[self.place]
    }

    /// Of which sample it is one, by its place.
    pub fn sample_place(&self) -> usize {
        self.head().sample as usize
    }

    /// Its labels, in the order in which they were given.
    pub fn labels(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let of = self.of;
        let end = of.heads.get(self.place + 1).map_or(of.labels.len(), |next| next.first_label as usize);
        let pairs = of.labels.get(self.head().first_label as usize..end).unwrap_or_default();
        pairs.iter().map(|(name, value)| (slice(&of.text, *name), slice(&of.text, *value)))
    }

    /// Its value.
    pub fn value(&self) -> f64 {
        self.head().value
    }

    /// Its own time, if it has one.
    pub fn time(&self) -> Option<UnixMillis> {
        Some(self.head().time).filter(|time| *time != NO_TIME).map(UnixMillis)
    }
}
