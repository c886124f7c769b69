//! The extractors of many leaves over one entry: the same points as from each by itself, for less.
//!
//! What most leaves ask first is answered for all together ([`Screen`]), with one pass over the line; only a leaf that may have a
//! point of the entry is run. An entry of which none has costs no allocation.

use super::extract::{Extracted, Extractor, LineCache};
use super::pipeline::{Pipeline, Screen};
use crate::entry::Entry;
use crate::labels::LabelSet;

/// From so many leaves on that read a line's fields, one pass over the line is cheaper than their line filters.
const MANY: usize = 6;

/// Several extractors that are asked of the same entries.
#[derive(Debug)]
pub struct Extractors {
    leaves: Vec<Extractor>,
    screen: Screen,
    /// The line filters are cheaper than the fields.
    lines_first: bool,
}

impl Extractors {
    /// Of these, which are known by their places.
    pub fn new(leaves: Vec<Extractor>) -> Self {
        let nothing = Pipeline::default();
        let screen = Screen::new(leaves.iter().map(|leaf| leaf.pipeline().unwrap_or(&nothing)));
        let are_filtered = leaves.iter().filter_map(Extractor::pipeline).all(Pipeline::has_line_filters);
        let lines_first = are_filtered && screen.readers() < MANY;
        Self { leaves, screen, lines_first }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.leaves.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.leaves.is_empty()
    }

    /// Calls `each`, in the order of the places, with what the entry is to an extractor, where that is not
    /// [`Extracted::Nothing`]. All of them must select the stream. What `cache` knew of the last line is forgotten.
    pub fn extract(
        &mut self,
        stream: &LabelSet,
        entry: Entry<'_>,
        cache: &mut LineCache,
        mut each: impl FnMut(usize, Extracted, &mut LineCache),
    ) {
        cache.begin();
        self.screen.begin(stream, entry);
        for (place, extractor) in self.leaves.iter().enumerate() {
            if self.lines_first && !extractor.admits(entry.line, cache) || !self.screen.lets_pass(place, entry) {
                continue;
            }
            let extracted = extractor.extract(stream, entry, cache);
            if extracted != Extracted::Nothing {
                each(place, extracted, cache);
            }
        }
    }
}
