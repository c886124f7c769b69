//! What a 400 lists as refused, read from its text into groups of one reason and one stream each.
//!
//! Messages are known one by one; one that is not known still counts, as [`Reason::Other`], as long as the text is of
//! several messages. Which entries of a request a group means is `attribution`'s to find.

use std::fmt;

use crate::labels::Labels;
use crate::loki::text::{self, Read, after, number};
use crate::time::UnixNanos;

/// What a 400 says was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejections {
    /// One for each message and stream, in the order of the text.
    pub groups: Vec<Rejection>,
    /// Whether all that broke a limit is listed. Not if an ingester answered: it speaks of one stream, and what else was
    /// refused of the request is not told. Never told beside others: entries refused because ingestion is blocked.
    pub complete: bool,
}

/// Entries of one stream that were refused for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Why.
    pub reason: Reason,
    /// The stream as Loki names it, with what it added; none if the text does not name it.
    pub stream: Option<Labels>,
    /// How many entries.
    pub count: Count,
    /// Which of the stream's entries.
    pub which: Which,
}

/// A number of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// So many.
    Exact(u64),
    /// So many or more.
    AtLeast(u64),
}

impl Count {
    /// The number, exact or not.
    pub fn known(self) -> u64 {
        match self {
            Self::Exact(n) | Self::AtLeast(n) => n,
        }
    }
}

/// Why entries were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Older than the server takes (7 days by default).
    TooOld,
    /// Further in the future than the server takes (10 minutes by default).
    TooNew,
    /// Too far behind the newest entry of the stream (1 hour by default).
    TooFarBehind,
    /// Behind the newest entry of the stream, on a Loki that takes none such.
    OutOfOrder,
    /// The line is too long (256 KiB by default).
    LineTooLong,
    /// The stream's labels: too many, too long, none, a required one missing, or not to be parsed.
    Labels,
    /// The entry's structured metadata: too much, too many, or not allowed.
    Metadata,
    /// The stream is above its rate.
    StreamRateLimit,
    /// Anything else, or not told.
    Other,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 9] = [
        Self::TooOld,
        Self::TooNew,
        Self::TooFarBehind,
        Self::OutOfOrder,
        Self::LineTooLong,
        Self::Labels,
        Self::Metadata,
        Self::StreamRateLimit,
        Self::Other,
    ];

    /// The value of a metric's label `reason`; it never changes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooOld => "too_old",
            Self::TooNew => "too_new",
            Self::TooFarBehind => "too_far_behind",
            Self::OutOfOrder => "out_of_order",
            Self::LineTooLong => "line_too_long",
            Self::Labels => "labels",
            Self::Metadata => "metadata",
            Self::StreamRateLimit => "stream_rate_limit",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which entries of a stream a group means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// All of them: the stream itself was refused. The count is of streams whose text is the same.
    WholeStream,
    /// The oldest within this second: the limit may lie within it.
    OldestOfSecond(UnixNanos),
    /// The newest within this second: the limit may lie within it.
    NewestOfSecond(UnixNanos),
    /// Those whose line has so many bytes.
    LineOf(u64),
    /// Those whose metadata has so many bytes, names and values.
    MetadataOf(u64),
    /// Those with so many pairs of metadata.
    MetadataPairs(u64),
    /// Those with any metadata.
    AnyMetadata,
    /// The oldest of the stream as it was sent, in the order of times.
    Oldest {
        /// How many entries of the stream the ingester was given. Fewer than were sent: the rest had been refused
        /// before, which is not told, or Loki had sharded the stream.
        of: u64,
        /// Times of the first few of them, exact.
        listed: Vec<UnixNanos>,
    },
    /// Not told.
    NotTold,
}

impl Rejections {
    /// Reads the body of a 400, if it is about entries or label limits.
    pub(super) fn read(body: &str) -> Option<Self> {
        let body = body.strip_suffix('\n').unwrap_or(body);
        if let Some(group) = ingester_list(body) {
            return Some(Self { groups: vec![group], complete: false });
        }
        let mut groups = Vec::new();
        // A text that counts its messages is the distributor's, even if all of them are new.
        let mut is_list = counted(body).is_some();
        let mut rest = body;
        loop {
            let (counted, message) = counted(rest).map_or((None, rest), |(n, message)| (Some(n), message));
            let n = counted.unwrap_or(1);
            let (group, end) = match known_message(message, n) {
                Some((group, end)) if end.is_empty() || is_next_group(end) => {
                    is_list = true;
                    (group, end)
                }
                _ => unknown_message(message, n),
            };
            groups.push(group);
            match end.strip_prefix("; ") {
                Some(next) => rest = next,
                None => break,
            }
        }
        is_list.then_some(Self { groups, complete: true })
    }
}

/// `2 errors like: `.
fn counted(text: &str) -> Read<'_, u64> {
    let (n, text) = number(text)?;
    Some((n, text.strip_prefix(" errors like: ")?))
}

fn is_next_group(text: &str) -> bool {
    text.strip_prefix("; ").is_some_and(|text| counted(text).is_some())
}

/// A message that is not known ends where the next group begins, or with the body.
fn unknown_message(message: &str, n: u64) -> (Rejection, &str) {
    let end = message.match_indices("; ").map(|(at, _)| at).find(|at| is_next_group(&message[*at..]));
    let end = &message[end.unwrap_or(message.len())..];
    (Rejection { reason: Reason::Other, stream: None, count: Count::AtLeast(n), which: Which::NotTold }, end)
}

/// A message of the distributor. `n` is how often it came.
fn known_message(message: &str, n: u64) -> Read<'_, Rejection> {
    if let Some(text) = message.strip_prefix("entry for stream '") {
        let (stream, text) = text::labels(text)?;
        if let Some(text) = text.strip_prefix("' has timestamp too old: ") {
            let (time, text) = text::rfc3339(text)?;
            let (_, text) = text::rfc3339(text.strip_prefix(", oldest acceptable timestamp is: ")?)?;
            return Some((entries(Reason::TooOld, stream, n, Which::OldestOfSecond(time)), text));
        }
        if let Some(text) = text.strip_prefix("' has timestamp too new: ") {
            let (time, text) = text::rfc3339(text)?;
            return Some((entries(Reason::TooNew, stream, n, Which::NewestOfSecond(time)), text));
        }
        let (_, text) = number(text.strip_prefix("' has ")?)?;
        let (_, text) = number(text.strip_prefix(" label names; limit ")?)?;
        return Some((whole_stream(stream, n), text));
    }
    if let Some(text) = message.strip_prefix("max entry size '") {
        let (_, text) = number(text)?;
        let (stream, text) = text::labels(text.strip_prefix("' bytes exceeded for stream '")?)?;
        let (len, text) = number(text.strip_prefix("' while adding an entry with length '")?)?;
        let end = text.strip_prefix("' bytes")?;
        return Some((entries(Reason::LineTooLong, stream, n, Which::LineOf(len)), end));
    }
    if let Some(text) = message.strip_prefix("stream '") {
        let (stream, text) = text::labels(text)?;
        return about_stream(stream, text.strip_prefix("' ")?, n);
    }
    if let Some(text) = message.strip_prefix("missing required labels '") {
        let (stream, text) = text::labels(after(text, "' for stream '")?)?;
        let end = after(text.strip_prefix("' (policy: '")?, "')")?;
        return Some((whole_stream(stream, n), end));
    }
    let text = message.strip_prefix("error at least one label pair is required per stream")?;
    Some((whole_stream(Labels::new(), n), text))
}

/// What follows `stream '{...}' `.
fn about_stream(stream: Labels, text: &str, n: u64) -> Read<'_, Rejection> {
    if let Some(text) = text.strip_prefix("has label name too long: '") {
        let end = longest_prefix(text, stream.iter().map(|(name, _)| name))?.strip_prefix('\'')?;
        return Some((whole_stream(stream, n), end));
    }
    if let Some(text) = text.strip_prefix("has label value too long: '") {
        let end = longest_prefix(text, stream.iter().map(|(_, value)| value))?.strip_prefix('\'')?;
        return Some((whole_stream(stream, n), end));
    }
    if let Some(text) = text.strip_prefix("has duplicate label name: '") {
        return Some((whole_stream(stream, n), after(text, "'")?));
    }
    let (which, text) = if let Some(text) = text.strip_prefix("has structured metadata too large: '") {
        let (bytes, text) = number(text)?;
        (Which::MetadataOf(bytes), text)
    } else if let Some(text) = text.strip_prefix("has too many structured metadata labels: '") {
        let (pairs, text) = number(text)?;
        (Which::MetadataPairs(pairs), text)
    } else {
        (Which::AnyMetadata, text.strip_prefix("includes structured metadata, but this feature is disallowed")?)
    };
    // Each ends by naming whom to ask.
    let end = [" to increase it", " to enable it"].iter().filter_map(|end| after(text, end)).max_by_key(|end| end.len())?;
    Some((entries(Reason::Metadata, stream, n, which), end))
}

/// What follows the longest of `parts` that a text begins with. A label's name or value stands in some messages without
/// quotes around what it holds; but it is one of the stream's own.
fn longest_prefix<'a, 'b>(text: &'a str, parts: impl Iterator<Item = &'b str>) -> Option<&'a str> {
    parts.filter_map(|part| text.strip_prefix(part)).min_by_key(|rest| rest.len())
}

fn entries(reason: Reason, stream: Labels, n: u64, which: Which) -> Rejection {
    Rejection { reason, stream: Some(stream), count: Count::Exact(n), which }
}

fn whole_stream(stream: Labels, n: u64) -> Rejection {
    // Each has one entry at least, or the server would have passed it over.
    Rejection { reason: Reason::Labels, stream: Some(stream), count: Count::AtLeast(n), which: Which::WholeStream }
}

/// The list of an ingester: `entry with timestamp … ignored, reason: '…',` line by line, and last
/// `user '…', total ignored: 13 out of 14 for stream: {…}`.
fn ingester_list(body: &str) -> Option<Rejection> {
    // Only a quoted label may hold the words again, and those stand last.
    let (total, stream) = body.match_indices("', total ignored: ").find_map(|(at, literal)| {
        let (refused, text) = number(&body[at + literal.len()..])?;
        let (of, text) = number(text.strip_prefix(" out of ")?)?;
        let (stream, text) = text::labels(text.strip_prefix(" for stream: ")?)?;
        text.is_empty().then_some(((refused, of), stream))
    })?;
    let mut listed = Vec::new();
    let mut reasons = Vec::new();
    for line in body.lines() {
        let Some((time, text)) = line.strip_prefix("entry with timestamp ").and_then(text::go_time) else { continue };
        listed.push(time);
        reasons.push(match text.strip_prefix(" ignored, reason: '").unwrap_or_default() {
            text if text.starts_with("entry too far behind") => Reason::TooFarBehind,
            text if text.starts_with("entry out of order") => Reason::OutOfOrder,
            text if text.starts_with("Per stream rate limit exceeded") => Reason::StreamRateLimit,
            _ => Reason::Other,
        });
    }
    let (refused, of) = total;
    // What may pass later decides over what never will.
    let reason = reasons.iter().find(|reason| **reason == Reason::StreamRateLimit).or(reasons.first());
    Some(Rejection {
        reason: reason.copied().unwrap_or(Reason::Other),
        stream: Some(stream),
        count: Count::Exact(refused),
        which: Which::Oldest { of, listed },
    })
}
