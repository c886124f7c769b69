//! Destinations: each has one task that sends one request at a time, in order, and settles positions by the answers.

pub mod delivery;
pub mod dry_run;
pub mod http;
pub mod loki;
