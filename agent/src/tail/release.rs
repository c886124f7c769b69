//! When the page cache may forget what was read: not before the slowest lane has it, unless that one is far behind. Pure.
//!
//! Lanes that go side by side read the disk once: nothing is released before all of them have passed. A lane that falls
//! behind by more than [`KEPT_BYTES`] (its destination is slow, or away) will read the disk again in any case, or much later:
//! for it no more than that is kept. So the cache that one file holds is bounded without a clock and without asking who is away.
//!
//! What is released begins at the file's start each time. The kernel drops a folio only whole, and folios are larger than the
//! steps here (2 MiB on ext4 and XFS): from step to step, nearly all of them would lie across an end and stay.

/// What is kept behind the fastest lane for slower ones, bytes. More than a turn and the batches of a lane, by which lanes
/// that keep pace are apart.
pub const KEPT_BYTES: u64 = 16 << 20;

/// How far the lanes have read one file.
#[derive(Debug, Default)]
pub struct Readers {
    /// How many lanes read it; those that have not begun stand at its start.
    expected: usize,
    begun: Vec<Reader>,
}

#[derive(Debug)]
struct Reader {
    lane: u32,
    at: u64,
    released: u64,
}

impl Readers {
    /// So many lanes are going to read it.
    pub fn expect(&mut self, lanes: usize) {
        self.expected = lanes;
    }

    /// The lane has read everything before `at`: the byte before which everything can be released now, if that is at least
    /// `at_least` bytes after what it released last.
    pub fn passed(&mut self, lane: u32, at: u64, at_least: u64) -> Option<u64> {
        let place = self.begun.iter().position(|reader| reader.lane == lane).unwrap_or_else(|| {
            self.begun.push(Reader { lane, at, released: 0 });
            self.begun.len() - 1
        });
        self.begun[place].at = at;
        let fastest = self.begun.iter().map(|reader| reader.at).max().unwrap_or(0);
        let slowest = self.begun.iter().map(|reader| reader.at).min().filter(|_| self.begun.len() >= self.expected).unwrap_or(0);
        let upto = at.min(slowest.max(fastest.saturating_sub(KEPT_BYTES)));
        let reader = &mut self.begun[place];
        if upto < reader.released.saturating_add(at_least.max(1)) {
            return None;
        }
        reader.released = upto;
        Some(upto)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn readers(lanes: usize) -> Readers {
        let mut readers = Readers::default();
        readers.expect(lanes);
        readers
    }

    #[test]
    fn one_lane_releases_what_it_has_read() {
        let mut readers = readers(1);
        assert_eq!(readers.passed(0, MIB - 1, MIB), None, "not worth a system call");
        assert_eq!(readers.passed(0, 2 * MIB, MIB), Some(2 * MIB));
        assert_eq!(readers.passed(0, 2 * MIB, 1), None);
        assert_eq!(readers.passed(0, 2 * MIB + 5, 1), Some(2 * MIB + 5));
    }

    #[test]
    fn the_first_to_pass_leaves_it_to_the_last() {
        let mut readers = readers(2);
        assert_eq!(readers.passed(0, 8 * MIB, MIB), None, "the other has not even begun");
        assert_eq!(readers.passed(1, 3 * MIB, MIB), Some(3 * MIB));
        assert_eq!(readers.passed(0, 9 * MIB, MIB), Some(3 * MIB), "as far as the other is");
        assert_eq!(readers.passed(1, 9 * MIB, MIB), Some(9 * MIB));
    }

    #[test]
    fn for_a_lane_that_is_away_a_bounded_part_is_kept() {
        let mut readers = readers(2);
        readers.passed(1, 4 * MIB, MIB);
        for at in (5..200).map(|mib| mib * MIB) {
            if let Some(upto) = readers.passed(0, at, MIB) {
                assert!(upto <= (4 * MIB).max(at.saturating_sub(KEPT_BYTES)), "{upto} at {at}");
            }
        }
        assert_eq!(readers.passed(0, 200 * MIB, MIB), Some(200 * MIB - KEPT_BYTES));
        // It comes back: what it reads from the disk again is released behind it.
        assert_eq!(readers.passed(1, 6 * MIB, MIB), Some(6 * MIB));
        assert_eq!(readers.passed(1, 7 * MIB, MIB), Some(7 * MIB));
        assert_eq!(readers.passed(1, 200 * MIB, MIB), Some(200 * MIB));
    }

    #[test]
    fn a_lane_that_goes_back_holds_the_release_up_and_undoes_nothing() {
        let mut readers = readers(2);
        readers.passed(0, 8 * MIB, MIB);
        assert_eq!(readers.passed(1, 8 * MIB, MIB), Some(8 * MIB));
        assert_eq!(readers.passed(1, 2 * MIB, MIB), None);
        assert_eq!(readers.passed(0, 12 * MIB, MIB), Some(2 * MIB));
        assert_eq!(readers.passed(1, 12 * MIB, MIB), Some(12 * MIB));
    }
}
