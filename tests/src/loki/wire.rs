//! The body of a push as Loki reads it: raw snappy around protobuf.

use prost::Message as _;

/// Above this an answer would be 413 anyway (`max_recv_msg_size`).
const BODY_BYTES_MAX: usize = 100 << 20;

/// A push request.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Push {
    /// One element a stream.
    #[prost(message, repeated, tag = "1")]
    pub(super) streams: Vec<Stream>,
}

/// Entries with the same labels.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Stream {
    /// `{name="value", …}`
    #[prost(string, tag = "1")]
    pub labels: String,
    /// The entries, as sent.
    #[prost(message, repeated, tag = "2")]
    pub entries: Vec<Entry>,
}

/// A line with its time.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Entry {
    /// Since the Unix epoch.
    #[prost(message, optional, tag = "1")]
    pub time: Option<Timestamp>,
    /// The text.
    #[prost(string, tag = "2")]
    pub line: String,
    /// Structured metadata.
    #[prost(message, repeated, tag = "3")]
    pub metadata: Vec<Pair>,
}

/// `google.protobuf.Timestamp`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Timestamp {
    /// Whole seconds.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// And the rest.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

/// One name with its value.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Pair {
    /// Name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Value.
    #[prost(string, tag = "2")]
    pub value: String,
}

impl Entry {
    /// Nanoseconds since the Unix epoch.
    pub fn nanos(&self) -> i64 {
        self.time.as_ref().map_or(0, |time| {
            time.seconds * 1_000_000_000 + i64::from(time.nanos)
        })
    }
}

pub(super) fn decode(body: &[u8]) -> Result<Vec<Stream>, String> {
    let length = snap::raw::decompress_len(body).map_err(|error| error.to_string())?;
    if length > BODY_BYTES_MAX {
        return Err(format!(
            "request body too large: {length} bytes, limit: {BODY_BYTES_MAX} bytes"
        ));
    }
    let plain = snap::raw::Decoder::new()
        .decompress_vec(body)
        .map_err(|error| error.to_string())?;
    Push::decode(plain.as_slice())
        .map(|push| push.streams)
        .map_err(|error| error.to_string())
}
