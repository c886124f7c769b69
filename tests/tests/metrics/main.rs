//! Samples: from the node to a real Prometheus and to a receiver that judges every request; what is compared with real exporters.
//!
//! Where a test belongs: `catalogue` (what there can be), `exporter` (names and values beside `node_exporter`), `recorded` (fixtures
//! through the program), `scraped` (what others expose), `prometheus` (a real one, killed and started again), `delivery` (versions,
//! refusals, outages: what becomes of every sample), `protocol` (what stands in requests, in either version), `answers` (what each
//! answer leads to, and none), `trouble` (of the node itself).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod answers;
mod catalogue;
mod delivery;
mod exporter;
mod prometheus;
mod protocol;
mod recorded;
mod scraped;
mod stage;
mod trouble;
