//! What follows from answers: positions move, the accounts are entered, and streams that are refused for now are set aside.

use std::sync::atomic::Ordering;
use std::time::Instant;

use tracing::{info, warn};

use super::{Current, KNOWN_FOR, LokiSink, Outcome, PARKED_FOR, Parked};
use crate::batch::Sealed;
use crate::checkpoint::{Move, Part, Record, Standing, hold_back, hold_back_newest};
use crate::lane::{lock, seconds};
use crate::ledger::{Delta, Fate as Account};
use crate::position_log::PositionLog;
use crate::sink::delivery::{Delivery, Fate};
use crate::spool::Spooled;
use crate::wake::Order;

impl LokiSink {
    /// Every stream has its answer.
    pub(super) fn settle(&mut self, current: Current, fates: &[Fate]) {
        match current {
            Current::Fresh(sealed) => self.settle_fresh(*sealed, fates),
            Current::Head => self.settle_head(fates),
        }
        self.with.counters.batches.add(1);
        self.with.counters.last_success.set(seconds());
    }

    fn settle_fresh(&mut self, sealed: Sealed, fates: &[Fate]) {
        if sealed.entries == 0 {
            self.settle_nothing(&sealed);
            return;
        }
        let mut log = lock(&self.with.log);
        let mut ledger = withheld(&mut log, &self.name, &sealed);
        let before = log.standing(self.number).cloned().unwrap_or_default();
        let mut except: Vec<(usize, Move)> = Vec::new();
        let mut orders = Vec::new();
        for (share, fate) in sealed.streams.iter().zip(fates) {
            let (bytes, lines) = (share.bytes as i64, share.lines as i64);
            log.ledger_mut().pending(&self.name, &share.source, -bytes, -lines);
            if fate.parked {
                // It is read again: then it counts as read.
                log.ledger_mut().read(&self.name, &share.source, -bytes, -lines);
                // Several chains may feed one stream, and not all in one batch.
                let parked = self.parked.entry(share.labels.to_string()).or_insert_with(Parked::now);
                for feed in &share.feeds {
                    if !parked.feeds.contains(feed) {
                        parked.feeds.push(*feed);
                    }
                }
                for (chain, part) in &share.feeds {
                    orders.push(Order::Park { chain: *chain, part: *part });
                    hold(&mut except, &before, &sealed.moves, &sealed.chains, *chain, *part);
                }
                continue;
            }
            self.known.insert(share.labels.to_string(), Instant::now());
            enter(&mut log, &mut ledger, &share.source, share.entries, bytes, lines, fate);
        }
        self.hold_parked(&mut except, &before, &sealed);
        let except = except.into_iter().map(|(_, step)| step).collect();
        log.append(&[Record::Settled { destination: self.number, sequence: sealed.sequence, except, ledger }]);
        drop(log);
        // First what is to be read again: what is settled may be closed.
        for order in orders {
            self.with.wake.order(order);
        }
        self.with.settled.store(sealed.sequence, Ordering::Release);
        self.with.counters.last_delay_ms.set(u64::try_from(sealed.opened.elapsed().as_millis()).unwrap_or(u64::MAX));
        self.with.counters.parked.set(self.parked.len() as u64);
        if self.known.len() > 10_000 {
            self.known.retain(|_, at| at.elapsed() < KNOWN_FOR);
        }
        if let Ok(body) = sealed.body.try_into_mut() {
            let _ = self.with.used_bodies.try_send(body.into());
        }
    }

    /// What was read behind a refused part of a chain, before the lane heard of it, does not move that part: it is read again. A batch
    /// of the journal may have none of the refused stream's entries, and lead beyond those that were refused.
    fn hold_parked(&self, except: &mut Vec<(usize, Move)>, before: &Standing, sealed: &Sealed) {
        for (chain, part) in self.parked.values().flat_map(|parked| &parked.feeds) {
            hold(except, before, &sealed.moves, &sealed.chains, *chain, *part);
        }
    }

    /// A batch with nothing to send moves positions all the same.
    pub(super) fn settle_nothing(&mut self, sealed: &Sealed) {
        let mut log = lock(&self.with.log);
        let ledger = withheld(&mut log, &self.name, sealed);
        let before = log.standing(self.number).cloned().unwrap_or_default();
        let mut except = Vec::new();
        self.hold_parked(&mut except, &before, sealed);
        let is_held = |step: &&Move| except.iter().any(|(_, held)| held.chain == step.chain);
        let free = sealed.moves.iter().filter(|step| !is_held(step)).cloned();
        let moves = free.chain(except.iter().map(|(_, step)| step.clone())).collect();
        let settlement = Record::Moved { destination: self.number, seen: seconds(), moves, ledger };
        let sending = Record::Sending { destination: self.number, sequence: sealed.sequence, seen: seconds(), moves: Vec::new() };
        let settled =
            Record::Settled { destination: self.number, sequence: sealed.sequence, except: Vec::new(), ledger: Vec::new() };
        log.append(&[sending, settled, settlement]);
        drop(log);
        self.with.settled.store(sealed.sequence, Ordering::Release);
    }

    fn settle_head(&mut self, fates: &[Fate]) {
        let Some(spool) = &mut self.spool else { return };
        let Ok(Some(head)) = spool.head() else { return };
        let head = head.clone();
        self.known.extend(head.shares.iter().map(|share| (share.labels.clone(), Instant::now())));
        self.account_for_head(&head, fates);
        let Some(spool) = &mut self.spool else { return };
        if let Err(error) = spool.pop() {
            warn!(destination = %self.name, %error, "spool: a delivered segment could not be removed");
        }
        self.with.counters.spool_bytes.set(spool.bytes());
        self.with.counters.spool_damaged.set(spool.damaged());
        if spool.is_empty() {
            info!(destination = %self.name, "the spool is delivered");
        }
    }

    /// The head of the spool has streams that the server refuses for now: the rest of it is delivered, they go to the end.
    pub(super) async fn set_aside(&mut self, delivery: &Delivery) -> Outcome {
        let Some(spool) = &mut self.spool else { return Outcome::Delivered };
        let Ok(Some(head)) = spool.head() else { return Outcome::Delivered };
        let head = head.clone();
        let refused = |labels: &str| {
            let place = head.shares.iter().position(|share| share.labels == labels);
            place.is_some_and(|place| delivery.fates().get(place).is_some_and(|fate| fate.parked))
        };
        let all = head.shares.iter().all(|share| refused(&share.labels));
        let mut push = proto::loki::decode::decode_protobuf(&head.body, 256 << 20).unwrap_or_default();
        push.streams.retain(|stream| refused(&stream.labels));
        let mut body = Vec::new();
        proto::loki::decode::encode_push(&push, &mut body);
        let kept = Spooled {
            shares: head.shares.iter().filter(|share| refused(&share.labels)).cloned().collect(),
            moves: Vec::new(),
            body,
            ..head.clone()
        };
        self.with.counters.parked.set(kept.shares.len() as u64);
        warn!(destination = %self.name, streams = kept.shares.len(), "the destination has too many active streams: these wait at the end of the spool");
        if let Err(error) = spool.append(kept) {
            warn!(destination = %self.name, %error, "spool: no room to set refused streams aside; trying again");
            return self.pause(PARKED_FOR).await;
        }
        self.account_for_head(&head, delivery.fates());
        if let Some(spool) = &mut self.spool
            && let Err(error) = spool.pop()
        {
            warn!(destination = %self.name, %error, "spool: a delivered segment could not be removed");
        }
        // Nothing but refused streams left: then there is no hurry.
        if all { self.pause(PARKED_FOR).await } else { Outcome::Delivered }
    }

    /// Enters what became of the head's streams, but for those that are refused for now: their bytes stay spooled.
    fn account_for_head(&self, head: &Spooled, fates: &[Fate]) {
        let mut log = lock(&self.with.log);
        let mut ledger = Vec::new();
        for (share, fate) in head.shares.iter().zip(fates).filter(|(_, fate)| !fate.parked) {
            let (bytes, lines) = (share.bytes as i64, share.lines as i64);
            ledger.push(log.delta(&share.source, Account::Spooled, "", -bytes, -lines));
            enter(&mut log, &mut ledger, &share.source, share.entries, bytes, lines, fate);
        }
        log.append(&[Record::Unspooled { destination: self.number, sequence: head.number, ledger }]);
    }
}

/// The accounts of what was read and not sent; it is pending no longer.
pub(super) fn withheld(log: &mut PositionLog, destination: &str, sealed: &Sealed) -> Vec<Delta> {
    let mut ledger = Vec::new();
    for withheld in &sealed.withheld {
        let (bytes, lines) = (withheld.bytes as i64, withheld.lines as i64);
        ledger.push(log.delta(&withheld.source, withheld.fate, &withheld.reason, bytes, lines));
        log.ledger_mut().pending(destination, &withheld.source, -bytes, -lines);
    }
    ledger
}

/// The accounts of a stream that has its answer. The lines of refused entries are exact where the answer is. Their bytes of
/// the source are their share of the stream's by length: exact for plain lines, close to it where a line has a prefix.
fn enter(log: &mut PositionLog, ledger: &mut Vec<Delta>, source: &str, entries: u64, bytes: i64, lines: i64, fate: &Fate) {
    let (mut bytes_left, mut lines_left) = (bytes, lines);
    let share = |whole: i64, part: u64, of: u64| (i128::from(whole) * i128::from(part) / i128::from(of.max(1))) as i64;
    for (reason, refused) in &fate.rejected {
        let refused_bytes = share(bytes, refused.bytes, fate.bytes).min(bytes_left);
        let refused_lines = share(lines, refused.entries, entries).min(lines_left);
        bytes_left -= refused_bytes;
        lines_left -= refused_lines;
        ledger.push(log.delta(source, Account::Rejected, reason, refused_bytes, refused_lines));
    }
    if bytes_left > 0 || lines_left > 0 {
        ledger.push(log.delta(source, Account::Shipped, "", bytes_left, lines_left));
    }
}

/// Notes that a part of a chain stays where it was.
fn hold(except: &mut Vec<(usize, Move)>, before: &Standing, moves: &[Move], chains: &[(usize, u32)], chain: usize, part: Part) {
    let Some((_, number)) = chains.iter().find(|(index, _)| *index == chain) else { return };
    let old = before.cursors.get(number).map_or(&[][..], Vec::as_slice);
    let old_newest = before.newest.get(number).map_or(&[][..], Vec::as_slice);
    if let Some((_, step)) = except.iter_mut().find(|(index, _)| *index == chain) {
        step.cursors = hold_back(old, &step.cursors, part);
        step.newest = hold_back_newest(old_newest, &step.newest, part);
        return;
    }
    let Some(announced) = moves.iter().find(|step| step.chain == *number) else { return };
    let cursors = hold_back(old, &announced.cursors, part);
    let newest = hold_back_newest(old_newest, &announced.newest, part);
    except.push((chain, Move { chain: *number, cursors, stamps: Vec::new(), newest }));
}
