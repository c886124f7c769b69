//! Which deleted files are given up when more of them are held open than the disk can spare. Pure: sizes and times in, a choice out.

use super::segment::SegmentNumber;

/// A file that has no name any more and that some lane still needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The chain's place in the catalog.
    pub chain: usize,
    /// Which of its segments.
    pub number: SegmentNumber,
    /// What it takes on the disk, bytes: compressed ones, where it is compressed.
    pub bytes: u64,
    /// Last change of content, nanoseconds since the epoch.
    pub last_change_ns: i64,
    /// Lanes were asked to let go of it already, and some have yet to do so.
    pub given_up: bool,
}

/// What has to go so that the rest takes at most `max` bytes: the oldest by its last change, over all chains. What is on its way
/// out already does not count, or a lane that takes its time would cost further files.
pub fn to_give_up(held: &[Held], max: u64) -> Vec<Held> {
    let mut kept: Vec<Held> = held.iter().filter(|held| !held.given_up).copied().collect();
    kept.sort_by_key(|held| (held.last_change_ns, held.chain, held.number));
    let mut bytes: u64 = kept.iter().map(|held| held.bytes).sum();
    let mut goes = 0;
    while bytes > max && goes < kept.len() {
        bytes -= kept[goes].bytes;
        goes += 1;
    }
    kept.truncate(goes);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(chain: usize, number: u64, bytes: u64, last_change_ns: i64) -> Held {
        Held { chain, number: SegmentNumber(number), bytes, last_change_ns, given_up: false }
    }

    fn choice(held: &[Held], max: u64) -> Vec<(usize, u64)> {
        to_give_up(held, max).into_iter().map(|held| (held.chain, held.number.0)).collect()
    }

    #[test]
    fn nothing_goes_while_there_is_room() {
        assert_eq!(choice(&[], 0), []);
        assert_eq!(choice(&[held(0, 0, 60, 1), held(1, 0, 40, 2)], 100), []);
    }

    #[test]
    fn the_oldest_goes_first_over_all_chains() {
        let all = [held(0, 4, 50, 30), held(1, 7, 50, 10), held(0, 3, 50, 20), held(2, 0, 50, 40)];
        assert_eq!(choice(&all, 199), [(1, 7)]);
        assert_eq!(choice(&all, 100), [(1, 7), (0, 3)]);
        assert_eq!(choice(&all, 0), [(1, 7), (0, 3), (0, 4), (2, 0)]);
    }

    #[test]
    fn no_more_goes_than_has_to() {
        assert_eq!(choice(&[held(0, 0, 1000, 1), held(0, 1, 10, 2), held(0, 2, 10, 3)], 20), [(0, 0)]);
        assert_eq!(choice(&[held(0, 0, 10, 1), held(0, 1, 1000, 2), held(0, 2, 10, 3)], 20), [(0, 0), (0, 1)]);
    }

    #[test]
    fn what_is_on_its_way_out_is_not_asked_for_twice() {
        let going = Held { given_up: true, ..held(0, 0, 100, 1) };
        assert_eq!(choice(&[going, held(0, 1, 50, 2)], 60), []);
        assert_eq!(choice(&[going, held(0, 1, 50, 2), held(0, 2, 50, 3)], 60), [(0, 1)]);
    }

    #[test]
    fn of_two_that_changed_at_once_the_one_written_first_goes() {
        assert_eq!(choice(&[held(0, 2, 50, 5), held(0, 1, 50, 5)], 50), [(0, 1)]);
    }
}
