//! The position log on disk: appended to before each request and after each answer, compacted by rename, locked for one agent.
//!
//! Appends are left to the kernel to write back: after a crash of the process nothing is missing, after a power cut an older
//! position repeats. The file is synced when it is compacted and at the end. When the disk is full, positions are kept in
//! memory and written as soon as there is room; shipping goes on, since a repeated line is better than a missing one.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use durable::file::{Appended, lock};
use durable::frame::Damage;
use rustix::fs::FallocateFlags;
use thiserror::Error;
use tracing::{error, info, warn};

use crate::checkpoint::{self, Positions, Record, Standing};
use crate::ledger::{Delta, Fate};
use crate::tail::chain::{FinishedSegment, SavedChain, SavedSegment};
use crate::tail::identity::Marker;
use crate::tail::segment::SegmentNumber;

mod forgetting;

pub use forgetting::Remembered;

const NAME: &str = "positions";
/// Above this size, and four times what a compacted log would have, it is compacted.
const COMPACT_ABOVE: u64 = 1 << 20;
/// Room that is set aside so that appends need none of a full disk.
const RESERVE: u64 = 2 << 20;

/// Why the state directory cannot be used.
#[derive(Debug, Error)]
pub enum StateError {
    /// It cannot be made or written.
    #[error("state directory {path}: {source}; make it writable or name another with --state-dir", path = path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another agent uses it.
    #[error("state directory {path} is in use by another agent; stop that one or name another directory with --state-dir", path = path.display())]
    InUse {
        /// Which.
        path: PathBuf,
    },
}

/// The open log.
pub struct PositionLog {
    directory: PathBuf,
    /// Held as long as the log; a dry run has none.
    lock: Option<File>,
    file: Appended,
    positions: Positions,
    chains: HashMap<String, u32>,
    /// The number of the next chain. In one run none is given twice: a late word about a forgotten chain is of no other.
    next_chain: u32,
    names: HashMap<String, u32>,
    /// Definitions that nothing on disk refers to yet.
    defined: Vec<Record>,
    buffer: Vec<u8>,
    /// Appends that failed since the log was last in order.
    failures: u64,
}

impl PositionLog {
    /// Opens the log in `directory`, which is made if it does not exist. Damage costs what is behind it, never the start.
    pub fn open(directory: &Path) -> Result<Self, StateError> {
        let refused = |source| StateError::Directory { path: directory.to_owned(), source };
        fs::create_dir_all(directory).map_err(refused)?;
        let in_use = || StateError::InUse { path: directory.to_owned() };
        let lock = lock(&directory.join("lock")).map_err(refused)?.ok_or_else(in_use)?;
        let file = Appended::at(directory.join(NAME));
        let path = file.path();
        let log = file.read().map_err(refused)?;
        let mut positions = Positions::default();
        if !log.is_empty() {
            let (records, damage) = checkpoint::decode(&log);
            let read = records.len();
            for record in records {
                positions.apply(record);
            }
            match damage {
                None => {}
                Some(Damage::From(at)) => {
                    warn!(path = %path.display(), lost_bytes = log.len() as u64 - at, records = read, "position log: a torn or damaged tail was cut; what it said is read again");
                }
                Some(damage) => match file.set_aside() {
                    Ok(aside) => {
                        warn!(path = %path.display(), set_aside = %aside.display(), why = %damage, "position log cannot be used: starting anew");
                    }
                    Err(error) => {
                        warn!(path = %path.display(), %error, why = %damage, "position log cannot be used, nor set aside: it is written over");
                    }
                },
            }
        }
        positions.ledger.resume();
        positions.drop_unknown();
        let next_chain = positions.chains.keys().next_back().map_or(0, |last| last.saturating_add(1));
        let chains = positions.chains.iter().map(|(id, key)| (key.clone(), *id)).collect();
        let names = positions.names.iter().map(|(id, text)| (text.clone(), *id)).collect();
        let mut this = Self {
            directory: directory.to_owned(),
            lock: Some(lock),
            file,
            positions,
            chains,
            next_chain,
            names,
            defined: Vec::new(),
            buffer: Vec::new(),
            failures: 0,
        };
        this.compact();
        Ok(this)
    }

    /// A log that is never written: a dry run's.
    pub fn in_memory() -> Self {
        Self {
            directory: PathBuf::new(),
            lock: None,
            file: Appended::at(PathBuf::new()),
            positions: Positions::default(),
            chains: HashMap::new(),
            next_chain: 0,
            names: HashMap::new(),
            defined: Vec::new(),
            buffer: Vec::new(),
            failures: 0,
        }
    }

    /// What is known.
    pub fn positions(&self) -> &Positions {
        &self.positions
    }

    /// The accounts, to enter what is not settled yet.
    pub fn ledger_mut(&mut self) -> &mut crate::ledger::Ledger {
        &mut self.positions.ledger
    }

    /// Appends that failed since the log was last written whole; 0 is good.
    pub fn failures(&self) -> u64 {
        self.failures
    }

    /// The number of a destination, given anew if it has none.
    pub fn destination(&mut self, name: &str) -> u32 {
        if let Some((id, _)) = self.positions.destinations.iter().find(|(_, standing)| standing.name == name) {
            return *id;
        }
        let id = self.positions.destinations.keys().next_back().map_or(0, |last| last + 1);
        self.define(Record::Destination { id, name: name.to_owned() });
        id
    }

    /// Where a destination stands.
    pub fn standing(&self, destination: u32) -> Option<&Standing> {
        self.positions.destinations.get(&destination)
    }

    /// The number of a chain, given anew if it has none.
    pub fn chain(&mut self, key: &str) -> u32 {
        if let Some(id) = self.chains.get(key) {
            return *id;
        }
        let id = self.next_chain;
        self.next_chain = self.next_chain.saturating_add(1);
        self.chains.insert(key.to_owned(), id);
        self.define(Record::Chain { id, key: key.to_owned() });
        id
    }

    /// A ledger entry with its names as numbers.
    pub fn delta(&mut self, source: &str, fate: Fate, reason: &str, bytes: i64, lines: i64) -> Delta {
        Delta { source: self.name(source), fate, reason: self.name(reason), bytes, lines }
    }

    fn name(&mut self, text: &str) -> u32 {
        if let Some(id) = self.names.get(text) {
            return *id;
        }
        let id = self.positions.names.keys().next_back().map_or(0, |last| last + 1);
        self.names.insert(text.to_owned(), id);
        self.define(Record::Name { id, text: text.to_owned() });
        id
    }

    /// Something that later records refer to. It goes to disk with the first of them.
    pub fn define(&mut self, record: Record) {
        self.positions.apply(record.clone());
        self.defined.push(record);
    }

    /// What earlier runs knew of the chains, for the catalog of a run with these destinations (by number): what all of these have
    /// read of a set of files need not be opened.
    pub fn saved_chains(&self, destinations: &[u32]) -> HashMap<String, SavedChain> {
        let mut saved: HashMap<u32, SavedChain> = HashMap::new();
        for standing in self.positions.destinations.values() {
            let announced =
                standing.announced.iter().flat_map(|announced| &announced.moves).map(|step| (&step.chain, &step.cursors));
            for (chain, cursors) in standing.cursors.iter().chain(announced) {
                let entry = saved.entry(*chain).or_default();
                for cursor in cursors {
                    entry.next = entry.next.max(SegmentNumber(cursor.segment.0 + 1));
                    let Some(identity) = self.positions.segments.get(chain).and_then(|segments| segments.get(&cursor.segment))
                    else {
                        continue;
                    };
                    let found = SavedSegment {
                        number: cursor.segment,
                        id: identity.id,
                        fingerprint: identity.fingerprint,
                        at: cursor.at,
                        marker: cursor.marker,
                        seen_ns: i64::try_from(standing.seen).unwrap_or(0).saturating_mul(1_000_000_000),
                    };
                    match entry.segments.iter_mut().find(|segment| segment.number == cursor.segment) {
                        Some(known) if known.at >= found.at => {}
                        Some(known) => *known = found,
                        None => entry.segments.push(found),
                    }
                }
                entry.segments.sort_by_key(|segment| segment.number);
            }
        }
        for (chain, saved) in &mut saved {
            let is_known =
                |destination: &u32| self.standing(*destination).is_some_and(|standing| standing.cursors.contains_key(chain));
            let is_known_to_all = destinations.iter().all(is_known);
            for (number, identity) in self.positions.segments.get(chain).into_iter().flatten() {
                if saved.segments.iter().all(|segment| segment.number != *number) {
                    saved.next = saved.next.max(SegmentNumber(number.0 + 1));
                    let (id, fingerprint) = (identity.id, identity.fingerprint);
                    if !is_known_to_all {
                        let segment = SavedSegment {
                            number: *number,
                            id: identity.id,
                            fingerprint: identity.fingerprint,
                            at: 0,
                            marker: Marker::default(),
                            seen_ns: 0,
                        };
                        saved.segments.push(segment);
                        continue;
                    }
                    saved.finished.push(FinishedSegment { number: *number, id, fingerprint, mtime_ns: None, unseen_since: None });
                }
            }
        }
        let keyed = saved.into_iter().filter_map(|(chain, saved)| Some((self.positions.chains.get(&chain)?.clone(), saved)));
        keyed.collect()
    }

    /// Takes records in and appends them, after what they refer to, in one write.
    pub fn append(&mut self, records: &[Record]) {
        self.buffer.clear();
        let mut buffer = std::mem::take(&mut self.buffer);
        for record in self.defined.iter().chain(records) {
            checkpoint::encode(record, &mut buffer);
        }
        for record in records {
            self.positions.apply(record.clone());
        }
        // Once an append has failed, the file lacks records that it would need before any later one: only a whole log will do.
        if self.lock.is_some() && self.failures == 0 {
            match self.file.append(&buffer) {
                Ok(()) => self.defined.clear(),
                Err(error) => self.failed(&error),
            }
        }
        self.buffer = buffer;
        self.buffer.shrink_to(64 * 1024);
        if self.lock.is_none() {
            self.defined.clear();
        } else if self.failures > 0 || self.file.has_grown(COMPACT_ABOVE) {
            self.compact();
        }
    }

    fn failed(&mut self, error: &io::Error) {
        if self.failures == 0 {
            error!(directory = %self.directory.display(), %error, "cannot write positions: shipping goes on, and what is shipped from now on may be repeated after a crash");
        }
        self.failures += 1;
    }

    /// Writes the log anew with nothing in it but what holds now. The old one stands until the new one is safe.
    fn compact(&mut self) {
        self.positions.prune();
        match self.try_compact() {
            Ok(()) => {
                if self.failures > 0 {
                    info!(directory = %self.directory.display(), "positions are written again");
                }
                self.failures = 0;
            }
            Err(error) => {
                self.failed(&error);
                // Not with every append: only when the log has grown by as much again.
                self.file.may_grow();
            }
        }
    }

    fn try_compact(&mut self) -> io::Result<()> {
        // Names get new numbers in a compacted ledger.
        let mut bytes = Vec::new();
        checkpoint::encode_header(&mut bytes);
        let records = self.positions.records();
        for record in &records {
            checkpoint::encode(record, &mut bytes);
        }
        let file = self.file.replace(&bytes)?;
        // Not every file system can set room aside; without it a full disk is noticed at the next append.
        let _ = rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, RESERVE);
        self.defined.clear();
        let (names, _) = self.positions.ledger.numbered();
        self.names = names.iter().enumerate().map(|(id, text)| (text.clone(), id as u32)).collect();
        self.positions.names = names.into_iter().enumerate().map(|(id, text)| (id as u32, text)).collect();
        Ok(())
    }

    /// At the end: everything on disk for certain.
    pub fn close(&mut self) {
        self.compact();
    }
}
