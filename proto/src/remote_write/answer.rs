//! What an HTTP answer to a remote write request means, by what the sender must do next. Status, headers and body in; no I/O.
//!
//! - 1.0 (Prometheus): a 400 stores nothing of the request, though one sample of it was wrong. So it is sent again in halves.
//! - 2.0: what was valid is stored, and the headers `X-Prometheus-Remote-Write-*-Written` say how many; nothing of it is sent again.
//!   Receivers that do not know 2.0 may answer 204 and store nothing: then the headers are missing, and the same is sent as 1.0.
//! - What only a person can mend (401, 403, 404, a redirection, a page in place of an answer) is held, as for logs. The specification
//!   says of 4xx that the same request is not to be sent again; a token that was renewed is what makes it another one.
//! - Bodies are for people; nothing is decided by them but the word under which a refusal is counted.

use std::time::Duration;

use super::Version;
use crate::http_answer::{is_page, reason, wait};
use crate::time::UnixNanos;

/// An answer.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'r> {
    /// Status code.
    pub status: u16,
    /// The header `Retry-After`.
    pub retry_after: Option<&'r str>,
    /// What the headers say was written; none if there is no such header.
    pub written: Option<Written>,
    /// The body.
    pub body: &'r str,
}

/// The headers `X-Prometheus-Remote-Write-*-Written`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// `Samples`; a missing one means 0, if another one is there.
    pub samples: u64,
}

/// What to do after an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 2xx. So many samples were stored; the rest, if any, was refused for `reason`.
    Stored {
        /// Samples that are there.
        samples: u64,
        /// What the server said, if it did not store all.
        reason: String,
    },
    /// 415, or a 2xx that does not say what was written: it does not know this version. Send the same in the other.
    OtherVersion {
        /// What the server said.
        reason: String,
    },
    /// 400 and other 4xx: something in the request is refused for good, and with 1.0 all of it is.
    Refused {
        /// Samples of a request of 2.0 that are there all the same; none if it does not say.
        stored: Option<u64>,
        /// Why, as one word for counters: `out_of_order`, `duplicate`, `out_of_bounds`, `limit`, or the status.
        word: String,
        /// What the server said.
        reason: String,
    },
    /// 413: send less at once.
    TooLarge {
        /// What the server said.
        reason: String,
    },
    /// 429 and 5xx: the same again, later.
    Again {
        /// How long to wait at least.
        after: Option<Duration>,
        /// What the server said.
        reason: String,
    },
    /// Only a person can mend it: nothing is dropped.
    Held {
        /// What the server said.
        reason: String,
    },
}

/// Reads the answer to a request of that version with so many samples. `now` is what a date in `Retry-After` is counted from.
pub fn read_answer(reply: &Reply<'_>, version: Version, sent: u64, now: UnixNanos) -> Answer {
    let reason = reason(reply.status, reply.body, "remote write");
    let after = reply.retry_after.and_then(|value| wait(value, now));
    match reply.status {
        // Of a success the body says nothing; but a page that is not from a receiver is none.
        200..300 if reply.written.is_none() && is_page(reply.body) => Answer::Held { reason },
        200..300 => match (version, reply.written) {
            (Version::V1, _) => Answer::Stored { samples: sent, reason: String::new() },
            (Version::V2, Some(written)) => Answer::Stored { samples: written.samples.min(sent), reason },
            (Version::V2, None) => Answer::OtherVersion { reason: "it does not say what it has written".to_owned() },
        },
        415 => Answer::OtherVersion { reason },
        413 => Answer::TooLarge { reason },
        408 | 425 | 429 | 500 | 502..600 => Answer::Again { after, reason },
        400 | 406 | 409 | 411 | 412 | 416 | 417 | 422 | 431 => {
            // To a request of 1.0 the headers mean nothing.
            let stored = reply.written.filter(|_| version == Version::V2).map(|written| written.samples.min(sent));
            Answer::Refused { stored, word: word(reply.status, reply.body), reason }
        }
        _ => Answer::Held { reason },
    }
}

/// What receivers say of a sample that they refuse, and the word for it.
fn word(status: u16, body: &str) -> String {
    const WORDS: [(&str, &str); 10] = [
        ("out of bounds", "out_of_bounds"),
        ("too old", "out_of_bounds"),
        ("too far in", "future"),
        ("out of order", "out_of_order"),
        ("out-of-order", "out_of_order"),
        ("duplicate sample", "duplicate"),
        ("new-value-for-timestamp", "duplicate"),
        ("limit", "limit"),
        ("label", "label"),
        ("snappy", "encoding"),
    ];
    let found = WORDS.iter().find(|(text, _)| body.contains(text));
    found.map_or_else(|| status.to_string(), |(_, word)| (*word).to_owned())
}
