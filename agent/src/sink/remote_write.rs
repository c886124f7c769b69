//! One remote write destination: sends samples in order, one request at a time, spools them while the server is away, and knows what
//! became of each.
//!
//! Targets put their samples into the queue, which never holds them up. At the first failure what is under way and what waits goes to
//! the spool, and is sent from there, oldest first, before anything fresh. One bad sample costs one sample: with 2.0 the rest of its
//! request is stored, with 1.0 nothing of it is, so it is halved until what is wrong stands alone. What only a person can mend is held and said. Every sample ends as stored, refused
//! (by reason), given up (by reason) or pending.

mod negotiation;
pub mod queue;
mod told;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use client::backoff::{self, Backoff, Pace};
use proto::remote_write::{Answer, Encoder, Part, Request, Samples, SeriesSet, Version, read_answer};
use proto::time::UnixNanos;
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::http::{Content, Failure, Http, Reply};
use super::stopped;
use crate::config::checked::RemoteWriteOutput;
use crate::metrics::RemoteWriteCounters;
use crate::sample_spool::SampleSpool;
use negotiation::Negotiation;
use queue::Queue;
use told::Told;

/// Requests that one batch may be taken apart into; then what is left of it is given up.
const SPLITS_MAX: usize = 400;
/// With `--once`, a destination that has taken nothing for that long is given up.
const GIVE_UP: Duration = Duration::from_secs(30);
/// While the destination is away: between two looks at the files with certificates and secrets.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A word in the log about a destination that is away, once in a while.
const SAY_EVERY: Duration = Duration::from_mins(5);
/// A word about samples that are refused.
const SAY_REFUSED_EVERY: Duration = Duration::from_mins(1);
/// No request is made of fewer samples because an earlier one was too large.
const BATCH_LEAST: usize = 50;

/// What a sink is connected to.
pub struct Connections {
    /// Samples, from the targets.
    pub queue: Arc<Queue>,
    /// What it counts.
    pub counters: Arc<RemoteWriteCounters>,
    /// Becomes true when everything ends.
    pub stop: watch::Receiver<bool>,
}

/// A destination's task.
pub struct RemoteWriteSink {
    name: String,
    http: Http,
    linger: Duration,
    /// Most samples of a request; less after it was told that one was too large.
    batch_samples: usize,
    negotiation: Negotiation,
    encoder: Encoder,
    told: Told,
    spool: Option<SampleSpool>,
    backoff: Backoff,
    with: Connections,
    once: bool,
    failing_since: Option<Instant>,
    said: Option<(Instant, String)>,
    said_refused: Option<Instant>,
    /// When it was last said that the disk takes nothing.
    said_full: Option<Instant>,
}

/// A collection that bears a time so much before one that was made earlier is of a clock that was set back.
const SET_BACK_MILLIS: i64 = 60_000;

/// How sending a batch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Every sample of it has its answer.
    Done,
    /// The destination took nothing; some of it is left, to be sent again.
    Away,
    /// Everything ends.
    Stopped,
}

impl RemoteWriteSink {
    /// For a destination, with its spool.
    pub fn new(output: &RemoteWriteOutput, spool: Option<SampleSpool>, once: bool, with: Connections) -> Self {
        Self {
            name: output.name.clone(),
            http: Http::new(&output.place),
            linger: output.linger,
            batch_samples: output.batch_samples,
            negotiation: Negotiation::new(output.version),
            encoder: Encoder::new(),
            told: Told::default(),
            spool,
            backoff: Backoff::new(Pace::BRISK, backoff::random()),
            with,
            once,
            failing_since: None,
            said: None,
            said_refused: None,
            said_full: None,
        }
    }

    /// Runs until the queue is closed and everything is delivered, or until told to stop. Says whether nothing is left.
    pub async fn run(mut self) -> bool {
        loop {
            self.count_pending();
            let outcome = if self.spool.as_ref().is_some_and(|spool| !spool.is_empty()) {
                self.send_spooled().await
            } else {
                let mut stop = self.with.stop.clone();
                tokio::select! {
                    () = self.with.queue.filled(self.linger) => {}
                    () = stopped(&mut stop) => break,
                }
                let fresh = self.with.queue.take(self.batch_samples);
                if fresh.is_empty() {
                    break;
                }
                self.send_fresh(fresh).await
            };
            let may_go_on = match outcome {
                Outcome::Done => true,
                Outcome::Away => self.may_try_again(),
                Outcome::Stopped => false,
            };
            if !may_go_on {
                break;
            }
        }
        // What is left goes to the disk, for the next start.
        self.spool_waiting();
        let lost = self.with.queue.samples();
        if lost > 0 {
            self.lose(lost);
        }
        self.count_pending();
        self.with.queue.is_empty() && self.spool.is_none_or(|spool| spool.is_empty()) && self.failing_since.is_none()
    }

    /// At the end: these are nowhere.
    fn lose(&self, samples: u64) {
        self.with.counters.give_up("ended", samples);
        error!(destination = %self.name, samples, "samples are lost: neither the destination nor the disk takes them");
    }

    /// When everything ends there is no use in waiting for a server that is away: the samples are safe on disk.
    fn may_try_again(&self) -> bool {
        match self.failing_since {
            Some(since) if self.once => since.elapsed() < GIVE_UP,
            Some(_) => !self.with.queue.is_closed(),
            None => true,
        }
    }

    async fn send_spooled(&mut self) -> Outcome {
        let Some(spool) = &mut self.spool else { return Outcome::Done };
        let oldest = match spool.oldest(self.batch_samples) {
            Ok(oldest) => oldest,
            Err(error) => {
                error!(destination = %self.name, %error, "cannot read the spool; trying again");
                return self.wait(Duration::from_secs(5)).await;
            }
        };
        let count = oldest.len();
        let outcome = self.send(&oldest).await;
        if outcome == Outcome::Done
            && let Some(spool) = &mut self.spool
            && let Err(error) = spool.delivered(count)
        {
            // It is sent again after a restart, which changes nothing.
            warn!(destination = %self.name, %error, "cannot write how far the spool was read");
        }
        outcome
    }

    async fn send_fresh(&mut self, fresh: Vec<Arc<Samples>>) -> Outcome {
        loop {
            let outcome = self.send(&fresh).await;
            if outcome == Outcome::Done {
                return Outcome::Done;
            }
            if fresh.iter().all(|samples| self.spool_one(samples)) {
                self.spool_waiting();
                return outcome;
            }
            // No room on disk: they stay here, and the queue keeps the newest behind them.
            if outcome == Outcome::Stopped || !self.may_try_again() {
                self.lose(fresh.iter().map(|samples| samples.len() as u64).sum());
                return Outcome::Stopped;
            }
        }
    }

    /// Sends until every sample has its answer, or the destination takes nothing.
    async fn send(&mut self, batch: &[Arc<Samples>]) -> Outcome {
        let mut waiting = chunks(batch, self.batch_samples);
        waiting.reverse();
        let mut splits = 0;
        while let Some(request) = waiting.pop() {
            let Some(answer) = self.attempt(&request).await else { return Outcome::Stopped };
            match answer {
                Answer::Stored { samples, reason } => {
                    self.stored(&request, samples);
                    self.refused(&request, request.len() as u64 - samples, "refused", &reason);
                }
                Answer::OtherVersion { reason } => {
                    if !self.negotiation.other(Instant::now()) {
                        return self.fails(&reason, true, None).await;
                    }
                    info!(destination = %self.name, version = self.negotiation.version().header(), reason, "the destination is spoken to in another version");
                    waiting.push(request);
                }
                // What says how much it has stored knows 2.0.
                Answer::Refused { stored: None, .. } if self.negotiation.first_refusal() => waiting.push(request),
                // What was valid is there already, and nothing of it may be sent again.
                Answer::Refused { stored, word, reason } if self.negotiation.version() == Version::V2 => {
                    self.works();
                    let samples = stored.unwrap_or(0);
                    if samples > 0 {
                        self.stored(&request, samples);
                    }
                    self.refused(&request, request.len() as u64 - samples, &word, &reason);
                }
                Answer::Refused { word, reason, .. } => {
                    self.works();
                    splits += 1;
                    match request.clone().halves() {
                        Some((first, second)) if splits <= SPLITS_MAX => waiting.extend([second, first]),
                        _ => self.refused(&request, request.len() as u64, &word, &reason),
                    }
                }
                Answer::TooLarge { reason } => {
                    self.works();
                    self.batch_samples = (self.batch_samples.min(request.len()) / 2).max(BATCH_LEAST);
                    match request.clone().halves() {
                        Some((first, second)) => waiting.extend([second, first]),
                        None => self.refused(&request, request.len() as u64, "too_large", &reason),
                    }
                }
                Answer::Again { after, reason } => return self.fails(&reason, false, after).await,
                Answer::Held { reason } => return self.fails(&reason, true, None).await,
            }
        }
        Outcome::Done
    }

    /// One request and its answer; none if everything ends meanwhile.
    async fn attempt(&mut self, request: &Request) -> Option<Answer> {
        let version = self.negotiation.version();
        let body = self.encode(request, version);
        let answer = self.post(version, body, request.len() as u64).await?;
        if matches!(answer, Answer::Stored { .. }) {
            match version {
                Version::V2 => self.told.was_heard(),
                Version::V1 => self.describe(request).await?,
            }
        }
        Some(answer)
    }

    fn encode(&mut self, request: &Request, version: Version) -> Vec<u8> {
        let told = &mut self.told;
        told.begin(Instant::now());
        self.encoder.encode(request, version, |family| told.tell(family))
    }

    /// With 1.0, types and help go in a request of their own. If it is refused, nobody is the worse for it.
    async fn describe(&mut self, request: &Request) -> Option<()> {
        let Some(body) = self.metadata(request) else { return Some(()) };
        if matches!(self.post(Version::V1, body, 0).await?, Answer::Stored { .. } | Answer::Refused { .. }) {
            self.told.was_heard();
        }
        Some(())
    }

    /// What was not told yet of the families of a request.
    fn metadata(&mut self, request: &Request) -> Option<Vec<u8>> {
        let mut sets: Vec<&Arc<SeriesSet>> = Vec::new();
        for part in request.parts() {
            if !sets.iter().any(|set| Arc::ptr_eq(set, part.samples().set())) {
                sets.push(part.samples().set());
            }
        }
        let told = &mut self.told;
        let mut new = sets.iter().flat_map(|set| set.families()).filter(|family| told.tell(family.name)).peekable();
        new.peek()?;
        Some(self.encoder.encode_metadata(new))
    }

    async fn post(&mut self, version: Version, body: Vec<u8>, samples: u64) -> Option<Answer> {
        let content = Content { kind: version.content_type(), version: Some(version.header()) };
        let bytes = body.len() as u64;
        let mut stop = self.with.stop.clone();
        let reply = tokio::select! {
            biased;
            reply = self.http.post(content, Bytes::from(body)) => reply,
            // What is under way goes to the disk: to send it again later changes nothing.
            () = stopped(&mut stop) => return None,
        };
        self.with.counters.requests.add(1);
        self.with.counters.sent_bytes.add(bytes);
        Some(self.read(reply, version, samples))
    }

    fn read(&self, reply: Result<Reply, Failure>, version: Version, samples: u64) -> Answer {
        match reply {
            Ok(reply) => {
                self.with.counters.answer(&reply.status.to_string());
                let reply = proto::remote_write::Reply {
                    status: reply.status,
                    retry_after: reply.retry_after.as_deref(),
                    written: reply.written,
                    body: &reply.body,
                };
                read_answer(&reply, version, samples, now())
            }
            Err(failure) => {
                self.with.counters.answer("none");
                match failure {
                    Failure::Held(reason) => Answer::Held { reason },
                    Failure::Unknown(reason) => Answer::Again { after: None, reason },
                }
            }
        }
    }

    /// The destination has so many samples of a request.
    fn stored(&mut self, request: &Request, samples: u64) {
        self.works();
        self.negotiation.worked();
        let counters = &self.with.counters;
        counters.stored.add(samples);
        counters.last_success.set(u64::try_from(now().0 / 1_000_000_000).unwrap_or(0));
        let newest = request.parts().iter().map(|part| part.samples().time().0).max().unwrap_or(0);
        counters.highest_sent.set(counters.highest_sent.value().max(u64::try_from(newest).unwrap_or(0)));
        counters.version.set(match self.negotiation.version() {
            Version::V1 => 1,
            Version::V2 => 2,
        });
    }

    /// The destination will never take so many samples of a request.
    fn refused(&mut self, request: &Request, samples: u64, word: &str, reason: &str) {
        if samples == 0 {
            return;
        }
        self.with.counters.refuse(word, samples);
        if self.said_refused.is_some_and(|at| at.elapsed() < SAY_REFUSED_EVERY) {
            return;
        }
        self.said_refused = Some(Instant::now());
        // Of a single one it can be said which it is.
        let series = request.parts().first().filter(|_| request.len() == 1).map(Part::show);
        warn!(destination = %self.name, samples, series, reason, "the destination refuses samples for good");
        if word == "out_of_bounds" {
            warn!(destination = %self.name, "they are too old for it; with Prometheus, set storage.tsdb.out_of_order_time_window to the longest outage that is to leave no gap");
        }
    }

    fn works(&mut self) {
        if self.failing_since.take().is_some() {
            info!(destination = %self.name, failures = self.backoff.failures(), "the destination takes samples again");
            self.negotiation.back(Instant::now());
            self.told.forget();
        }
        self.said = None;
        self.backoff.worked();
        self.with.counters.away.set(0);
        self.with.counters.held.set(0);
    }

    /// The destination takes nothing: what waits is put on disk, and a while passes.
    async fn fails(&mut self, reason: &str, held: bool, after: Option<Duration>) -> Outcome {
        self.failing_since.get_or_insert_with(Instant::now);
        let counters = &self.with.counters;
        counters.away.set(1);
        counters.held.set(u64::from(held));
        counters.retries.add(1);
        let news = if held { reason } else { "" };
        if self.said.as_ref().is_none_or(|(at, said)| at.elapsed() >= SAY_EVERY || said != news) {
            self.said = Some((Instant::now(), news.to_owned()));
            if held {
                error!(destination = %self.name, reason, "the destination refuses: nothing is dropped, everything waits until this is mended");
            } else {
                warn!(destination = %self.name, reason, "the destination does not take samples: trying again");
            }
        }
        let wait = if held { self.backoff.refused() } else { self.backoff.failed(after) };
        if self.with.queue.is_closed() && !self.once { Outcome::Away } else { self.wait(wait).await }
    }

    /// Waits, or until somebody has mended a certificate or secret, or everything ends.
    async fn wait(&mut self, wait: Duration) -> Outcome {
        let until = tokio::time::Instant::now() + wait;
        let mut stop = self.with.stop.clone();
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut stop) => return Outcome::Stopped,
                () = self.with.queue.closed(), if !self.once => return Outcome::Away,
                () = tokio::time::sleep_until(until) => return Outcome::Away,
                _ = looks.tick() => {
                    // Only behind what is on disk: the order is kept.
                    if self.spool.as_ref().is_some_and(|spool| !spool.is_empty()) {
                        self.spool_waiting();
                    }
                    self.count_pending();
                    if self.http.has_new_files() {
                        return Outcome::Away;
                    }
                }
            }
        }
    }

    /// Puts what waits in memory on disk, as long as that takes it.
    fn spool_waiting(&mut self) {
        while let Some(samples) = self.with.queue.oldest() {
            if !self.spool_one(&samples) {
                break;
            }
            self.with.queue.remove(&samples);
        }
    }

    fn spool_one(&mut self, samples: &Samples) -> bool {
        let Some(spool) = &mut self.spool else { return false };
        match spool.append(samples) {
            Ok(()) => true,
            Err(error) => {
                // It is tried again every second.
                if self.said_full.is_none_or(|at| at.elapsed() >= SAY_EVERY) {
                    self.said_full = Some(Instant::now());
                    error!(destination = %self.name, %error, "cannot write to the spool; samples are kept in memory as long as there is room");
                }
                false
            }
        }
    }

    fn count_pending(&self) {
        let counters = &self.with.counters;
        let (samples, bytes) = self.spool.as_ref().map_or((0, 0), |spool| (spool.samples(), spool.bytes()));
        counters.spool_samples.set(samples);
        counters.spool_bytes.set(bytes);
        if let Some(spool) = &self.spool {
            counters.set_given_up("spool", spool.given_up());
            counters.spool_damaged.set(spool.damaged());
        }
        counters.set_given_up("memory", self.with.queue.given_up());
    }
}

/// Requests of at most so many samples each, in order.
fn chunks(batch: &[Arc<Samples>], most: usize) -> Vec<Request> {
    let mut requests = Vec::new();
    let mut parts: Vec<Part> = Vec::new();
    let mut room = most;
    // Where the request that is being made begins in the batch.
    let mut begin = 0;
    for (place, samples) in batch.iter().enumerate() {
        if batch[begin..place].iter().any(|earlier| is_set_back(earlier, samples)) {
            requests.push(Request::new(std::mem::take(&mut parts)));
            room = most;
            begin = place;
        }
        let mut rest = Part::whole(Arc::clone(samples));
        while !rest.is_empty() {
            // A collection is taken apart only if it is too large by itself.
            if rest.len() > room && !parts.is_empty() {
                requests.push(Request::new(std::mem::take(&mut parts)));
                room = most;
                begin = place;
            }
            let part = rest.split_off_first(room);
            room -= part.len();
            parts.push(part);
        }
    }
    if !parts.is_empty() {
        requests.push(Request::new(parts));
    }
    requests
}

/// Whether the clock was set back between two collections: a request with both would have series whose times do not rise, and no
/// receiver need read it. Of other targets than the same one times may differ a little.
fn is_set_back(earlier: &Samples, later: &Samples) -> bool {
    let back = earlier.time().0 - later.time().0;
    back > SET_BACK_MILLIS || (back >= 0 && Arc::ptr_eq(earlier.set(), later.set()))
}

fn now() -> UnixNanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    UnixNanos(since.map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use proto::metric::{Family, Kind, UnixMillis};
    use proto::remote_write::SeriesSetBuilder;

    use super::*;

    #[test]
    fn no_request_holds_times_of_a_clock_before_and_after_it_was_set_back() {
        let set = |series: usize| {
            let mut builder = SeriesSetBuilder::new();
            let family = builder.family(Family { name: "up", kind: Kind::Gauge, help: "", unit: "" });
            for place in 0..series {
                let place = place.to_string();
                builder.series(family, [("__name__", "up"), ("place", place.as_str())].into_iter(), UnixMillis(0));
            }
            builder.finish()
        };
        let (one, other) = (set(3), set(2));
        let samples =
            |set: &Arc<_>, time| Arc::new(Samples::new(Arc::clone(set), UnixMillis(time), vec![1.0; set.len()]).unwrap());
        let sizes = |batch: &[Arc<Samples>], most| chunks(batch, most).iter().map(Request::len).collect::<Vec<_>>();
        let hour = 3_600_000;
        let rising = [samples(&one, hour), samples(&other, hour - 50), samples(&one, hour + 100), samples(&other, hour + 60)];
        assert_eq!(sizes(&rising, 100), [10], "targets may be late");
        assert_eq!(sizes(&rising, 5), [5, 5]);
        let back = [samples(&one, hour), samples(&one, hour + 100), samples(&one, 200), samples(&one, 300), samples(&one, 250)];
        assert_eq!(sizes(&back, 100), [6, 6, 3]);
        let others = [samples(&one, hour), samples(&other, 100)];
        assert_eq!(sizes(&others, 100), [3, 2], "whatever series there are after it");
    }
}
