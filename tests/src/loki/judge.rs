//! The rules by which Loki keeps or refuses entries: age, the window behind a stream's newest entry, and what counts as a duplicate.

use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use proto::loki::decode::{PushEntry, PushStream};

use super::{Answer, Behaviour};
use crate::stamp;

/// Half of `max_chunk_age`: what is older than the stream's newest entry by more is refused.
const BEHIND_MAX: Duration = Duration::from_hours(1);
/// A head block is cut at this size; duplicates are looked for in the head block only.
const HEAD_BYTES_MAX: usize = 256 << 10;
/// An answer names so many entries a stream at most.
const NAMED_ENTRIES_MAX: usize = 10;

/// An entry that was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Labels of its stream, as sent.
    pub stream: Arc<str>,
    /// Nanoseconds since the Unix epoch.
    pub time: i64,
    /// The text.
    pub line: String,
    /// Structured metadata, as sent.
    pub metadata: Vec<(String, String)>,
    /// When it arrived: nanoseconds since the Unix epoch.
    pub arrived: i64,
    /// Loki would have known it for a duplicate and dropped it.
    pub is_ignored: bool,
}

/// An entry that was refused for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Labels of its stream, as sent.
    pub stream: Arc<str>,
    /// The text.
    pub line: String,
    /// What the answer says of it.
    pub reason: String,
}

#[derive(Debug, Default)]
pub(super) struct Judge {
    pub(super) age_max: Option<Duration>,
    pub(super) ahead_max: Option<Duration>,
    pub(super) stored: Vec<Arc<Delivery>>,
    pub(super) refused: Vec<Refusal>,
    streams: HashMap<Arc<str>, Head>,
}

/// What Loki remembers of a stream.
#[derive(Debug)]
struct Head {
    newest: i64,
    block: HashSet<u64>,
    block_bytes: usize,
}

impl Judge {
    /// Stores what may be stored. Says how many entries that were, and what to answer if some were not: as from
    /// the real one, the answer names only the last stream that failed.
    pub(super) fn take(&mut self, streams: Vec<PushStream>, behaviour: &Behaviour, now: i64) -> (usize, Option<Answer>) {
        let n_before = self.stored.len();
        let mut answer = None;
        for stream in streams {
            if let Behaviour::StreamLimit(text) = behaviour
                && stream.labels.contains(text.as_str())
            {
                let body = format!(
                    "Maximum active stream limit exceeded when trying to create stream {}, reduce the number of active streams \
                     (reduce labels or reduce label values), or contact your Loki administrator to see if the limit can be \
                     increased, user: 'fake'",
                    stream.labels,
                );
                answer = Some(Answer { status: 429, retry_after: None, body });
                continue;
            }
            answer = self.take_stream(stream, behaviour, now).or(answer);
        }
        (self.stored.len() - n_before, answer)
    }

    fn take_stream(&mut self, stream: PushStream, behaviour: &Behaviour, now: i64) -> Option<Answer> {
        let known = self.streams.get_key_value(stream.labels.as_str()).map(|(labels, _)| Arc::clone(labels));
        let labels: Arc<str> = known.unwrap_or_else(|| stream.labels.as_str().into());
        let oldest = self.age_max.map_or(i64::MIN, |age| now - nanos(age));
        let latest = self.ahead_max.map_or(i64::MAX, |ahead| now + nanos(ahead));
        let head = self.streams.entry(Arc::clone(&labels)).or_insert_with(Head::new);
        let (n_entries, mut failed) = (stream.entries.len(), Vec::new());
        for entry in stream.entries {
            let time = entry.time.0;
            let reason = match behaviour {
                Behaviour::RefuseEntries(picks) if picks(&entry.line) => Some("scripted refusal".to_owned()),
                _ if time < oldest => Some(format!(
                    "entry for stream '{labels}' has timestamp too old: {}, oldest acceptable timestamp is: {}",
                    stamp::rfc3339_nanos(time),
                    stamp::rfc3339_nanos(oldest),
                )),
                _ if time > latest => {
                    Some(format!("entry for stream '{labels}' has timestamp too new: {}", stamp::rfc3339_nanos(time)))
                }
                _ => head.too_far_behind(time),
            };
            if let Some(reason) = reason {
                failed.push((time, reason.clone()));
                self.refused.push(Refusal { stream: Arc::clone(&labels), line: entry.line, reason });
                continue;
            }
            let is_ignored = !head.remember(&entry);
            let PushEntry { line, metadata, .. } = entry;
            let stream = Arc::clone(&labels);
            self.stored.push(Arc::new(Delivery { stream, time, line, metadata, arrived: now, is_ignored }));
        }
        (!failed.is_empty()).then(|| Answer { status: 400, retry_after: None, body: account_of(&failed, n_entries, &labels) })
    }
}

impl Head {
    fn new() -> Self {
        Self { newest: i64::MIN, block: HashSet::new(), block_bytes: 0 }
    }

    fn too_far_behind(&self, time: i64) -> Option<String> {
        let oldest = self.newest.saturating_sub(nanos(BEHIND_MAX));
        (time < oldest).then(|| {
            format!(
                "entry too far behind, entry timestamp is: {}, oldest acceptable timestamp is: {}",
                stamp::rfc3339_nanos(time),
                stamp::rfc3339_nanos(oldest),
            )
        })
    }

    /// Whether the entry is new to the head block: other time, other text or other metadata.
    fn remember(&mut self, entry: &PushEntry) -> bool {
        self.newest = self.newest.max(entry.time.0);
        let mut hasher = DefaultHasher::new();
        (entry.time.0, &entry.line, &entry.metadata).hash(&mut hasher);
        let is_new = self.block.insert(hasher.finish());
        if is_new {
            self.block_bytes += entry.line.len();
        }
        if self.block_bytes > HEAD_BYTES_MAX {
            self.block.clear();
            self.block_bytes = 0;
        }
        is_new
    }
}

fn account_of(failed: &[(i64, String)], n_entries: usize, labels: &str) -> String {
    let mut text = String::new();
    for (time, reason) in failed.iter().take(NAMED_ENTRIES_MAX) {
        let time = stamp::rfc3339_nanos(*time);
        writeln!(text, "entry with timestamp {time} ignored, reason: '{reason}',").expect("memory takes bytes");
    }
    let n_failed = failed.len();
    write!(text, "user 'fake', total ignored: {n_failed} out of {n_entries} for stream: {labels}").expect("memory takes bytes");
    text
}

fn nanos(span: Duration) -> i64 {
    i64::try_from(span.as_nanos()).expect("a limit is a matter of days")
}
