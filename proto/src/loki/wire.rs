//! The wire's types as prost generates them from `proto/loki.proto`: the slow path decodes with them, tests compare.
#![allow(missing_docs, clippy::pedantic, reason = "generated; what the fields mean stands in proto/loki.proto")]

include!(concat!(env!("OUT_DIR"), "/loki.rs"));
