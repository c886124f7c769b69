//! What became of every byte that was read: per source and destination, read = shipped + filtered + rejected + pending.
//!
//! Counted in bytes of the source (with line ends, before any parsing), so that the sums can be held against the files
//! themselves; and in lines. Beside it the gaps: bytes known to be lost, and events whose extent nobody can tell. Pure.

use std::collections::BTreeMap;

/// What became of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Fate {
    /// Acknowledged by the destination.
    Shipped = 1,
    /// Not meant for the destination: a drop rule, an age, another job.
    Filtered = 2,
    /// Refused by the destination, or known in advance to be refused.
    Rejected = 3,
    /// In the destination's spool on disk.
    Spooled = 4,
    /// Never read, and their number is known.
    Lost = 5,
    /// Never read, and nobody knows how many: counted as one line each.
    Unknown = 6,
}

impl Fate {
    /// From its number in the position log.
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::Shipped, Self::Filtered, Self::Rejected, Self::Spooled, Self::Lost, Self::Unknown]
            .into_iter()
            .find(|fate| *fate as u8 == number)
    }

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Shipped => "shipped",
            Self::Filtered => "filtered",
            Self::Rejected => "rejected",
            Self::Spooled => "spooled",
            Self::Lost => "lost",
            Self::Unknown => "unknown",
        }
    }
}

/// A change of the ledger as the position log has it: names by number. Negative where spooled bytes leave the spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delta {
    /// Number of the source's name.
    pub source: u32,
    /// What became of them.
    pub fate: Fate,
    /// Number of the reason's name.
    pub reason: u32,
    /// Bytes of the source.
    pub bytes: i64,
    /// Lines of the source.
    pub lines: i64,
}

/// Bytes and lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Bytes of the source.
    pub bytes: i64,
    /// Lines of the source.
    pub lines: i64,
}

/// Destination, source, fate, reason.
type Key = (String, String, Fate, String);

/// The accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    settled: BTreeMap<Key, Amount>,
    /// By destination and source: read in this run and the runs before; and of these not yet settled.
    read: BTreeMap<(String, String), Amount>,
    pending: BTreeMap<(String, String), Amount>,
}

impl Ledger {
    /// Enters what became of some bytes. The caller moves them out of `pending` with [`Ledger::pending`].
    pub fn enter(&mut self, destination: &str, source: &str, fate: Fate, reason: &str, bytes: i64, lines: i64) {
        let key = (destination.to_owned(), source.to_owned(), fate, reason.to_owned());
        let amount = self.settled.entry(key).or_default();
        amount.bytes += bytes;
        amount.lines += lines;
    }

    /// Enters bytes that were read.
    pub fn read(&mut self, destination: &str, source: &str, bytes: i64, lines: i64) {
        add(&mut self.read, destination, source, bytes, lines);
    }

    /// Changes what is read and not settled.
    pub fn pending(&mut self, destination: &str, source: &str, bytes: i64, lines: i64) {
        add(&mut self.pending, destination, source, bytes, lines);
    }

    /// After a start: what the runs before have settled was read by them, and nothing is pending but the spool.
    pub fn resume(&mut self) {
        self.read.clear();
        self.pending.clear();
        for ((destination, source, fate, _), amount) in &self.settled {
            if !matches!(fate, Fate::Lost | Fate::Unknown) {
                add(&mut self.read, destination, source, amount.bytes, amount.lines);
            }
        }
    }

    /// One line per destination, source, state and reason: states are `read`, `pending`, and the fates.
    pub fn rows(&self) -> Vec<(&str, &str, &'static str, &str, Amount)> {
        let mut rows = Vec::new();
        for ((destination, source), amount) in &self.read {
            rows.push((destination.as_str(), source.as_str(), "read", "", *amount));
            let pending = self.pending.get(&(destination.clone(), source.clone())).copied().unwrap_or_default();
            rows.push((destination, source, "pending", "", pending));
        }
        for ((destination, source, fate, reason), amount) in &self.settled {
            rows.push((destination, source, fate.name(), reason, *amount));
        }
        rows
    }

    /// Destinations and sources whose account does not balance, with the difference in bytes. Always empty, or there is a fault.
    pub fn imbalance(&self) -> Vec<(&str, &str, i64)> {
        let difference = |((destination, source), read): (&(String, String), &Amount)| {
            let of = |key: &&Key| key.0 == *destination && key.1 == *source && !matches!(key.2, Fate::Lost | Fate::Unknown);
            let settled: i64 = self.settled.keys().filter(of).map(|key| self.settled[key].bytes).sum();
            let pending = self.pending.get(&(destination.clone(), source.clone())).map_or(0, |amount| amount.bytes);
            read.bytes - settled - pending
        };
        let rows = self.read.iter().map(|row| (row.0.0.as_str(), row.0.1.as_str(), difference(row)));
        rows.filter(|row| row.2 != 0).collect()
    }

    /// The settled accounts with names as numbers: the names, and per destination its deltas.
    pub fn numbered(&self) -> (Vec<String>, Vec<(String, Delta)>) {
        let mut names: Vec<String> = self.settled.keys().flat_map(|key| [key.1.clone(), key.3.clone()]).collect();
        names.sort_unstable();
        names.dedup();
        let number = |text: &String| names.binary_search(text).unwrap_or_default() as u32;
        let delta = |(key, amount): (&Key, &Amount)| {
            (
                key.0.clone(),
                Delta { source: number(&key.1), fate: key.2, reason: number(&key.3), bytes: amount.bytes, lines: amount.lines },
            )
        };
        let deltas = self.settled.iter().map(delta).collect();
        (names, deltas)
    }
}

fn add(accounts: &mut BTreeMap<(String, String), Amount>, destination: &str, source: &str, bytes: i64, lines: i64) {
    let amount = accounts.entry((destination.to_owned(), source.to_owned())).or_default();
    amount.bytes += bytes;
    amount.lines += lines;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_and_settled_balances() {
        let mut ledger = Ledger::default();
        ledger.read("loki", "audit", 100, 2);
        ledger.pending("loki", "audit", 100, 2);
        assert!(ledger.imbalance().is_empty());
        ledger.pending("loki", "audit", -100, -2);
        assert_eq!(ledger.imbalance(), [("loki", "audit", 100)]);
        ledger.enter("loki", "audit", Fate::Shipped, "", 60, 1);
        ledger.enter("loki", "audit", Fate::Filtered, "rule", 40, 1);
        ledger.enter("loki", "audit", Fate::Lost, "deleted", 7, 0);
        assert!(ledger.imbalance().is_empty());
    }

    #[test]
    fn the_accounts_survive_being_numbered() {
        let mut ledger = Ledger::default();
        ledger.enter("loki", "audit", Fate::Shipped, "", 60, 1);
        ledger.enter("other", "pods", Fate::Rejected, "too old", 5, 1);
        let (names, deltas) = ledger.numbered();
        let mut again = Ledger::default();
        for (destination, delta) in deltas {
            again.enter(
                &destination,
                &names[delta.source as usize],
                delta.fate,
                &names[delta.reason as usize],
                delta.bytes,
                delta.lines,
            );
        }
        assert_eq!(again, ledger);
    }
}
