//! The defaults, once for the program and the tests. What each means stands in `checked`.

use std::time::Duration;

pub(super) const LISTEN: &str = "127.0.0.1:9095";
pub(super) const STATE_DIR: &str = "/var/lib/picket-companion";

pub(super) const LOGS: Duration = Duration::from_hours(1);
pub(super) const MEMORY: usize = 512 << 20;

/// A request of the agent has about 1 MiB, and one line may fill a request.
pub(super) const BODY: usize = 16 << 20;
/// An audit event with both bodies can have megabytes; what a rule does not see it cannot report.
pub(super) const LINE: usize = 4 << 20;
/// Far above what a cluster writes, and below what the rules of one core can take: an agent that catches up is slowed, not refused.
pub(super) const RATE: usize = 64 << 20;
/// Loki's own default of `max_global_streams_per_user`.
pub(super) const STREAMS: usize = 5000;
pub(super) const CONNECTIONS: usize = 256;
