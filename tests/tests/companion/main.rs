//! The companion with everything around it: agent, Alertmanager, webhook, clients that mean well and others.
//!
//! `first`: the first command of the README. `path`: an event on its way. `crash`: what a crash, a full disk and a clock that is set do to it. `strangers`: who is not let in, and what is not taken.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod crash;
mod first;
mod path;
mod stage;
mod strangers;
