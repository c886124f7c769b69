//! Where each destination stands in each log, as records that are appended and replayed. Pure: bytes in and out, no file.
//!
//! A batch is announced before it is sent (`Sending`: where it will lead, and the times given to lines that have none)
//! and settled when it was acknowledged or stands in the spool (`Settled`). Replaying the records gives the positions of
//! the last settled batch, and the announced one, if its answer never came: it is read and sent again, byte for byte.

use std::collections::BTreeMap;

use crate::ledger::{Delta, Ledger};
use crate::tail::identity::{FileId, Fingerprint, Marker};
use crate::tail::origin::is_set;
use crate::tail::segment::SegmentNumber;

mod codec;
#[cfg(test)]
mod tests;

pub use codec::{decode, encode, encode_header, read_spooled, write_spooled};

/// Which of a chain's streams: lines of stdout and stderr, or of another job, can be settled at different places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Part(pub u16);

/// How equal times of neighbours are told apart: each further record with the time of the one before is a nanosecond later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ties {
    /// The time that the record before had in its text, nanoseconds since the epoch.
    pub last: i64,
    /// Nanoseconds that were added to it.
    pub added: u32,
}

/// A destination's place in one segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Which segment.
    pub segment: SegmentNumber,
    /// Every record that begins before this byte is settled.
    pub at: u64,
    /// The bytes before `at`.
    pub marker: Marker,
    /// The tie state at `at`, by part.
    pub ties: [Ties; 2],
    /// `at` lies within a line that is being split.
    pub mid_line: bool,
    /// Parts of which everything before a later byte is settled too.
    pub ahead: Vec<(Part, u64)>,
    /// Of a journal file, in which `at` counts entries: the last one before `at`.
    pub entry: Option<EntryPlace>,
}

/// Which entry of a journal was settled last: what tells a copy of it and a gap behind it, even when its file is gone.
///
/// Ids are kept as XXH3: they are only compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntryPlace {
    /// The name of the journal's directory: machine, and namespace if there is one.
    pub directory: u64,
    /// Whether the file is one of those in memory, which are copied when the disk is there.
    pub in_memory: bool,
    /// `seqnum_id`: entries with the same were numbered by the same journald.
    pub sequence: u64,
    /// The entry's number.
    pub seqnum: u64,
    /// Of which boot.
    pub boot: u64,
    /// When, microseconds since that boot.
    pub monotonic: u64,
}

/// From this byte on, records without a time of their own have this time, each a nanosecond after the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Which segment.
    pub segment: SegmentNumber,
    /// First byte.
    pub from: u64,
    /// Nanoseconds since the epoch.
    pub time: i64,
}

/// The newest time that a destination has of one stream: what is too far behind it is not sent, before a restart and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newest {
    /// XXH3 of the stream's labels: with other labels it is another stream.
    pub stream: u64,
    /// Which part of the chain feeds it.
    pub part: Part,
    /// Nanoseconds since the epoch.
    pub time: i64,
}

/// What a batch does to one chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Move {
    /// The chain's number in the log.
    pub chain: u32,
    /// The chain's cursors once the batch is settled; all of them.
    pub cursors: Vec<Cursor>,
    /// Times given to its lines.
    pub stamps: Vec<Stamp>,
    /// The newest times of its streams once the batch is settled; all that are known.
    pub newest: Vec<Newest>,
}

/// What makes a segment known again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SegmentIdentity {
    /// Device and inode.
    pub id: FileId,
    /// Its first bytes.
    pub fingerprint: Fingerprint,
    /// Its name when it was seen last, for messages.
    pub name: String,
}

/// One record of the position log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A destination's number.
    Destination {
        /// Its number.
        id: u32,
        /// Its name.
        name: String,
    },
    /// A chain's number.
    Chain {
        /// Its number.
        id: u32,
        /// Its key.
        key: String,
    },
    /// A name of the ledger (a source, or a reason).
    Name {
        /// Its number.
        id: u32,
        /// The text.
        text: String,
    },
    /// What makes a segment known again.
    Segment {
        /// The chain's number.
        chain: u32,
        /// The segment.
        number: SegmentNumber,
        /// What it is known by.
        identity: SegmentIdentity,
    },
    /// A batch is about to be sent.
    Sending {
        /// The destination's number.
        destination: u32,
        /// Counts the destination's batches.
        sequence: u64,
        /// When, seconds since the epoch.
        seen: u64,
        /// Where it leads.
        moves: Vec<Move>,
    },
    /// A batch was acknowledged, or stands in the spool.
    Settled {
        /// The destination's number.
        destination: u32,
        /// Of the batch.
        sequence: u64,
        /// Chains of which some part was not settled: their cursors, instead of those announced.
        except: Vec<Move>,
        /// What became of the bytes.
        ledger: Vec<Delta>,
    },
    /// Positions without a batch: nothing had to be sent, or a compacted log.
    Moved {
        /// The destination's number.
        destination: u32,
        /// When, seconds since the epoch.
        seen: u64,
        /// Where to.
        moves: Vec<Move>,
        /// What became of the bytes.
        ledger: Vec<Delta>,
    },
    /// The destination's spool was read up to this batch (and including it).
    Unspooled {
        /// The destination's number.
        destination: u32,
        /// Of the spooled batch.
        sequence: u64,
        /// What became of the bytes.
        ledger: Vec<Delta>,
    },
    /// The chain is gone: no file, nothing unsettled.
    Forget {
        /// The chain's number.
        chain: u32,
    },
    /// No file of the chain was found at a start, and what may be lost with it was counted; or one was found after all.
    Missing {
        /// The chain's number.
        chain: u32,
        /// Since when, seconds since the epoch; 0 when it is there.
        since: u64,
    },
}

/// A batch whose answer never came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Of the batch.
    pub sequence: u64,
    /// Where it leads.
    pub moves: Vec<Move>,
}

/// One destination's positions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Its name.
    pub name: String,
    /// The last batch that was announced.
    pub sequence: u64,
    /// The last batch of the spool that was delivered.
    pub unspooled: u64,
    /// When it last moved, seconds since the epoch.
    pub seen: u64,
    /// Cursors by chain.
    pub cursors: BTreeMap<u32, Vec<Cursor>>,
    /// Newest times by chain.
    pub newest: BTreeMap<u32, Vec<Newest>>,
    /// A batch that was announced and not settled.
    pub announced: Option<Announced>,
}

/// The cursors of a chain of which one part was not settled: that part stays where it was, the others go on.
pub fn hold_back(before: &[Cursor], after: &[Cursor], part: Part) -> Vec<Cursor> {
    let place =
        |cursor: &Cursor, part: Part| cursor.ahead.iter().find(|(ahead, _)| *ahead == part).map_or(cursor.at, |(_, at)| *at);
    let mut held = Vec::new();
    let numbers: std::collections::BTreeSet<SegmentNumber> = before.iter().chain(after).map(|cursor| cursor.segment).collect();
    for number in numbers {
        let old = before.iter().find(|cursor| cursor.segment == number);
        let new = after.iter().find(|cursor| cursor.segment == number);
        held.push(match (old, new) {
            (Some(old), Some(new)) => {
                let other = Part(1 - part.0.min(1));
                let (own, others) = (place(old, part), place(new, other));
                // What both have settled is the lower of the two; the tie state and marker belong to the held part's place.
                let low = if own <= others { old } else { new };
                let mut cursor = Cursor { ahead: Vec::new(), ..low.clone() };
                if own > cursor.at {
                    cursor.ahead.push((part, own));
                }
                if others > cursor.at {
                    cursor.ahead.push((other, others));
                }
                cursor
            }
            // Finished by the others: they are past everything that it has.
            (Some(old), None) => Cursor { ahead: vec![(Part(1 - part.0.min(1)), u64::MAX)], ..old.clone() },
            (None, Some(new)) => {
                let other = Part(1 - part.0.min(1));
                Cursor { segment: number, ahead: vec![(other, place(new, other))], ..Cursor::default() }
            }
            (None, None) => continue,
        });
    }
    held
}

/// The newest times of a chain of which one part was not settled: of that part, those from before.
pub fn hold_back_newest(before: &[Newest], after: &[Newest], part: Part) -> Vec<Newest> {
    let others = after.iter().filter(|newest| newest.part != part);
    before.iter().filter(|newest| newest.part == part).chain(others).copied().collect()
}

impl Standing {
    /// `adds`: the move names the newest times of the streams that it touches alone.
    fn take(&mut self, step: Move, adds: bool) {
        self.cursors.insert(step.chain, step.cursors);
        if !adds {
            self.newest.insert(step.chain, step.newest);
            return;
        }
        let known = self.newest.entry(step.chain).or_default();
        for newest in step.newest {
            match known.iter_mut().find(|known| (known.stream, known.part) == (newest.stream, newest.part)) {
                Some(known) => *known = newest,
                None => known.push(newest),
            }
        }
        if known.len() > NEWEST_MAX {
            known.sort_by_key(|newest| std::cmp::Reverse(newest.time));
            known.truncate(NEWEST_MAX);
        }
    }
}

/// Streams of one chain whose newest times are kept.
const NEWEST_MAX: usize = 2000;

/// Everything that the log says.
#[derive(Clone, Debug, Default)]
pub struct Positions {
    /// By number.
    pub destinations: BTreeMap<u32, Standing>,
    /// Keys by number.
    pub chains: BTreeMap<u32, String>,
    /// Chains of which no file is found, by number: since when, seconds since the epoch.
    pub missing: BTreeMap<u32, u64>,
    /// Segments by chain and number.
    pub segments: BTreeMap<u32, BTreeMap<SegmentNumber, SegmentIdentity>>,
    /// Names of the ledger by number.
    pub names: BTreeMap<u32, String>,
    /// What became of all bytes.
    pub ledger: Ledger,
}

impl Positions {
    /// Takes one record in. Records about numbers that were never given are ignored: a torn log cannot do harm.
    pub fn apply(&mut self, record: Record) {
        match record {
            Record::Destination { id, name } => {
                self.destinations.entry(id).or_default().name = name;
            }
            Record::Chain { id, key } => {
                self.chains.insert(id, key);
            }
            Record::Name { id, text } => {
                self.names.insert(id, text);
            }
            Record::Segment { chain, number, identity } => {
                self.segments.entry(chain).or_default().insert(number, identity);
            }
            Record::Sending { destination, sequence, seen, moves } => {
                if let Some(standing) = self.destinations.get_mut(&destination) {
                    standing.sequence = sequence;
                    standing.seen = seen;
                    standing.announced = Some(Announced { sequence, moves });
                }
            }
            Record::Settled { destination, sequence, except, ledger } => {
                self.settle(destination, sequence, except);
                self.enter(destination, &ledger);
            }
            Record::Moved { destination, seen, moves, ledger } => {
                if let Some(standing) = self.destinations.get_mut(&destination) {
                    standing.seen = seen;
                    for step in moves {
                        let Some(key) = self.chains.get(&step.chain) else { continue };
                        standing.take(step, is_set(key));
                    }
                }
                self.enter(destination, &ledger);
            }
            Record::Unspooled { destination, sequence, ledger } => {
                if let Some(standing) = self.destinations.get_mut(&destination) {
                    standing.unspooled = standing.unspooled.max(sequence);
                }
                self.enter(destination, &ledger);
            }
            Record::Forget { chain } => {
                self.chains.remove(&chain);
                self.segments.remove(&chain);
                self.missing.remove(&chain);
                for standing in self.destinations.values_mut() {
                    standing.cursors.remove(&chain);
                    standing.newest.remove(&chain);
                    standing.announced.iter_mut().for_each(|announced| announced.moves.retain(|step| step.chain != chain));
                }
            }
            Record::Missing { chain, since: 0 } => {
                self.missing.remove(&chain);
            }
            Record::Missing { chain, since } => {
                if self.chains.contains_key(&chain) {
                    self.missing.insert(chain, since);
                }
            }
        }
    }

    fn settle(&mut self, destination: u32, sequence: u64, except: Vec<Move>) {
        let Some(standing) = self.destinations.get_mut(&destination) else { return };
        let Some(announced) = standing.announced.take_if(|announced| announced.sequence == sequence) else { return };
        // Of what is held back, nothing of the batch counts, not even its newest times.
        let is_held = |step: &Move| except.iter().any(|held| held.chain == step.chain);
        let moves: Vec<Move> = announced.moves.into_iter().filter(|step| !is_held(step)).collect();
        for step in moves.into_iter().chain(except) {
            let Some(key) = self.chains.get(&step.chain) else { continue };
            standing.take(step, is_set(key));
        }
    }

    fn enter(&mut self, destination: u32, ledger: &[Delta]) {
        let Some(standing) = self.destinations.get(&destination) else { return };
        let name = standing.name.clone();
        for delta in ledger {
            let text = |id: u32| self.names.get(&id).cloned().unwrap_or_default();
            let (source, reason) = (text(delta.source), text(delta.reason));
            self.ledger.enter(&name, &source, delta.fate, &reason, delta.bytes, delta.lines);
        }
    }

    /// Drops what no cursor needs: segments that every destination has left behind. Of a set of files all stay that are there: see
    /// [`Positions::keep_segments`].
    pub fn prune(&mut self) {
        for (chain, segments) in &mut self.segments {
            if self.chains.get(chain).is_some_and(|key| is_set(key)) {
                continue;
            }
            let used = |number: SegmentNumber| {
                self.destinations.values().any(|standing| {
                    let announced = standing.announced.iter().flat_map(|announced| &announced.moves);
                    let announced = announced.filter(|step| step.chain == *chain).flat_map(|step| &step.cursors);
                    let settled = standing.cursors.get(chain).into_iter().flatten();
                    announced.chain(settled).any(|cursor| cursor.segment == number)
                })
            };
            segments.retain(|number, _| used(*number));
        }
        self.segments.retain(|_, segments| !segments.is_empty());
    }

    /// Of a set of files these and no others are there: the rest is dropped, but for what a cursor speaks of.
    pub fn keep_segments(&mut self, chain: u32, there: &[SegmentNumber]) {
        let Some(segments) = self.segments.get_mut(&chain) else { return };
        let mut spoken_of = std::collections::BTreeSet::new();
        for standing in self.destinations.values() {
            let announced = standing.announced.iter().flat_map(|announced| &announced.moves);
            let announced = announced.filter(|step| step.chain == chain).flat_map(|step| &step.cursors);
            let settled = standing.cursors.get(&chain).into_iter().flatten();
            spoken_of.extend(announced.chain(settled).map(|cursor| cursor.segment));
        }
        segments.retain(|number, _| there.contains(number) || spoken_of.contains(number));
    }

    /// Whether a destination has something of the chain to read again: a place in a file, or a batch whose answer never came.
    pub fn is_unfinished(&self, destination: u32, chain: u32) -> bool {
        let Some(standing) = self.destinations.get(&destination) else { return false };
        let mut announced = standing.announced.iter().flat_map(|announced| &announced.moves);
        let has_cursors = standing.cursors.get(&chain).is_some_and(|cursors| !cursors.is_empty());
        has_cursors || announced.any(|step| step.chain == chain)
    }

    /// Drops chains of which no destination knows anything. Only before numbers are given out.
    pub fn drop_unknown(&mut self) {
        let is_known = |chain: &u32| {
            self.destinations.values().any(|standing| {
                let mut announced = standing.announced.iter().flat_map(|announced| &announced.moves);
                standing.cursors.contains_key(chain) || announced.any(|step| step.chain == *chain)
            })
        };
        let known: std::collections::BTreeSet<u32> = self.chains.keys().copied().filter(is_known).collect();
        self.chains.retain(|chain, _| known.contains(chain));
        self.segments.retain(|chain, _| known.contains(chain));
        self.missing.retain(|chain, _| known.contains(chain));
    }

    /// The records that, replayed, give these positions.
    pub fn records(&self) -> Vec<Record> {
        let mut records = Vec::new();
        records.extend(self.chains.iter().map(|(id, key)| Record::Chain { id: *id, key: key.clone() }));
        records.extend(self.missing.iter().map(|(chain, since)| Record::Missing { chain: *chain, since: *since }));
        for (chain, segments) in &self.segments {
            let of = |(number, identity): (&SegmentNumber, &SegmentIdentity)| Record::Segment {
                chain: *chain,
                number: *number,
                identity: identity.clone(),
            };
            records.extend(segments.iter().map(of));
        }
        let (names, deltas) = self.ledger.numbered();
        records.extend(names.iter().enumerate().map(|(id, text)| Record::Name { id: id as u32, text: text.clone() }));
        for (id, standing) in &self.destinations {
            records.push(Record::Destination { id: *id, name: standing.name.clone() });
            let moves = standing.cursors.iter().map(|(chain, cursors)| Move {
                chain: *chain,
                cursors: cursors.clone(),
                stamps: Vec::new(),
                newest: standing.newest.get(chain).cloned().unwrap_or_default(),
            });
            let ledger =
                deltas.iter().filter(|(destination, _)| *destination == standing.name).map(|(_, delta)| *delta).collect();
            records.push(Record::Moved { destination: *id, seen: standing.seen, moves: moves.collect(), ledger });
            records.push(Record::Unspooled { destination: *id, sequence: standing.unspooled, ledger: Vec::new() });
            let announced = standing.announced.clone().unwrap_or(Announced { sequence: standing.sequence, moves: Vec::new() });
            records.push(Record::Sending {
                destination: *id,
                sequence: announced.sequence,
                seen: standing.seen,
                moves: announced.moves,
            });
            if standing.announced.is_none() {
                records.push(Record::Settled {
                    destination: *id,
                    sequence: standing.sequence,
                    except: Vec::new(),
                    ledger: Vec::new(),
                });
            }
        }
        records
    }
}
