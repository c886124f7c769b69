//! What one request holds: samples in order of time, or a part of them where the other side would not take all.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use super::series::{Samples, Series};

/// Some of the samples of a collection.
#[derive(Clone, Debug)]
pub struct Part {
    samples: Arc<Samples>,
    range: Range<usize>,
}

impl Part {
    /// All of them.
    pub fn whole(samples: Arc<Samples>) -> Self {
        let range = 0..samples.len();
        Self { samples, range }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// The collection that they are of.
    pub fn samples(&self) -> &Arc<Samples> {
        &self.samples
    }

    /// The first of its series with its value, for people.
    pub fn show(&self) -> String {
        let mut text = String::new();
        if self.range.is_empty() {
            return text;
        }
        for (name, value) in self.samples.set().series(self.range.start).labels() {
            // Writing into a String cannot fail.
            let _ = write!(text, "{}{name}={value:?}", if text.is_empty() { '{' } else { ',' });
        }
        let (value, time) = self.samples.sample(self.range.start);
        let _ = write!(text, "}} {value} at {}", time.0);
        text
    }

    /// Takes the first ones away; at most all.
    #[must_use]
    pub fn split_off_first(&mut self, count: usize) -> Self {
        let at = self.range.start + count.min(self.range.len());
        let first = Self { samples: Arc::clone(&self.samples), range: self.range.start..at };
        self.range.start = at;
        first
    }

    fn is_of_the_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(self.samples.set(), other.samples.set()) && self.range == other.range
    }
}

/// A request before it is encoded.
#[derive(Clone, Debug, Default)]
pub struct Request {
    parts: Vec<Part>,
}

impl Request {
    /// Of these parts, oldest first.
    pub fn new(parts: Vec<Part>) -> Self {
        Self { parts }
    }

    /// Samples.
    pub fn len(&self) -> usize {
        self.parts.iter().map(Part::len).sum()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What it is made of.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The two halves of it, the older first; nothing if it is a single sample. Halves keep the order of each series.
    pub fn halves(mut self) -> Option<(Self, Self)> {
        let half = self.len() / 2;
        if half == 0 {
            return None;
        }
        let (mut first, mut count) = (Vec::new(), 0);
        while count < half {
            let part = self.parts.first_mut()?;
            let taken = part.split_off_first(half - count);
            count += taken.len();
            first.push(taken);
            if part.is_empty() {
                self.parts.remove(0);
            }
        }
        Some((Self { parts: first }, self))
    }

    /// Series by series, with all samples that the request has of each: collections of the same series that follow one another are
    /// taken together, so that labels stand in the request once.
    pub(super) fn for_each_series(&self, mut take: impl FnMut(Series<'_>, usize, &[Part], usize)) {
        let mut rest = self.parts.as_slice();
        let mut group = 0;
        while let Some(first) = rest.first() {
            let alike = rest.iter().take_while(|part| part.is_of_the_same(first)).count();
            let (parts, behind) = rest.split_at(alike);
            for place in first.range.clone() {
                take(first.samples.set().series(place), place, parts, group);
            }
            rest = behind;
            group += 1;
        }
    }
}
