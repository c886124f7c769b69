//! Reads push requests, as protobuf or JSON, and splits them: for the spool, for a receiver, for tests.
//!
//! Takes what Loki takes, and refuses texts that are not UTF-8, times that no `UnixNanos` can hold, and entries without
//! a time. Not on the agent's hot path: every text is its own allocation.

use std::collections::BTreeMap;
use std::io::Read;

use flate2::read::{DeflateDecoder, GzDecoder};
use prost::Message;
use serde::Deserialize;
use thiserror::Error;

use crate::labels;
use crate::loki::metadata::StructuredMetadata;
use crate::loki::push::PushBuilder;
use crate::loki::wire;
use crate::snappy::{self, SnappyError};
use crate::time::UnixNanos;

/// A push request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Push {
    /// In the order of the request.
    pub streams: Vec<PushStream>,
}

/// The entries of one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushStream {
    /// The label set as text, as it was sent; of JSON, as Loki would write it.
    pub labels: String,
    /// In the order of the request.
    pub entries: Vec<PushEntry>,
}

/// One log line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushEntry {
    /// When it happened.
    pub time: UnixNanos,
    /// The line, without its newline.
    pub line: String,
    /// Names and values of the structured metadata, in the order of the request.
    pub metadata: Vec<(String, String)>,
}

/// Why a body is not a push request that can be read.
#[derive(Debug, Error)]
pub enum DecodeError {
    /// Uncompressed it would be larger than the caller allows (413).
    #[error("body is above {limit} bytes uncompressed")]
    TooLarge {
        /// What the caller allows, in bytes.
        limit: usize,
    },
    /// The header `Content-Type` is missing or not of the form `type/subtype` (400).
    #[error("content type is missing or malformed")]
    ContentType,
    /// The header `Content-Encoding` names something else than snappy, gzip or deflate (400).
    #[error("content encoding {0:?} is not supported")]
    ContentEncoding(String),
    /// The compressed bytes are damaged (400).
    #[error("body cannot be decompressed: {0}")]
    Compression(String),
    /// The uncompressed bytes are not the protobuf of a push request (400).
    #[error("body is not a push request: {0}")]
    Protobuf(#[from] prost::DecodeError),
    /// The uncompressed bytes are not the JSON of a push request (400).
    #[error("body is not a push request: {0}")]
    Json(#[from] serde_json::Error),
    /// A label of a stream is called what no query could ask for (400).
    #[error("couldn't parse labels: {0:?} is no name of a label")]
    LabelName(String),
    /// A time is missing, or before 1677 or after 2262, or has nanoseconds of more than a second (400).
    #[error("time {0} is missing or out of range")]
    Time(String),
}

impl From<SnappyError> for DecodeError {
    fn from(error: SnappyError) -> Self {
        match error {
            SnappyError::TooLarge { limit, .. } => Self::TooLarge { limit },
            SnappyError::Corrupt(error) => Self::Compression(error.to_string()),
        }
    }
}

/// Reads a body by the headers that came with it, as Loki does: JSON if the type says so, raw snappy around protobuf for
/// any other type; `gzip` or `deflate` (without zlib's header) around either; encoding `snappy` changes nothing. At most
/// `max` bytes are decompressed at each step.
pub fn decode(content_type: Option<&str>, content_encoding: Option<&str>, body: &[u8], max: usize) -> Result<Push, DecodeError> {
    let unpacked;
    let body = match content_encoding.unwrap_or_default() {
        "" | "snappy" => body,
        "gzip" => {
            unpacked = read_to_end(GzDecoder::new(body), max)?;
            &unpacked
        }
        "deflate" => {
            unpacked = read_to_end(DeflateDecoder::new(body), max)?;
            &unpacked
        }
        other => return Err(DecodeError::ContentEncoding(other.to_owned())),
    };
    let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !media_type.split_once('/').is_some_and(|(kind, sub)| !kind.is_empty() && !sub.is_empty()) {
        return Err(DecodeError::ContentType);
    }
    if !media_type.eq_ignore_ascii_case("application/json") {
        return decode_protobuf(body, max);
    }
    if body.len() > max {
        return Err(DecodeError::TooLarge { limit: max });
    }
    decode_json(body)
}

fn read_to_end(stream: impl Read, max: usize) -> Result<Vec<u8>, DecodeError> {
    let mut unpacked = Vec::new();
    stream.take(max as u64 + 1).read_to_end(&mut unpacked).map_err(|error| DecodeError::Compression(error.to_string()))?;
    if unpacked.len() > max {
        return Err(DecodeError::TooLarge { limit: max });
    }
    Ok(unpacked)
}

/// Reads raw snappy around protobuf, of at most `max_uncompressed` bytes of protobuf. What is returned takes more
/// memory than that: about a hundred bytes an entry beside its texts.
pub fn decode_protobuf(body: &[u8], max_uncompressed: usize) -> Result<Push, DecodeError> {
    let request = wire::PushRequest::decode(&*snappy::decompress(body, max_uncompressed)?)?;
    let streams = request.streams.into_iter().map(|stream| {
        let entries = stream.entries.into_iter().map(PushEntry::try_from).collect::<Result<_, _>>()?;
        Ok(PushStream { labels: stream.labels, entries })
    });
    Ok(Push { streams: streams.collect::<Result<_, DecodeError>>()? })
}

impl TryFrom<wire::Entry> for PushEntry {
    type Error = DecodeError;

    fn try_from(entry: wire::Entry) -> Result<Self, DecodeError> {
        Ok(Self {
            time: entry.timestamp.map(UnixNanos::try_from).ok_or_else(|| DecodeError::Time(String::new()))??,
            line: text(entry.line),
            metadata: entry.metadata.into_iter().map(|pair| (text(pair.name), text(pair.value))).collect(),
        })
    }
}

/// What is no UTF-8 is replaced, as Loki does: one line that somebody spoils must not take others with it.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

impl TryFrom<wire::Timestamp> for UnixNanos {
    type Error = DecodeError;

    fn try_from(time: wire::Timestamp) -> Result<Self, DecodeError> {
        let nanos = i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos);
        i64::try_from(nanos)
            .ok()
            .filter(|_| (0..1_000_000_000).contains(&time.nanos))
            .map(UnixNanos)
            .ok_or_else(|| DecodeError::Time(format!("{}s {}ns", time.seconds, time.nanos)))
    }
}

/// Reads Loki's JSON form, uncompressed:
/// `{"streams":[{"stream":{"name":"value"},"values":[["<nanoseconds>","<line>",{"name":"metadata"}]]}]}`.
pub fn decode_json(body: &[u8]) -> Result<Push, DecodeError> {
    let request: json::Push = serde_json::from_str(&String::from_utf8_lossy(body))?;
    let streams = request.streams.unwrap_or_default().into_iter().map(|stream| {
        if let Some(name) = stream.stream.keys().find(|name| !labels::is_bare_name(name)) {
            return Err(DecodeError::LabelName(name.clone()));
        }
        let mut text = String::new();
        let pairs = stream.stream.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        // Writing to a String cannot fail.
        let _ = labels::write_text(&mut text, pairs);
        let values = stream.values.unwrap_or_default().into_iter().flatten();
        Ok(PushStream { labels: text, entries: values.map(PushEntry::try_from).collect::<Result<_, _>>()? })
    });
    Ok(Push { streams: streams.collect::<Result<_, DecodeError>>()? })
}

/// The JSON form as it stands; fields of other names are passed over.
mod json {
    use super::{BTreeMap, Deserialize};

    #[derive(Deserialize)]
    pub(super) struct Push {
        pub(super) streams: Option<Vec<Stream>>,
    }

    #[derive(Deserialize)]
    pub(super) struct Stream {
        #[serde(default)]
        pub(super) stream: BTreeMap<String, String>,
        pub(super) values: Option<Vec<Option<Value>>>,
    }

    #[derive(Deserialize)]
    #[serde(untagged)]
    pub(super) enum Value {
        Line((String, String)),
        WithMetadata((String, String, BTreeMap<String, String>)),
    }
}

impl TryFrom<json::Value> for PushEntry {
    type Error = DecodeError;

    fn try_from(value: json::Value) -> Result<Self, DecodeError> {
        let (nanos, line, metadata) = match value {
            json::Value::Line((nanos, line)) => (nanos, line, BTreeMap::new()),
            json::Value::WithMetadata(all) => all,
        };
        let time = nanos.parse().map(UnixNanos).map_err(|_| DecodeError::Time(nanos))?;
        Ok(Self { time, line, metadata: metadata.into_iter().collect() })
    }
}

/// Encodes a request into `body`, which is cleared first: raw snappy around protobuf, the entries of a stream in the
/// order of their times. For the slow path, after a split; the hot path has [`PushBuilder`].
pub fn encode_push(push: &Push, body: &mut Vec<u8>) {
    let (mut builder, mut metadata) = (PushBuilder::new(), StructuredMetadata::default());
    for stream in &push.streams {
        let slot = builder.stream(&stream.labels);
        for entry in &stream.entries {
            metadata.clear();
            entry.metadata.iter().for_each(|(name, value)| metadata.push(name, value));
            builder.push(slot, entry.time, &entry.line, &metadata);
        }
    }
    builder.encode(body);
}

/// What became of a request that was too large.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Halved {
    /// The first and the second half of its entries, in their order.
    Two(Push, Push),
    /// It holds one entry or none: there is nothing to halve.
    Single(Push),
}

impl Push {
    /// Entries of all streams.
    pub fn entries(&self) -> usize {
        self.streams.iter().map(|stream| stream.entries.len()).sum()
    }

    /// One request for each stream, to find out which one the server refuses.
    pub fn split_by_stream(self) -> Vec<Self> {
        self.streams.into_iter().map(|stream| Self { streams: vec![stream] }).collect()
    }

    /// Two requests of half the entries each (the second may have one more), to get below a limit on size.
    pub fn halve(self) -> Halved {
        let mut left = self.entries() / 2;
        if left == 0 {
            return Halved::Single(self);
        }
        let (mut first, mut second) = (Self::default(), Self::default());
        for mut stream in self.streams {
            let after = stream.entries.split_off(left.min(stream.entries.len()));
            left -= stream.entries.len();
            if !after.is_empty() {
                second.streams.push(PushStream { labels: stream.labels.clone(), entries: after });
            }
            if !stream.entries.is_empty() {
                first.streams.push(stream);
            }
        }
        Halved::Two(first, second)
    }
}

#[cfg(test)]
mod tests;
