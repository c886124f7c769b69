//! What the position log does about logs that are gone: what may be lost with them is counted, once, and their positions go.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tracing::warn;

use super::PositionLog;
use crate::checkpoint::Record;
use crate::ledger::Fate;
use crate::tail::bounds::{Memory, Missing};
use crate::tail::segment::SegmentNumber;

/// The reason in the ledger: the files were there in an earlier run, and what they held behind the cursor is not known.
const REASON: &str = "vanished";

/// The position log as the scout knows it: told what is gone, asked nothing else.
///
/// It does not keep the log open: a scout that hangs on a dead mount may outlive the pipeline.
pub struct Remembered {
    log: Weak<Mutex<PositionLog>>,
    destinations: Vec<u32>,
}

impl Remembered {
    /// For the destinations of this run (by number): what others had not read, nobody misses.
    pub fn new(log: Weak<Mutex<PositionLog>>, destinations: Vec<u32>) -> Self {
        Self { log, destinations }
    }
}

impl Memory for Remembered {
    fn missing(&mut self, missing: &[Missing], patience: Duration) -> Vec<String> {
        let Some(log) = self.log.upgrade() else { return Vec::new() };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        log.missing(missing, &self.destinations, now, patience)
    }

    fn are_there(&mut self, key: &str, segments: &[SegmentNumber]) {
        let Some(log) = self.log.upgrade() else { return };
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(chain) = log.chains.get(key).copied() {
            log.positions.keep_segments(chain, segments);
        }
    }

    fn forget(&mut self, gone: &Missing) {
        let Some(log) = self.log.upgrade() else { return };
        log.lock().unwrap_or_else(PoisonError::into_inner).forget(gone, &self.destinations);
    }
}

impl PositionLog {
    /// These logs, and no others, have no file. Gives the keys of those that have been missing for longer than `patience` at `now`
    /// (seconds since the epoch), which are forgotten.
    ///
    /// The gap is counted when a log is first missed, so that it is known the same day. Its position is kept for a while all
    /// the same: a volume may be mounted late, and then reading goes on where it was, with nothing lost or repeated.
    pub fn missing(&mut self, missing: &[Missing], destinations: &[u32], now: u64, patience: Duration) -> Vec<String> {
        // A clock that is not yet set would make what is noted now look old once it is.
        let newest = self.positions.destinations.values().map(|standing| standing.seen).max().unwrap_or(0);
        let now = now.max(newest).max(1);
        let mut records = Vec::new();
        let mut forgotten = Vec::new();
        let mut still = BTreeSet::new();
        for gone in missing {
            let Some(chain) = self.chains.get(&gone.key).copied() else {
                forgotten.push(gone.key.clone());
                continue;
            };
            still.insert(chain);
            match self.positions.missing.get(&chain) {
                None => {
                    records.extend(self.gap(chain, gone, destinations));
                    records.push(Record::Missing { chain, since: now });
                }
                Some(since) if now.saturating_sub(*since) >= patience.as_secs() => {
                    records.push(Record::Forget { chain });
                    self.chains.remove(&gone.key);
                    forgotten.push(gone.key.clone());
                }
                Some(_) => {}
            }
        }
        let found = self.positions.missing.keys().filter(|chain| !still.contains(chain));
        records.extend(found.map(|chain| Record::Missing { chain: *chain, since: 0 }));
        if !records.is_empty() {
            self.append(&records);
        }
        forgotten
    }

    /// The log is gone for good. Usually every destination has read it to its end; if not, that is a gap.
    pub fn forget(&mut self, gone: &Missing, destinations: &[u32]) {
        let Some(chain) = self.chains.remove(&gone.key) else { return };
        let mut records = self.gap(chain, gone, destinations);
        records.push(Record::Forget { chain });
        self.append(&records);
    }

    /// An event for each destination that had a position in the log: whether there was more behind it, nobody can tell now.
    fn gap(&mut self, chain: u32, gone: &Missing, destinations: &[u32]) -> Vec<Record> {
        let Some(source) = &gone.source else { return Vec::new() };
        let mut records = Vec::new();
        for destination in destinations {
            let unfinished = self.standing(*destination).filter(|_| self.positions.is_unfinished(*destination, chain));
            let Some((name, seen)) = unfinished.map(|standing| (standing.name.clone(), standing.seen)) else { continue };
            warn!(
                log = gone.key,
                destination = name,
                "a gap: the log is gone, and what was written to it after it was last read is not known"
            );
            let delta = self.delta(source, Fate::Unknown, REASON, 0, 1);
            records.push(Record::Moved { destination: *destination, seen, moves: Vec::new(), ledger: vec![delta] });
        }
        records
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::checkpoint::{Cursor, Move};

    const DAY: Duration = Duration::from_hours(24);
    const NOW: u64 = 1_800_000_000;

    fn gone(key: &str) -> Missing {
        Missing { key: key.to_owned(), source: Some("shop".to_owned()) }
    }

    /// Destination 0 has a place in both chains, destination 1 has read `a` to its end and knows nothing of `b`.
    fn log(directory: &Path) -> PositionLog {
        let mut log = PositionLog::open(directory).unwrap();
        let (one, two) = (log.destination("one"), log.destination("two"));
        let (a, b) = (log.chain("a"), log.chain("b"));
        let at = |chain| Move { chain, cursors: vec![Cursor { at: 9, ..Cursor::default() }], stamps: vec![], newest: vec![] };
        let over = |chain| Move { chain, cursors: vec![], stamps: vec![], newest: vec![] };
        log.append(&[
            Record::Moved { destination: one, seen: 7, moves: vec![at(a), at(b)], ledger: vec![] },
            Record::Moved { destination: two, seen: 7, moves: vec![over(a)], ledger: vec![] },
        ]);
        log
    }

    fn gaps(log: &PositionLog) -> Vec<(String, i64)> {
        let rows = log.positions.ledger.rows().into_iter().filter(|row| row.2 == Fate::Unknown.name());
        rows.map(|(destination, source, _, reason, amount)| (format!("{destination} {source} {reason}"), amount.lines)).collect()
    }

    #[test]
    fn a_missing_log_is_a_gap_once_through_restarts_and_forgotten_after_a_day() {
        let directory = tempfile::tempdir().unwrap();
        let mut before = log(directory.path());
        assert!(before.missing(&[gone("a")], &[0, 1], NOW, DAY).is_empty());
        let counted = [("one shop vanished".to_owned(), 1)];
        assert_eq!(gaps(&before), counted, "only who had not finished it can have lost something");
        assert!(before.missing(&[gone("a")], &[0, 1], NOW + 60, DAY).is_empty());
        before.close();
        drop(before);

        let mut after = PositionLog::open(directory.path()).unwrap();
        assert!(after.saved_chains(&[]).contains_key("a"), "should its volume be mounted late, it goes on where it was");
        assert!(after.missing(&[gone("a")], &[0, 1], NOW + DAY.as_secs() - 1, DAY).is_empty());
        assert_eq!(gaps(&after), counted);
        assert_eq!(after.missing(&[gone("a")], &[0, 1], NOW + DAY.as_secs(), DAY), ["a"]);
        assert_eq!(gaps(&after), counted);
        assert_eq!(after.saved_chains(&[]).into_keys().collect::<Vec<_>>(), ["b"]);
        drop(after);
        let last = PositionLog::open(directory.path()).unwrap();
        assert_eq!(last.positions.chains.values().collect::<Vec<_>>(), ["b"]);
        assert_eq!(gaps(&last), counted);
    }

    #[test]
    fn a_log_that_is_found_again_is_missed_anew_the_next_time() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = log(directory.path());
        log.missing(&[gone("a")], &[0, 1], NOW, DAY);
        assert!(log.missing(&[], &[0, 1], NOW + 60, DAY).is_empty());
        assert!(log.missing(&[gone("a")], &[0, 1], NOW + DAY.as_secs() + 120, DAY).is_empty(), "a new day begins");
        assert_eq!(gaps(&log), [("one shop vanished".to_owned(), 2)]);
    }

    #[test]
    fn what_is_no_longer_read_and_what_another_destination_had_is_missed_by_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = log(directory.path());
        log.missing(&[Missing { source: None, ..gone("a") }, gone("b")], &[1], NOW, DAY);
        assert_eq!(gaps(&log), []);
        assert_eq!(log.missing(&[Missing { source: None, ..gone("a") }, gone("b")], &[1], NOW + DAY.as_secs(), DAY), ["a", "b"]);
    }

    #[test]
    fn a_clock_that_is_not_set_ends_no_patience() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = log(directory.path());
        let moved = Record::Moved { destination: 0, seen: NOW, moves: vec![], ledger: vec![] };
        log.append(&[moved]);
        log.missing(&[gone("a")], &[0], 5, DAY);
        assert!(log.missing(&[gone("a")], &[0], NOW + 60, DAY).is_empty());
        assert_eq!(log.missing(&[gone("a")], &[0], NOW + DAY.as_secs(), DAY), ["a"]);
    }

    #[test]
    fn a_log_that_vanished_leaves_nothing_and_its_number_is_not_given_again() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = log(directory.path());
        let number = log.chain("b");
        log.forget(&gone("b"), &[1]);
        assert_eq!(gaps(&log), []);
        log.forget(&gone("a"), &[0, 1]);
        assert_eq!(gaps(&log), [("one shop vanished".to_owned(), 1)], "it should have been finished, and was not");
        assert!(log.positions.chains.is_empty() && log.positions.destinations[&0].cursors.is_empty());
        assert!(log.chain("b") > number);
    }
}
