//! A set of series, which mostly outlasts many collections, and the samples that one collection has of it.
//!
//! Rules: a series' labels are sorted by name, each name once, none of them empty, `__name__` among them; every text stands in a set
//! once. The values of a collection are eight bytes each, so that an outage costs little memory and disk.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::exemplar::Exemplar;
use crate::metric::{Family, Kind, NAN_BITS, UnixMillis, is_stale};

/// Series that are sampled together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SeriesSet {
    text: String,
    /// Where each symbol ends in `text`; the first is empty.
    ends: Vec<u32>,
    /// Names and values of all series, one after the other.
    references: Vec<u32>,
    series: Vec<SeriesHead>,
    families: Vec<FamilyHead>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct SeriesHead {
    /// Its labels end there in `references`, and begin where those of the one before end.
    end: u32,
    family: u32,
    started: UnixMillis,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct FamilyHead {
    kind: Kind,
    name: u32,
    help: u32,
    unit: u32,
}

/// One series of a set.
#[derive(Clone, Copy, Debug)]
pub struct Series<'s> {
    set: &'s SeriesSet,
    place: usize,
}

impl SeriesSet {
    /// Series.
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// One of them; `place` is below `len`.
    pub fn series(&self, place: usize) -> Series<'_> {
        Series { set: self, place }
    }

    /// All of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Series<'_>> {
        (0..self.len()).map(|place| self.series(place))
    }

    /// Its families, in the order in which they came.
    pub fn families(&self) -> impl Iterator<Item = Family<'_>> {
        self.families.iter().map(|head| self.family(head))
    }

    /// How many different texts there are.
    pub fn symbols(&self) -> usize {
        self.ends.len()
    }

    /// A text by its number.
    pub fn symbol(&self, number: u32) -> &str {
        let start = (number as usize).checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(number as usize).copied().unwrap_or(start);
        self.text.get(start as usize..end as usize).unwrap_or_default()
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.text.len()
            + 4 * (self.ends.len() + self.references.len())
            + self.series.len() * size_of::<SeriesHead>()
            + self.families.len() * size_of::<FamilyHead>()
    }

    fn family(&self, head: &FamilyHead) -> Family<'_> {
        Family { name: self.symbol(head.name), kind: head.kind, help: self.symbol(head.help), unit: self.symbol(head.unit) }
    }
}

impl<'s> Series<'s> {
    /// The numbers of its labels' names and values, by name.
    pub fn references(&self) -> &'s [u32] {
        let start = self.place.checked_sub(1).map_or(0, |before| self.set.series[before].end);
        &self.set.references[start as usize..self.set.series[self.place].end as usize]
    }

    /// Its labels by name, `__name__` among them.
    pub fn labels(&self) -> impl Iterator<Item = (&'s str, &'s str)> + use<'s> {
        let set = self.set;
        self.references().chunks_exact(2).map(move |pair| (set.symbol(pair[0]), set.symbol(pair[1])))
    }

    /// Its family.
    pub fn family(&self) -> Family<'s> {
        self.set.family(&self.set.families[self.family_place()])
    }

    /// Its family, by its place among those of the set.
    pub fn family_place(&self) -> usize {
        self.set.series[self.place].family as usize
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.set.families[self.family_place()].kind
    }

    /// Help and unit of its family, as numbers of symbols; 0 for none.
    pub(super) fn help_and_unit(&self) -> (u32, u32) {
        let family = &self.set.families[self.family_place()];
        (family.help, family.unit)
    }

    /// When its counter began; 0 if nobody knows.
    pub fn started(&self) -> UnixMillis {
        self.set.series[self.place].started
    }
}

/// Makes a set.
#[derive(Debug)]
pub struct SeriesSetBuilder {
    set: SeriesSet,
    numbers: HashMap<Box<str>, u32>,
    known: HashSet<Box<[u32]>>,
}

impl Default for SeriesSetBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl SeriesSetBuilder {
    /// None yet.
    pub fn new() -> Self {
        let mut builder = Self { set: SeriesSet::default(), numbers: HashMap::new(), known: HashSet::new() };
        builder.symbol("");
        builder
    }

    /// A family; gives what its series are added with.
    pub fn family(&mut self, family: Family<'_>) -> usize {
        let (name, help, unit) = (self.symbol(family.name), self.symbol(family.help), self.symbol(family.unit));
        self.set.families.push(FamilyHead { kind: family.kind, name, help, unit });
        self.set.families.len() - 1
    }

    /// A series of a family that was added, unless it is there already: says which. `labels` are sorted by name, each once, none empty.
    pub fn series<'l>(&mut self, family: usize, labels: impl Iterator<Item = (&'l str, &'l str)>, started: UnixMillis) -> bool {
        debug_assert!(family < self.set.families.len(), "a family that was added");
        let start = self.set.references.len();
        for (name, value) in labels {
            debug_assert!(!name.is_empty() && !value.is_empty(), "{name}={value}");
            let pair = [self.symbol(name), self.symbol(value)];
            self.set.references.extend(pair);
        }
        if !self.known.insert(self.set.references[start..].into()) {
            self.set.references.truncate(start);
            return false;
        }
        let end = self.set.references.len() as u32;
        self.set.series.push(SeriesHead { end, family: family as u32, started });
        true
    }

    /// Whether a series of another set, which has the very same labels, is there.
    pub fn has(&self, series: Series<'_>) -> bool {
        let number = |text: &str| self.numbers.get(text).copied();
        let references: Option<Box<[u32]>> = series.labels().flat_map(|(name, value)| [number(name), number(value)]).collect();
        references.is_some_and(|references| self.known.contains(&references))
    }

    /// Series so far.
    pub fn len(&self) -> usize {
        self.set.len()
    }

    /// Whether there is none so far.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// The set.
    pub fn finish(mut self) -> Arc<SeriesSet> {
        self.set.text.shrink_to_fit();
        self.set.ends.shrink_to_fit();
        self.set.references.shrink_to_fit();
        self.set.series.shrink_to_fit();
        Arc::new(self.set)
    }

    fn symbol(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.set.ends.len() as u32;
        self.set.text.push_str(text);
        self.set.ends.push(self.set.text.len() as u32);
        self.numbers.insert(text.into(), number);
        number
    }
}

/// What one collection has of a set: a value of each series.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    set: Arc<SeriesSet>,
    time: UnixMillis,
    values: Vec<f64>,
    /// Of samples that have times of their own; empty if none has.
    times: Vec<UnixMillis>,
    /// By the places of their samples; mostly none.
    exemplars: Vec<Exemplar>,
}

impl Samples {
    /// A value for each series of the set, at one time. Nothing if their numbers differ.
    pub fn new(set: Arc<SeriesSet>, time: UnixMillis, mut values: Vec<f64>) -> Option<Self> {
        for value in &mut values {
            if value.is_nan() && !is_stale(*value) {
                *value = f64::from_bits(NAN_BITS);
            }
        }
        (set.len() == values.len()).then_some(Self { set, time, values, times: Vec::new(), exemplars: Vec::new() })
    }

    /// The same with a time for each. Nothing if their numbers differ.
    #[must_use]
    pub fn with_times(self, times: Vec<UnixMillis>) -> Option<Self> {
        (times.len() == self.values.len()).then_some(Self { times, ..self })
    }

    /// The same with exemplars; those of samples that are not there are left out.
    #[must_use]
    pub fn with_exemplars(self, mut exemplars: Vec<Exemplar>) -> Self {
        exemplars.retain(|exemplar| exemplar.place < self.values.len());
        exemplars.sort_by_key(|exemplar| exemplar.place);
        Self { exemplars, ..self }
    }

    /// What they are samples of.
    pub fn set(&self) -> &Arc<SeriesSet> {
        &self.set
    }

    /// When they were taken, where they have no times of their own.
    pub fn time(&self) -> UnixMillis {
        self.time
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The values, one a series.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The times of their own, one a series, or none at all.
    pub fn times(&self) -> &[UnixMillis] {
        &self.times
    }

    /// All exemplars, by the places of their samples.
    pub fn exemplars(&self) -> &[Exemplar] {
        &self.exemplars
    }

    /// The exemplars of one sample.
    pub fn exemplars_of(&self, place: usize) -> &[Exemplar] {
        let start = self.exemplars.partition_point(|exemplar| exemplar.place < place);
        let rest = &self.exemplars[start..];
        &rest[..rest.partition_point(|exemplar| exemplar.place == place)]
    }

    /// The sample of a series; `place` is below `len`.
    pub fn sample(&self, place: usize) -> (f64, UnixMillis) {
        (self.values[place], self.times.get(place).copied().unwrap_or(self.time))
    }

    /// Bytes of memory without the set.
    pub fn bytes(&self) -> usize {
        let exemplars: usize = self.exemplars.iter().map(Exemplar::bytes).sum();
        8 * (self.values.len() + self.times.len()) + exemplars + size_of::<Self>()
    }
}
