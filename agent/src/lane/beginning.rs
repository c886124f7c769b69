//! Where a lane begins: in a chain that it meets for the first time, and with the batch that was under way when a run ended.

use std::time::Instant;

use tracing::{info, warn};

use super::chain::ChainLane;
use super::standing::Replay;
use super::stream_sets::jobs;
use super::{COPIED, Lane, lock, nanos, seconds};
use crate::checkpoint::{Announced, Record};
use crate::ledger::Fate;
use crate::tail::origin::Origin;
use crate::tail::segment::SegmentNumber;

impl Lane {
    /// Makes acquaintance with a chain that may be new.
    pub(super) fn meet(&mut self, index: usize) {
        if self.chains.contains_key(&index) {
            return;
        }
        let Some(chain) = self.catalog.get(index) else { return };
        if !jobs(&chain.origin).iter().any(|job| self.settings.wants(job)) {
            return;
        }
        let mut log = lock(&self.log);
        let number = log.chain(&chain.key);
        let standing = log.standing(self.number).cloned().unwrap_or_default();
        drop(log);
        let mut lane = match ChainLane::new(&chain, number, self.number, &self.settings) {
            Ok(Some(lane)) => Box::new(lane),
            Ok(None) => return,
            Err(error) => {
                warn!(chain = %chain.key, error, "cannot be read as configured");
                return;
            }
        };
        lane.follow();
        if let Some(cursors) = standing.cursors.get(&number) {
            // What is known from an earlier run and has no cursor was finished by this lane, and another still needs it; unless
            // the batch under way was the first to have it, or this lane had not even come to it.
            let announced = standing.announced.iter().flat_map(|announced| &announced.moves);
            let announced: Vec<SegmentNumber> = announced
                .filter(|step| step.chain == number)
                .flat_map(|step| step.cursors.iter().map(|cursor| cursor.segment))
                .collect();
            let newest = cursors.iter().map(|cursor| cursor.segment).max();
            let is_finished = |number: SegmentNumber| {
                let has_cursor = cursors.iter().any(|cursor| cursor.segment == number) || announced.contains(&number);
                !has_cursor && number < chain.first_new() && newest.is_none_or(|newest| number < newest)
            };
            let finished: Vec<SegmentNumber> =
                lane.open.iter().map(|open| open.segment.number).filter(|number| is_finished(*number)).collect();
            Self::skip(&mut lane, &finished);
            // What is missing of a journal, its numbers tell exactly.
            let is_journal = lane.journal.is_some();
            for cursor in cursors.iter().filter(|_| !is_journal) {
                let found = lane.open.iter().any(|open| open.segment.number == cursor.segment);
                // An older segment than one that was read already had been read to its end: its removal is rotation.
                let was_over = cursors.iter().any(|other| other.segment > cursor.segment && other.at > 0);
                if !found && !was_over {
                    self.lost(&lane, "gone");
                    // Or it would be counted again at the next start.
                    lane.touch();
                }
                if found && chain.was_copied(cursor.segment) {
                    self.lost(&lane, COPIED);
                }
            }
            lane.resume(cursors, standing.newest.get(&number).map_or(&[], Vec::as_slice));
        } else {
            self.begin(&mut lane);
        }
        if lane.touched && !self.touched.contains(&index) {
            self.touched.push(index);
            self.touched_since.get_or_insert_with(Instant::now);
        }
        self.chains.insert(index, lane);
        if !self.ready.contains(&index) {
            self.ready.push_back(index);
        }
    }

    /// A chain without a position: where its reading begins.
    fn begin(&mut self, lane: &mut ChainLane) {
        if let Some(journal) = lane.journal.as_mut().filter(|_| lane.chain.found_at_start) {
            journal.begin(self.started_at, self.resumed);
        }
        let max_age = match &lane.chain.origin {
            Origin::File { input, .. } => input.max_age,
            Origin::Pod { input, .. } => input.max_age,
            Origin::Journal { .. } => None,
        };
        let Some(age) = max_age.filter(|_| lane.chain.found_at_start) else { return };
        // What came since the last run is new, however long ago that was.
        let floor = self.started_at.saturating_sub(nanos(age)).min(self.resumed.unwrap_or(i64::MAX));
        lane.floor = Some(floor);
        let newest = lane.open.last().map(|open| open.segment.number);
        let mut old = Vec::new();
        for open in &lane.open {
            if let Ok(stat) = open.segment.stat()
                && stat.mtime_ns < floor
                && Some(open.segment.number) != newest
            {
                old.push(open.segment.number);
                let source = lane.streams[0].source.to_string();
                let len = i64::try_from(stat.len).unwrap_or(i64::MAX);
                info!(path = %open.segment.path().display(), bytes = len, "left out: last written before max_age");
                let mut log = lock(&self.log);
                let delta = log.delta(&source, Fate::Filtered, "older than max_age", len, 0);
                log.ledger_mut().read(&self.settings.destination, &source, len, 0);
                let record = Record::Moved { destination: self.number, seen: seconds(), moves: Vec::new(), ledger: vec![delta] };
                log.append(&[record]);
            }
        }
        Self::skip(lane, &old);
    }

    /// Leaves segments out for good.
    fn skip(lane: &mut ChainLane, numbers: &[SegmentNumber]) {
        for number in numbers {
            lane.close(*number);
        }
    }

    /// A batch was announced and its answer never came: the same is read and sent again, byte for byte.
    pub(super) fn repeat_announced(&mut self) {
        let standing = lock(&self.log).standing(self.number).cloned().unwrap_or_default();
        let Some(Announced { sequence, moves }) = standing.announced else { return };
        let mut repeated = Vec::new();
        for step in moves {
            let place = self.chains.iter().find(|(_, chain)| chain.number == step.chain).map(|(place, _)| *place);
            let Some(place) = place else {
                warn!(destination = %self.settings.destination, chain = step.chain, "a log of the batch under way is gone");
                continue;
            };
            if let Some(chain) = self.chains.get_mut(&place) {
                let before = standing.cursors.get(&step.chain).into_iter().flatten().map(|cursor| cursor.segment).collect();
                chain.replay = Some(Replay { stamps: step.stamps, ends: step.cursors, before });
                chain.touched = true;
            }
            if !self.touched.contains(&place) {
                self.touched.push(place);
            }
            while self.turn(place) && !self.closed {}
            if let Some(chain) = self.chains.get_mut(&place) {
                chain.replay = None;
                chain.touched = true;
            }
            repeated.push(place);
        }
        info!(destination = %self.settings.destination, sequence, chains = repeated.len(), "repeating the batch that was under way when the agent ended");
        self.sequence = sequence.saturating_sub(1);
        self.seal();
        for place in repeated {
            self.ready.push_back(place);
        }
    }
}
