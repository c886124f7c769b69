//! Whether an entry follows the one before it: how many are missing between them, and whether it is a copy of one that was read
//! from memory already. Pure; bounded by the number of journals and of journalds that wrote them.
//!
//! journald numbers entries. Files with one `seqnum_id` share a counter; so do, after a file was set aside, files with different
//! ones. So numbers are compared where a common counter is certain: with the same id, or where one id was once seen to go on
//! where another stopped. What only may be missing is not counted.
//!
//! At boot journald writes to memory (`/run`), and copies all of it to the disk later, under new numbers: a copy has the boot and
//! the time since it of an entry that was read from a file in memory.

use crate::checkpoint::EntryPlace;

/// Journals (machines and namespaces) that are known at once.
const DIRECTORIES_MAX: usize = 1000;
/// Counters of one journal: the oldest is forgotten, and with it at most one gap.
const SEQUENCES_MAX: usize = 256;
/// Boots of which entries were read from memory.
const BOOTS_MAX: usize = 8;

/// What an entry is to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Read already, from the file in memory that it was copied from.
    Copied,
    /// To be shipped; so many entries before it are missing.
    New {
        /// Entries that nobody will ever read.
        missing: u64,
    },
}

/// What was read of all journals.
#[derive(Debug, Default)]
pub struct Continuity {
    journals: Vec<Journal>,
}

#[derive(Debug, Default)]
struct Journal {
    directory: u64,
    /// Of the entry before: its sequence and number.
    previous: Option<(u64, u64)>,
    sequences: Vec<Sequence>,
    /// Entries that were stepped over and counted, and will show as missing.
    counted: u64,
    /// Boots, and up to which microsecond their entries were read from memory.
    from_memory: Vec<(u64, u64)>,
}

#[derive(Clone, Copy, Debug)]
struct Sequence {
    id: u64,
    last: u64,
    /// Sequences with the same counter have the same.
    counter: u64,
}

impl Continuity {
    /// An entry that an earlier run had settled.
    pub fn resume(&mut self, place: &EntryPlace) {
        let journal = self.journal(place.directory);
        journal.remember(place);
        match journal.sequences.iter_mut().find(|sequence| sequence.id == place.sequence) {
            Some(known) => known.last = known.last.max(place.seqnum),
            None => journal.learn(place.sequence, place.seqnum, place.sequence),
        }
        if journal.previous.is_none_or(|(_, seqnum)| seqnum < place.seqnum) {
            journal.previous = Some((place.sequence, place.seqnum));
        }
    }

    /// How many entries seem to be missing before this one: they may stand in files that are yet to be looked at.
    pub fn missing(&self, place: &EntryPlace) -> u64 {
        let journal = self.journals.iter().find(|journal| journal.directory == place.directory);
        journal.map_or(0, |journal| journal.left_out(place).saturating_sub(journal.counted))
    }

    /// The next entry, in the order in which they are read.
    pub fn next(&mut self, place: &EntryPlace) -> Next {
        let journal = self.journal(place.directory);
        let is_copy = !place.in_memory && journal.was_in_memory(place.boot, place.monotonic);
        journal.remember(place);
        let missing = journal.follow(place);
        if is_copy { Next::Copied } else { Next::New { missing } }
    }

    /// Entries of a journal that cannot be read were stepped over, and counted.
    pub fn stepped_over(&mut self, directory: u64, entries: u64) {
        self.journal(directory).counted += entries;
    }

    fn journal(&mut self, directory: u64) -> &mut Journal {
        let place = self.journals.iter().position(|journal| journal.directory == directory);
        let place = place.unwrap_or_else(|| {
            if self.journals.len() >= DIRECTORIES_MAX {
                self.journals.remove(0);
            }
            self.journals.push(Journal { directory, ..Journal::default() });
            self.journals.len() - 1
        });
        &mut self.journals[place]
    }
}

impl Journal {
    fn was_in_memory(&self, boot: u64, monotonic: u64) -> bool {
        self.from_memory.iter().any(|(known, upto)| *known == boot && monotonic <= *upto)
    }

    fn remember(&mut self, place: &EntryPlace) {
        if !place.in_memory {
            return;
        }
        if let Some((_, upto)) = self.from_memory.iter_mut().find(|(boot, _)| *boot == place.boot) {
            *upto = place.monotonic.max(*upto);
            return;
        }
        if self.from_memory.len() >= BOOTS_MAX {
            self.from_memory.remove(0);
        }
        self.from_memory.push((place.boot, place.monotonic));
    }

    /// Whether nothing can be between the entry before and this one.
    fn is_next(&self, seqnum: u64) -> bool {
        self.previous.is_some_and(|(_, last)| last.checked_add(1) == Some(seqnum))
    }

    /// How many numbers were left out before this one.
    fn left_out(&self, place: &EntryPlace) -> u64 {
        let known = self.sequences.iter().find(|sequence| sequence.id == place.sequence);
        let Some(known) = known.filter(|_| !self.is_next(place.seqnum)) else { return 0 };
        let same = self.sequences.iter().filter(|sequence| sequence.counter == known.counter);
        let newest = same.map(|sequence| sequence.last).max().unwrap_or(place.seqnum);
        place.seqnum.saturating_sub(newest.saturating_add(1))
    }

    /// Takes the entry in; how many are missing before it that were not counted yet.
    fn follow(&mut self, place: &EntryPlace) -> u64 {
        let (id, seqnum) = (place.sequence, place.seqnum);
        let left_out = self.left_out(place);
        let is_next = self.is_next(seqnum);
        let before = self.previous.replace((id, seqnum));
        let known = self.sequences.iter().position(|sequence| sequence.id == id);
        if let Some((other, _)) = before.filter(|_| is_next) {
            // Nothing is missing; and if they are of different sequences, these have one counter.
            let counter = self.sequences.iter().find(|sequence| sequence.id == other).map_or(id, |sequence| sequence.counter);
            match known {
                Some(known) => {
                    let old = std::mem::replace(&mut self.sequences[known].counter, counter);
                    self.sequences
                        .iter_mut()
                        .filter(|sequence| sequence.counter == old)
                        .for_each(|sequence| sequence.counter = counter);
                    self.sequences[known].last = self.sequences[known].last.max(seqnum);
                }
                None => self.learn(id, seqnum, counter),
            }
            self.counted = 0;
            return 0;
        }
        let Some(known) = known else {
            self.learn(id, seqnum, id);
            return 0;
        };
        self.sequences[known].last = self.sequences[known].last.max(seqnum);
        let is_counted = left_out.min(self.counted);
        self.counted -= is_counted;
        left_out - is_counted
    }

    fn learn(&mut self, id: u64, last: u64, counter: u64) {
        if self.sequences.len() >= SEQUENCES_MAX {
            self.sequences.remove(0);
        }
        self.sequences.push(Sequence { id, last, counter });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISK: EntryPlace = EntryPlace { directory: 1, in_memory: false, sequence: 1, seqnum: 0, boot: 7, monotonic: 0 };

    fn entry(sequence: u64, seqnum: u64) -> EntryPlace {
        EntryPlace { sequence, seqnum, monotonic: seqnum, ..DISK }
    }

    fn missing(continuity: &mut Continuity, entries: &[(u64, u64)]) -> Vec<u64> {
        let next = |(sequence, seqnum): &(u64, u64)| match continuity.next(&entry(*sequence, *seqnum)) {
            Next::New { missing } => missing,
            Next::Copied => panic!("nothing was in memory"),
        };
        entries.iter().map(next).collect()
    }

    #[test]
    fn a_gap_in_one_sequence_is_counted_exactly() {
        let mut continuity = Continuity::default();
        assert_eq!(missing(&mut continuity, &[(1, 5), (1, 6), (1, 10), (1, 11)]), [0, 0, 3, 0]);
    }

    #[test]
    fn files_of_one_journald_share_a_counter_whatever_their_ids() {
        let mut continuity = Continuity::default();
        // A user's file goes on with the id that it had when the system's was made anew.
        assert_eq!(missing(&mut continuity, &[(1, 40), (2, 41), (1, 42), (1, 43), (2, 44)]), [0; 5]);
        assert_eq!(missing(&mut continuity, &[(2, 46), (1, 50)]), [1, 3], "now they are known to have one counter");
    }

    #[test]
    fn a_counter_that_jumps_to_that_of_another_file_has_lost_nothing() {
        let mut continuity = Continuity::default();
        assert_eq!(missing(&mut continuity, &[(1, 40), (2, 5001), (1, 5002), (1, 5003)]), [0; 4]);
    }

    #[test]
    fn counters_that_have_nothing_to_do_with_each_other_are_not_mixed() {
        let mut continuity = Continuity::default();
        assert_eq!(
            missing(&mut continuity, &[(1, 5), (2, 900), (1, 6), (2, 901), (1, 7), (1, 9), (2, 903)]),
            [0, 0, 0, 0, 0, 1, 1]
        );
    }

    #[test]
    fn after_a_restart_the_gap_is_known_even_if_the_file_is_gone() {
        let mut continuity = Continuity::default();
        continuity.resume(&entry(1, 100));
        continuity.resume(&entry(2, 90));
        assert_eq!(missing(&mut continuity, &[(1, 151), (1, 152)]), [50, 0]);
        let mut other = Continuity::default();
        other.resume(&EntryPlace { directory: 2, ..entry(1, 100) });
        assert_eq!(missing(&mut other, &[(1, 151)]), [0], "another machine's counter");
    }

    #[test]
    fn what_was_read_before_is_no_gap_when_it_is_read_again() {
        let mut continuity = Continuity::default();
        assert_eq!(missing(&mut continuity, &[(1, 1), (1, 5), (1, 6)]), [0, 3, 0]);
        assert_eq!(missing(&mut continuity, &[(1, 1), (1, 5), (1, 6), (1, 7)]), [0; 4]);
    }

    #[test]
    fn entries_that_were_stepped_over_are_not_counted_twice() {
        let mut continuity = Continuity::default();
        missing(&mut continuity, &[(1, 1)]);
        continuity.stepped_over(1, 2);
        assert_eq!(missing(&mut continuity, &[(1, 4), (1, 6)]), [0, 1]);
    }

    #[test]
    fn copies_of_what_was_read_from_memory_are_known_also_after_a_restart() {
        let memory = |monotonic| EntryPlace { in_memory: true, monotonic, seqnum: monotonic, ..DISK };
        let copy = |monotonic| EntryPlace { sequence: 2, seqnum: 1000 + monotonic, monotonic, ..DISK };
        let mut continuity = Continuity::default();
        assert_eq!(continuity.next(&memory(10)), Next::New { missing: 0 });
        assert_eq!(continuity.next(&memory(11)), Next::New { missing: 0 });
        let mut again = Continuity::default();
        again.resume(&memory(11));
        for continuity in [&mut continuity, &mut again] {
            assert_eq!([10, 11].map(|time| continuity.next(&copy(time))), [Next::Copied; 2]);
            assert_eq!(continuity.next(&copy(12)), Next::New { missing: 0 });
            assert_eq!(continuity.next(&EntryPlace { boot: 8, ..copy(5) }), Next::New { missing: 0 }, "another boot");
        }
        let mut other = Continuity::default();
        other.resume(&EntryPlace { directory: 2, ..memory(11) });
        assert_eq!(other.next(&copy(10)), Next::New { missing: 0 }, "another namespace");
    }
}
