//! Which entries of a request are taken, and what is said of the others. Pure: it is given the time.
//!
//! As Loki does: a request with labels that cannot be read is refused whole; of any other everything within the limits is
//! taken, and the answer names what was not, in Loki's words, which `proto::loki::answer` reads. Other than Loki, an entry is never too
//! old: a late event is evaluated at its own time.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use proto::labels::Labels;
use proto::loki::decode::{Push, PushEntry};
use proto::loki::limits::{AHEAD, METADATA_BYTES, METADATA_PAIRS};
use proto::time::UnixNanos;

use crate::config::checked::Limits;
use crate::labels::LabelSet;

/// A stream without entries for so long no longer counts.
const ACTIVE: Duration = Duration::from_hours(1);
/// So many kinds of refusals are told; with lines of so many lengths nobody reads more.
const TOLD_MAX: usize = 100;
const SECOND: i64 = 1_000_000_000;

/// What was refused, and how that is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// The status of the answer.
    pub status: u16,
    /// Its text.
    pub message: String,
    /// After which time it is worth trying again.
    pub retry_after: Option<Duration>,
    /// Entries by reason, in Loki's names for them.
    pub counts: Vec<(&'static str, usize)>,
}

/// What is taken of a request, and what is not.
#[derive(Debug, Default)]
pub struct Judged {
    /// Streams that are taken, with their entries.
    pub streams: Vec<(LabelSet, Vec<PushEntry>)>,
    /// Bytes of lines and metadata in them.
    pub bytes: usize,
    /// What was refused.
    pub refusal: Option<Refusal>,
}

/// The limits, and what was seen so far.
#[derive(Debug)]
pub struct Gate {
    limits: Limits,
    /// When a stream had entries last, by the clock.
    seen: HashMap<LabelSet, i64>,
    swept: i64,
    /// Bytes that may come at once, and when that was so.
    allowance: f64,
    filled: i64,
}

impl Gate {
    /// With nothing seen.
    pub fn new(limits: Limits) -> Self {
        Self { limits, seen: HashMap::new(), swept: 0, allowance: burst(&limits), filled: i64::MIN }
    }

    /// Other limits from now on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// How many streams count.
    pub fn active(&self) -> usize {
        self.seen.len()
    }

    /// Judges a request that came `now`.
    pub fn judge(&mut self, push: Push, now: UnixNanos) -> Judged {
        let mut streams = Vec::with_capacity(push.streams.len());
        for stream in push.streams {
            match Labels::parse(&stream.labels) {
                Ok(labels) if labels.is_empty() => {
                    return Judged::refused(
                        400,
                        format!("error at least one label pair is required per stream: {}", stream.labels),
                    );
                }
                Ok(labels) => streams.push((labels, stream.entries)),
                Err(error) => return Judged::refused(400, format!("couldn't parse labels: {error}: {}", stream.labels)),
            }
        }
        if streams.is_empty() {
            return Judged::refused(422, "error at least one valid stream is required for ingestion".to_owned());
        }
        // What can never be taken is said at once, and does not count for the rate: the client would try again and again.
        let mut refused = Refused::default();
        for (labels, entries) in &mut streams {
            let name = labels.to_string();
            entries.retain(|entry| refused.keeps(entry, &name, &self.limits, now));
        }
        let lines = streams.iter().map(|(_, entries)| entries.len()).sum();
        let bytes = streams.iter().flat_map(|(_, entries)| entries).map(bytes_of).sum();
        if let Some(refusal) = self.too_fast(lines, bytes, now) {
            return Judged { refusal: Some(refusal), ..Judged::default() };
        }
        self.forget(now);
        let mut judged = Judged::default();
        for (labels, mut entries) in streams {
            let set: LabelSet = labels.iter().collect();
            if entries.is_empty() {
                continue;
            }
            if !self.seen.contains_key(&set) && self.seen.len() >= self.limits.streams {
                refused.over_limit.push(labels.to_string());
                refused.count("stream_limit", entries.len());
                continue;
            }
            for entry in &mut entries {
                tidy(&mut entry.metadata);
            }
            self.seen.insert(set.clone(), now.0);
            judged.bytes += entries.iter().map(bytes_of).sum::<usize>();
            judged.streams.push((set, entries));
        }
        judged.refusal = refused.said();
        judged
    }

    /// The rate, over all streams.
    fn too_fast(&mut self, lines: usize, bytes: usize, now: UnixNanos) -> Option<Refusal> {
        let since = if self.filled == i64::MIN { 0 } else { (now.0 - self.filled).max(0) };
        // Also where the clock was set back.
        self.filled = now.0;
        self.allowance = (self.allowance + since as f64 / SECOND as f64 * self.limits.rate as f64).min(burst(&self.limits));
        if bytes as f64 <= self.allowance {
            self.allowance -= bytes as f64;
            return None;
        }
        let wait = (bytes as f64 - self.allowance) / self.limits.rate as f64;
        Some(Refusal {
            status: 429,
            message: format!(
                "ingestion rate limit exceeded for user fake (limit: {} bytes/sec) while attempting to ingest '{lines}' lines \
                 totaling '{bytes}' bytes, reduce log volume or raise `limits.rate` of the companion",
                self.limits.rate,
            ),
            retry_after: Some(Duration::from_secs_f64(wait.clamp(1.0, 60.0))),
            counts: vec![("rate_limited", lines)],
        })
    }

    /// Streams that have gone quiet, once a minute.
    fn forget(&mut self, now: UnixNanos) {
        if now.0.saturating_sub(self.swept).saturating_abs() > 60 * SECOND || self.seen.len() >= self.limits.streams {
            let since = now.0.saturating_sub(i64::try_from(ACTIVE.as_nanos()).unwrap_or(i64::MAX));
            self.seen.retain(|_, seen| (since..=now.0).contains(seen));
            self.swept = now.0;
        }
    }
}

impl Judged {
    fn refused(status: u16, message: String) -> Self {
        let refusal = Refusal { status, message, retry_after: None, counts: vec![("invalid", 1)] };
        Self { refusal: Some(refusal), ..Self::default() }
    }
}

/// What was refused of a request so far.
#[derive(Debug, Default)]
struct Refused {
    /// Messages with the number of their entries, in the order in which they came up.
    like: Vec<(String, usize)>,
    over_limit: Vec<String>,
    counts: Vec<(&'static str, usize)>,
}

impl Refused {
    /// Whether an entry is within the limits; notes why not.
    fn keeps(&mut self, entry: &PushEntry, stream: &str, limits: &Limits, now: UnixNanos) -> bool {
        let ahead = i64::try_from(AHEAD.as_nanos()).unwrap_or(i64::MAX);
        let metadata: usize = entry.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
        let (reason, message) = if entry.time.0 > now.0.saturating_add(ahead) {
            let time = rfc3339(entry.time);
            ("too_far_in_future", format!("entry for stream '{stream}' has timestamp too new: {time}"))
        } else if entry.line.len() > limits.line {
            let (max, len) = (limits.line, entry.line.len());
            let message = format!(
                "max entry size '{max}' bytes exceeded for stream '{stream}' while adding an entry with length '{len}' bytes"
            );
            ("line_too_long", message)
        } else if metadata > METADATA_BYTES {
            let message = format!(
                "stream '{stream}' has structured metadata too large: '{metadata}' bytes, limit: '{METADATA_BYTES}' bytes. Please see \
                 `limits_config.max_structured_metadata_size` or contact your Loki administrator to increase it"
            );
            ("structured_metadata_too_large", message)
        } else if entry.metadata.len() > METADATA_PAIRS {
            let message = format!(
                "stream '{stream}' has too many structured metadata labels: '{}', limit: '{METADATA_PAIRS}'. Please see \
                 `limits_config.max_structured_metadata_entries_count` or contact your Loki administrator to increase it",
                entry.metadata.len(),
            );
            ("structured_metadata_too_many", message)
        } else {
            return true;
        };
        self.count(reason, 1);
        if let Some((_, count)) = self.like.iter_mut().find(|(known, _)| *known == message) {
            *count += 1;
        } else if self.like.len() < TOLD_MAX {
            self.like.push((message, 1));
        }
        false
    }

    fn count(&mut self, reason: &'static str, more: usize) {
        match self.counts.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += more,
            None => self.counts.push((reason, more)),
        }
    }

    fn said(self) -> Option<Refusal> {
        if self.counts.is_empty() {
            return None;
        }
        let mut message = String::new();
        if !self.over_limit.is_empty() {
            for stream in self.over_limit.iter().take(TOLD_MAX) {
                // Writing into a String cannot fail, here and below.
                let _ = write!(
                    message,
                    "{}maximum active stream limit exceeded when trying to create stream {stream}, reduce the number of active \
                     streams (reduce labels or reduce label values), or raise `limits.streams` of the companion, user: 'fake'",
                    if message.is_empty() { "" } else { "; " },
                );
            }
            let retry_after = Some(Duration::from_mins(1));
            return Some(Refusal { status: 429, message, retry_after, counts: self.counts });
        }
        for (like, count) in &self.like {
            let _ = write!(message, "{}{count} errors like: {like}", if message.is_empty() { "" } else { "; " });
        }
        Some(Refusal { status: 400, message, retry_after: None, counts: self.counts })
    }
}

/// What may come at once: a second's worth, and always one whole request.
fn burst(limits: &Limits) -> f64 {
    limits.rate.max(limits.body) as f64
}

/// As Loki keeps metadata: of a name that stands twice the last, and nothing that is empty.
fn tidy(metadata: &mut Vec<(String, String)>) {
    for place in (0..metadata.len()).rev() {
        let (name, value) = &metadata[place];
        if value.is_empty() || metadata[place + 1..].iter().any(|(later, _)| later == name) {
            metadata.remove(place);
        }
    }
}

fn bytes_of(entry: &PushEntry) -> usize {
    entry.line.len() + entry.metadata.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
}

/// To the second, as Loki prints it.
fn rfc3339(time: UnixNanos) -> String {
    crate::clock::rfc3339_seconds(time)
}

#[cfg(test)]
mod tests {
    use proto::loki::answer::{Answer, Count, Reason, read_answer};
    use proto::loki::attribution::attribute;
    use proto::loki::decode::PushStream;

    use super::*;

    const NOW: UnixNanos = UnixNanos(1_795_000_000 * SECOND);
    const LIMITS: Limits = Limits { body: 10_000, line: 100, rate: 1000, streams: 3, connections: 1 };

    fn entry(seconds: i64, line: &str) -> PushEntry {
        PushEntry { time: UnixNanos(NOW.0 + seconds * SECOND), line: line.to_owned(), metadata: Vec::new() }
    }

    fn push(streams: &[(&str, Vec<PushEntry>)]) -> Push {
        let streams =
            streams.iter().map(|(labels, entries)| PushStream { labels: (*labels).to_owned(), entries: entries.clone() });
        Push { streams: streams.collect() }
    }

    fn answer(judged: &Judged) -> Answer {
        let refusal = judged.refusal.as_ref().expect("refused");
        read_answer(refusal.status, None, &refusal.message, NOW)
    }

    #[test]
    fn what_is_beyond_the_limits_is_named_so_that_clients_know_which_it_was() {
        let mut gate = Gate::new(LIMITS);
        let long = "x".repeat(101);
        let sent = push(&[
            (r#"{job="a"}"#, vec![entry(0, "good"), entry(0, &long), entry(601, "too new"), entry(-100_000_000, "old is fine")]),
            (r#"{job="b"}"#, vec![entry(600, "just not too new")]),
        ]);
        let judged = gate.judge(sent.clone(), NOW);
        let taken: Vec<&str> = judged.streams.iter().flat_map(|(_, entries)| entries).map(|entry| entry.line.as_str()).collect();
        assert_eq!(taken, ["good", "old is fine", "just not too new"]);
        let Answer::Partly { rejected } = answer(&judged) else { panic!("{judged:?}") };
        let attribution = attribute(&rejected, &sent);
        assert!(attribution.complete);
        let refused: Vec<_> = attribution.refused.iter().map(|r| (r.stream, r.reason, r.count, r.entries.clone())).collect();
        assert_eq!(refused.len(), 2, "{refused:?}");
        assert!(refused.contains(&(0, Reason::LineTooLong, Count::Exact(1), vec![1])), "{refused:?}");
        assert_eq!(judged.refusal.expect("refused").counts, [("line_too_long", 1), ("too_far_in_future", 1)]);
    }

    #[test]
    fn labels_that_cannot_be_read_refuse_the_whole_request() {
        for labels in ["{job=}", "{job", "{}", "job=\"a\""] {
            let judged =
                Gate::new(LIMITS).judge(push(&[(r#"{job="a"}"#, vec![entry(0, "x")]), (labels, vec![entry(0, "x")])]), NOW);
            assert!(judged.streams.is_empty());
            let status = judged.refusal.expect(labels).status;
            assert_eq!(status, 400, "{labels}");
        }
        assert!(matches!(answer(&Gate::new(LIMITS).judge(push(&[]), NOW)), Answer::RefusedWhole { .. }));
    }

    #[test]
    fn more_than_the_rate_is_for_later_and_then_it_is_taken() {
        let mut gate = Gate::new(LIMITS);
        let much = || push(&[(r#"{job="a"}"#, (0..90).map(|_| entry(0, &"x".repeat(100))).collect())]);
        assert!(gate.judge(much(), NOW).refusal.is_none(), "a whole body may come at once");
        let judged = gate.judge(much(), UnixNanos(NOW.0 + SECOND));
        let refusal = judged.refusal.expect("too fast");
        assert_eq!((refusal.status, refusal.retry_after), (429, Some(Duration::from_secs(7))));
        assert!(matches!(read_answer(429, None, &refusal.message, NOW), Answer::Later { .. }));
        assert!(gate.judge(much(), UnixNanos(NOW.0 + 8 * SECOND)).refusal.is_none());
    }

    #[test]
    fn what_can_never_be_taken_is_said_at_once_and_does_not_count_for_the_rate() {
        let mut gate = Gate::new(LIMITS);
        let sent = push(&[(r#"{job="a"}"#, vec![entry(0, &"x".repeat(50_000)), entry(0, "good")])]);
        let judged = gate.judge(sent, NOW);
        assert_eq!(judged.refusal.map(|refusal| refusal.status), Some(400));
        assert_eq!(judged.streams.len(), 1);
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_nobody_out() {
        let mut gate = Gate::new(LIMITS);
        let much = || push(&[(r#"{job="a"}"#, (0..90).map(|_| entry(-7200, &"x".repeat(100))).collect())]);
        assert!(gate.judge(much(), NOW).refusal.is_none());
        let earlier = |seconds: i64| UnixNanos(NOW.0 - (3600 - seconds) * SECOND);
        assert!(gate.judge(much(), earlier(0)).refusal.is_some(), "it is as fast as before");
        assert!(gate.judge(much(), earlier(10)).refusal.is_none());
    }

    #[test]
    fn metadata_is_kept_as_loki_keeps_it() {
        let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let metadata = pairs(&[("a", "1"), ("empty", ""), ("a", "2"), ("b", "3")]);
        let sent = push(&[(r#"{job="a"}"#, vec![PushEntry { metadata, ..entry(0, "x") }])]);
        let judged = Gate::new(LIMITS).judge(sent, NOW);
        assert_eq!(judged.streams[0].1[0].metadata, pairs(&[("a", "2"), ("b", "3")]));
    }

    #[test]
    fn new_streams_beyond_the_limit_wait_until_others_have_gone_quiet() {
        let mut gate = Gate::new(LIMITS);
        let one = |job: &str, now: i64| push(&[(&*format!("{{job=\"{job}\"}}"), vec![entry(now, "x")])]);
        for job in ["a", "b", "c"] {
            assert!(gate.judge(one(job, 0), NOW).refusal.is_none());
        }
        let both = Push { streams: [one("d", 0).streams, one("a", 0).streams].concat() };
        let judged = gate.judge(both, NOW);
        assert_eq!(judged.streams.len(), 1, "what is known is taken");
        assert_eq!(answer(&judged), Answer::StreamLimit { streams: vec![r#"{job="d"}"#.to_owned()] });
        let later = UnixNanos(NOW.0 + 3601 * SECOND);
        assert!(gate.judge(one("d", 3601), later).refusal.is_none());
        assert_eq!(gate.active(), 1);
    }
}
