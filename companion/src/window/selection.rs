//! What a query looks at: some streams, within some time. It holds its blocks, so that the window may go on without it.
//!
//! Only blocks that overlap in time are in memory uncompressed at once: one, where nothing came late.

use std::ops::ControlFlow;

use super::block::Unpacked;
use super::stream::Part;
use crate::entry::Entry;
use crate::labels::LabelSet;

/// Streams, sorted by labels, with their entries in the order of time.
#[derive(Clone, Debug)]
pub struct Selection {
    from: i64,
    to: i64,
    streams: Vec<(LabelSet, Vec<Part>)>,
}

/// In which direction entries are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Oldest first.
    Forward,
    /// Newest first.
    Backward,
}

impl Selection {
    pub(super) fn new(from: i64, to: i64, streams: impl Iterator<Item = (LabelSet, Vec<Part>)>) -> Self {
        Self { from, to, streams: streams.filter(|(_, parts)| !parts.is_empty()).collect() }
    }

    /// The streams that may have entries.
    pub fn streams(&self) -> impl Iterator<Item = &LabelSet> {
        self.streams.iter().map(|(labels, _)| labels)
    }

    /// Each entry of each stream, stream by stream, oldest first, until `visit` has seen enough.
    pub fn visit(&self, mut visit: impl FnMut(&LabelSet, Entry<'_>) -> ControlFlow<()>) {
        for (labels, parts) in &self.streams {
            let mut runs = runs(parts);
            if runs.try_for_each(|run| self.visit_run(run, Order::Forward, |entry| visit(labels, entry))).is_break() {
                return;
            }
        }
    }

    /// The entries of one stream (by its place in [`Self::streams`]), until `visit` has seen enough.
    pub fn visit_stream(&self, place: usize, order: Order, mut visit: impl FnMut(Entry<'_>) -> ControlFlow<()>) {
        let Some((_, parts)) = self.streams.get(place) else { return };
        let mut runs: Vec<&[Part]> = runs(parts).collect();
        if order == Order::Backward {
            runs.reverse();
        }
        let _ = runs.into_iter().try_for_each(|run| self.visit_run(run, order, &mut visit));
    }

    fn visit_run(&self, run: &[Part], order: Order, mut visit: impl FnMut(Entry<'_>) -> ControlFlow<()>) -> ControlFlow<()> {
        let unpacked: Vec<Unpacked> = run.iter().map(Part::unpack).collect();
        let wanted = self.from..=self.to;
        let places = unpacked.iter().enumerate().flat_map(|(part, entries)| {
            entries.places().iter().filter(|(time, _)| wanted.contains(time)).map(move |place| (part, *place))
        });
        let mut places: Vec<(usize, (i64, usize))> = places.collect();
        // Stable: of one time, what came first stands first.
        places.sort_by_key(|(_, (time, _))| *time);
        if order == Order::Backward {
            places.reverse();
        }
        let mut metadata = Vec::new();
        for (part, place) in places {
            let entry = unpacked.get(part).and_then(|entries| entries.entry(place, &mut metadata));
            if let Some(entry) = entry {
                visit(entry)?;
            }
        }
        ControlFlow::Continue(())
    }
}

/// Neighbours that overlap, together.
fn runs(parts: &[Part]) -> impl Iterator<Item = &[Part]> {
    let mut rest = parts;
    std::iter::from_fn(move || {
        let mut last = rest.first()?.last();
        let mut len = 1;
        while let Some(next) = rest.get(len).filter(|next| next.first() <= last) {
            last = last.max(next.last());
            len += 1;
        }
        let (run, after) = rest.split_at(len);
        rest = after;
        Some(run)
    })
}
