//! Which points of a series repeat the id of an earlier one, so that a window's ids can be counted without looking at its points.
//!
//! A repeat counts in a window that begins behind the earlier point, and in no other. Repeats further apart than a window is long
//! are not kept: no window has both.

use std::collections::HashMap;

use proto::time::UnixNanos;

use super::Mark;
use crate::logql::Point;

/// What an id takes in memory, in bytes, about.
pub(super) const ID_BYTES: usize = 32;

/// The ids of one series.
#[derive(Debug, Default)]
pub(super) struct Ids {
    /// The newest point of each.
    newest: HashMap<u64, UnixNanos>,
    /// In the order of their times.
    repeats: Vec<Repeat>,
    /// The longest time between two of them, nanoseconds.
    longest: i64,
}

/// A point whose id another one had before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Repeat {
    time: UnixNanos,
    earlier: UnixNanos,
}

impl Ids {
    /// The point at `place` has come to the others of its series.
    pub(super) fn insert(&mut self, points: &[Point], marks: &[Mark], place: usize, range: i64) {
        let (Some(point), Some(mark)) = (points.get(place), marks.get(place)) else { return };
        match self.newest.get(&mark.hash).copied() {
            None => drop(self.newest.insert(mark.hash, point.time)),
            Some(newest) if newest <= point.time => {
                self.newest.insert(mark.hash, point.time);
                self.repeat(Repeat { time: point.time, earlier: newest }, range);
            }
            Some(_) => {
                // It came late: between two of its id, or before all of them.
                let is_own = |at: &usize| marks[*at].hash == mark.hash;
                let earlier = (0..place).rev().find(is_own).map(|at| points[at].time);
                if let Some(later) = (place + 1..points.len()).find(is_own).map(|at| points[at].time) {
                    // Another id may have one that looks the same: one of them goes.
                    let is_split = |repeat: &Repeat| Some(repeat.earlier) == earlier && repeat.time == later;
                    if let Some(place) = self.repeats.iter().position(is_split) {
                        self.repeats.remove(place);
                    }
                    self.repeat(Repeat { time: later, earlier: point.time }, range);
                }
                if let Some(earlier) = earlier {
                    self.repeat(Repeat { time: point.time, earlier }, range);
                }
            }
        }
    }

    fn repeat(&mut self, repeat: Repeat, range: i64) {
        let apart = repeat.time.0.saturating_sub(repeat.earlier.0);
        if apart < range {
            self.longest = self.longest.max(apart);
            let place = self.repeats.partition_point(|known| known.time <= repeat.time);
            self.repeats.insert(place, repeat);
        }
    }

    /// How many points in `(after, until]` have an id that an earlier one in it has.
    pub(super) fn repeated(&self, after: UnixNanos, until: UnixNanos) -> usize {
        let first = self.repeats.partition_point(|repeat| repeat.time <= after);
        // Behind that the earlier one is within too, whichever it is.
        let surely = UnixNanos(after.0.saturating_add(self.longest));
        let sure = first + self.repeats[first..].partition_point(|repeat| repeat.time <= surely);
        let end = first + self.repeats[first..].partition_point(|repeat| repeat.time <= until);
        let unsure = self.repeats[first..sure.min(end)].iter().filter(|repeat| repeat.earlier > after).count();
        unsure + end.saturating_sub(sure)
    }

    /// These points are gone, the oldest of all; `first` is the time of the first that is left.
    pub(super) fn dropped(&mut self, points: &[Point], marks: &[Mark], first: Option<UnixNanos>) {
        for (point, mark) in points.iter().zip(marks) {
            if self.newest.get(&mark.hash) == Some(&point.time) {
                self.newest.remove(&mark.hash);
            }
        }
        match first {
            Some(first) => self.repeats.retain(|repeat| repeat.earlier >= first),
            None => self.repeats.clear(),
        }
        if self.repeats.is_empty() {
            self.longest = 0;
        }
    }
}
