//! Families of samples: what collectors and scrapes give, and what the text exposition, remote write and a comparison take.
//!
//! Flat, so that the next collection reuses the memory, and in two halves: the **shape** (names, labels, types), which is mostly that
//! of the collection before, and the values. Whoever has worked out something for a shape keeps it while `has_shape_of` holds.

mod desc;
mod exemplar;
mod index;
mod view;

use std::fmt;

pub use desc::Desc;
pub use exemplar::Exemplar;
use exemplar::Exemplars;
use index::Index;
pub use view::{Family, Labels, Sample};

/// What a metric is. The numbers are those of remote write's metadata, in both versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Nobody has said; `untyped` in the text format 0.0.4, `unknown` in `OpenMetrics`.
    #[default]
    Unknown = 0,
    /// It only grows.
    Counter = 1,
    /// It goes up and down.
    Gauge = 2,
    /// Counts of observations in buckets.
    Histogram = 3,
    /// Buckets that may go down.
    GaugeHistogram = 4,
    /// Quantiles, a sum and a count.
    Summary = 5,
    /// Always 1; its labels say something.
    Info = 6,
    /// States of which each is 0 or 1.
    StateSet = 7,
}

impl fmt::Display for Kind {
    /// As the text format 0.0.4 has it, which knows five.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counter => "counter",
            Self::Gauge | Self::Info | Self::StateSet => "gauge",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
            Self::Unknown | Self::GaugeHistogram => "untyped",
        })
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z, as Prometheus counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(pub i64);

/// The bits of the value that ends a series (Prometheus, `model/value`): a NaN that no computation gives.
pub const STALE_BITS: u64 = 0x7ff0_0000_0000_0002;
/// The bits of every other NaN on the wire.
pub const NAN_BITS: u64 = 0x7ff8_0000_0000_0001;

/// Whether a value is the marker that ends a series.
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_BITS
}

/// Bytes of `Families::text`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Span {
    start: u32,
    len: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FamilyHead {
    name: Span,
    help: Help,
    unit: Span,
    kind: Kind,
    /// The description, for a family that has one.
    desc: Option<&'static Desc>,
}

/// A family's help: in the program, or in what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Help {
    Static(&'static str),
    Read(Span),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SeriesHead {
    family: u32,
    name: Span,
    /// Its first pair in `labels`; they end where the next one's begin.
    first_label: u32,
    /// When its counter began, milliseconds since the epoch; 0 if nobody knows.
    started: i64,
}

/// Label names may stand in the program too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LabelHead {
    name: LabelName,
    value: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LabelName {
    Static(&'static str),
    Read(Span),
}

/// Samples and what they are samples of.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_field_names, reason = "families are the heads of Families")]
pub struct Families {
    text: String,
    families: Vec<FamilyHead>,
    series: Vec<SeriesHead>,
    labels: Vec<LabelHead>,
    values: Vec<f64>,
    /// Milliseconds since the epoch, of each sample; empty if none has a time of its own. `NO_TIME` for those without.
    times: Vec<i64>,
    exemplars: Exemplars,
    /// Where the family of the next sample is looked for first: collections go through their families again and again.
    next_family: usize,
    /// For counters that follow.
    started: i64,
    index: Index,
}

const NO_TIME: i64 = i64::MIN;

impl Families {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets everything but the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.families.clear();
        self.series.clear();
        self.labels.clear();
        self.values.clear();
        self.times.clear();
        self.exemplars.clear();
        self.next_family = 0;
        self.started = 0;
        self.index.clear();
    }

    /// Samples.
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Counters that follow began at that time; 0 if nobody knows. Gives what was said before, for whoever sets it back.
    pub fn counters_since(&mut self, started: UnixMillis) -> UnixMillis {
        UnixMillis(std::mem::replace(&mut self.started, started.0))
    }

    /// A sample of a described family. `values` are those of the description's labels, in its order; an empty one means that the
    /// sample does not have the label.
    pub fn sample(&mut self, desc: &'static Desc, values: &[&str], value: f64) {
        debug_assert!(!desc.name.contains('*'), "{} is given its whole name with `named`", desc.name);
        let likely = self.likely(|head, _| head.desc.is_some_and(|known| std::ptr::eq(known, desc)));
        let family = likely.or_else(|| self.index.of_desc(desc)).unwrap_or_else(|| self.described(desc, desc.name));
        self.described_sample(family, desc, values, value);
    }

    /// A sample of a described family whose whole name is known only now: it takes the place of the description's, which has a `*`.
    pub fn named(&mut self, desc: &'static Desc, name: &str, values: &[&str], value: f64) {
        debug_assert!(desc.describes(name), "{name} is not a {}", desc.name);
        let likely = self.likely(|head, text| head.desc.is_some() && slice(text, head.name) == name);
        let family = likely.or_else(|| self.index.of_name(name)).unwrap_or_else(|| self.described(desc, name));
        self.described_sample(family, desc, values, value);
    }

    /// A family that was read; its place. Samples of it follow with `read_sample`.
    pub fn read_family(&mut self, name: &str, kind: Kind, help: &str, unit: &str) -> usize {
        let head = FamilyHead {
            name: self.push_text(name),
            help: Help::Read(self.push_text(help)),
            unit: self.push_text(unit),
            kind,
            desc: None,
        };
        self.next_family = self.families.len();
        self.families.push(head);
        self.next_family
    }

    /// A sample of the family that was begun last, with the labels that follow from `label`.
    pub fn read_sample(&mut self, name: &str, value: f64, time: Option<UnixMillis>) {
        if self.families.is_empty() {
            self.read_family(name, Kind::Unknown, "", "");
        }
        self.read_sample_of(self.families.len() - 1, name, value, time);
    }

    /// The same of an earlier family, at that place. A place that `read_family` has not given is a mistake of the program; such a
    /// sample is left out.
    pub fn read_sample_of(&mut self, family: usize, name: &str, value: f64, time: Option<UnixMillis>) {
        debug_assert!(family < self.families.len(), "no family {family}");
        let Some(head) = self.families.get(family) else { return };
        // A sample mostly bears its family's name.
        let span = head.name;
        let name = if slice(&self.text, span) == name { span } else { self.push_text(name) };
        self.push_sample(family, name, value, time);
    }

    /// A label of the sample that came last. An empty value says nothing, and is left out.
    pub fn label(&mut self, name: &str, value: &str) {
        if value.is_empty() || self.series.is_empty() {
            return;
        }
        let head = LabelHead { name: LabelName::Read(self.push_text(name)), value: self.push_text(value) };
        self.labels.push(head);
    }

    /// A label without value of the sample that came last. It is no part of the series: whoever sends samples on leaves it out.
    pub fn empty_label(&mut self, name: &str) {
        if !self.series.is_empty() {
            let head = LabelHead { name: LabelName::Read(self.push_text(name)), value: Span::default() };
            self.labels.push(head);
        }
    }

    /// A label of the sample that came last, with a name that stands in the program.
    pub fn static_label(&mut self, name: &'static str, value: &str) {
        if value.is_empty() || self.series.is_empty() {
            return;
        }
        let head = LabelHead { name: LabelName::Static(name), value: self.push_text(value) };
        self.labels.push(head);
    }

    /// An exemplar of the sample that came last, with the labels that follow from `exemplar_label`.
    pub fn exemplar(&mut self, value: f64, time: Option<UnixMillis>) {
        if let Some(sample) = self.series.len().checked_sub(1) {
            self.exemplars.push(sample, value, time);
        }
    }

    /// A label of the exemplar that came last.
    pub fn exemplar_label(&mut self, name: &str, value: &str) {
        self.exemplars.label(name, value);
    }

    /// All exemplars, in the order of their samples.
    pub fn exemplars(&self) -> impl ExactSizeIterator<Item = Exemplar<'_>> {
        self.exemplars.iter()
    }

    /// Tells of the sample at that place since when it counts.
    pub fn set_started(&mut self, place: usize, started: UnixMillis) {
        if let Some(head) = self.series.get_mut(place) {
            head.started = started.0;
        }
    }

    /// No sample has a time of its own any more.
    pub fn forget_times(&mut self) {
        self.times.clear();
    }

    /// Takes in all samples of another one, behind those that are there.
    pub fn append(&mut self, other: &Self) {
        let (text, family, label) = (self.text.len() as u32, self.families.len() as u32, self.labels.len() as u32);
        let moved = |span: Span| Span { start: span.start + text, len: span.len };
        for (head, place) in other.families.iter().zip(self.families.len()..) {
            if let Some(desc) = head.desc {
                self.index.note(desc, slice(&other.text, head.name), place);
            }
        }
        self.text.push_str(&other.text);
        self.families.extend(other.families.iter().map(|head| FamilyHead {
            name: moved(head.name),
            unit: moved(head.unit),
            help: match head.help {
                Help::Read(span) => Help::Read(moved(span)),
                help @ Help::Static(_) => help,
            },
            ..*head
        }));
        self.labels.extend(other.labels.iter().map(|head| LabelHead {
            name: match head.name {
                LabelName::Read(span) => LabelName::Read(moved(span)),
                name @ LabelName::Static(_) => name,
            },
            value: moved(head.value),
        }));
        if !other.times.is_empty() || !self.times.is_empty() {
            self.times.resize(self.values.len(), NO_TIME);
            self.times.extend_from_slice(&other.times);
            self.times.resize(self.values.len() + other.values.len(), NO_TIME);
        }
        self.exemplars.append(&other.exemplars, self.series.len());
        self.values.extend_from_slice(&other.values);
        self.series.extend(other.series.iter().map(|head| SeriesHead {
            family: head.family + family,
            name: moved(head.name),
            first_label: head.first_label + label,
            ..*head
        }));
    }

    /// Whether the other one has the very same series in the same order: what was worked out for one is true for the other.
    pub fn has_shape_of(&self, other: &Self) -> bool {
        self.series == other.series && self.text == other.text && self.labels == other.labels && self.families == other.families
    }

    /// Bytes of memory that are held.
    pub fn capacity(&self) -> usize {
        self.text.capacity()
            + self.families.capacity() * size_of::<FamilyHead>()
            + self.series.capacity() * size_of::<SeriesHead>()
            + self.labels.capacity() * size_of::<LabelHead>()
            + (self.values.capacity() + self.times.capacity()) * 8
            + self.exemplars.capacity()
    }

    /// Whether it is where it is looked for first: a row goes on to the next family, a column stays with the last.
    fn likely(&self, is_it: impl Fn(&FamilyHead, &str) -> bool) -> Option<usize> {
        let likely = [Some(self.next_family), self.next_family.checked_sub(1)];
        likely.into_iter().flatten().find(|place| self.families.get(*place).is_some_and(|head| is_it(head, &self.text)))
    }

    fn described(&mut self, desc: &'static Desc, name: &str) -> usize {
        let span = self.push_text(name);
        let head =
            FamilyHead { name: span, help: Help::Static(desc.help), unit: Span::default(), kind: desc.kind, desc: Some(desc) };
        self.families.push(head);
        let family = self.families.len() - 1;
        self.index.note(desc, slice(&self.text, span), family);
        family
    }

    fn described_sample(&mut self, family: usize, desc: &'static Desc, values: &[&str], value: f64) {
        debug_assert_eq!(desc.labels.len(), values.len(), "labels of {}", desc.name);
        self.next_family = family + 1;
        self.push_sample(family, self.families[family].name, value, None);
        for (name, value) in desc.labels.iter().zip(values) {
            self.static_label(name, value);
        }
    }

    fn push_sample(&mut self, family: usize, name: Span, value: f64, time: Option<UnixMillis>) {
        let counter = self.families[family].kind == Kind::Counter;
        let started = if counter { self.started } else { 0 };
        if time.is_some() || !self.times.is_empty() {
            self.times.resize(self.values.len(), NO_TIME);
            self.times.push(time.map_or(NO_TIME, |time| time.0));
        }
        self.values.push(value);
        self.series.push(SeriesHead { family: family as u32, name, first_label: self.labels.len() as u32, started });
    }

    /// 4 GiB of names are refused by whoever reads them, long before.
    fn push_text(&mut self, text: &str) -> Span {
        let span = Span { start: self.text.len() as u32, len: text.len() as u32 };
        self.text.push_str(text);
        span
    }
}

fn slice(text: &str, span: Span) -> &str {
    text.get(span.start as usize..(span.start + span.len) as usize).unwrap_or_default()
}

#[cfg(test)]
mod tests;
