//! One Loki destination: sends batches in order, one request at a time, settles them, and spools when the server is away.
//!
//! A batch is announced in the position log before its first request and settled when every stream of it has an answer.
//! While the server takes nothing, waiting batches go to the spool as soon as memory is full, and are sent from there in
//! order before anything fresh. When the spool is full, batches wait, the lane waits, and the files are read later.

mod settling;
mod spooling;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use client::backoff::{self, Backoff, Pace};
use proto::loki::answer::{Answer, read_answer};
use proto::time::UnixNanos;
use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::delivery::{Delivery, Next, Stream, Verdict};
use super::http::{Content, Failure, Http, Reply};
use super::stopped;
use crate::batch::Sealed;
use crate::checkpoint::{Part, Record};
use crate::config::checked::LokiOutput;
use crate::lane::{lock, seconds};
use crate::metrics::SinkCounters;
use crate::position_log::PositionLog;
use crate::spool::Spool;
use crate::wake::{Order, Wake};

pub use spooling::open_spool;

/// After that time without any entry a stream may be unknown to the server again (its chunks idle out after 15 to 30 minutes).
const KNOWN_FOR: Duration = Duration::from_mins(10);
/// A request that has no answer after that time counts as away: what waits behind it may be spooled.
const SLOW: Duration = Duration::from_secs(10);
/// How long a refused stream is left alone.
const PARKED_FOR: Duration = Duration::from_mins(1);
/// Batches that a lane may have sealed and the sink not settled: in the queue, and taken from it for the spool.
const SEALED_AHEAD: u64 = 2;
/// When it is looked again whether a lane has gone back.
const HEARD_SOON: Duration = Duration::from_millis(200);
/// With `--once`, a destination that has taken nothing for that long is given up.
const GIVE_UP: Duration = Duration::from_secs(30);
/// After the disk refused a batch.
const SPOOL_PAUSE: Duration = Duration::from_secs(10);
/// While the destination is away: between two looks at the files with certificates and secrets.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A push in protobuf. That it is compressed is not said: it always is.
const PUSH: Content = Content { kind: "application/x-protobuf", version: None };
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
    /// The last batch that was settled when the lane was known to have gone back.
    heard: Option<u64>,
}

impl Parked {
    fn now() -> Self {
        Self { feeds: Vec::new(), until: Instant::now() + PARKED_FOR, heard: None }
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
        Self {
            name: output.name.clone(),
            number,
            output: output.clone(),
            backoff: Backoff::new(Pace::PATIENT, backoff::random()),
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
        let mut http = Http::new(&self.output.place);
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
            let request = http.post(PUSH, body);
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

    /// Streams that were left alone long enough are tried again; but not before the lane has gone back, and what it had sealed before
    /// that is settled: those batches lead beyond what was refused, and as long as it counts as parked they do not move it.
    fn resume_parked(&mut self) {
        let now = Instant::now();
        let settled = self.with.settled.load(Ordering::Acquire);
        let has_gone_back = !self.with.wake.has_orders();
        let is_nothing_left = self.with.inbox.is_empty() && self.waiting.is_none();
        for parked in self.parked.values_mut() {
            if has_gone_back {
                parked.heard.get_or_insert(settled);
            }
            let is_clear = parked.heard.is_some_and(|heard| is_nothing_left || settled >= heard + SEALED_AHEAD);
            if !is_clear {
                parked.until = parked.until.max(now + HEARD_SOON);
            }
        }
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

async fn sleep_until(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until.into()).await,
        None => std::future::pending().await,
    }
}

/// Ends some time after everything is to end: a request under way may still be answered.
async fn stopped_for(stop: &mut watch::Receiver<bool>, grace: Duration) {
    stopped(stop).await;
    tokio::time::sleep(grace).await;
}
