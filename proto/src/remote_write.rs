//! Prometheus remote write, 1.0 and 2.0, from the sender's side: sets of series, samples of them, requests, and what an answer means.
//!
//! A request is kept as samples of sets (`series.rs`) and encoded when it is sent, since the version may change between two attempts.
//! Specifications: "Prometheus Remote-Write 1.0" and "2.0", on Prometheus' own site.

mod answer;
mod exemplar;
mod request;
mod series;
mod v1;
mod v2;
pub mod wire_1;
pub mod wire_2;

pub use answer::{Answer, Reply, Written, read_answer};
pub use exemplar::Exemplar;
pub use request::{Part, Request};
pub use series::{Samples, Series, SeriesSet, SeriesSetBuilder};
pub use v1::encode_metadata;

use crate::snappy::Compressor;

/// The version of the protocol, which decides how a request is encoded and what its headers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 1.0: every label of every series in full.
    V1,
    /// 2.0: every text once, types and start times besides.
    V2,
}

impl Version {
    /// `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::V1 => "application/x-protobuf",
            Self::V2 => "application/x-protobuf;proto=io.prometheus.write.v2.Request",
        }
    }

    /// `X-Prometheus-Remote-Write-Version`.
    pub fn header(self) -> &'static str {
        match self {
            Self::V1 => "0.1.0",
            Self::V2 => "2.0.0",
        }
    }
}

/// Encodes and compresses requests with the same buffers.
#[derive(Default)]
pub struct Encoder {
    message: Vec<u8>,
    compressor: Compressor,
}

/// Buffers above that size are given back after use.
const KEPT_BYTES: usize = 1 << 20;

impl Encoder {
    /// Nothing is allocated yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The body of a request. `describe` says of a family, by name, whether its help and unit are to be sent (2.0 only).
    pub fn encode(&mut self, request: &Request, version: Version, describe: impl FnMut(&str) -> bool) -> Vec<u8> {
        self.message.clear();
        match version {
            Version::V1 => v1::encode(request, &mut self.message),
            Version::V2 => v2::encode(request, describe, &mut self.message),
        }
        self.compress()
    }

    /// The body of a request of 1.0 that holds types and help alone.
    pub fn encode_metadata<'m>(&mut self, families: impl Iterator<Item = crate::metric::Family<'m>>) -> Vec<u8> {
        self.message.clear();
        encode_metadata(families, &mut self.message);
        self.compress()
    }

    fn compress(&mut self) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.message.len() / 6);
        let mut writing = self.compressor.begin(self.message.len(), &mut body);
        writing.write(&self.message);
        writing.finish();
        if self.message.capacity() > KEPT_BYTES {
            self.message = Vec::new();
        }
        body
    }
}

#[cfg(test)]
mod tests;
