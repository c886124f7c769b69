//! What the agent promises, under everything that happens to a log shipper: crashes, rotations, and a server that fails in every way.
//!
//! A test is a story: writers, a scripted Loki, the agent as a process, and at the end the book. Where one belongs: `crash` (the
//! agent dies or is stopped), `rotation` (files move), `logrotate` (they are moved by the real one), `seams` (a record goes on in
//! the next file), `pods` (the kubelet's files), `watching` (nobody tells of changes), `answers` (the server says no or lies),
//! `outage` (it is away), `held` (files are deleted meanwhile, and the disk is short), `isolation` (one trouble must not become
//! another's), `clock` (times go back, and clocks jump), `cache` (what stays in memory that is not the agent's), `command` (the
//! command line).
//!
//! `PICKET_AGENT` names the binary (the one of this build otherwise), `PICKET_CHAOS=large` the size of the promises instead of CI's,
//! `PICKET_SEED` repeats a run's random moments.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod answers;
mod cache;
mod clock;
mod command;
mod crash;
mod held;
mod isolation;
mod logrotate;
mod outage;
mod pods;
mod rotation;
mod seams;
mod watching;

use tests::scene;
