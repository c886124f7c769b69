//! What cannot be read: entries are stepped over, files left out, and all of it is counted, and told now and then.

use std::time::{Duration, Instant};

use tracing::warn;

use super::{JournalLane, look_later, withhold};
use crate::batch::Extent;
use crate::journal::file::{Damaged, OpenError};
use crate::lane::chain::ChainLane;
use crate::lane::reading::Surroundings;
use crate::lane::standing::Mark;
use crate::ledger::Fate;

/// Of many gaps, or much damage.
const SAY_EVERY: Duration = Duration::from_mins(1);

/// What is said of entries now and then, since each may be one of thousands.
#[derive(Default)]
pub(super) struct Told {
    untold: u64,
    told: Option<Instant>,
}

impl Told {
    /// Further entries. How many there are to tell of, if it is time to.
    pub(super) fn note(&mut self, entries: u64, now: Instant) -> Option<u64> {
        self.untold = self.untold.saturating_add(entries);
        if self.told.is_some_and(|told| now.duration_since(told) < SAY_EVERY) {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

impl JournalLane {
    /// What is damaged is counted, and reading goes on behind it.
    pub(super) fn step_over(&mut self, index: usize, damaged: &Damaged, chain: &mut ChainLane, around: &mut Surroundings<'_>) {
        self.tell_damage(index, damaged);
        self.continuity.stepped_over(self.sources[index].directory, damaged.missing);
        self.step(index, chain, None);
        let extent = Extent { bytes: 0, lines: damaged.missing };
        withhold(chain, around, Fate::Unknown, &self.reasons.damaged, extent);
    }

    pub(super) fn tell_damage(&mut self, index: usize, damaged: &Damaged) {
        if let Some(entries) = self.damage.note(damaged.missing, Instant::now()) {
            let path = self.sources[index].file.source().0.path();
            warn!(path = %path.display(), %damaged, entries, "journal: damaged entries; what can be read of them is shipped, the rest counted");
        }
    }

    /// A file that cannot be opened as a journal. What may still become one is tried again.
    pub(super) fn refuse(&mut self, place: usize, error: &OpenError, chain: &mut ChainLane, around: &mut Surroundings<'_>) {
        let open = &mut chain.open[place];
        if matches!(error, OpenError::Io(_)) || (matches!(error, OpenError::TooShort) && !open.segment.is_deleted()) {
            around.gate.counters.read_errors.add(1);
            return look_later(chain, around);
        }
        warn!(path = %open.segment.path().display(), %error, "journal: a file is left out");
        open.done = true;
        // So marked, it is counted once and not at every start.
        let was_known = std::mem::replace(&mut open.marks[0], Mark { at: u64::MAX, ..Mark::default() }).at == u64::MAX;
        let number = open.segment.number;
        self.sources.retain(|source| source.number != number);
        chain.touch();
        if was_known {
            return;
        }
        withhold(chain, around, Fate::Unknown, &self.reasons.unreadable, Extent { bytes: 0, lines: 1 });
    }
}
