//! What the end-to-end tests share: a Loki that decodes and counts, generators of numbered lines, a running agent, the book.
//!
//! A line is made by `line`, written by `log_file` (renamed and packed by `rotation`), at a pace by `load`; the `agent`
//! ships it to `loki`; `account` says what became of it. `scene` is the stage of one test; `nginx` and `authority` stand between the
//! agent and its destination where transport is what a test is about. `companion` is the other program, `webhook` whom
//! it tells. `prometheus` and `receiver` take samples, `exposed` gives some. `node` is a machine's directory tree of a test's own, in which `journald` and `sshd` run. `small_disk` and `wall_clock` are what can go wrong with a machine. `wait` is the only module that waits; `program` runs what
//! is not ours.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test harness fails by panicking")]
#![expect(clippy::missing_panics_doc, reason = "everything here panics when what it needs is not there")]

pub mod account;
pub mod agent;
pub mod authority;
pub mod companion;
pub mod exposed;
pub mod journald;
pub mod kubelet;
pub mod line;
pub mod load;
pub mod log_file;
pub mod loki;
pub mod metrics;
pub mod nginx;
pub mod node;
pub mod program;
pub mod prometheus;
pub mod receiver;
pub mod rotation;
pub mod scene;
pub mod seed;
pub mod skip;
pub mod small_disk;
pub mod sshd;
pub mod stamp;
pub mod wait;
pub mod wall_clock;
pub mod webhook;
