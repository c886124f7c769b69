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
