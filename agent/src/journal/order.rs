//! The order of entries among several journal files, as journalctl has it.
//!
//! In: heads of two entries, and what is known of boots. Out: which one is first, or that they are one and the same. The most reliable
//! clock that both share decides: sequence numbers of one run, else time since the same boot, else the order of their boots, and only
//! then the wall clock, which can be set back.
//!
//! The order is total as long as these clocks agree with each other. Where they do not, three entries may go in a circle; two never do.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::file::{EntryHead, Header, Id128, RealtimeMicros};

/// A machine with more boots than this in its journal is told apart by its wall clock from there on.
const MOST_BOOTS: usize = 4096;

/// When boots were: for each the newest entry that any file has of it.
#[derive(Clone, Debug, Default)]
pub struct Boots {
    newest: HashMap<Id128, Newest>,
}

#[derive(Clone, Copy, Debug)]
struct Newest {
    machine: Id128,
    realtime: RealtimeMicros,
}

impl Boots {
    /// Learns what a file says of its newest entry.
    pub fn learn_file(&mut self, header: &Header) {
        if header.n_entries > 0 {
            self.learn(header.machine_id, header.tail_entry_boot_id, header.tail_entry_realtime);
        }
    }

    /// Learns that `machine` wrote an entry at this time in `boot`.
    pub fn learn(&mut self, machine: Id128, boot: Id128, realtime: RealtimeMicros) {
        if let Some(known) = self.newest.get_mut(&boot) {
            known.realtime = known.realtime.max(realtime);
        } else if self.newest.len() < MOST_BOOTS && boot != Id128::default() {
            self.newest.insert(boot, Newest { machine, realtime });
        }
    }

    /// Which of two boots was first; equal if it is not known, or they are those of different machines.
    fn compare(&self, left: Id128, right: Id128) -> Ordering {
        match (self.newest.get(&left), self.newest.get(&right)) {
            (Some(left), Some(right)) if left.machine == right.machine => left.realtime.cmp(&right.realtime),
            _ => Ordering::Equal,
        }
    }
}

/// Which of two entries is first. Equal are only those that nothing tells apart: then they are the same entry, met in two files.
pub fn compare(left: &EntryHead, right: &EntryHead, boots: &Boots) -> Ordering {
    if left == right {
        return Ordering::Equal;
    }
    let run = if left.seqnum_id == right.seqnum_id { left.seqnum.cmp(&right.seqnum) } else { Ordering::Equal };
    let boot = || {
        if left.boot_id == right.boot_id {
            left.monotonic.cmp(&right.monotonic)
        } else {
            boots.compare(left.boot_id, right.boot_id)
        }
    };
    run.then_with(boot).then_with(|| left.realtime.cmp(&right.realtime)).then_with(|| left.xor_hash.cmp(&right.xor_hash))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::file::MonotonicMicros;
    use super::*;

    const MACHINE: Id128 = Id128([1; 16]);

    fn head(run: u8, seqnum: u64, boot: u8, monotonic: u64, realtime: u64) -> EntryHead {
        EntryHead {
            seqnum_id: Id128([run; 16]),
            seqnum,
            realtime: RealtimeMicros(realtime),
            monotonic: MonotonicMicros(monotonic),
            boot_id: Id128([boot; 16]),
            xor_hash: seqnum ^ realtime,
        }
    }

    fn boots(machine: Id128, newest: &[(u8, u64)]) -> Boots {
        let mut boots = Boots::default();
        for &(boot, realtime) in newest {
            boots.learn(machine, Id128([boot; 16]), RealtimeMicros(realtime));
        }
        boots
    }

    #[test]
    fn the_most_reliable_clock_that_both_have_decides() {
        let known = boots(MACHINE, &[(1, 100), (2, 200)]);
        for (what, first, second) in [
            ("numbers of one run, against everything else", head(1, 5, 2, 90, 90), head(1, 6, 1, 10, 10)),
            ("time since one boot, against the wall clock", head(1, 9, 1, 10, 90), head(2, 1, 1, 11, 10)),
            ("boots, against the wall clock", head(1, 9, 1, 50, 90), head(2, 1, 2, 10, 10)),
            ("the wall clock, between boots of which one is not known", head(1, 9, 1, 50, 10), head(2, 1, 3, 10, 11)),
        ] {
            assert_eq!(compare(&first, &second, &known), Ordering::Less, "{what}");
            assert_eq!(compare(&second, &first, &known), Ordering::Greater, "{what}");
        }
        let (one, other) = (head(1, 9, 1, 50, 10), EntryHead { xor_hash: 77, ..head(2, 9, 1, 50, 10) });
        assert_eq!(compare(&one, &other, &known), one.xor_hash.cmp(&other.xor_hash));
        assert_eq!(compare(&one, &one, &known), Ordering::Equal);
    }

    #[test]
    fn boots_of_different_machines_are_not_compared() {
        let mut known = boots(MACHINE, &[(1, 100)]);
        known.learn(Id128([2; 16]), Id128([2; 16]), RealtimeMicros(50));
        assert_eq!(compare(&head(1, 1, 1, 5, 60), &head(2, 1, 2, 5, 40), &known), Ordering::Greater);
        assert_eq!(compare(&head(1, 1, 1, 5, 30), &head(2, 1, 2, 5, 40), &known), Ordering::Less);
    }

    #[test]
    fn the_newest_that_any_file_has_of_a_boot_counts() {
        let mut known = boots(MACHINE, &[(1, 100), (2, 90), (2, 300), (2, 20)]);
        assert_eq!(compare(&head(1, 1, 1, 5, 99), &head(2, 1, 2, 5, 9), &known), Ordering::Less);
        for boot in 0..2 * MOST_BOOTS as u128 {
            known.learn(MACHINE, Id128(boot.to_be_bytes()), RealtimeMicros(1));
        }
        assert_eq!(known.newest.len(), MOST_BOOTS);
    }

    prop_compose! {
        /// Few values, so that much is equal.
        fn any_head()(run in 0..3_u8, seqnum in 0..3_u64, boot in 1..4_u8, monotonic in 0..3_u64, realtime in 0..3_u64) -> EntryHead {
            head(run, seqnum, boot, monotonic, realtime)
        }
    }

    prop_compose! {
        /// What journals of one machine hold: boots one after another, one or two journals at a time, a clock that never goes back. In
        /// the order in which it happened.
        fn history()(steps in prop::collection::vec((0..8_u8, 0..2_u8, 0..3_u64), 1..40)) -> Vec<EntryHead> {
            let (mut boot, mut monotonic, mut realtime, mut seqnums) = (1, 0, 1, [0_u64; 2]);
            steps.into_iter().map(|(event, journal, passes)| {
                if event == 0 {
                    (boot, monotonic) = (boot + 1, 0);
                }
                // Time passes between any two entries, if only for one of the clocks.
                (monotonic, realtime) = (monotonic + passes + 1, realtime + passes + u64::from(event == 0));
                let seqnum = &mut seqnums[usize::from(journal)];
                *seqnum += 1;
                head(journal + 1, *seqnum, boot, monotonic, realtime)
            }).collect()
        }
    }

    proptest! {
        #[test]
        fn of_two_entries_one_is_first_whoever_asks(left in any_head(), right in any_head(), newest in prop::collection::vec((1..4_u8, 0..3_u64), 0..4)) {
            let known = boots(MACHINE, &newest);
            prop_assert_eq!(compare(&left, &right, &known), compare(&right, &left, &known).reverse());
            prop_assert_eq!(compare(&left, &left, &known), Ordering::Equal);
        }

        #[test]
        fn what_happened_in_order_is_in_order(history in history()) {
            let mut known = Boots::default();
            for entry in &history {
                known.learn(MACHINE, entry.boot_id, entry.realtime);
            }
            for (place, left) in history.iter().enumerate() {
                for (other, right) in history.iter().enumerate() {
                    prop_assert_eq!(compare(left, right, &known), place.cmp(&other));
                }
            }
        }
    }
}
