//! Families, samples and labels as they are read out again.

use super::{Families, Help, Kind, LabelName, NO_TIME, Span, UnixMillis, slice};

/// A family, without its samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Family<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it is.
    pub kind: Kind,
    /// Its description; may be empty.
    pub help: &'a str,
    /// Its unit; mostly empty.
    pub unit: &'a str,
}

/// A sample of a series.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    of: &'a Families,
    place: usize,
}

/// The labels of a sample, in the order in which they were given.
#[derive(Clone, Debug)]
pub struct Labels<'a> {
    of: &'a Families,
    places: std::ops::Range<usize>,
}

impl Families {
    /// Families in the order of their first samples.
    pub fn families(&self) -> impl ExactSizeIterator<Item = Family<'_>> {
        (0..self.families.len()).map(|place| self.family(place))
    }

    /// The family at that place.
    fn family(&self, place: usize) -> Family<'_> {
        let head = &self.families[place];
        let help = match head.help {
            Help::Static(help) => help,
            Help::Read(span) => self.slice(span),
        };
        Family { name: self.slice(head.name), kind: head.kind, help, unit: self.slice(head.unit) }
    }

    /// Samples in the order in which they were given.
    pub fn samples(&self) -> impl ExactSizeIterator<Item = Sample<'_>> {
        (0..self.len()).map(|place| Sample { of: self, place })
    }

    /// The sample at that place.
    pub fn sample_at(&self, place: usize) -> Option<Sample<'_>> {
        (place < self.len()).then_some(Sample { of: self, place })
    }

    fn slice(&self, span: Span) -> &str {
        slice(&self.text, span)
    }
}

impl<'a> Sample<'a> {
    /// The name of its series: that of the family, or with `_bucket` and the like behind it.
    pub fn name(&self) -> &'a str {
        self.of.slice(self.of.series[self.place].name)
    }

    /// Its family, by its place among the families.
    pub fn family_place(&self) -> usize {
        self.of.series[self.place].family as usize
    }

    /// Its family.
    pub fn family(&self) -> Family<'a> {
        self.of.family(self.family_place())
    }

    /// Its labels but for the name.
    pub fn labels(&self) -> Labels<'a> {
        let end = self.of.series.get(self.place + 1).map_or(self.of.labels.len(), |next| next.first_label as usize);
        Labels { of: self.of, places: self.of.series[self.place].first_label as usize..end }
    }

    /// Its value.
    pub fn value(&self) -> f64 {
        self.of.values[self.place]
    }

    /// Its own time, if it has one.
    pub fn time(&self) -> Option<UnixMillis> {
        self.of.times.get(self.place).filter(|time| **time != NO_TIME).map(|time| UnixMillis(*time))
    }

    /// When its counter began; 0 if nobody knows.
    pub fn started(&self) -> UnixMillis {
        UnixMillis(self.of.series[self.place].started)
    }
}

impl<'a> Iterator for Labels<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let head = &self.of.labels[self.places.next()?];
        let name = match head.name {
            LabelName::Static(name) => name,
            LabelName::Read(span) => self.of.slice(span),
        };
        Some((name, self.of.slice(head.value)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.places.size_hint()
    }
}

impl ExactSizeIterator for Labels<'_> {}
