//! Where a first reading of the journal begins: what is older than the selections want is left out and counted.

use std::time::Duration;

use super::{JournalLane, withhold};
use crate::batch::Extent;
use crate::config::checked::Start;
use crate::journal::file::RealtimeMicros;
use crate::lane::chain::ChainLane;
use crate::lane::nanos;
use crate::lane::reading::Surroundings;
use crate::lane::standing::Mark;
use crate::ledger::Fate;

/// Where a first start begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Floors {
    /// When the present boot began by today's clock, if its id is not known.
    booted: Option<i64>,
    /// Nanoseconds since the epoch.
    started_at: i64,
    /// What came since the destination moved last is new, however long ago that was.
    resumed: Option<i64>,
}

impl Floors {
    /// The oldest time that a selection takes, nanoseconds since the epoch.
    pub(super) fn of(self, start: Start) -> i64 {
        let floor = match start {
            Start::Now => self.started_at,
            Start::Age(age) => self.started_at.saturating_sub(nanos(age)),
            // A clock that was set since does not matter where the boot is known.
            Start::Boot => self.booted.unwrap_or(i64::MIN),
            Start::Everything => i64::MIN,
        };
        floor.min(self.resumed.unwrap_or(i64::MAX))
    }
}

impl JournalLane {
    /// Begins a first reading: what is older than the selections want is left out.
    pub fn begin(&mut self, started_at: i64, resumed: Option<i64>) {
        let booted = if self.boot.is_some() { None } else { Some(started_at.saturating_sub(nanos(uptime()))) };
        self.floors = Some(Floors { booted, started_at, resumed });
    }

    /// A file that nobody has begun to read: in a first reading, what is too old in it is left out.
    pub(super) fn enter(&mut self, index: usize, place: usize, chain: &mut ChainLane, around: &mut Surroundings<'_>) {
        let Some(floors) = self.floors.filter(|_| chain.open[place].marks[0].at == 0 && chain.replay.is_none()) else { return };
        let starts = (0..self.sets.len()).filter_map(|rule| self.selections.selection(rule)).map(|selection| selection.start);
        let floor = starts.map(|start| floors.of(start)).min().unwrap_or(i64::MIN);
        let Some(micros) = u64::try_from(floor / 1000).ok().filter(|micros| *micros > 0) else { return };
        // What cannot be read now is not left out.
        let Ok(begin) = self.sources[index].file.find_realtime(RealtimeMicros(micros)) else { return };
        if begin > 0 {
            chain.open[place].marks[0] = Mark { at: begin, ..Mark::default() };
            self.has_begun = true;
            chain.touch();
            withhold(chain, around, Fate::Filtered, &self.reasons.old, Extent { bytes: 0, lines: begin });
        }
    }
}

/// Since the boot, time asleep too.
fn uptime() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}
