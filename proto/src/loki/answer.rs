//! What an HTTP answer of Loki to a push means, by what the sender must do next. Status, header and body in; no I/O.
//!
//! Where the texts come from, and how exact they are (Loki 3, its distributor and ingesters, seen from one client):
//!
//! - **The distributor** checks each entry against the limits. Its 400 names *every* refused entry of the request:
//!   messages are grouped by their text and counted (`2 errors like: …; 1 errors like: …`, in no order; a single one
//!   stands alone), nothing is left out, times are cut to the second. All else of the request went on to the ingesters.
//! - **The ingesters** check the order of times, the rate of each stream and the number of streams. Their answer replaces
//!   the distributor's: what that refused is then not told. It names one stream: at most 10 of its refused entries
//!   (`max-ignored-stream-errors`), with exact times, and their total number, which is exact.
//! - **What an ingester refuses of any stream but the last of a request is not told at all: the answer is 204** if the
//!   last one is fine. So a sender must not let it come to this. It keeps the times of a stream within
//!   [`BEHIND`](super::limits::BEHIND) of the newest it sent, and puts a stream that Loki may not know yet last in its
//!   request, one at most (streams stand in the order of [`PushBuilder::stream`](super::push::PushBuilder::stream)).
//!   A stream above 1.5 MB/s, which Loki shards by default, counts as so many streams: one shard's number is told.
//! - Streams are named with what Loki added: `service_name`, and shards' labels; [`same_stream`](super::attribution::same_stream) sees through it.
//! - A 429 for the tenant's rate stores nothing. A 429 for a stream's rate stores the other streams and, where Loki
//!   shards streams (its default), nothing of that stream. To send the same bytes again is right for both.
//! - 260 is answered if ingestion is blocked for the tenant, or for some streams by a policy, the others being stored. A
//!   400 over labels hides it, and then what was blocked is gone untold: labels must be within the limits when sent.

//! - **A proxy** in front answers pages of HTML, which Loki never does. They say what the proxy thinks of the request, never
//!   what became of entries: nothing is dropped over one, and a 200 with a page is no acknowledgement.

use std::time::Duration;

use super::limits::{LINE_BYTES, METADATA_BYTES};
use super::text;
use crate::http_answer::{is_page, reason, wait};
use crate::time::UnixNanos;

mod rejections;
pub use rejections::{Count, Reason, Rejection, Rejections, Which};

/// What to do after an answer. `reason` is for people: the beginning of the body, on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 200 or 204. Done; but read above what it does not tell.
    Stored,
    /// 400 about entries or label limits: what is listed was refused for good, all else of the request is stored. Count
    /// and go on; sending it again changes nothing.
    Partly {
        /// What was refused, and how exactly that is told.
        rejected: Rejections,
    },
    /// 400, 422 or 500 over something *in* the request, of which nothing is stored, now or ever: send stream by stream
    /// to find the culprit, count that one, go on.
    RefusedWhole {
        /// What Loki said.
        reason: String,
    },
    /// 413, or a gateway's or ingester's word that the message is too large, or a 429 that says that more bytes were sent
    /// than the limit is a second, which may be above the burst, too, and then never passes: send it in halves. A
    /// 429 means this never for a request below 320 KiB, so no single entry within the limits is given up for it.
    TooLarge,
    /// 429: send the same bytes again.
    Later {
        /// How long to wait, if `Retry-After` said so. Loki itself never does.
        after: Option<Duration>,
        /// What Loki said.
        reason: String,
    },
    /// 429: the tenant has too many active streams. New streams of the request are refused, those that Loki knew are
    /// stored. Set the new ones aside, and try them again slowly.
    StreamLimit {
        /// Label sets as Loki names them: one, as a rule, though others may be refused, too.
        streams: Vec<String>,
    },
    /// 260, 401, 403, 404, 501, a redirection, an unknown 400 or 422, another 4xx, a page in place of Loki's 200: only a
    /// person can mend it. Hold everything, say it, try again slowly, never drop.
    Held {
        /// What the server said.
        reason: String,
    },
    /// 5xx or 408, and what a caller makes of a broken connection or a timeout: it may be stored, or not. Send the same
    /// bytes again; Loki drops what it has just stored.
    Unknown {
        /// How long to wait, if `Retry-After` said so.
        after: Option<Duration>,
        /// What the server said.
        reason: String,
    },
}

/// Reads an answer: its status, the header `Retry-After`, and the whole body. `now` is what a date in the header is
/// counted from.
pub fn read_answer(status: u16, retry_after: Option<&str>, body: &str, now: UnixNanos) -> Answer {
    let after = retry_after.and_then(|value| wait(value, now));
    let reason = reason(status, body, "Loki");
    let body = &*as_today(body);
    match status {
        200 if is_page(body) => Answer::Held { reason },
        200 | 204 => Answer::Stored,
        400 => refusal(body, after, reason),
        413 => Answer::TooLarge,
        422 if is_unreadable(body) => Answer::RefusedWhole { reason },
        429 => too_many(body, after, reason),
        500 if is_poison(body) => Answer::RefusedWhole { reason },
        500.. if is_too_large(body) => Answer::TooLarge,
        501 => Answer::Held { reason },
        408 | 500.. => Answer::Unknown { after, reason },
        _ => Answer::Held { reason },
    }
}

/// Lokis before 3.7 begin some messages with a capital letter; they are read as today's.
fn as_today(body: &str) -> std::borrow::Cow<'_, str> {
    const CAPITALS: [&str; 5] = [
        "Error parsing labels '",
        "Ingestion rate limit exceeded",
        "Max entry size '",
        "Maximum active stream limit",
        "At least one",
    ];
    let mut body = std::borrow::Cow::Borrowed(body);
    for text in CAPITALS {
        if body.contains(text) {
            let (first, rest) = text.split_at(1);
            body = body.replace(text, &(first.to_ascii_lowercase() + rest)).into();
        }
    }
    body
}

/// 400.
fn refusal(body: &str, after: Option<Duration>, reason: String) -> Answer {
    if let Some(rejected) = Rejections::read(body) {
        // Where Loki does not shard streams, one list can mix both; what was over the rate may pass later.
        if rejected.groups.iter().any(|group| group.reason == Reason::StreamRateLimit) {
            return Answer::Later { after, reason };
        }
        return Answer::Partly { rejected };
    }
    if is_unreadable(body) {
        return Answer::RefusedWhole { reason };
    }
    if is_too_large(body) {
        return Answer::TooLarge;
    }
    Answer::Held { reason }
}

/// Texts of Loki's parsers over what the sender wrote into the request.
fn is_unreadable(body: &str) -> bool {
    const UNREADABLE: [&str; 8] = [
        "couldn't parse labels: ",
        "streams must not contain the reserved labels ",
        "snappy: ",
        "proto: ",
        "unexpected EOF",
        "invalid UTF-8",
        "loghttp.PushRequest.",
        "error at least one valid stream is required",
    ];
    UNREADABLE.iter().any(|text| body.starts_with(text))
}

/// 429.
fn too_many(body: &str, after: Option<Duration>, reason: String) -> Answer {
    let mut rest = body;
    let mut streams = Vec::new();
    while let Some(text) = text::after(rest, "maximum active stream limit exceeded when trying to create stream ") {
        rest = text;
        if let Some((labels, text)) = text::labels(text) {
            streams.push(labels.to_string());
            rest = text;
        } else {
            streams.push(String::new());
        }
    }
    if !streams.is_empty() {
        streams.retain(|stream| !stream.is_empty());
        return Answer::StreamLimit { streams };
    }
    if sent_above_limit(body) { Answer::TooLarge } else { Answer::Later { after, reason } }
}

/// Whether a request was above a limit of bytes a second: `(limit: 1024 bytes/sec) while attempting to ingest '2' lines
/// totaling '2000' bytes`, of the tenant or a policy.
fn sent_above_limit(body: &str) -> bool {
    let mut rest = body;
    while let Some((limit, text)) = text::after(rest, "(limit: ").and_then(text::number) {
        rest = text;
        let sent = rest
            .strip_prefix(" bytes/sec)")
            .and_then(|text| text::after(text, "totaling "))
            .and_then(|text| text::number(text.trim_start_matches('\'')));
        if let Some((sent, _)) = sent
            && sent > limit
            && sent > (LINE_BYTES + METADATA_BYTES) as u64
        {
            return true;
        }
    }
    false
}

/// Texts of a 500 that would come again for ever: Loki cannot make a label of some metadata's name.
fn is_poison(body: &str) -> bool {
    body.starts_with("label name is empty") || body.starts_with("normalization for label name ")
}

/// Texts of a body or message above a limit that come with other statuses than 413.
fn is_too_large(body: &str) -> bool {
    const TOO_LARGE: [&str; 4] =
        ["request body too large", "message size too large", "message size larger than max", "received message larger than max"];
    !is_page(body) && TOO_LARGE.iter().any(|text| body.contains(text))
}

#[cfg(test)]
mod tests;
