//! The wire's types as prost generates them from `proto/remote_write_2.proto`: receivers decode with them, tests compare.
#![allow(missing_docs, clippy::pedantic, reason = "generated; what the fields mean stands in proto/remote_write_2.proto")]

include!(concat!(env!("OUT_DIR"), "/remote_write_2.rs"));
