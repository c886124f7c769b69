//! One entry of the journal: whose it is, its time and metadata, and into the batch with it, or an account of why not.

use tracing::warn;

use super::JournalLane;
use super::source::{Decision, Source, Taken};
use crate::batch::Extent;
use crate::checkpoint::{EntryPlace, Part};
use crate::config::checked::Start;
use crate::journal::continuity::Next;
use crate::journal::file::{Damaged, RealtimeMicros};
use crate::lane::chain::ChainLane;
use crate::lane::deliver;
use crate::lane::reading::Surroundings;
use crate::ledger::Fate;
use crate::shape::{Origin, Shaped};

/// How far behind the newest entry of its stream one may be of the same burst, in nanoseconds.
const BURST_NANOS: i64 = 1_000_000;

impl JournalLane {
    /// The next entry of a file: whose it is, and into the batch with it. `salvaging`: without the fields that cannot be read.
    pub(super) fn take(
        &mut self,
        index: usize,
        place: Option<&EntryPlace>,
        salvaging: bool,
        chain: &ChainLane,
        around: &mut Surroundings<'_>,
    ) -> Result<(), Damaged> {
        // Field by field, since the entry borrows its source.
        let Self {
            turn_bytes,
            sources,
            selections,
            streams,
            continuity,
            sets,
            bases,
            keys,
            metadata,
            reasons,
            floors,
            boot,
            machine,
            gap,
            ..
        } = self;
        let Source { file, decisions, .. } = &mut sources[index];
        let Some(entry) = (if salvaging { file.salvage()? } else { file.read()? }) else { return Ok(()) };
        let extent = Extent { bytes: entry.stored_size(selections.message()) + 1, lines: 1 };
        let journal = &chain.streams[0];
        match place.map_or(Next::New { missing: 0 }, |place| continuity.next(place)) {
            Next::Copied => {
                journal.count(extent);
                around.gate.batch.withhold(around.gate.now, &journal.source, Fate::Filtered, &reasons.copied, extent);
                return Ok(());
            }
            Next::New { missing: 0 } => {}
            Next::New { missing } => {
                if let Some(missing) = gap.note(missing, around.gate.now) {
                    warn!(
                        missing,
                        "a gap: numbers of journal entries are missing; they were deleted before they were read, or stand in files that cannot be read"
                    );
                }
                let extent = Extent { bytes: 0, lines: missing };
                around.gate.batch.withhold(around.gate.now, &journal.source, Fate::Unknown, &reasons.sequence, extent);
            }
        }
        let Some(message) = entry.get(selections.message()) else {
            journal.count(extent);
            around.gate.batch.withhold(around.gate.now, &journal.source, Fate::Filtered, &reasons.empty, extent);
            return Ok(());
        };
        *turn_bytes += message.len();
        selections.keys(&entry, keys);
        let decision = decisions.about(keys, || {
            let choices = selections.decide(&entry, *machine);
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
            around.gate.batch.withhold(around.gate.now, &journal.source, Fate::Filtered, &reasons.nobody, extent);
            return Ok(());
        };
        let (Some(set), Some(stream)) = (chain.streams.get(taken.set), streams.get(taken.stream)) else { return Ok(()) };
        set.count(extent);
        if !set.wanted {
            around.gate.batch.withhold(around.gate.now, &set.source, Fate::Filtered, &reasons.elsewhere, extent);
            return Ok(());
        }
        let head = entry.head();
        let time = time_of(head.realtime, head.seqnum, stream.newest);
        if let Some(floors) = floors {
            let start = selections.selection(taken.choice.rule).map_or(Start::Everything, |selection| selection.start);
            let is_old = time < floors.of(start) || (start == Start::Boot && boot.is_some_and(|boot| boot != head.boot_id));
            if is_old {
                around.gate.batch.withhold(around.gate.now, &set.source, Fate::Filtered, &reasons.old, extent);
                return Ok(());
            }
        }
        selections.metadata(&taken.choice, &entry, message, metadata);
        let left_out = entry.left_out(selections.message());
        let origin = Origin { left_out, metadata: Some(metadata.structured()), ..Origin::default() };
        let shaped = match set.shaper.shape(message, origin, around.work) {
            Shaped::Entry(shaped) => shaped,
            Shaped::Dropped(rule) => {
                around.gate.batch.withhold(around.gate.now, &set.source, Fate::Filtered, rule, extent);
                return Ok(());
            }
        };
        around.gate.counters.mark(shaped.marks);
        stream.is_moved = true;
        let to = deliver::Stream {
            source: &set.source,
            labels: &stream.labels,
            feed: (chain.index, Part(0)),
            newest: &mut stream.newest,
            slot: &mut stream.slot,
        };
        around.gate.deliver(&shaped, time, to, extent, &set.shaper, &reasons.refused);
        Ok(())
    }
}

/// The time of an entry: its microsecond, and its number for those that share one.
///
/// journald gives all lines of a service that it reads at once the same microsecond, hundreds of them. Where the numbers begin anew
/// within one, times go on from the stream's newest, which the position log knows: they stay in order, and equal ones apart.
fn time_of(realtime: RealtimeMicros, seqnum: u64, newest: i64) -> i64 {
    let micros = i64::try_from(realtime.0).unwrap_or(i64::MAX);
    let time = micros.saturating_mul(1000).saturating_add((seqnum % 1000) as i64);
    let is_burst = newest >= time && newest - time < BURST_NANOS;
    if is_burst { newest.saturating_add(1) } else { time }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The times of entries of one stream, which are given by microsecond and number.
    fn times(entries: &[(u64, u64)]) -> Vec<i64> {
        let mut newest = i64::MIN;
        let next = |(micros, seqnum): &(u64, u64)| {
            let time = time_of(RealtimeMicros(*micros), *seqnum, newest);
            newest = newest.max(time);
            time
        };
        entries.iter().map(next).collect()
    }

    #[test]
    fn lines_of_a_burst_stay_in_order_where_numbers_begin_anew() {
        assert_eq!(times(&[(5, 1998), (5, 1999), (5, 2000), (5, 2001)]), [5998, 5999, 6000, 6001]);
        assert_eq!(times(&[(5, 1999), (5, 2000), (6, 2001), (7, 2002)]), [5999, 6000, 6001, 7002], "and what comes right after");
        let burst: Vec<(u64, u64)> = (0..5000).map(|seqnum| (5, seqnum)).collect();
        let times = times(&burst);
        assert!(times.is_sorted_by(|one, other| one < other), "none has another's time");
    }

    #[test]
    fn a_clock_that_is_set_back_is_shown_as_it_was() {
        assert_eq!(times(&[(10_000_000, 1), (9_000_000, 2), (9_000_001, 3)]), [10_000_000_001, 9_000_000_002, 9_000_001_003]);
        assert_eq!(times(&[(u64::MAX, 1), (0, 0)]), [i64::MAX, 0]);
    }
}
