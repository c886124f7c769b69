//! Which entries of a request a 400 means: the text's groups of refused entries, laid over the request that was sent.
//!
//! Exact in number for all that the text lists, and in entries, too, since each message carries what its rule looks at:
//! the second of a time, the length of a line, the size of metadata. Rules are gone through in the server's order, and an
//! entry is refused once. An ingester's list of more than ten goes on in the order of times, in which a request is sent.
//! What the text does not tell is said so: `complete`, and [`Count::AtLeast`].

use crate::labels::Labels;
use crate::loki::answer::{Count, Reason, Rejection, Rejections, Which};
use crate::loki::decode::{Push, PushEntry, PushStream};

/// Labels that the distributor adds to a stream without them: the service, and a number for each shard.
const ADDED: [&str; 3] = ["service_name", "__stream_shard__", "__time_shard__"];

const SECOND: i64 = 1_000_000_000;

/// What of a request was refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attribution {
    /// One for each stream and reason.
    pub refused: Vec<Refused>,
    /// What the text lists of streams that are not in the request, or of none.
    pub unmatched: Vec<Rejection>,
    /// Whether all that broke a limit of the distributor is in `refused`. If not, any stream that is not there may have
    /// lost entries. Of what ingesters refuse there is never more certainty than [`answer`](super::answer) says.
    pub complete: bool,
}

/// Entries of one stream that were refused for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The stream's place in the request.
    pub stream: usize,
    /// Why.
    pub reason: Reason,
    /// How many.
    pub count: Count,
    /// Their places in the stream, ascending: as many as can be told, so not always `count`.
    pub entries: Vec<usize>,
}

impl Attribution {
    /// Refused entries of all streams; exact as far as `complete` is.
    pub fn count(&self) -> Count {
        let counts = || self.refused.iter().map(|r| r.count).chain(self.unmatched.iter().map(|r| r.count));
        let n = counts().map(Count::known).sum();
        if self.complete && counts().all(|count| matches!(count, Count::Exact(_))) { Count::Exact(n) } else { Count::AtLeast(n) }
    }
}

/// Works out which entries of the request `sent` the rejections mean.
pub fn attribute(rejections: &Rejections, sent: &Push) -> Attribution {
    let mut groups: Vec<&Rejection> = rejections.groups.iter().collect();
    groups.sort_by_key(|group| turn(&group.which));
    let labels: Vec<Option<Labels>> = sent.streams.iter().map(|stream| Labels::parse(&stream.labels).ok()).collect();
    let mut free = Free { sent, taken: sent.streams.iter().map(|stream| vec![false; stream.entries.len()]).collect() };

    let mut attribution = Attribution { complete: rejections.complete, ..Attribution::default() };
    for group in groups {
        let streams: Vec<usize> = (0..labels.len())
            .filter(|idx| match (&labels[*idx], &group.stream) {
                (Some(sent), Some(named)) => is_same_stream(sent, named),
                _ => false,
            })
            .collect();
        if let Some(&first) = streams.first() {
            attribution.refused.extend(free.refuse(group, &streams, first));
        } else {
            attribution.complete = false;
            attribution.unmatched.push(group.clone());
        }
    }
    attribution.refused.sort_by_key(|refused| refused.stream);
    attribution
}

/// Whether Loki names a stream `named` that was sent as `sent`; both as text. Loki adds `service_name` and, to streams
/// that it splits, a shard's number.
pub fn same_stream(sent: &str, named: &str) -> bool {
    match (Labels::parse(sent), Labels::parse(named)) {
        (Ok(sent), Ok(named)) => is_same_stream(&sent, &named),
        _ => false,
    }
}

fn is_same_stream(sent: &Labels, named: &Labels) -> bool {
    sent.iter().all(|(name, value)| named.get(name) == Some(value))
        && named.iter().all(|(name, _)| sent.get(name).is_some() || ADDED.contains(&name))
}

/// The order in which the server checks, so that an entry which breaks two rules is counted for the first.
fn turn(which: &Which) -> u8 {
    match which {
        Which::WholeStream => 0,
        Which::OldestOfSecond(_) => 1,
        Which::NewestOfSecond(_) => 2,
        Which::LineOf(_) => 3,
        Which::AnyMetadata => 4,
        Which::MetadataOf(_) => 5,
        Which::MetadataPairs(_) => 6,
        Which::Oldest { .. } => 7,
        Which::NotTold => 8,
    }
}

/// A request's entries, and which of them are already accounted for.
struct Free<'a> {
    sent: &'a Push,
    taken: Vec<Vec<bool>>,
}

impl Free<'_> {
    /// Accounts for a group: its entries, stream by stream, and what is missing of its number with the `first` stream.
    fn refuse(&mut self, group: &Rejection, streams: &[usize], first: usize) -> Vec<Refused> {
        let mut hidden = 0;
        let (chosen, count) = match &group.which {
            Which::WholeStream => {
                let all = self.of(streams, |_| true);
                let n = all.len() as u64;
                (all, Count::Exact(n))
            }
            Which::Oldest { of, listed } => {
                let sharded = group.stream.iter().any(|named| ADDED[1..].iter().any(|name| named.get(name).is_some()));
                let n_sent = streams.iter().map(|idx| self.sent.streams[*idx].entries.len() as u64).sum::<u64>();
                let whole = n_sent == *of;
                if !whole && !sharded {
                    hidden = n_sent.saturating_sub(*of);
                }
                let mut in_order = self.of(streams, |_| true);
                in_order.sort_by_key(|at| self.entry(*at).time);
                let mut listed = listed.as_slice();
                // Behind the listed ones, the order of times goes on only if the ingester saw the stream whole.
                in_order.retain(|at| match listed {
                    [first, rest @ ..] if *first == self.entry(*at).time => {
                        listed = rest;
                        true
                    }
                    [] => whole,
                    _ => false,
                });
                (in_order, if sharded { Count::AtLeast(group.count.known()) } else { group.count })
            }
            which => {
                let mut chosen = self.of(streams, |entry| is_meant(which, entry));
                match which {
                    Which::OldestOfSecond(_) => chosen.sort_by_key(|at| self.entry(*at).time),
                    Which::NewestOfSecond(_) => chosen.sort_by_key(|at| std::cmp::Reverse(self.entry(*at).time)),
                    _ => {}
                }
                (chosen, group.count)
            }
        };

        let mut left = count.known();
        let mut refused: Vec<Refused> = Vec::new();
        for (stream, entry) in chosen.into_iter().take(usize::try_from(left).unwrap_or(usize::MAX)) {
            self.taken[stream][entry] = true;
            left -= 1;
            match refused.iter_mut().find(|refused| refused.stream == stream) {
                Some(refused) => refused.entries.push(entry),
                None => refused.push(Refused { stream, reason: group.reason, count, entries: vec![entry] }),
            }
        }
        if refused.is_empty() {
            refused.push(Refused { stream: first, reason: group.reason, count, entries: Vec::new() });
        }
        for (i, refused) in refused.iter_mut().enumerate() {
            refused.entries.sort_unstable();
            let n = refused.entries.len() as u64 + if i == 0 { left } else { 0 };
            refused.count = if matches!(count, Count::Exact(_)) { Count::Exact(n) } else { Count::AtLeast(n) };
        }
        if hidden > 0 {
            let count = Count::Exact(hidden);
            refused.push(Refused { stream: first, reason: Reason::Other, count, entries: Vec::new() });
        }
        refused
    }

    /// Entries of these streams that are not accounted for yet: stream and place.
    fn of(&self, streams: &[usize], is_meant: impl Fn(&PushEntry) -> bool) -> Vec<(usize, usize)> {
        let of_stream = |stream: usize| {
            let PushStream { entries, .. } = &self.sent.streams[stream];
            entries.iter().enumerate().map(move |(entry, it)| ((stream, entry), it))
        };
        streams
            .iter()
            .flat_map(|stream| of_stream(*stream))
            .filter(|((stream, entry), it)| !self.taken[*stream][*entry] && is_meant(it))
            .map(|(at, _)| at)
            .collect()
    }

    fn entry(&self, (stream, entry): (usize, usize)) -> &PushEntry {
        &self.sent.streams[stream].entries[entry]
    }
}

/// Whether a rule that looks at an entry alone may mean it.
fn is_meant(which: &Which, entry: &PushEntry) -> bool {
    match which {
        Which::OldestOfSecond(time) | Which::NewestOfSecond(time) => entry.time.0.div_euclid(SECOND) == time.0.div_euclid(SECOND),
        Which::LineOf(len) => entry.line.len() as u64 == *len,
        Which::MetadataOf(bytes) => metadata_bytes(entry) == *bytes,
        Which::MetadataPairs(n) => entry.metadata.len() as u64 == *n,
        Which::AnyMetadata => !entry.metadata.is_empty(),
        Which::WholeStream | Which::Oldest { .. } | Which::NotTold => false,
    }
}

/// Bytes of metadata as Loki counts them: names and values, but for the level that it detects by itself.
fn metadata_bytes(entry: &PushEntry) -> u64 {
    let counted = entry.metadata.iter().filter(|(name, _)| name != "detected_level");
    counted.map(|(name, value)| (name.len() + value.len()) as u64).sum()
}

#[cfg(test)]
mod tests;
