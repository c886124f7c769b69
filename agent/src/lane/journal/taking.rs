//! One entry of the journal: whose it is, its time and metadata, and into the batch with it, or an account of why not.

use super::JournalLane;
use super::source::{Decision, Source, Taken};
use crate::batch::Extent;
use crate::checkpoint::{EntryPlace, Part};
use crate::config::checked::Start;
use crate::journal::continuity::Next;
use crate::journal::file::Damaged;
use crate::lane::chain::ChainLane;
use crate::lane::deliver::{self, Gate};
use crate::lane::reading::Surroundings;
use crate::ledger::Fate;
use crate::shape::{Origin, Shaped};

impl JournalLane {
    /// The next entry of a file: whose it is, and into the batch with it. `salvaging`: without the fields that cannot be read.
    pub(super) fn take(
        &mut self,
        index: usize,
        place: &EntryPlace,
        salvaging: bool,
        chain: &ChainLane,
        around: &mut Surroundings<'_>,
    ) -> Result<(), Damaged> {
        // Field by field, since the entry borrows its source.
        let Self { sources, selections, streams, continuity, sets, bases, keys, metadata, reasons, floors, boot, gap, .. } = self;
        let Source { file, decisions, foreign, .. } = &mut sources[index];
        let Some(entry) = (if salvaging { file.salvage()? } else { file.read()? }) else { return Ok(()) };
        let extent = Extent { bytes: entry.stored_size(selections.message()) + 1, lines: 1 };
        let journal = &chain.streams[0];
        match continuity.next(place) {
            Next::Copied => {
                journal.count(extent);
                around.batch.withhold(around.now, &journal.source, Fate::Filtered, &reasons.copied, extent);
                return Ok(());
            }
            Next::New { missing: 0 } => {}
            Next::New { missing } => {
                gap.note(missing, around.now);
                let extent = Extent { bytes: 0, lines: missing };
                around.batch.withhold(around.now, &journal.source, Fate::Unknown, &reasons.sequence, extent);
            }
        }
        let Some(message) = entry.get(selections.message()) else {
            journal.count(extent);
            around.batch.withhold(around.now, &journal.source, Fate::Filtered, &reasons.empty, extent);
            return Ok(());
        };
        selections.keys(&entry, keys);
        let decision = decisions.about(keys, || {
            let choices = selections.decide(&entry, *foreign);
            let taken = choices.into_iter().filter_map(|choice| {
                let (own, otherwise) = *sets.get(choice.rule)?;
                let set = if choice.proven { own } else { otherwise };
                let stream = streams.find(bases.get(set)?, &choice.labels);
                Some(Taken { choice, set, stream })
            });
            Decision { options: taken.collect() }
        });
        let Some(taken) = decision.options.iter().find(|taken| selections.takes(&taken.choice, message)) else {
            journal.count(extent);
            around.batch.withhold(around.now, &journal.source, Fate::Filtered, &reasons.nobody, extent);
            return Ok(());
        };
        let (Some(set), Some(stream)) = (chain.streams.get(taken.set), streams.get(taken.stream)) else { return Ok(()) };
        set.count(extent);
        if !set.wanted {
            around.batch.withhold(around.now, &set.source, Fate::Filtered, &reasons.elsewhere, extent);
            return Ok(());
        }
        let head = entry.head();
        let micros = i64::try_from(head.realtime.0).unwrap_or(i64::MAX);
        // Numbers keep the order within a microsecond, and tell equal messages apart.
        let time = micros.saturating_mul(1000).saturating_add((head.seqnum % 1000) as i64);
        if let Some(floors) = floors {
            let start = selections.selection(taken.choice.rule).map_or(Start::Everything, |selection| selection.start);
            let is_old = time < floors.of(start) || (start == Start::Boot && boot.is_some_and(|boot| boot != head.boot_id));
            if is_old {
                around.batch.withhold(around.now, &set.source, Fate::Filtered, &reasons.old, extent);
                return Ok(());
            }
        }
        selections.metadata(&taken.choice, &entry, message, metadata);
        let left_out = entry.left_out(selections.message());
        let origin = Origin { left_out, metadata: Some(metadata.structured()), ..Origin::default() };
        let shaped = match set.shaper.shape(message, origin, around.work) {
            Shaped::Entry(shaped) => shaped,
            Shaped::Dropped(rule) => {
                around.batch.withhold(around.now, &set.source, Fate::Filtered, rule, extent);
                return Ok(());
            }
        };
        around.counters.mark(shaped.marks);
        stream.is_moved = true;
        let to = deliver::Stream {
            source: &set.source,
            labels: &stream.labels,
            feed: (chain.index, Part(0)),
            newest: &mut stream.newest,
            slot: &mut stream.slot,
        };
        let mut gate = Gate {
            batch: around.batch,
            marked: around.marked,
            counters: around.counters,
            now: around.now,
            oldest: around.oldest,
            order_window: around.order_window,
        };
        gate.deliver(&shaped, time, to, extent, &set.shaper, &reasons.refused);
        Ok(())
    }
}
