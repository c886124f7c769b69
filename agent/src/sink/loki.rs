//! One Loki destination: sends batches in order, one request at a time, settles them, and spools when the server is away.
//!
//! A batch is announced in the position log before its first request and settled when every stream of it has an answer.
//! While the server takes nothing, waiting batches go to the spool as soon as memory is full, and are sent from there in
//! order before anything fresh. When the spool is full, batches wait, the lane waits, and the files are read later.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use proto::loki::answer::{Answer, read_answer};
use proto::time::UnixNanos;
use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::delivery::{Delivery, Fate, Next, Stream, Verdict};
use super::http::{Failure, Http, Reply};
use crate::batch::Sealed;
use crate::checkpoint::{Move, Part, Record, Standing, hold_back, hold_back_newest};
use crate::config::checked::LokiOutput;
use crate::lane::{lock, seconds};
use crate::ledger::{Delta, Fate as Account};
use crate::metrics::SinkCounters;
use crate::position_log::PositionLog;
use crate::retry::Backoff;
use crate::spool::{Share, Spool, Spooled};
use crate::wake::{Order, Wake};

/// After that time without any entry a stream may be unknown to the server again (its chunks idle out after 15 to 30 minutes).
const KNOWN_FOR: Duration = Duration::from_mins(10);
/// A request that has no answer after that time counts as away: what waits behind it may be spooled.
const SLOW: Duration = Duration::from_secs(10);
/// How long a refused stream is left alone.
const PARKED_FOR: Duration = Duration::from_mins(1);
/// With `--once`, a destination that has taken nothing for that long is given up.
const GIVE_UP: Duration = Duration::from_secs(30);
/// After the disk refused a batch.
const SPOOL_PAUSE: Duration = Duration::from_secs(10);
/// While the destination is away: between two looks at the files with certificates and secrets.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A word in the log about a destination that is away, once in a while.
const SAY_EVERY: Duration = Duration::from_mins(5);

/// What a sink is connected to.
pub struct Connections {
    /// Positions and accounts.
    pub log: Arc<Mutex<PositionLog>>,
    /// Its lane's bell.
    pub wake: Arc<Wake>,
    /// What it counts.
    pub counters: Arc<SinkCounters>,
    /// The last batch that was settled.
    pub settled: Arc<AtomicU64>,
    /// Batches, from the lane.
    pub inbox: Receiver<Sealed>,
    /// Bodies that are no longer needed, back to the lane.
    pub used_bodies: SyncSender<Vec<u8>>,
    /// Becomes true when everything ends.
    pub stop: watch::Receiver<bool>,
}

/// A destination's task.
pub struct LokiSink {
    name: String,
    number: u32,
    output: LokiOutput,
    backoff: Backoff,
    with: Connections,
    spool: Option<Spool>,
    known: HashMap<String, Instant>,
    parked: HashMap<String, Parked>,
    /// A batch that was taken from the lane and found no room in the spool.
    waiting: Option<Sealed>,
    /// The disk took nothing: not asked again before that time.
    spool_refused: Option<Instant>,
    /// Nothing is spooled, and a destination that stays away is given up.
    once: bool,
    /// When something was last said about it being away, and, where it is held, for which reason.
    said: Option<(Instant, String)>,
    failing_since: Option<Instant>,
    answering: bool,
}

struct Parked {
    feeds: Vec<(usize, Part)>,
    until: Instant,
}

impl Parked {
    fn now() -> Self {
        Self { feeds: Vec::new(), until: Instant::now() + PARKED_FOR }
    }
}

/// The batch that is being sent.
enum Current {
    /// From the lane, in memory.
    Fresh(Box<Sealed>),
    /// The head of the spool.
    Head,
}

/// How sending ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Delivered,
    Stopped,
}

impl LokiSink {
    /// For a destination, with its spool (opened before positions were given out, see [`open_spool`]).
    pub fn new(output: &LokiOutput, number: u32, spool: Option<Spool>, once: bool, with: Connections) -> Self {
        let seed = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.subsec_nanos().into())
            ^ u64::from(std::process::id()) << 32;
        Self {
            name: output.name.clone(),
            number,
            output: output.clone(),
            backoff: Backoff::new(seed),
            with,
            spool,
            known: HashMap::new(),
            parked: HashMap::new(),
            waiting: None,
            spool_refused: None,
            once,
            said: None,
            failing_since: None,
            answering: true,
        }
    }

    /// Runs until the lane has ended and everything is delivered, or until told to stop. Says whether nothing is left.
    pub async fn run(mut self) -> bool {
        let mut http = Http::new(&self.output);
        loop {
            self.resume_parked();
            let outcome = if self.spool.as_ref().is_some_and(|spool| !spool.is_empty()) {
                self.deliver_head(&mut http).await
            } else {
                let until = self.parked.values().map(|parked| parked.until).min();
                let sealed = if let Some(waiting) = self.waiting.take() {
                    Some(waiting)
                } else {
                    tokio::select! {
                        sealed = self.with.inbox.recv() => sealed,
                        () = sleep_until(until) => continue,
                        () = stopped(&mut self.with.stop) => None,
                    }
                };
                let Some(sealed) = sealed else { break };
                self.announce(&sealed);
                self.deliver_fresh(&mut http, sealed).await
            };
            if outcome == Outcome::Stopped {
                break;
            }
        }
        let left = self.spool.as_ref().is_some_and(|spool| !spool.is_empty()) || !self.parked.is_empty();
        !left && self.waiting.is_none() && self.with.inbox.try_recv().is_err() && self.answering
    }

    /// Says in the position log where the batch will lead.
    fn announce(&mut self, sealed: &Sealed) {
        let mut log = lock(&self.with.log);
        for (chain, number, identity) in &sealed.segments {
            log.define(Record::Segment { chain: *chain, number: *number, identity: identity.clone() });
        }
        if sealed.entries > 0 {
            let sending = Record::Sending {
                destination: self.number,
                sequence: sealed.sequence,
                seen: seconds(),
                moves: sealed.moves.clone(),
            };
            log.append(&[sending]);
        }
    }

    async fn deliver_fresh(&mut self, http: &mut Http, sealed: Sealed) -> Outcome {
        let streams = self.streams(sealed.streams.iter().map(|share| (&*share.labels, share.entries)));
        let delivery = Delivery::new(sealed.body.clone(), streams, |labels| self.parked.contains_key(labels));
        self.send(http, Current::Fresh(Box::new(sealed)), delivery).await
    }

    async fn deliver_head(&mut self, http: &mut Http) -> Outcome {
        let Some(spool) = &mut self.spool else { return Outcome::Delivered };
        let head = match spool.head() {
            Ok(Some(head)) => head.clone(),
            Ok(None) => return Outcome::Delivered,
            Err(error) => {
                error!(destination = %self.name, %error, "cannot read the spool; trying again");
                return self.pause(Duration::from_secs(5)).await;
            }
        };
        let streams = self.streams(head.shares.iter().map(|share| (share.labels.as_str(), share.entries)));
        let delivery = Delivery::new(Bytes::from(head.body), streams, |_| false);
        self.send(http, Current::Head, delivery).await
    }

    fn streams<'s>(&self, streams: impl Iterator<Item = (&'s str, u64)>) -> Vec<Stream> {
        let is_known = |labels: &str| self.known.get(labels).is_some_and(|at| at.elapsed() < KNOWN_FOR);
        streams.map(|(labels, entries)| Stream { labels: labels.to_owned(), entries, known: is_known(labels) }).collect()
    }

    /// Sends until every stream has its answer.
    async fn send(&mut self, http: &mut Http, mut current: Current, mut delivery: Delivery) -> Outcome {
        while let Next::Send(body) = delivery.next() {
            let Some(answer) = self.attempt(http, body, &mut current).await else { return Outcome::Stopped };
            let wait = match delivery.answered(answer) {
                Verdict::Onward => {
                    self.works();
                    continue;
                }
                Verdict::Again { after, reason } => {
                    self.fails(&reason, false);
                    self.backoff.failed(after)
                }
                Verdict::Hold { reason } => {
                    self.fails(&reason, true);
                    self.backoff.refused()
                }
            };
            self.with.counters.retries.add(1);
            if self.wait(http, wait, &mut current).await == Outcome::Stopped {
                return Outcome::Stopped;
            }
        }
        let parked_head = matches!(current, Current::Head) && delivery.fates().iter().any(|fate| fate.parked);
        if parked_head {
            return self.set_aside(&delivery).await;
        }
        self.settle(current, delivery.fates());
        Outcome::Delivered
    }

    /// One request and its answer. Meanwhile, if it takes long, what the lane has ready goes to the spool.
    async fn attempt(&mut self, http: &mut Http, body: Bytes, current: &mut Current) -> Option<Answer> {
        let (sent, begun) = (body.len() as u64, Instant::now());
        let mut stop = self.with.stop.clone();
        let reply = {
            let request = http.post(body);
            tokio::pin!(request);
            loop {
                let slow = begun + SLOW;
                let may_spool = self.can_spool() && Instant::now() >= slow;
                tokio::select! {
                    biased;
                    reply = &mut request => break Some(reply),
                    () = stopped_for(&mut stop, Duration::from_secs(3)) => break None,
                    () = sleep_until(Some(slow)), if self.can_spool() && Instant::now() < slow => {}
                    Some(next) = self.with.inbox.recv(), if may_spool => self.spool_behind(current, next),
                }
            }
        };
        let reply = reply?;
        self.with.counters.requests.add(1);
        self.with.counters.sent_bytes.add(sent);
        Some(self.read(reply))
    }

    fn read(&self, reply: Result<Reply, Failure>) -> Answer {
        let now =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX));
        match reply {
            Ok(reply) => {
                self.with.counters.answer(&reply.status.to_string());
                read_answer(reply.status, reply.retry_after.as_deref(), &reply.body, UnixNanos(now))
            }
            Err(failure) => {
                self.with.counters.answer("none");
                match failure {
                    Failure::Held(reason) => Answer::Held { reason },
                    Failure::Unknown(reason) => Answer::Unknown { after: None, reason },
                }
            }
        }
    }

    /// Waits before the next attempt, or until somebody has mended a certificate or secret; meanwhile, what the lane has ready
    /// goes to the spool.
    async fn wait(&mut self, http: &Http, wait: Duration, current: &mut Current) -> Outcome {
        if self.once && self.failing_since.is_some_and(|since| since.elapsed() + wait > GIVE_UP) {
            return Outcome::Stopped;
        }
        let until = Instant::now() + wait;
        let mut stop = self.with.stop.clone();
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut stop) => return Outcome::Stopped,
                () = sleep_until(Some(until)) => return Outcome::Delivered,
                _ = looks.tick() => if http.has_new_files() { return Outcome::Delivered },
                Some(next) = self.with.inbox.recv(), if self.can_spool() => self.spool_behind(current, next),
            }
        }
    }

    async fn pause(&mut self, wait: Duration) -> Outcome {
        tokio::select! {
            () = stopped(&mut self.with.stop) => Outcome::Stopped,
            () = sleep_until(Some(Instant::now() + wait)) => Outcome::Delivered,
        }
    }

    /// Whether another batch can be taken though the one under way is not delivered. A margin is kept for that one.
    fn can_spool(&self) -> bool {
        let room = self.spool.as_ref().is_some_and(|spool| spool.has_room(4 << 20));
        let refused = self.spool_refused.is_some_and(|at| at.elapsed() < SPOOL_PAUSE);
        room && !refused && !self.once && self.waiting.is_none() && self.parked.is_empty()
    }

    /// Memory is full: the batch under way (if it is not there already) and the next one go to the spool. If the disk takes
    /// nothing, both are held, and the lane waits.
    fn spool_behind(&mut self, current: &mut Current, next: Sealed) {
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
    fn spool_one(&mut self, sealed: &Sealed) -> bool {
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

    /// Every stream has its answer.
    fn settle(&mut self, current: Current, fates: &[Fate]) {
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
        let except = except.into_iter().map(|(_, step)| step).collect();
        log.append(&[Record::Settled { destination: self.number, sequence: sealed.sequence, except, ledger }]);
        drop(log);
        self.with.settled.store(sealed.sequence, Ordering::Release);
        self.with.counters.last_delay_ms.set(u64::try_from(sealed.opened.elapsed().as_millis()).unwrap_or(u64::MAX));
        self.with.counters.parked.set(self.parked.len() as u64);
        for order in orders {
            self.with.wake.order(order);
        }
        if self.known.len() > 10_000 {
            self.known.retain(|_, at| at.elapsed() < KNOWN_FOR);
        }
        if let Ok(body) = sealed.body.try_into_mut() {
            let _ = self.with.used_bodies.try_send(body.into());
        }
    }

    /// A batch with nothing to send moves positions all the same.
    fn settle_nothing(&mut self, sealed: &Sealed) {
        let mut log = lock(&self.with.log);
        let ledger = withheld(&mut log, &self.name, sealed);
        let moved = Record::Moved { destination: self.number, seen: seconds(), moves: sealed.moves.clone(), ledger };
        let sending = Record::Sending { destination: self.number, sequence: sealed.sequence, seen: seconds(), moves: Vec::new() };
        let settled =
            Record::Settled { destination: self.number, sequence: sealed.sequence, except: Vec::new(), ledger: Vec::new() };
        log.append(&[sending, settled, moved]);
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
    async fn set_aside(&mut self, delivery: &Delivery) -> Outcome {
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

    /// Streams that were left alone long enough are tried again.
    fn resume_parked(&mut self) {
        let now = Instant::now();
        let due: Vec<String> =
            self.parked.iter().filter(|(_, parked)| parked.until <= now).map(|(labels, _)| labels.clone()).collect();
        for labels in due {
            if let Some(parked) = self.parked.remove(&labels) {
                for (chain, part) in parked.feeds {
                    self.with.wake.order(Order::Resume { chain, part });
                }
            }
        }
        self.with.counters.parked.set(self.parked.len() as u64);
    }

    fn works(&mut self) {
        if !self.answering {
            info!(destination = %self.name, failures = self.backoff.failures(), "the destination takes entries again");
        }
        self.answering = true;
        self.failing_since = None;
        self.said = None;
        self.backoff.worked();
        self.with.counters.away.set(0);
        self.with.counters.held.set(0);
    }

    fn fails(&mut self, reason: &str, held: bool) {
        self.answering = false;
        self.failing_since.get_or_insert_with(Instant::now);
        self.with.counters.away.set(1);
        self.with.counters.held.set(u64::from(held));
        // Whoever mends one thing wants to hear of the next one.
        let news = if held { reason } else { "" };
        if self.said.as_ref().is_some_and(|(at, said)| at.elapsed() < SAY_EVERY && said == news) {
            return;
        }
        self.said = Some((Instant::now(), news.to_owned()));
        if held {
            error!(destination = %self.name, reason, "the destination refuses: nothing is dropped, everything waits until this is mended");
        } else {
            warn!(destination = %self.name, reason, "the destination does not take entries: trying again");
        }
    }
}

/// The accounts of what was read and not sent; it is pending no longer.
fn withheld(log: &mut PositionLog, destination: &str, sealed: &Sealed) -> Vec<Delta> {
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

async fn sleep_until(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until.into()).await,
        None => std::future::pending().await,
    }
}

/// Ends when everything is to end.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // The sender is gone only when everything has ended.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Ends some time after everything is to end: a request under way may still be answered.
async fn stopped_for(stop: &mut watch::Receiver<bool>, grace: Duration) {
    stopped(stop).await;
    tokio::time::sleep(grace).await;
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
