//! Into the spool, when the server is away and memory is full; and what the spool of an earlier run says of positions.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tracing::{error, info, warn};

use super::settling::withheld;
use super::{Current, LokiSink, SPOOL_PAUSE};
use crate::batch::Sealed;
use crate::checkpoint::Record;
use crate::lane::{lock, seconds};
use crate::ledger::{Delta, Fate as Account};
use crate::position_log::PositionLog;
use crate::spool::{Share, Spool, Spooled};

impl LokiSink {
    /// Whether another batch can be taken though the one under way is not delivered. A margin is kept for that one.
    pub(super) fn can_spool(&self) -> bool {
        let room = self.spool.as_ref().is_some_and(|spool| spool.has_room(4 << 20));
        let refused = self.spool_refused.is_some_and(|at| at.elapsed() < SPOOL_PAUSE);
        room && !refused && !self.once && self.waiting.is_none() && self.parked.is_empty()
    }

    /// Memory is full: the batch under way (if it is not there already) and the next one go to the spool. If the disk takes
    /// nothing, both are held, and the lane waits.
    pub(super) fn spool_behind(&mut self, current: &mut Current, next: Sealed) {
        if let Current::Fresh(sealed) = current
            && self.spool_one(sealed)
        {
            *current = Current::Head;
        }
        if matches!(current, Current::Head) {
            self.announce(&next);
            if self.spool_one(&next) {
                return;
            }
        }
        self.waiting = Some(next);
    }

    /// Writes a batch to the spool; its positions are settled once it is safe there.
    pub(super) fn spool_one(&mut self, sealed: &Sealed) -> bool {
        let Some(spool) = &mut self.spool else { return false };
        if sealed.entries == 0 {
            self.settle_nothing(sealed);
            return true;
        }
        let share = |share: &crate::batch::StreamShare| Share {
            labels: share.labels.to_string(),
            source: share.source.to_string(),
            entries: share.entries,
            lines: share.lines,
            bytes: share.bytes,
        };
        let batch = Spooled {
            number: 0,
            sequence: sealed.sequence,
            moves: sealed.moves.clone(),
            shares: sealed.streams.iter().map(share).collect(),
            body: sealed.body.to_vec(),
        };
        if let Err(error) = spool.append(batch) {
            self.with.counters.spool_full.add(1);
            self.spool_refused = Some(Instant::now());
            warn!(destination = %self.name, %error, "cannot write to the spool: the lane waits, and the files are read later");
            return false;
        }
        self.with.counters.spool_bytes.set(spool.bytes());
        let mut log = lock(&self.with.log);
        let mut ledger = withheld(&mut log, &self.name, sealed);
        for share in &sealed.streams {
            ledger.push(log.delta(&share.source, Account::Spooled, "", share.bytes as i64, share.lines as i64));
            log.ledger_mut().pending(&self.name, &share.source, -(share.bytes as i64), -(share.lines as i64));
        }
        log.append(&[Record::Settled { destination: self.number, sequence: sealed.sequence, except: Vec::new(), ledger }]);
        drop(log);
        self.with.settled.store(sealed.sequence, Ordering::Release);
        true
    }
}

/// Opens a destination's spool and brings the positions up to it: after a crash between writing a batch there and settling
/// it, the batch is settled now. Has to be done before any position is given out.
pub fn open_spool(directory: &Path, limit: u64, name: &str, log: &mut PositionLog) -> Option<Spool> {
    let number = log.destination(name);
    let delivered = log.standing(number).map_or(0, |standing| standing.unspooled);
    let (spool, waiting) = match Spool::open(directory, limit, delivered) {
        Ok(opened) => opened,
        Err(error) => {
            error!(destination = name, directory = %directory.display(), %error, "no spool: while the destination is away, the files are the only buffer");
            return None;
        }
    };
    for batch in &waiting {
        let standing = log.standing(number).cloned().unwrap_or_default();
        let settled = standing.announced.as_ref().map_or(standing.sequence, |announced| announced.sequence.saturating_sub(1));
        if batch.sequence <= settled || batch.moves.is_empty() {
            continue;
        }
        let ledger: Vec<Delta> = batch
            .shares
            .iter()
            .map(|share| log.delta(&share.source, Account::Spooled, "", share.bytes as i64, share.lines as i64))
            .collect();
        for share in &batch.shares {
            log.ledger_mut().read(name, &share.source, share.bytes as i64, share.lines as i64);
        }
        let sending =
            Record::Sending { destination: number, sequence: batch.sequence, seen: seconds(), moves: batch.moves.clone() };
        let settled = Record::Settled { destination: number, sequence: batch.sequence, except: Vec::new(), ledger };
        log.append(&[sending, settled]);
    }
    if !waiting.is_empty() {
        info!(destination = name, batches = waiting.len(), bytes = spool.bytes(), "the spool of the last run is sent first");
    }
    Some(spool)
}
