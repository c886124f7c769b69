//! The ticks of a rule group: `k * interval + offset`, the offset by the group's name, so that a restart keeps the phase.

use proto::time::UnixNanos;
use twox_hash::XxHash3_64;

/// The ticks of one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticks {
    /// Nanoseconds, above 0.
    interval: i64,
    /// Nanoseconds, below the interval.
    offset: i64,
}

impl Ticks {
    /// Those of a group of a file; an interval of nothing is taken for a millisecond.
    pub fn new(file: &str, group: &str, interval: i64) -> Self {
        let interval = interval.max(1_000_000);
        let hash = XxHash3_64::oneshot(format!("{file};{group}").as_bytes());
        // In whole milliseconds: nobody needs it finer, and times are easier to read.
        let steps = interval.unsigned_abs() / 1_000_000;
        Self { interval, offset: (hash % steps * 1_000_000) as i64 }
    }

    /// Ticks of which one is at that time.
    pub fn since(start: UnixNanos, interval: i64) -> Self {
        let interval = interval.max(1_000_000);
        Self { interval, offset: start.0.rem_euclid(interval) }
    }

    /// Nanoseconds between two.
    pub fn interval(self) -> i64 {
        self.interval
    }

    /// The first after that time.
    pub fn after(self, time: UnixNanos) -> UnixNanos {
        UnixNanos(self.up_to(time).0.saturating_add(self.interval))
    }

    /// The last that is not after that time.
    pub fn up_to(self, time: UnixNanos) -> UnixNanos {
        let since = time.0.saturating_sub(self.offset).rem_euclid(self.interval);
        UnixNanos(time.0.saturating_sub(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_keep_their_phase() {
        let ticks = Ticks::new("rules.yaml", "group", 15_000_000_000);
        let first = ticks.after(UnixNanos(0));
        assert_eq!(ticks.up_to(first), first);
        assert_eq!(ticks.after(first).0 - first.0, 15_000_000_000);
        assert_eq!(ticks.up_to(UnixNanos(first.0 - 1)).0, first.0 - 15_000_000_000);
        assert_eq!(Ticks::new("rules.yaml", "group", 15_000_000_000), ticks);
        assert_eq!(Ticks::since(UnixNanos(7), 5_000_000).after(UnixNanos(0)), UnixNanos(7));
    }
}
